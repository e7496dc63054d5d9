"""Transports of httpx that are not httpx's own: what is recorded, what is left alone, what is refused."""

from __future__ import annotations

import asyncio
import http.client
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import hishel
import httpx
import httpx2
import pytest
import requests
import trio
from cachecontrol import CacheControl
from clients import CONTEXT, on_asyncio
from hishel.httpx import CacheTransport
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient
from lab import ID, Lab, described
from loopback import EVENTS, TEXT, running_server
from requests.adapters import HTTPAdapter
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from urllib3.util import Retry

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import UnhandledRequest
from booktest_cassettes.recording import codec

_LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
_MODES = pytest.mark.parametrize("mode", ["rewrite", "once", "new_episodes", "all", "none"])


# -- leaves that open connections themselves ---------------------------------------------------------


def _exchange(connection: socket.socket, request: Any) -> bytes:
    connection.sendall(f"GET {request.url.path} HTTP/1.0\r\n\r\n".encode())
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def raw_transport(library: Any) -> Any:
    """A transport as somebody may write it who wants no connection pool."""

    class Raw(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            with socket.create_connection((request.url.host, request.url.port)) as connection:
                return library.Response(200, content=_exchange(connection, request))

    return Raw()


def async_raw_transport(library: Any, run: Any) -> Any:
    async def trio_exchange(request: Any) -> bytes:
        async with await trio.open_tcp_stream(request.url.host, request.url.port) as stream:
            await stream.send_all(b"GET /text HTTP/1.0\r\n\r\n")
            return b"".join([part async for part in stream])

    async def asyncio_exchange(request: Any) -> bytes:
        reader, writer = await asyncio.open_connection(request.url.host, request.url.port)
        writer.write(b"GET /text HTTP/1.0\r\n\r\n")
        found = await reader.read()
        writer.close()
        return found

    class Raw(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            exchange = trio_exchange if run is trio.run else asyncio_exchange
            return library.Response(200, content=await exchange(request))

    return Raw()


@_MODES
@_LIBRARIES
def test_a_transport_that_opens_sockets_itself_is_refused_even_when_that_is_swallowed(
    lab: Lab, library: Any, mode: str
) -> None:
    lab.runner.use(mode)
    with pytest.raises(UnhandledRequest, match=r"GET http://.*/text goes through .*\.Raw"), cassette(ID):
        with library.Client(transport=raw_transport(library)) as client, suppress(Exception):
            client.get(f"{lab.server.base}/text")
    assert lab.counters == (0, 0)
    assert not list(lab.runner.project().pending)


@pytest.mark.parametrize("run", [on_asyncio, trio.run], ids=["asyncio", "trio"])
@pytest.mark.parametrize("mode", ["rewrite", "none"])
@_LIBRARIES
def test_an_async_transport_that_opens_sockets_itself_is_refused(
    lab: Lab, library: Any, mode: str, run: Any
) -> None:
    async def talk() -> None:
        async with library.AsyncClient(transport=async_raw_transport(library, run)) as client:
            with suppress(Exception):
                await client.get(f"{lab.server.base}/text")

    lab.runner.use(mode)
    with pytest.raises(UnhandledRequest, match="no cassette can record or replay it"), cassette(ID):
        run(talk)
    assert lab.counters == (0, 0)


@_LIBRARIES
def test_a_transport_on_a_mount_or_inside_a_wrapper_is_refused_as_well(lab: Lab, library: Any) -> None:
    inner = raw_transport(library)

    class Wrapper(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return inner.handle_request(request)

    for options in ({"mounts": {"all://": inner}}, {"transport": Wrapper()}):
        for mode in ("rewrite", "none"):
            lab.runner.use(mode)
            with pytest.raises(UnhandledRequest, match="goes through"), cassette(ID):
                with library.Client(verify=CONTEXT, **options) as client:
                    client.get(f"{lab.server.base}/text")
    assert lab.counters == (0, 0)


@_LIBRARIES
def test_a_name_for_this_machine_leads_to_its_addresses(lab: Lab, library: Any) -> None:
    lab.record()
    with pytest.raises(UnhandledRequest, match="goes through"), cassette(ID):
        with library.Client(transport=raw_transport(library)) as client:
            client.get(f"http://localhost:{lab.server.server_port}/text")
    assert lab.counters == (0, 0)


@_LIBRARIES
def test_an_allowed_host_may_be_asked_through_any_transport(lab: Lab, library: Any) -> None:
    for mode in ("rewrite", "none"):
        lab.runner.use(mode)
        with cassette(ID, allow_hosts=["127.0.0.1"]):
            with library.Client(transport=raw_transport(library)) as client:
                assert TEXT in client.get(f"{lab.server.base}/text").content
        assert not list(lab.runner.project().pending)
    assert lab.server.hits == 2


@_LIBRARIES
def test_outside_of_a_cassette_any_transport_works(lab: Lab, library: Any) -> None:
    lab.record()
    with cassette(ID):
        pass
    with library.Client(transport=raw_transport(library)) as client:
        assert TEXT in client.get(f"{lab.server.base}/text").content


# -- leaves whose traffic an adapter sees ------------------------------------------------------------


def test_httpx_on_aiohttp_is_recorded_where_aiohttp_is(lab: Lab) -> None:
    async def ask(client: Any, base: str) -> Any:
        found: list[Any] = []
        for path in ("/text", "/gzip", "/deflate", "/cookies", "/redirect/1", "/status/404", "/echo?a=1&a=2"):
            response = await client.get(base + path, follow_redirects=True)
            found.append((response.status_code, response.reason_phrase, response.headers.multi_items()))
            found.append((response.content, str(response.url), [str(old.url) for old in response.history]))
        found.append((await client.post(f"{base}/echo", json={"é": [1, None]})).json())
        async with client.stream("GET", f"{base}/sse") as response:
            events = []
            async for line in response.aiter_lines():
                events.append(line)
                lab.server.gate.release()
            found.append(events)
        for path in ("/hang-up", "/cut", "/hang"):
            with pytest.raises(httpx.TransportError) as caught:
                await client.get(base + path, timeout=0.2)
            found.append(described(caught.value))
        return found

    def scenario(base: str) -> Any:
        async def talk() -> Any:
            async with HttpxAiohttpClient() as one, httpx.AsyncClient(transport=AiohttpTransport()) as other:
                return [await ask(one, base), await ask(other, base)]

        return asyncio.run(talk())

    got = lab.conform(scenario)
    assert "".join(got[0][-4]).count("data:") == len(EVENTS)
    assert list(lab.runner.project().manifest.entries[ID]) == [Kind.HTTP]


def test_httpx_on_aiohttp_is_refused_what_was_not_recorded(lab: Lab) -> None:
    async def talk(path: str) -> None:
        async with HttpxAiohttpClient() as client:
            await client.get(lab.server.base + path)

    lab.record()
    with cassette(ID):
        asyncio.run(talk("/text"))
    lab.approve()
    counters = lab.counters
    with pytest.raises(UnhandledRequest, match="/json is not in its http cassette"), cassette(ID):
        with suppress(httpx.TransportError):
            asyncio.run(talk("/json"))
    assert lab.counters == counters


@_LIBRARIES
def test_a_transport_on_top_of_http_client_or_requests_is_recorded_there(lab: Lab, library: Any) -> None:
    class OnHttpClient(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            connection = http.client.HTTPConnection(request.url.host, request.url.port)
            connection.request(request.method, request.url.path)
            answer = connection.getresponse()
            found = library.Response(answer.status, content=answer.read())
            connection.close()
            return found

    class OnRequests(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return library.Response(200, content=requests.get(str(request.url), timeout=5).content)

    def scenario(base: str) -> Any:
        found = []
        for transport in (OnHttpClient(), OnRequests()):
            with library.Client(transport=transport) as client:
                found.append(client.get(f"{base}/text").content)
        return found

    assert lab.conform(scenario) == [TEXT, TEXT]


# -- leaves that stay in the process -----------------------------------------------------------------


@_MODES
@_LIBRARIES
def test_a_users_own_fake_is_left_alone(lab: Lab, library: Any, mode: str) -> None:
    database = socket.create_server(("127.0.0.1", 0))

    class Fake(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            with socket.create_connection(database.getsockname()):  # where its canned answers are
                return library.Response(418, text=f"canned {request.url.path}")

    class AsyncFake(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            return library.Response(418, text=f"canned {request.url.path}")

    async def ask() -> str:
        async with library.AsyncClient(transport=AsyncFake()) as client:
            return str((await client.get("http://api.example.test/x")).text)

    lab.runner.use(mode)
    with database, cassette(ID):
        with library.Client(transport=Fake()) as client:
            assert client.get("http://api.example.test/x").text == "canned /x"
            assert client.get("https://127.0.0.1/x").text == "canned /x"
        assert asyncio.run(ask()) == "canned /x"
    assert not list(lab.runner.project().pending)


@_MODES
def test_starlettes_test_client_is_left_alone(lab: Lab, mode: str) -> None:
    async def hello(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"hello {request.url.path}")

    async def socket_hello(websocket: Any) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    app = Starlette(routes=[Route("/x", hello), WebSocketRoute("/ws", socket_hello)])
    lab.runner.use(mode)
    with cassette(ID), TestClient(app) as client:
        assert client.get("/x").text == "hello /x"
        with client.websocket_connect("/ws") as websocket:
            assert websocket.receive_text() == "hello"
    assert not list(lab.runner.project().pending)


def test_what_an_app_under_test_asks_is_recorded(lab: Lab) -> None:
    def hello(_request: Any) -> PlainTextResponse:
        return PlainTextResponse(httpx.get(f"{lab.server.base}/text", verify=CONTEXT).text)

    def scenario(_base: str) -> Any:
        with TestClient(Starlette(routes=[Route("/x", hello)])) as client:
            return client.get("/x").text

    assert lab.conform(scenario) == TEXT.decode()
    items = codec.load_interactions(lab.blob(Kind.HTTPX), name="x")
    assert [item.request.url for item in items] == [f"{lab.server.base}/text"]


# -- caches and retries ------------------------------------------------------------------------------


@_LIBRARIES
def test_a_retrying_transport_records_each_attempt(lab: Lab, library: Any) -> None:
    class Retrying(library.BaseTransport):  # type: ignore[misc]
        def __init__(self, inner: Any) -> None:
            self.inner = inner
            self.attempts: list[int] = []

        def handle_request(self, request: Any) -> Any:
            for _ in range(3):
                response = self.inner.handle_request(request)
                self.attempts.append(response.status_code)
                if response.status_code < 500:
                    return response
                response.read()
                response.close()
            return response

        def close(self) -> None:
            self.inner.close()

    def scenario(base: str) -> Any:
        transport = Retrying(library.HTTPTransport(verify=CONTEXT))
        with library.Client(transport=transport) as client:
            return client.get(f"{base}/flaky").text, transport.attempts

    assert lab.conform(scenario) == ("at last", [503, 503, 200])


def test_retries_of_urllib3_are_recorded_each(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with requests.Session() as session:
            retry = Retry(total=2, status_forcelist=[503], backoff_factor=0, raise_on_status=False)
            session.mount("http://", HTTPAdapter(max_retries=retry))
            response = session.get(f"{base}/status/503", timeout=5)
            return response.status_code, len(response.raw.retries.history)

    assert lab.conform(scenario) == (503, 2)
    assert len(codec.load_interactions(lab.blob(Kind.HTTP), name="x")) == 3


def test_hishels_cache_answers_what_it_has(lab: Lab, tmp_path: Path) -> None:
    runs = iter(range(9))

    def scenario(base: str) -> Any:
        storage = hishel.SqliteStorage(database_path=tmp_path / f"cache{next(runs)}.db")
        transport = CacheTransport(httpx.HTTPTransport(verify=CONTEXT), storage=storage)
        with httpx.Client(transport=transport) as client:
            return [client.get(f"{base}/text").content for _ in range(3)]

    assert lab.conform(scenario) == [TEXT] * 3
    assert len(codec.load_interactions(lab.blob(Kind.HTTPX), name="x")) == 1


def test_cachecontrol_sees_the_same_headers(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with CacheControl(requests.Session()) as session:
            answers = [session.get(f"{base}/text", timeout=5) for _ in range(2)]
            return [(answer.content, answer.from_cache) for answer in answers]

    lab.conform(scenario)


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("spelling", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_a_token_that_was_asked_for_elsewhere_opens_no_way_to_the_server(
    lab: Lab, library: Any, spelling: str
) -> None:
    """An adapter saw a request, but not the one that goes out."""

    class Discovering(library.BaseTransport):
        def handle_request(self, request: Any) -> Any:
            requests.get(f"{tokens.base}/text", timeout=5)
            with socket.create_connection((spelling, request.url.port), 5) as sock:
                sock.sendall(b"GET /json HTTP/1.0\r\n\r\n")
                return library.Response(200, content=sock.recv(65_536))

    with running_server() as tokens:
        lab.record()
        with cassette(ID):
            requests.get(f"{tokens.base}/text", timeout=5)
        lab.approve()
        for mode in ("none", "rewrite"):
            lab.runner.use(mode)
            with pytest.raises(UnhandledRequest, match="opens connections of its own"), cassette(ID):
                with library.Client(transport=Discovering(), verify=CONTEXT) as client, suppress(Exception):
                    client.get(f"{lab.server.base}/json")
        assert lab.server.connections == 0
