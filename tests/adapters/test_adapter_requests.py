"""requests and urllib3: what their users do beyond a plain request."""

from __future__ import annotations

import http.client
import pickle
from typing import Any

import pytest
import requests
import urllib3
from lab import ID, Lab
from loopback import BINARY, TEXT
from requests.auth import HTTPDigestAuth

from booktest_cassettes import cassette
from booktest_cassettes.errors import UnhandledRequest


def test_raw_reads_are_replayed(lab: Lab) -> None:
    def scenario(base: str) -> list[Any]:
        found: list[Any] = []
        with requests.get(f"{base}/gzip", stream=True, timeout=5) as response:
            found += [response.raw.read(5), response.raw.read(10), response.raw.tell()]
        with requests.get(f"{base}/gzip", stream=True, timeout=5) as response:
            found += [response.raw.read(decode_content=True), response.raw.read()]
        with requests.get(f"{base}/binary", stream=True, timeout=5) as response:
            found += [response.raw.read1() + b"".join(response.raw.stream(1000)), response.raw.read1()]
            found += [response.raw.getheaders(), response.raw.info().items(), response.raw.isclosed()]
        return found

    lab.conform(scenario, live=False)


def test_reading_further_by_amount_is_refused(lab: Lab) -> None:
    def read(amount: int) -> bytes:
        with requests.get(f"{lab.server.base}/binary", stream=True, timeout=5) as response:
            return response.raw.read(amount)

    lab.record()
    with cassette(ID):
        assert read(1000) == BINARY[:1000]
    lab.approve()
    with cassette(ID):
        assert read(600) == BINARY[:600]
    with pytest.raises(UnhandledRequest, match="read further"), cassette(ID):
        read(1001)


def test_an_answer_of_which_only_the_status_was_looked_at_is_replayed_as_that(lab: Lab) -> None:
    def look() -> tuple[int, str]:
        with requests.get(f"{lab.server.base}/binary", stream=True, timeout=5) as response:
            return response.status_code, response.headers["Content-Length"]

    lab.record()
    with cassette(ID):
        recorded = look()
    lab.approve()
    with cassette(ID, unused="error"):
        assert look() == recorded == (200, str(len(BINARY)))
    with pytest.raises(UnhandledRequest, match="read further"), cassette(ID):
        _ = requests.get(f"{lab.server.base}/binary", timeout=5).content


def test_lines_are_cut_as_they_were(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with requests.get(f"{base}/lines", stream=True, timeout=5) as response:
            plain = list(response.iter_lines())
        with requests.get(f"{base}/lines", stream=True, timeout=5) as response:
            return plain, list(response.iter_lines(chunk_size=3, delimiter=b"\n", decode_unicode=True))

    lab.conform(scenario)


def test_redirects_may_be_followed_by_hand(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with requests.Session() as session:
            found = []
            response = session.get(f"{base}/redirect/2", allow_redirects=False, timeout=5)
            while response.next is not None:
                found.append((response.status_code, response.headers["Location"], response.next.url))
                response = session.send(response.next, allow_redirects=False, timeout=5)
            return found, response.text, dict(session.cookies)

    lab.conform(scenario)


def test_cookies_of_a_session_travel_on(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with requests.Session() as session:
            session.get(f"{base}/cookies", timeout=5)
            return session.get(f"{base}/echo", timeout=5).json()["headers"]["crumbs"]

    assert lab.conform(scenario) == ["c=REDACTED; a=REDACTED; b=REDACTED"]


def test_digest_authentication_goes_both_ways(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def scenario(base: str) -> Any:
        response = requests.get(f"{base}/digest", auth=HTTPDigestAuth("ada", "pass"), timeout=5)
        return response.text, [past.status_code for past in response.history]

    assert lab.conform(scenario) == ("welcome", [401])


def test_hooks_and_pickles_see_a_real_response(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        seen: list[Any] = []
        hook = lambda response, *_args, **_options: seen.append(response.text)  # noqa: E731
        requests.get(f"{base}/text", hooks={"response": hook}, timeout=5)
        response = requests.get(f"{base}/redirect/1", timeout=5)
        copy = pickle.loads(pickle.dumps(response))
        return seen, copy.text, copy.headers, isinstance(response.raw, urllib3.HTTPResponse)

    lab.conform(scenario)


def test_a_keep_alive_connection_carries_many_requests(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with requests.Session() as session:
            paths = ("/text", "/json", "/chunked")
            return [session.get(f"{base}{path}", timeout=5).content for path in paths]

    connections = lab.server.connections
    lab.conform(scenario)
    assert (
        lab.server.connections == connections + 3
    )  # one live, one for each of two recordings, none replayed


def test_retries_see_each_answer(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        retries = urllib3.Retry(3, backoff_factor=0, status_forcelist=[503])
        with urllib3.PoolManager(retries=retries) as pool:
            response = pool.request("GET", f"{base}/flaky/x")
            assert response.retries is not None
            return response.data, [(entry.status, entry.url) for entry in response.retries.history]

    got = lab.conform(scenario)
    assert got[0] == b"at last"
    assert [status for status, _ in got[1]] == [503, 503]


def test_a_blocking_pool_does_not_run_out_of_connections(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with urllib3.PoolManager(maxsize=1, block=True) as pool:
            return [pool.request("GET", f"{base}/count", pool_timeout=1).data for _ in range(5)]

    assert lab.conform(scenario) == [b"0", b"1", b"2", b"3", b"4"]


def test_json_and_drain_and_release_work(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with urllib3.PoolManager() as pool:
            unread = pool.request("GET", f"{base}/text", preload_content=False)
            unread.drain_conn()
            unread.release_conn()
            return pool.request("GET", f"{base}/json").json(), unread.closed

    lab.conform(scenario)


def test_a_response_read_after_its_cassette_has_what_it_had(lab: Lab) -> None:
    def read() -> bytes:
        with cassette(ID):
            response = requests.get(f"{lab.server.base}/text", stream=True, timeout=5)
            first = response.raw.read(10)
        with response:
            return first

    lab.record()
    assert read() == TEXT[:10]
    lab.approve()
    assert read() == TEXT[:10]


def test_debug_levels_and_tunnels_are_passed_to_the_real_connection(lab: Lab) -> None:
    lab.record()
    with cassette(ID):
        connection = http.client.HTTPConnection("proxy.test", 3128)
        connection.set_debuglevel(1)
        connection.set_tunnel("api.test", 443)
        assert connection.real_connection.debuglevel == 1  # type: ignore[attr-defined]
        assert connection.real_connection._tunnel_host == "api.test"  # type: ignore[attr-defined]
