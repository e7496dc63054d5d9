"""tornado's client: what its users do beyond a plain request."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from types import ModuleType
from typing import Any

import pytest
from clients import see_tornado
from lab import ID, Lab, described
from loopback import BINARY, EVENTS, TEXT, Handler, running_server
from tornado.httpclient import AsyncHTTPClient, HTTPClient, HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import WebSocketError, websocket_connect

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import UnhandledRequest
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.model import Interaction, Response

Talk = Callable[[AsyncHTTPClient, str], Awaitable[Any]]


def _run(talk: Talk, base: str, **options: Any) -> Any:
    async def main() -> Any:
        with closing(AsyncHTTPClient(force_instance=True, **options)) as client:
            return await talk(client, base)

    return asyncio.run(main())


def _conform(lab: Lab, talk: Talk, options: dict[str, Any] | None = None, **of_cassette: Any) -> Any:
    return lab.conform(lambda base: _run(talk, base, **(options or {})), **of_cassette)


async def _told(client: AsyncHTTPClient, url: str, **options: Any) -> dict[str, Any]:
    """All that a fetch tells: by its callbacks, its response, its exception."""
    told: dict[str, Any] = {"pieces": []}
    head = io.StringIO()

    async def take(piece: bytes) -> None:
        await asyncio.sleep(0)
        told["pieces"].append(piece)

    if options.pop("streaming", False):
        options["streaming_callback"] = take
    try:
        response = await client.fetch(url, header_callback=head.write, **options)
    except HTTPClientError as error:
        told.update(described(error), code=error.code, message=error.message)
        told["response"] = error.response and see_tornado(error.response)
    except Exception as error:
        told.update(described(error))
    else:
        told["response"] = see_tornado(response)
    return {**told, "head": head.getvalue().splitlines(keepends=True)}


def _recorded(lab: Lab, test_id: str = ID) -> list[Interaction]:
    return list(codec.load_interactions(lab.blob(Kind.HTTP, test_id), name="x"))


class OwnHandler(Handler):
    """Answers that only these tests ask for."""

    def handle_expect_100(self) -> bool:
        if self.path != "/refused":
            return super().handle_expect_100()
        self.server.hits += 1
        self.close_connection = True
        self.answer(b"do not", status="417 Expectation Failed")
        return False

    def at_seen(self) -> None:
        agent, auth = self.headers["User-Agent"], self.headers["Authorization"] or ""
        self.answer(f"{agent} {auth.partition(' ')[0]} {bool(self.headers['Expect'])}".encode())

    def at_hop(self) -> None:
        self.answer(b"over there", ("Location", self.query["to"]), status="302 Found")

    def at_verbatim(self) -> None:
        """The body is the whole answer."""
        self.raw(base64.urlsafe_b64decode(self.query["say"]))
        self._hang_up()


@pytest.fixture
def own(lab: Lab) -> Lab:
    lab.server.RequestHandlerClass = OwnHandler
    return lab


# -- answers ---------------------------------------------------------------------------------------


def test_an_error_status_is_raised_with_its_response(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        return [await _told(client, f"{base}{path}") for path in ("/nowhere", "/status/503", "/not-modified")]

    got = _conform(lab, talk)
    assert [(one["code"], one["response"]["status"]) for one in got] == [(404, 404), (503, 503), (304, 304)]
    assert got[0]["response"]["body"] == b"no such page"
    assert got[0]["text"] == "HTTP 404: Not Found"


def test_every_answer_tells_its_callbacks_the_same(lab: Lab) -> None:
    paths = (
        "/headers /cookies /gzip /gzip-chunked /chunked /http10 /until-close /no-content /binary /big"
        " /redirect/2"
    ).split()

    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        return [await _told(client, base + path) for path in paths]

    got = dict(zip(paths, _conform(lab, talk), strict=True))
    assert got["/http10"]["head"][0] == "HTTP/1.0 200 OK\r\n"
    assert got["/binary"]["response"]["body"] == BINARY
    assert ("X-Consumed-Content-Encoding", "gzip") in got["/gzip"]["response"]["headers"]
    assert got["/gzip-chunked"]["response"]["body"] == TEXT


def test_events_reach_an_awaited_callback_one_by_one(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        lab.server.open_gate()
        return await _told(client, f"{base}/sse", streaming=True)

    lab.record()
    with cassette(ID):
        recorded = _run(talk, lab.server.base)
    lab.approve()
    with cassette(ID, unused="error"):
        replayed = _run(talk, lab.server.base)
    assert b"".join(recorded["pieces"]) == b"".join(EVENTS)
    assert replayed["pieces"] == EVENTS
    assert replayed["response"] == recorded["response"]


def test_bodies_may_be_left_compressed(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        return await _told(client, f"{base}/gzip", decompress_response=False)

    assert gzip.decompress(_conform(lab, talk)["response"]["body"]) == TEXT


@pytest.mark.parametrize(
    "options", [{"max_body_size": 1000}, {"max_header_size": 20}, {"max_buffer_size": 2000}], ids=str
)
@pytest.mark.parametrize("path", ["/text", "/chunked", "/until-close", "/gzip", "/binary"])
def test_the_clients_limits_hold(lab: Lab, path: str, options: dict[str, int]) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        return await _told(client, base + path)

    _conform(lab, talk, options)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Folded: one\r\n  two\r\n\r\nbody",
        b"HTTP/1.1 200 OK\nX-Lines: end so\n\nbody",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;ext=1\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nok",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n" + gzip.compress(TEXT)[:40],
    ],
)
def test_odd_answers_are_taken_or_refused_as_they_were(own: Lab, answer: bytes) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        say = base64.urlsafe_b64encode(answer).decode()
        told = {"response": None, **await _told(client, f"{base}/verbatim?say={say}")}
        return {**told, "head": told["head"][-3:] if told["response"] else []}  # no interim answers

    _conform(own, talk)


# -- failures --------------------------------------------------------------------------------------


def test_failures_have_tornados_own_classes(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        hang = {"request_timeout": 0.4}
        return [
            await _told(client, f"{base}/hang", **hang),
            await _told(client, f"{base}/hang-in-body", streaming=True, **hang),
            await _told(client, f"{base}/cut"),
            await _told(client, f"{base}/hang-up"),
            await _told(client, f"{base}/garbage"),
            await _told(client, f"{base}/corrupt-gzip", raise_error=False),
        ]

    got = _conform(lab, talk)
    assert [one["type"].rpartition(".")[2] for one in got] == ["HTTPTimeoutError"] * 2 + [
        "HTTPStreamClosedError"
    ] * 4
    assert got[0]["text"] == got[1]["text"] == "Timeout during request"
    assert got[1]["pieces"] == [b"only this"]
    assert {one["code"] for one in got} == {599}


def test_a_body_torn_off_by_a_reset_ends_as_it_did(lab: Lab) -> None:
    """tornado 6.6 loses the reset, so its client waits for the request's timeout; a replay does not wait."""

    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        pieces: list[bytes] = []

        def take(piece: bytes) -> None:
            pieces.append(piece)
            lab.server.gate.release()

        with pytest.raises((HTTPClientError, OSError)) as caught:
            await client.fetch(f"{base}/reset", streaming_callback=take, request_timeout=timeout)
        return described(caught.value), pieces

    timeout = 0.4
    assert _conform(lab, talk)[1] == [b"only this"]
    timeout = 1e6
    with cassette(ID, unused="error"):
        assert _run(talk, lab.server.base)[1] == [b"only this"]


def test_a_request_that_tornado_would_not_send_is_neither_recorded_nor_missed(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        return [
            await _told(client, f"{base}/text", method="POST"),
            await _told(client, f"{base}/text", method="BREW"),
            await _told(client, f"{base}/text", headers={"X-Bad": "a\nb"}),
            await _told(client, f"{base}/text", proxy_host="127.0.0.1", proxy_port=9),
            await _told(client, f"{base}/text", auth_username="a", auth_mode="digest"),
            await _told(client, "ftp://127.0.0.1/text"),
            await _told(client, f"{base}/text"),
        ]

    got = _conform(lab, talk)
    assert [one.get("type", "").rpartition(".")[2] for one in got] == [
        "ValueError", "KeyError", "ValueError", "NotImplementedError", "ValueError", "ValueError", "",
    ]  # fmt: skip
    assert len(_recorded(lab)) == 1


# -- redirects -------------------------------------------------------------------------------------


def test_redirects_are_recorded_hop_by_hop_and_limited_as_they_were(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        return [
            await _told(client, f"{base}/redirect/2"),
            await _told(client, f"{base}/redirect/2", follow_redirects=False),
            await _told(client, f"{base}/redirect/2", max_redirects=1),
            await _told(client, f"{base}/redirect/2", method="POST", body="once", streaming=True),
        ]

    got = _conform(lab, talk)
    assert got[0]["response"]["url"] == f"{lab.server.base}/final?x=1"
    assert [one["code"] for one in got[1:3]] == [301, 307]
    statuses = [item.outcome.status for item in _recorded(lab)]  # type: ignore[union-attr]
    assert statuses == [301, 307, 303, 200, 301, 301, 307, 301, 307, 303, 200]


def test_a_redirect_to_nowhere_fails_as_it_did(own: Lab) -> None:
    with closing(socket.socket()) as taken, running_server() as other:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        async def talk(client: AsyncHTTPClient, base: str) -> Any:
            secret = {"headers": {"Authorization": "Basic REDACTED"}}
            return [
                await _told(client, f"{base}/hop?to=http://127.0.0.1:{port}/"),
                await _told(client, f"{base}/hop?to=ftp://127.0.0.1/"),
                await _told(client, f"{base}/hop?to={other.base}/echo", **secret),
            ]

        got = _conform(own, talk)
        assert got[0]["type"] == "builtins.ConnectionRefusedError"
        assert got[1]["type"] == "builtins.ValueError"
        assert other.hits == 3, "live and twice recorded"


def test_a_hop_that_was_not_recorded_is_refused(own: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        return await client.fetch(f"{base}/hop?to=/text", follow_redirects=follow)

    follow = False
    own.record()
    with cassette(ID), suppress(HTTPClientError):
        _run(talk, own.server.base)
    own.approve()
    counters = own.counters
    follow = True
    with pytest.raises(UnhandledRequest, match="/text is not in its http"), cassette(ID):
        _run(talk, own.server.base)
    assert own.counters == counters


# -- requests --------------------------------------------------------------------------------------


def test_user_agent_and_credentials_are_sent_and_no_credential_is_written(own: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        with_user = base.replace("//", "//ada:hunter22@")
        return [
            await _told(client, f"{base}/seen#fragment", user_agent="Ada/1.0"),
            await _told(client, f"{base}/seen?by=option", auth_username="ada", auth_password="hunter22"),
            await _told(client, f"{with_user}/seen?by=url"),
            await _told(client, f"{base}/seen?name=é"),
        ]

    got = _conform(own, talk)
    assert got[0]["response"]["body"].split()[0] == b"Ada/1.0"
    assert [b"Basic" in one["response"]["body"] for one in got] == [False, True, True, False]
    blob = own.blob(Kind.HTTP)
    assert b"hunter22" not in blob
    assert base64.b64encode(b"ada:hunter22") not in blob
    assert [item.request.url.rpartition("/")[2] for item in _recorded(own)] == [
        "seen", "seen?by=option", "seen?by=url", "seen?name=%C3%A9",
    ]  # fmt: skip


def test_an_expected_upload_is_sent_or_refused_as_it_was(own: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        how = {"method": "PUT", "body": TEXT, "expect_100_continue": True}
        return [
            await _told(client, f"{base}/size", **how),
            await _told(client, f"{base}/refused", **how),
            await _told(client, f"{base}/seen", **how),
        ]

    got = _conform(own, talk)
    assert str(len(TEXT)).encode() in got[0]["response"]["body"]
    assert got[1]["code"] == 417
    assert got[2]["response"]["body"].endswith(b"True")


def test_a_producer_runs_once_a_hop_and_its_failure_is_its_own(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        runs: list[str] = []

        def produce(write: Callable[[bytes], Any]) -> None:
            runs.append("plain")
            write(b"said ")
            write(b"twice")

        async def fail(write: Callable[[bytes], Any]) -> None:
            runs.append("failing")
            await write(b"said")
            raise ZeroDivisionError("no more")

        async def too_much(write: Callable[[bytes], Any]) -> None:
            await write(b"far too much")

        def told(path: str, producer: Any, **options: Any) -> Any:
            return _told(client, base + path, method="PUT", body_producer=producer, **options)

        return [
            await told("/redirect/1", produce),
            await told("/size", fail),
            await told("/size", too_much, headers={"Content-Length": "3"}),
            runs,
        ]

    got = _conform(lab, talk)
    assert got[3] == ["plain", "plain", "failing"]
    assert got[1]["type"] == "builtins.ZeroDivisionError"
    assert got[2]["type"] == "tornado.httputil.HTTPOutputError"


def test_the_users_request_object_is_left_as_tornado_leaves_it(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> Any:
        request = HTTPRequest(f"{base}/redirect/1", headers={"X-Sent": "yes"}, request_timeout=4)
        response = await client.fetch(request)
        return response.request is request, sorted(request.headers.get_all()), request.request_timeout

    _conform(lab, talk)


# -- clients ---------------------------------------------------------------------------------------


def test_the_blocking_client_is_recorded(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with closing(HTTPClient()) as client:
            return see_tornado(client.fetch(f"{base}/json"))

    lab.conform(scenario)


def test_a_client_from_before_the_cassette_is_used_in_it_and_after(lab: Lab) -> None:
    async def main() -> list[bytes]:
        url = f"{lab.server.base}/count"
        client = AsyncHTTPClient()  # the loop's own, as most programs use it
        found = [(await client.fetch(url)).body]
        async with cassette(ID, unused="error"):
            found += [(await client.fetch(url)).body, (await client.fetch(url)).body]
        return [*found, (await client.fetch(url)).body]

    lab.record()
    assert asyncio.run(main()) == [b"0", b"1", b"2", b"3"]
    lab.approve()
    assert asyncio.run(main()) == [b"4", b"1", b"2", b"5"]


@pytest.mark.parametrize("path", ["/echo", "/redirect/1", "/hop?to=/echo/after"])
def test_tasks_that_queue_at_one_client_keep_their_own_cassettes(own: Lab, path: str) -> None:
    """What leaves the queue is started by the request that ends, which is another task's."""
    ids = [f"x.py::test_{number}" for number in range(8)]

    async def one(client: AsyncHTTPClient, test_id: str) -> bytes:
        async with cassette(test_id, unused="error"):
            return bytes((await client.fetch(f"{own.server.base}{path}", headers={"X-Sent": test_id})).body)

    async def talk(client: AsyncHTTPClient, _base: str) -> list[bytes]:
        return list(await asyncio.gather(*(one(client, test_id) for test_id in ids)))

    own.record()
    recorded = _run(talk, own.server.base, max_clients=1)
    own.approve()
    counters = own.counters
    assert _run(talk, own.server.base, max_clients=1) == recorded
    assert own.counters == counters
    for test_id in ids:
        assert {item.request.header("X-Sent") for item in _recorded(own, test_id)} == {test_id}


@pytest.fixture
def configured() -> Iterator[None]:
    yield
    AsyncHTTPClient.configure(None)


class _OwnSocket(AsyncHTTPClient):
    """Sends by means that are none of tornado's, as libcurl does."""

    def fetch_impl(self, request: Any, callback: Any) -> None:
        host, _, port = request.url.removeprefix("http://").partition("/")[0].partition(":")
        socket.create_connection((host, int(port))).close()
        self.io_loop.add_callback(callback, None)


@pytest.mark.parametrize("mode", ["rewrite", "none"])
@pytest.mark.parametrize("raise_error", [True, False])
def test_curl_is_refused_and_told_of_the_simple_client(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, configured: None, mode: str, raise_error: bool
) -> None:
    module = ModuleType("tornado.curl_httpclient")
    kind = type("CurlAsyncHTTPClient", (_OwnSocket,), {"__module__": module.__name__})
    module.CurlAsyncHTTPClient = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")

    async def main() -> None:
        with suppress(UnhandledRequest):  # what the code under test may do
            await AsyncHTTPClient().fetch(f"{lab.server.base}/text", raise_error=raise_error)

    lab.runner.use(mode)
    with pytest.raises(UnhandledRequest, match="CurlAsyncHTTPClient") as caught:
        with cassette(ID):
            asyncio.run(main())
    assert "AsyncHTTPClient.configure(None)" in str(caught.value)
    assert lab.server.connections == 0


def test_a_client_of_unknown_means_is_refused_but_for_allowed_hosts_and_outside(lab: Lab) -> None:
    async def main() -> None:
        with closing(_OwnSocket(force_instance=True)) as client:
            for request in (f"{lab.server.base}/text", HTTPRequest(f"{lab.server.base}/text")):
                with suppress(AttributeError):  # it has no response
                    await asyncio.wait_for(client.fetch(request), 0.05)

    lab.record()
    with pytest.raises(UnhandledRequest, match="_OwnSocket"), cassette(ID):
        asyncio.run(main())
    with pytest.raises(UnhandledRequest, match="_OwnSocket"), cassette(ID):
        client = object.__new__(_OwnSocket)
        client.fetch(HTTPRequest(f"{lab.server.base}/text"))
    assert lab.server.connections == 0


def test_a_client_that_only_adds_to_the_simple_one_is_recorded(lab: Lab) -> None:
    class Patient(SimpleAsyncHTTPClient):
        def fetch_impl(self, request: Any, callback: Any) -> None:
            self.io_loop.add_callback(super().fetch_impl, request, callback)

    async def main(base: str) -> bytes:
        with closing(Patient(force_instance=True)) as client:
            return bytes((await client.fetch(f"{base}/text")).body)

    assert lab.conform(lambda base: asyncio.run(main(base))) == TEXT


def test_a_websocket_is_refused_clearly_in_every_mode(lab: Lab) -> None:
    async def connect() -> None:
        await websocket_connect(lab.server.base.replace("http:", "ws:") + "/echo")

    for mode in ("rewrite", "none"):
        lab.runner.use(mode)
        with pytest.raises(UnhandledRequest, match="is a websocket, which a cassette cannot hold"):
            with cassette(ID):
                asyncio.run(connect())
    assert lab.server.hits == 0
    with pytest.raises(WebSocketError, match="Non-websocket"), cassette(ID, allow_hosts=["127.0.0.1"]):
        asyncio.run(connect())


# -- what is left half way -------------------------------------------------------------------------


def test_a_cancelled_request_is_not_recorded(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> bytes:
        task = asyncio.ensure_future(client.fetch(f"{base}/hang"))
        while not lab.server.hits:  # noqa: ASYNC110 - the server has no loop
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return bytes((await client.fetch(f"{base}/text")).body)

    lab.record()
    with cassette(ID):
        _run(talk, lab.server.base)
    lab.approve()
    assert [item.request.url for item in _recorded(lab)] == [f"{lab.server.base}/text"]


def test_a_request_that_nobody_waited_for_is_recorded_as_far_as_it_came(lab: Lab) -> None:
    async def talk(client: AsyncHTTPClient, base: str) -> bytes:
        first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def take(piece: bytes) -> None:
            if not first.done():
                first.set_result(piece)

        unawaited = client.fetch(f"{base}/sse", streaming_callback=take)
        piece = await first
        unawaited.cancel()
        return piece

    digests = []
    for _ in range(2):
        lab.server.reset()
        lab.record()
        with cassette(ID):
            assert _run(talk, lab.server.base) == EVENTS[0]
        digests.append(lab.digests())
    assert digests[0] == digests[1]
    lab.approve()
    (item,) = _recorded(lab)
    assert isinstance(item.outcome, Response)
    assert item.outcome.cut
    assert item.outcome.body.content == EVENTS[0]
