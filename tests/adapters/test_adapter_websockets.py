"""Websockets are refused in every mode, on this machine too, before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import trio
import websocket
import websockets.asyncio.client
import websockets.sync.client
import websockets.trio.client
from clients import CONTEXT
from lab import ID, Lab
from websockets.asyncio.server import serve

from booktest_cassettes import cassette
from booktest_cassettes.errors import UnhandledRequest


def _websocket_client(url: str) -> Any:
    connection = websocket.create_connection(url, timeout=5)
    try:
        return connection.recv()
    finally:
        connection.close()


def _websocket_app(url: str) -> Any:
    found: list[Any] = []
    app = websocket.WebSocketApp(
        url, on_message=lambda app, message: (found.append(message), app.close()), on_error=lambda *_: None
    )
    app.run_forever()
    return found[0] if found else None


def _sync(url: str) -> Any:
    with websockets.sync.client.connect(url) as connection:
        return connection.recv()


def _asyncio(url: str) -> Any:
    async def talk() -> Any:
        async with websockets.asyncio.client.connect(url) as connection:
            return await connection.recv()

    return asyncio.run(talk())


def _reconnecting(url: str) -> Any:
    async def talk() -> Any:
        async for connection in websockets.asyncio.client.connect(url):
            return await connection.recv()
        return None

    return asyncio.run(talk())


def _trio(url: str) -> Any:
    async def talk() -> Any:
        async with websockets.trio.client.connect(url) as connection:
            return await connection.recv()

    return trio.run(talk)


def _aiohttp(url: str) -> Any:
    async def talk() -> Any:
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as connection:
            return await connection.receive_str()

    return asyncio.run(talk())


CLIENTS: dict[str, Callable[[str], Any]] = {
    "websocket-client": _websocket_client,
    "WebSocketApp": _websocket_app,
    "websockets.sync": _sync,
    "websockets.asyncio": _asyncio,
    "websockets.asyncio, reconnecting": _reconnecting,
    "websockets.trio": _trio,
    "aiohttp": _aiohttp,
}
_CLIENTS = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())


@pytest.mark.parametrize("mode", ["rewrite", "once", "new_episodes", "all", "none"])
@_CLIENTS
def test_a_websocket_is_refused_even_when_that_is_swallowed(
    lab: Lab, client: Callable[[str], Any], mode: str
) -> None:
    lab.runner.use(mode)
    for host in (f"127.0.0.1:{lab.server.server_port}", "socket.example.test"):
        with (
            pytest.raises(UnhandledRequest, match=r"/x is a websocket, which .*\n.*allow_hosts"),
            cassette(ID),
        ):
            with suppress(Exception):
                client(f"ws://{host}/x")
    assert lab.counters == (0, 0)
    assert not list(lab.runner.project().pending)


@_CLIENTS
def test_an_allowed_host_is_connected_to(lab: Lab, client: Callable[[str], Any]) -> None:
    async def main() -> None:
        async def greet(connection: Any) -> None:
            await connection.send("hello")
            await connection.wait_closed()

        async with serve(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            for mode in ("rewrite", "none"):
                lab.runner.use(mode)
                for options in ({"allow_hosts": ["127.0.0.1"]}, {"ignore_localhost": True}):
                    assert await asyncio.to_thread(talk, port, options) == "hello"

    def talk(port: int, options: dict[str, Any]) -> Any:
        with cassette(ID, **options):
            return client(f"ws://127.0.0.1:{port}/x")

    asyncio.run(main())


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_an_upgrade_through_httpx_is_refused(lab: Lab, library: Any) -> None:
    async def ask(headers: dict[str, str]) -> None:
        async with library.AsyncClient(verify=CONTEXT) as client:
            await client.get(f"{lab.server.base}/x", headers=headers)

    headers = {"Connection": "Upgrade", "Upgrade": "WebSocket"}
    for mode in ("rewrite", "none"):
        lab.runner.use(mode)
        with pytest.raises(UnhandledRequest, match="is a websocket"), cassette(ID):
            with library.Client(verify=CONTEXT) as client:
                client.get(f"{lab.server.base}/x", headers=headers)
        with pytest.raises(UnhandledRequest, match="is a websocket"), cassette(ID):
            asyncio.run(ask(headers))
    assert lab.counters == (0, 0)
