"""Drift: tests ask the live service again, and what is not as approved any more is said, by field."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from e2e_workspace import Done, Workspace

MODULE = """
import os

import httpx
import pytest
import requests
import rates
from booktest_cassettes import cassette

URL = "{url}"

@cassette
def test_requests():
    assert requests.get(URL + "/users").ok
    if "CODE_CHANGED" in os.environ:
        requests.get(URL + "/items/9")

@cassette
def test_early():
    if "CODE_CHANGED" in os.environ:
        requests.get(URL + "/unknown")
    assert requests.get(URL + "/plain").ok

@cassette
def test_httpx():
    assert httpx.get(URL + "/users").is_success

@cassette
async def test_async():
    async with httpx.AsyncClient() as client:
        assert (await client.post(URL + "/orders", json={{"item": "pen"}})).status_code < 300

@cassette
async def test_aiohttp():
    import aiohttp
    async with aiohttp.ClientSession() as client, client.get(URL + "/users") as answer:
        await answer.json()

@cassette
def test_asserting():
    assert requests.get(URL + "/users").json()["total"] == 3

@cassette
def test_stream():
    with httpx.stream("GET", URL + "/events") as answer:
        assert list(answer.iter_lines())

@cassette
def test_order():
    numbers = [1, 2] if "CODE_CHANGED" not in os.environ else [2, 1]
    for number in numbers:
        httpx.get(f"{{URL}}/items/{{number}}")

@cassette
def test_following():
    number = requests.post(URL + "/things", json={{"name": "pen"}}).json()["number"]
    assert requests.get(f"{{URL}}/things/{{number}}").ok

@cassette(unused="error")
def test_paging():
    cursor = requests.get(URL + "/pages").json()["next_cursor"]
    assert requests.get(URL + "/pages", params={{"cursor": cursor}}).ok

@cassette
def test_swallowing():
    try:
        httpx.get(URL + "/users")
    except httpx.HTTPError:
        pass

@cassette(func=[rates.rate])
def test_function():
    assert rates.rate("EUR") > 0

@cassette(env=["SHOP_TOKEN", "SHOP_REGION"])
def test_secret():
    asked = {{"Authorization": "Bearer " + os.environ["SHOP_TOKEN"]}}
    answer = requests.get(URL + "/mine", params={{"in": os.environ["SHOP_REGION"]}}, headers=asked)
    assert answer.headers["Content-Type"]

@pytest.fixture
def opened():
    with httpx.Client() as client, client.stream("GET", URL + "/events") as answer:
        yield answer.iter_lines()
    httpx.get(URL + "/bye")

@cassette
def test_fixture(opened):
    assert next(opened)
"""
RATES = """
from pathlib import Path

def rate(currency):
    return float(Path(__file__).with_name("rate.txt").read_text())
"""
TESTS = 14
TOKEN = "tok-5f0d2c77a1b94e0e"
SHOP = {"SHOP_TOKEN": TOKEN, "SHOP_REGION": "north"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        self._answer(self.headers.get("Authorization", ""))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("")

    def _answer(self, authorization: str) -> None:
        path, server = self.path.partition("?")[0], self.server
        server.asked.append(f"{self.command} {self.path}")
        status, kind, data = 200, "application/json", b""
        if path == "/mine":
            status = 200 if authorization == f"Bearer {TOKEN}" else 401
        if path == "/events":
            kind, data = "text/event-stream", "".join(f"data: {text}\n\n" for text in server.events).encode()
        status = server.status.get(path, status)
        server.facts["/pages"] = {"next_cursor": secrets.token_hex(16)}
        volatile = {"request_id": str(uuid.uuid4()), "created_at": f"2025-01-01T00:00:{server.moment():02}Z"}
        data = data or json.dumps({**server.facts.get(path, {}), **volatile}).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Request-Id", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(data)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(86_400 * (1 + len(self.server.asked)))

    def log_message(self, *args: object) -> None:
        pass


class Service(ThreadingHTTPServer):
    """A live service: ids, times and dates are new in every answer, and facts can be changed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.moments = 0
        self.reset()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def reset(self) -> None:
        self.asked: list[str] = []
        self.status: dict[str, int] = {"/orders": 201}
        self.events = ["one", "two"]
        self.facts: dict[str, dict[str, object]] = {
            "/users": {"total": 3, "names": ["ada"]},
            "/orders": {"state": "open"},
            "/things": {"number": 3},
        }

    def moment(self) -> int:
        self.moments += 1
        return self.moments % 60


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.shutdown()
    service.server_close()


@pytest.fixture(scope="module")
def approved(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("shop")).begin()
    workspace.write("test_shop.py", MODULE.format(url=service.url))
    workspace.write("rates.py", RATES)
    workspace.write("rate.txt", "1.5")
    done = workspace.cli("run", "--", "-q", **SHOP)
    assert done.code == 0, done.text
    assert workspace.cli("approve", "--all").code == 0
    workspace.commit()
    return workspace


@pytest.fixture
def shop(approved: Workspace, service: Service, tmp_path: Path) -> Workspace:
    service.reset()
    return approved.copy(tmp_path)


def files(workspace: Workspace) -> dict[str, str]:
    """Every file of ours: the manifest, payloads and the cache, by content."""
    places = [workspace.root / "booktest.manifest.yaml"]
    places += [path for name in ("books", ".booktest_cache") for path in (workspace.root / name).rglob("*")]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in places if path.is_file()}


def verify(workspace: Workspace, *arguments: str, ci: bool = False, **variables: str) -> Done:
    return workspace.pytest("-q", "--cassettes=verify", *arguments, ci=ci, **{**SHOP, **variables})


def failed(text: str) -> set[str]:
    return {
        line.split("::")[1].split(" ")[0]
        for line in text.splitlines()
        if line.startswith(("FAILED ", "ERROR "))
    }


def test_dates_ids_and_times_are_no_drift_and_nothing_is_written(shop, service):
    before = files(shop)
    done = verify(shop, ci=True)
    assert done.code == 0, done.text
    assert f"15 intact of {TESTS} tests (mode verify" in done.text
    assert "drift" not in done.text
    assert len(service.asked) == 17, "every request went to the live service"
    assert files(shop) == before
    assert shop.git("status", "--porcelain") == ""


# --- a service, and tests, that changed


@dataclass
class Night:
    """One nightly run, and what became of the files."""

    done: Done
    asked: list[str]
    before: dict[str, str]
    after: dict[str, str]

    @property
    def text(self) -> str:
        return self.done.text

    def of(self, test: str) -> str:
        """What the summary says of one test."""
        return self.text.partition("short test summary")[2].partition(f"::{test} - ")[2].partition("next:")[0]


def change(service: Service) -> None:
    service.facts["/users"] |= {"total": 4, "page": 1}
    service.facts["/things"]["number"] = 17
    service.status |= {"/orders": 202, "/mine": 403}
    service.events[1] = "three"


@pytest.fixture(scope="module")
def night(approved: Workspace, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Night:
    shop = approved.copy(tmp_path_factory.mktemp("night"))
    service.reset()
    change(service)
    shop.write("rate.txt", "1.75")
    before = files(shop)
    done = verify(shop, ci=True, CODE_CHANGED="1", SHOP_REGION="south")
    return Night(done, service.asked, before, files(shop))


def test_a_drifted_run_fails_with_1_and_names_the_tests(night):
    assert night.done.code == 1, night.text
    assert failed(night.text) == {
        "test_requests", "test_early", "test_httpx", "test_async", "test_asserting", "test_stream",
        "test_swallowing", "test_following", "test_function", "test_secret", "test_fixture", "test_aiohttp",
    }  # fmt: skip
    assert "11 drifted" in night.text
    assert "drifted from what is approved: 11" in night.text
    assert (
        "\nnext: booktest-cassettes run --record verify --stage, then booktest-cassettes review" in night.text
    )


def test_a_drifted_run_writes_nothing(night):
    assert night.before == night.after


@pytest.mark.parametrize(
    ("test", "line"),
    [
        ("test_requests", "response body $.total: 4 now, 3 recorded"),
        ("test_httpx", "response body $.page: 1 now, nothing recorded"),
        ("test_aiohttp", "response body $.total: 4 now, 3 recorded"),
        ("test_async", "status: 202 Accepted now, 201 Created recorded"),
        ("test_stream", "response body event 2 data: three now, two recorded"),
        ("test_swallowing", "$.total: 4 now, 3 recorded"),
        ("test_function", "returned $: 1.75 now, 1.5 recorded"),
        ("test_secret", "status: 403 Forbidden now, 200 OK recorded"),
        ("test_fixture", "response body event 2 data: three now, two recorded"),
    ],
)
def test_what_changed_is_said_by_field(night, test, line):
    assert line in night.of(test)


def test_what_is_volatile_is_not_told(night):
    for word in ("request_id", "created_at", "date:", "x-request-id"):
        assert word not in night.text


def test_a_test_that_fails_by_itself_shows_the_drift_beside_its_own_error(night):
    assert "assert 4 == 3" in night.of("test_asserting")
    assert "SnapshotDrift" not in night.of("test_asserting")
    assert "$.total: 4 now, 3 recorded" in night.of("test_asserting")


def test_a_request_too_many_is_told_and_another_order_is_no_drift(night):
    assert "/items/9 is not recorded" in night.of("test_requests")
    assert "GET /items/9" in night.asked
    assert "test_order" not in failed(night.text)
    assert night.asked.index("GET /items/2") < night.asked.index("GET /items/1")


def test_an_unknown_request_that_follows_from_nothing_live_is_not_sent(night):
    assert "/unknown is not in its http cassette" in night.of("test_early")
    assert "GET /unknown" not in night.asked


def test_a_request_that_carries_a_live_id_is_sent_and_told(night):
    assert "GET /things/17" in night.asked
    assert "$.number: 17 now, 3 recorded" in night.of("test_following")
    assert "/things/17 is not recorded" in night.of("test_following")
    assert "http: 1 recorded and not made" in night.of("test_following")


def test_the_real_secret_is_sent_and_shown_nowhere_and_plain_variables_are_as_recorded(night):
    assert "GET /mine?in=north" in night.asked
    assert TOKEN not in night.text


# --- other ways to ask


def test_a_service_that_is_down_is_drift_even_where_the_test_swallows_it(tmp_path):
    service = Service()
    shop = Workspace(tmp_path).begin()
    shop.write("test_shop.py", MODULE.format(url=service.url))
    shop.write("rates.py", RATES)
    shop.record("-k", "swallowing or test_httpx")
    service.shutdown()
    service.server_close()
    done = verify(shop, "-k", "swallowing or test_httpx")
    assert done.code == 1, done.text
    assert failed(done.text) == {"test_swallowing", "test_httpx"}
    assert done.text.count("outcome: raised httpx.ConnectError") == 2
    assert "2 drifted" in done.text


def test_two_workers_find_what_one_process_finds(shop, service):
    change(service)
    done = verify(shop, "-n", "2", "-k", "test_requests or swallowing or order", ci=True)
    assert done.code == 1, done.text
    assert failed(done.text) == {"test_requests", "test_swallowing"}
    assert "1 intact, 2 drifted of 3 tests" in done.text


def test_a_test_without_an_approved_recording_is_missing_and_asks_nobody(shop, service):
    shop.write("test_new.py", MODULE.format(url=service.url).replace("test_swallowing", "test_more"))
    done = verify(shop, "test_new.py", "-k", "test_more or test_function", ci=True)
    assert done.code == 3, done.text
    assert "2 missing" in done.text
    assert service.asked == []


def test_a_secret_that_is_not_set_is_asked_for_instead_of_reported_as_drift(shop, service):
    done = shop.pytest("-q", "--cassettes=verify", "-k", "secret")
    assert done.code == 2, done.text
    assert "set SHOP_TOKEN" in done.text
    assert service.asked == []


def test_stage_stages_exactly_the_drifted_tests(shop, service):
    service.facts["/users"]["total"] = 4
    done = shop.cli("run", "--record", "verify", "--stage", "--", "-q", **SHOP)
    assert done.code == 1, done.text
    pending = json.loads(shop.cli("status", "--json").text)["pending"]
    assert {name.partition("::")[2]: list(kinds) for name, kinds in pending.items()} == {
        "test_requests": ["http"],
        "test_httpx": ["httpx"],
        "test_swallowing": ["httpx"],
        "test_aiohttp": ["http"],
    }, "what failed by itself stages nothing, what did not drift neither"
    assert "(http; staged)" in done.text
    assert shop.cli("approve", "--all").code == 0
    again = verify(shop, "-k", "test_httpx or swallowing or aiohttp")
    assert again.code == 0, again.text


def test_ci_may_verify_but_stages_nothing(shop, service):
    done = verify(shop, ci=True, BOOKTEST_CASSETTES_STAGE_DRIFT="1")
    assert done.code == 2, done.text
    assert "CI stages nothing" in done.text
    assert service.asked == []


def test_without_a_network_there_is_nothing_to_verify(shop):
    done = shop.cli("run", "--record", "verify", "--isolate")
    assert done.code == 2, done.text
    assert "the network that --isolate takes away" in done.text
