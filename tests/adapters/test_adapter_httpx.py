"""httpx and httpx2: what their users do beyond a plain request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import httpx2
import pytest
import respx
import trio
from clients import CONTEXT, on_asyncio
from lab import ID, Lab, described, raised
from loopback import BINARY, EVENTS, TEXT

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import UnhandledRequest
from booktest_cassettes.recording import codec

_LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
_ENGINES = pytest.mark.parametrize("run", [on_asyncio, trio.run], ids=["asyncio", "trio"])


@_LIBRARIES
def test_elapsed_downloads_hooks_and_streams_left_for_later(lab: Lab, library: Any) -> None:
    def scenario(base: str) -> Any:
        told: list[Any] = []
        hooks = {
            "request": [lambda request: told.append((request.method, str(request.url)))],
            "response": [lambda response: told.append((response.status_code, response.read()))],
        }
        with library.Client(verify=CONTEXT, event_hooks=hooks, follow_redirects=True) as client:
            client.get(f"{base}/redirect/1")
        with library.Client(verify=CONTEXT) as client:
            request = client.build_request("POST", f"{base}/echo", json={"a": 1})
            response = client.send(request, stream=True)
            told += [response.is_closed, response.is_stream_consumed, response.num_bytes_downloaded]
            told += [json.loads(response.read()), response.is_closed, response.num_bytes_downloaded]
            told += [response.elapsed.total_seconds() >= 0, repr(response), response.charset_encoding]
        return told

    lab.conform(scenario)


@_LIBRARIES
def test_pieces_may_be_asked_for_by_size(lab: Lab, library: Any) -> None:
    def scenario(base: str) -> Any:
        with library.Client(verify=CONTEXT) as client:
            with client.stream("GET", f"{base}/gzip") as response:
                raw = list(response.iter_raw(20))
            with client.stream("GET", f"{base}/gzip") as response:
                decoded = list(response.iter_bytes(100))
            with client.stream("GET", f"{base}/latin-text") as response:
                text = list(response.iter_text(2))
        return raw, decoded, text

    lab.conform(scenario)


@_LIBRARIES
def test_stream_errors_are_the_librarys_own(lab: Lab, library: Any) -> None:
    def scenario(base: str) -> Any:
        found = []
        with library.Client(verify=CONTEXT) as client:
            with client.stream("GET", f"{base}/text") as response:
                for ask in (lambda: response.content, response.read, lambda: list(response.iter_bytes())):
                    try:
                        found.append(ask())
                    except Exception as error:
                        found.append(type(error).__name__)
                try:
                    list(response.iter_raw())
                except Exception as error:
                    found.append(type(error).__name__)
            with client.stream("GET", f"{base}/text") as response:
                pass
            try:
                response.read()
            except Exception as error:
                found.append(type(error).__name__)
        return found

    assert lab.conform(scenario)[-1] == "StreamClosed"


@_LIBRARIES
def test_an_auth_flow_is_recorded_step_by_step(lab: Lab, library: Any) -> None:
    class Refreshing(library.Auth):  # type: ignore[misc]
        requires_response_body = True

        def auth_flow(self, request: Any) -> Iterator[Any]:
            token = yield library.Request("POST", f"{lab.server.base}/count", json={"refresh": True})
            request.headers["X-Sent"] = token.text
            yield request

    def scenario(base: str) -> Any:
        with library.Client(verify=CONTEXT, auth=Refreshing()) as client:
            first = client.get(f"{base}/echo").json()["headers"]["x-sent"]
            digest = client.get(f"{base}/digest", auth=library.DigestAuth("ada", "pass"))
        return first, digest.text, [past.status_code for past in digest.history]

    assert lab.conform(scenario) == (["0"], "welcome", [401])


@_LIBRARIES
@_ENGINES
def test_async_streams_hooks_and_auth(lab: Lab, library: Any, run: Any) -> None:
    def scenario(base: str) -> Any:
        async def talk() -> Any:
            async with library.AsyncClient(verify=CONTEXT) as client:
                response = await client.send(client.build_request("GET", f"{base}/chunked"), stream=True)
                found = [response.is_closed, await response.aread(), response.is_closed]
                digest = await client.get(f"{base}/digest", auth=library.DigestAuth("ada", "pass"))
                return [*found, digest.text, response.elapsed.total_seconds() >= 0]

        return run(talk)

    lab.conform(scenario)


@_LIBRARIES
def test_transports_of_the_users_own_are_not_touched(lab: Lab, library: Any) -> None:
    def answer(request: Any) -> Any:
        return library.Response(418, text=str(request.url))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"asgi"})

    def wsgi(environ: Any, start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [])
        return [b"wsgi"]

    async def ask_asgi() -> Any:
        async with library.AsyncClient(transport=library.ASGITransport(app)) as client:
            return (await client.get("http://app.test/")).text

    for mode in ("rewrite", "none"):
        lab.runner.use(mode)
        with cassette(ID):
            with library.Client(transport=library.MockTransport(answer)) as client:
                assert client.get("http://mock.test/x").status_code == 418
            with library.Client(transport=library.WSGITransport(wsgi)) as client:
                assert client.get("http://wsgi.test/").text == "wsgi"
            with library.Client(mounts={"all://mounted.test": library.MockTransport(answer)}) as client:
                assert client.get("http://mounted.test/").status_code == 418
            assert asyncio.run(ask_asgi()) == "asgi"
        assert not list(lab.runner.project().pending)


def test_the_users_own_respx_inside_wins(lab: Lab) -> None:
    async def talk(url: str) -> str:
        async with httpx.AsyncClient(verify=CONTEXT) as client:
            return (await client.get(url)).text

    def scenario(base: str) -> Any:
        with respx.mock as router:
            router.get("http://mocked.test/").respond(201, text="mocked")
            router.route(host="127.0.0.1").pass_through()
            return [
                httpx.get("http://mocked.test/", verify=CONTEXT).text,
                httpx.get(f"{base}/text", verify=CONTEXT).text,
                asyncio.run(talk("http://mocked.test/")),
                asyncio.run(talk(f"{base}/text")),
                raised(lambda: httpx.get("http://unknown.test/", verify=CONTEXT))["type"],
            ]

    got = lab.conform(scenario)
    assert got[0] == got[2] == "mocked"
    items = codec.load_interactions(lab.blob(Kind.HTTPX), name="x")
    assert [item.request.url for item in items] == [f"{lab.server.base}/text"] * 2


def test_the_users_own_respx_outside_wins(lab: Lab) -> None:
    for mode in ("rewrite", "none"):
        lab.runner.use(mode)
        with respx.mock as router, cassette(ID):
            router.get("http://mocked.test/").respond(201, text="mocked")
            assert httpx.get("http://mocked.test/", verify=CONTEXT).text == "mocked"
        assert not list(lab.runner.project().pending)


@_LIBRARIES
def test_a_transport_wrapped_in_one_of_the_users_own_is_recorded(lab: Lab, library: Any) -> None:
    class Counting(library.BaseTransport):  # type: ignore[misc]
        def __init__(self) -> None:
            self.inner = library.HTTPTransport(verify=CONTEXT, retries=1)
            self.seen = 0

        def handle_request(self, request: Any) -> Any:
            self.seen += 1
            return self.inner.handle_request(request)

        def close(self) -> None:
            self.inner.close()

    def scenario(base: str) -> Any:
        transport = Counting()
        with library.Client(transport=transport) as client:
            return client.get(f"{base}/text").text, transport.seen

    assert lab.conform(scenario) == (TEXT.decode(), 1)


@_LIBRARIES
def test_a_subclass_of_the_transport_is_recorded(lab: Lab, library: Any) -> None:
    class Mine(library.HTTPTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            request.headers["X-Sent"] = "mine"
            return super().handle_request(request)

    def scenario(base: str) -> Any:
        with library.Client(transport=Mine(verify=CONTEXT)) as client:
            return client.get(f"{base}/echo").json()["headers"]["x-sent"]

    assert lab.conform(scenario) == ["mine"]


@_LIBRARIES
def test_a_response_that_is_never_closed_is_kept_as_far_as_it_was_read(lab: Lab, library: Any) -> None:
    def read(count: int) -> list[bytes]:
        client = library.Client(verify=CONTEXT)
        response = client.send(client.build_request("GET", f"{lab.server.base}/sse"), stream=True)
        found = []
        for piece in response.iter_raw():
            found.append(piece)
            if len(found) == count:
                break
            lab.server.gate.release()
        left_open.append((client, response))
        return found

    left_open: list[Any] = []
    lab.record()
    with cassette(ID):
        assert read(2) == EVENTS[:2]
    lab.approve()
    with cassette(ID):
        assert read(2) == EVENTS[:2]
    with pytest.raises(UnhandledRequest, match="read further"), cassette(ID):
        read(3)
    for client, response in left_open:
        response.close()
        client.close()


@_LIBRARIES
def test_exceptions_carry_their_request(lab: Lab, library: Any) -> None:
    def scenario(base: str) -> Any:
        found = []
        with library.Client(verify=CONTEXT, timeout=0.1) as client:
            for path in ("/hang-up", "/hang", "/hang-in-body", "/cut", "/garbage"):
                try:
                    client.post(base + path, json={})
                except library.TransportError as error:
                    found.append((described(error), error.request.method))
        assert len(found) == 5
        return found

    lab.conform(scenario)


@_LIBRARIES
def test_unusual_urls_are_recorded_as_the_client_means_them(lab: Lab, library: Any) -> None:
    def scenario(base: str) -> Any:
        found = []
        urls = ["/echo?a=%20b+c&a=&=x", "/echo//double", "/echo/%2Fslash/é", "/echo#fragment", "/echo?x=%zz"]
        with library.Client(verify=CONTEXT, params={"p": "é"}) as client:
            for url in urls:
                response = client.get(base + url)
                found.append((str(response.url), response.json()["path"]))
        return found

    lab.conform(scenario)


@_LIBRARIES
def test_a_big_binary_body_is_replayed_to_the_byte(lab: Lab, library: Any) -> None:
    def scenario(base: str) -> bytes:
        with library.Client(verify=CONTEXT) as client:
            return bytes(client.get(f"{base}/binary").content)

    assert lab.conform(scenario) == BINARY


@_LIBRARIES
def test_a_swallowed_refusal_inside_of_a_library_error_still_fails_the_test(lab: Lab, library: Any) -> None:
    """The shape of what SDKs do: catch everything, retry, wrap."""

    class SDKError(Exception):
        pass

    def sdk_call() -> None:
        for _ in range(3):
            try:
                with library.Client(verify=CONTEXT) as client:
                    client.post(f"{lab.server.base}/other", json={}).raise_for_status()
            except Exception:
                continue
        raise SDKError("Connection error.")

    lab.record()
    with cassette(ID), library.Client(verify=CONTEXT) as client:
        client.get(f"{lab.server.base}/text")
    lab.approve()
    with pytest.raises(UnhandledRequest, match="/other"), cassette(ID):
        with suppress(SDKError):
            sdk_call()
    with pytest.raises(SDKError) as caught, cassette(ID):
        sdk_call()
    assert "/other is not in its httpx cassette" in caught.value.__notes__[0]
