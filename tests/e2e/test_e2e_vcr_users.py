"""vcrpy's ways of saying things, over blobs: hooks, use_cassette, blocking, persisters of their own."""

from __future__ import annotations

import json
import re

import pytest
from e2e_workspace import passes

HEAD = """
import asyncio, json, os, re, socket
import httpx, pytest, requests, vcr as vcrpy
import booktest_cassettes
URL = {url!r}
"""


@pytest.fixture
def suite(workspace, api):
    def write(text, name="test_it.py"):
        workspace.write(name, HEAD.format(url=api.url) + text)
        return workspace

    return write


def approved(workspace, api):
    passes(workspace.cli("approve", "--all"))
    api.stop()
    return workspace


# -- hooks ----------------------------------------------------------------------------------------


def test_hooks_see_what_is_recorded_and_what_they_say_is_what_is_written(suite, api):
    workspace = suite(
        """
def request_hook(request):
    assert request.headers["User-Agent"]
    if request.path == "/left-out":
        return None
    request.uri = re.sub(r"/at/[0-9]+", "/at/ID", request.uri)
    return request

def response_hook(response):
    if b"/no-answer" in response["body"]["string"]:
        return None
    response["headers"]["X-Seen"] = ["yes"]
    response["body"]["string"] = response["body"]["string"].replace(b"ada", b"somebody")
    return response

@pytest.mark.vcr(before_record_request=request_hook, before_record_response=[response_hook])
@pytest.mark.parametrize("client", [requests, httpx])
def test_it(client, vcr):
    recording = not len(vcr)
    import time
    answer = client.get(URL + f"/at/{time.time_ns()}")
    assert (answer.json()["user"], answer.headers.get("x-seen")) == (
        ("ada", None) if recording else ("somebody", "yes")
    )
    if recording:
        assert client.get(URL + "/left-out").status_code == 200
        assert client.get(URL + "/no-answer").status_code == 200
        assert [request.path for request in vcr.requests] == ["/at/ID"]
    assert len(vcr) == 1
"""
    )
    passes(workspace.pytest("-q"), 2)
    passes(approved(workspace, api).pytest("-q", ci=True), 2)
    assert not any(b"left-out" in path.read_bytes() for path in workspace.payloads())


def test_what_a_hook_leaves_out_reaches_this_machine_and_never_another(suite, api):
    workspace = suite(
        """
@pytest.mark.vcr(before_record_request=lambda request: None if "metrics" in request.path else request)
@pytest.mark.parametrize("client", [requests, httpx])
def test_here(client):
    assert client.get(URL + "/users").ok if client is requests else client.get(URL + "/users").is_success
    assert client.get(URL + "/metrics").status_code == 200

@pytest.mark.vcr(before_record_request=lambda request: None)
@pytest.mark.parametrize("client", [requests, httpx])
def test_elsewhere(client):
    with pytest.raises(Exception):
        client.get("http://192.0.2.7/metrics", timeout=5)
"""
    )
    passes(workspace.pytest("-q", "-k", "here and not elsewhere"), 2)
    passes(workspace.cli("approve", "--all"))
    passes(workspace.pytest("-q", "-k", "here and not elsewhere", ci=True), 2)
    assert api.hits == 6
    done = workspace.pytest("-q", "-k", "elsewhere", ci=True)
    assert "2 failed" in done.text
    assert "http://192.0.2.7/metrics is left out of the recording by before_record_request" in done.text
    assert 'ignore_hosts=["192.0.2.7"] to let it pass' in done.text


def test_secrets_hide_behind_placeholders_in_the_blob_and_are_there_again_on_replay(suite, api):
    workspace = suite(
        """
@pytest.mark.vcr(filter_sensitive_data={"<TEAM>": "blue-team-7"})
def test_it():
    answer = requests.post(URL + "/a/blue-team-7", json={"team": "blue-team-7"})
    assert answer.json()["received"] == {"team": "blue-team-7"}
"""
    )
    passes(workspace.pytest("-q"), 1)
    passes(approved(workspace, api).pytest("-q", ci=True), 1)
    (payload,) = workspace.payloads()
    assert b"blue-team-7" not in payload.read_bytes()
    assert payload.read_bytes().count(b"<TEAM>") == 3


def test_what_a_hook_returns_is_redacted_all_the_same(suite, api):
    workspace = suite(
        """
def leaky(request):
    request.headers["X-Api-Key"] = "k-9f8e7d6c5b4a"
    return request

def leaky_save(request, response):
    response["headers"]["Set-Cookie"] = ["session=k-9f8e7d6c5b4a"]
    return request, response

@pytest.mark.vcr(before_record_request=leaky, before_save_interaction=leaky_save)
def test_it():
    requests.get(URL + "/users")
"""
    )
    passes(workspace.pytest("-q"), 1)
    passes(approved(workspace, api).pytest("-q", ci=True), 1)
    assert not any(b"9f8e7d6c5b4a" in path.read_bytes() for path in workspace.root.rglob("*.json"))


def test_repeats_and_a_body_that_the_default_of_vcrpy_does_not_look_at(suite, api):
    workspace = suite(
        """
@pytest.mark.vcr(allow_playback_repeats=True)
def test_repeats(vcr):
    for number in range(1 if not len(vcr) else 3):
        assert requests.post(URL + "/a", json={"n": number}).status_code == 201
    assert vcr.play_count in (0, 3)

@pytest.mark.vcr(match_on=["method", "path", "body"])
def test_strict(vcr):
    requests.post(URL + "/a", json={"n": len(vcr)})
"""
    )
    passes(workspace.pytest("-q"), 2)
    done = approved(workspace, api).pytest("-q", ci=True)
    assert "1 failed, 1 passed" in done.text
    assert "$.n: 1 now, 0 recorded" in done.text


def test_a_recording_drops_what_was_not_used(suite, api):
    source = """
@pytest.mark.vcr(record_mode="new_episodes", drop_unused_requests=True)
def test_it():
    for path in PATHS:
        requests.get(URL + path)
"""
    workspace = suite('PATHS = ["/a", "/b"]' + source)
    workspace.record()
    suite('PATHS = ["/b", "/c"]' + source)
    workspace.record()
    (payload,) = workspace.payloads()
    paths = [item["request"]["url"][-2:] for item in json.loads(payload.read_text())["interactions"]]
    assert paths == ["/b", "/c"]


# -- use_cassette ---------------------------------------------------------------------------------


def test_use_cassette_is_what_vcrpys_is(suite, api):
    workspace = suite(
        """
my_vcr = booktest_cassettes.vcr(cassette_library_dir="fixtures/cassettes", match_on=["method", "team"],
                                path_transformer=booktest_cassettes.vcr().ensure_suffix(".yaml"))
my_vcr.register_matcher("team", lambda r1, r2: r1.headers.get("x-team") == r2.headers.get("x-team"))
my_vcr.register_serializer("mine", None)

def ask(path="/users", **headers):
    return requests.get(URL + path, headers=headers).json()["path"]

@my_vcr.use_cassette("users.yaml")
def test_function():
    assert ask() == "/users"

@my_vcr.use_cassette
def test_named_by_the_function():
    assert ask("/named") == "/named"

@my_vcr.use_cassette("async.yaml")
async def test_coroutine():
    async with httpx.AsyncClient() as client:
        assert (await client.get(URL + "/async")).json()["path"] == "/async"

@my_vcr.use_cassette("injected", inject_cassette=True)
def test_injected(cassette):
    assert ask("/injected") == "/injected"
    assert len(cassette) == 1 and cassette.responses[0]["status"]["code"] == 200

def test_with():
    with my_vcr.use_cassette("with.yaml", serializer="json") as cassette:
        first = len(cassette) == 0
        ask("/one", **{"x-team": "a"})
        ask("/two", **{"x-team": "b"})
        if not first:
            assert cassette.play_count == 2 and cassette.all_played and not cassette.dirty
            assert dict(cassette.play_counts) == {0: 1, 1: 1}
            cassette.rewind()
            assert cassette.play_count == 0
            assert ask("/whatever", **{"x-team": "b"}) == "/two"
            assert not cassette.all_played
            assert cassette.responses_of(cassette.requests[0])[0]["status"]["code"] == 200
        else:
            assert cassette.dirty and not cassette.rewound
        assert [request.path for request in cassette.requests] == ["/one", "/two"]

async def test_async_with():
    async with my_vcr.use_cassette("awith.yaml"):
        assert ask("/awith") == "/awith"

def test_without_a_path():
    with pytest.raises(TypeError):
        with my_vcr.use_cassette():
            pass
"""
    )
    passes(workspace.pytest("-q"), 7)
    lines = re.findall(r"(?m)^(\S+):$", workspace.cli("approve", "--all").text and workspace.manifest)
    names = ["async", "awith", "injected", "test_named_by_the_function", "users", "with"]
    assert lines == [f"fixtures/cassettes/{name}.yaml" for name in names]
    api.stop()
    passes(workspace.pytest("-q", ci=True), 7)


def test_what_was_recorded_before_an_exception_is_kept_as_in_vcrpy(suite, api):
    workspace = suite(
        """
@pytest.mark.parametrize("keeps", [True, False])
def test_it(keeps):
    with pytest.raises(ZeroDivisionError):
        with booktest_cassettes.vcr().use_cassette(f"{keeps}.yaml", record_on_exception=keeps):
            requests.get(URL + "/users")
            1 / 0
"""
    )
    passes(workspace.pytest("-q"), 2)
    status = workspace.cli("status").text
    assert "True.yaml" in status
    assert "False.yaml" not in status


# -- block_network ----------------------------------------------------------------------------------


def test_blocked_tests_connect_to_nobody_but_the_hosts_they_allow(suite, api):
    workspace = suite(
        """
@pytest.fixture(scope="module")
def server():
    return requests.get(URL + "/up").status_code

@pytest.mark.block_network
def test_blocked(server):
    assert server == 200
    for connect in (
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: socket.socket().connect(("localhost", 9)),
        lambda: socket.getaddrinfo("api.example.test", 443),
    ):
        with pytest.raises(RuntimeError, match=r"^Network is disabled for host "):
            connect()
    socket.socketpair()
    asyncio.run(asyncio.sleep(0))

@pytest.mark.block_network(allowed_hosts=["local.*"])
def test_allowed():
    assert requests.get(URL.replace("127.0.0.1", "localhost") + "/users").status_code == 200
    with pytest.raises(RuntimeError, match="192.0.2.1"):
        socket.create_connection(("192.0.2.1", 9))

@pytest.mark.block_network
@pytest.mark.vcr
def test_recorded():
    assert requests.get(URL + "/users").status_code == 200

def test_free():
    assert requests.get(URL + "/users").status_code == 200
"""
    )
    passes(workspace.pytest("-q"), 4)
    passes(workspace.cli("approve", "--all"))
    passes(workspace.pytest("-q"), 4)
    done = workspace.pytest("-q", "--block-network", "-k", "free")
    assert "Network is disabled for host '127.0.0.1'" in done.text
    passes(workspace.pytest("-q", "--block-network", "--allowed-hosts=10[.],127.0.0.1", "-k", "free"), 1)


def test_a_mark_that_says_something_else_is_refused(suite):
    workspace = suite("@pytest.mark.block_network('x')\ndef test_it():\n    pass\n")
    done = workspace.pytest("-q")
    assert "block_network('x'): it takes allowed_hosts only" in done.text
    assert done.code == 2, done.text


# -- suites that keep their own vcr.VCR -------------------------------------------------------------

JSON_FILES = '''
import json, os, pathlib
import vcr

class JsonFiles:
    """Keeps cassettes as JSON, in a directory of its own."""

    @classmethod
    def load_cassette(cls, path, serializer):
        file = pathlib.Path("recorded") / path
        if not file.exists():
            raise vcr.persisters.filesystem.CassetteNotFoundError
        return vcr.serialize.deserialize(file.read_text(), vcr.serializers.jsonserializer)

    @staticmethod
    def save_cassette(path, data, serializer):
        file = pathlib.Path("recorded") / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(vcr.serialize.serialize(data, vcr.serializers.jsonserializer))

my_vcr = vcr.VCR(path_transformer=vcr.VCR.ensure_suffix(".json"), record_mode=os.environ.get("MODE", "once"),
                 match_on=["method", "uri", "body"])
my_vcr.register_persister(JsonFiles)
'''
PARSED = '''
import json, os
import vcr, yaml

class Parsed:
    """YAML with JSON bodies as mappings, under `parsed_body`."""

    @staticmethod
    def serialize(data):
        for item in data["interactions"]:
            body = item["response"]["body"]
            item["response"]["parsed_body"] = json.loads(body.pop("string"))
        return yaml.safe_dump(data)

    @staticmethod
    def deserialize(text):
        data = yaml.safe_load(text)
        for item in data["interactions"]:
            item["response"]["body"] = {"string": json.dumps(item["response"].pop("parsed_body"))}
        return data

mode = os.environ.get("MODE", "once")
my_vcr = vcr.VCR(serializer="parsed", cassette_library_dir="cassettes", record_mode=mode)
my_vcr.register_serializer("parsed", Parsed)
'''
USERS = """
from conftest import my_vcr

@my_vcr.use_cassette("users")
def test_users():
    assert requests.get(URL + "/users").json()["path"] == "/users"
    assert requests.post(URL + "/users", json={"n": 1}).json() == {"received": {"n": 1}}
"""
CHANGE = "\nimport booktest_cassettes\nmy_vcr.register_persister(booktest_cassettes.vcr_persister())\n"


@pytest.mark.parametrize(
    ("conftest", "file", "test_id"),
    [
        (JSON_FILES, "recorded/users.json", "users.json"),
        (PARSED, "cassettes/users", "cassettes/users"),
    ],
)
def test_one_line_in_a_conftest_is_the_whole_change(suite, api, conftest, file, test_id):
    workspace = suite(USERS)
    (workspace.root / "conftest.py").write_text(conftest)
    passes(workspace.pytest("-q"), 1)
    assert (workspace.root / file).is_file()  # as it was before us
    (workspace.root / "conftest.py").write_text(conftest + CHANGE)
    (workspace.root / file).unlink()
    passes(workspace.pytest("-q"), 1)
    assert not (workspace.root / file).exists()
    passes(workspace.cli("approve", "--all"))
    assert f"{test_id}:" in workspace.manifest
    api.stop()
    passes(workspace.pytest("-q", ci=True, MODE="none"), 1)


def test_metadata_that_no_blob_can_hold_is_refused_and_not_lost(suite, api):
    workspace = suite(
        """
my_vcr = vcrpy.VCR()
my_vcr.register_persister(booktest_cassettes.vcr_persister())

def test_it():
    with my_vcr.use_cassette("a.yaml") as cassette:
        requests.get(URL + "/users")
        cassette.get_metadata("seed", 7)
"""
    )
    done = workspace.pytest("-q")
    assert done.code == 2, done.text
    assert "a.yaml: has metadata (get_metadata), which an http snapshot cannot hold" in done.text
