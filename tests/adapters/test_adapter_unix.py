"""Unix domain sockets: a request is known by the URL it is asked for, and replayed without the socket."""

from __future__ import annotations

import http.client
import json
import socket
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import requests.adapters
import urllib3
import urllib3.connection
from clients import CONTEXT, on_asyncio
from lab import ID, Lab
from loopback import UnixServer, running_server

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec


class _UnixConnection(http.client.HTTPConnection):
    """As docker's and requests-unixsocket's are."""

    def __init__(self, path: str, **_options: Any) -> None:
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class _UnixUrllib3Connection(urllib3.connection.HTTPConnection):
    def __init__(self, *, path: str, **_options: Any) -> None:
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class _UnixPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _UnixUrllib3Connection


class _UnixAdapter(requests.adapters.HTTPAdapter):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.pool = _UnixPool("localhost", path=path)

    def get_connection_with_tls_context(self, *_args: Any, **_options: Any) -> Any:
        return self.pool

    def close(self) -> None:
        self.pool.close()
        super().close()


def _unix_http_client(path: str) -> Any:
    connection = _UnixConnection(path)
    connection.request("GET", "/json")
    try:
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _unix_requests(path: str) -> Any:
    with requests.Session() as session:
        session.mount("http://localhost/", _UnixAdapter(path))
        return session.get("http://localhost/json", timeout=5).json()


def _unix_httpx(library: Any, path: str) -> Any:
    transport = library.HTTPTransport(uds=path, verify=CONTEXT)
    with library.Client(transport=transport) as client:
        return client.get("http://localhost/json").json()


def _unix_aiohttp(path: str) -> Any:
    async def talk() -> Any:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:
            async with session.get("http://localhost/json") as response:
                return await response.json()

    return on_asyncio(talk)


UNIX = {
    "http.client": _unix_http_client,
    "requests": _unix_requests,
    "httpx": partial(_unix_httpx, httpx),
    "httpx2": partial(_unix_httpx, httpx2),
    "aiohttp": _unix_aiohttp,
}


@pytest.mark.parametrize("client", UNIX.values(), ids=UNIX.keys())
def test_a_unix_socket_is_known_by_the_url_it_is_asked_for(lab: Lab, tmp_path: Path, client: Any) -> None:
    path = str(tmp_path / "s")
    with running_server(make=lambda: UnixServer(path)) as server:
        lab.conform(lambda _: client(path), counts=False)
        assert server.hits == 3
    (kind,) = lab.runner.project().manifest.entries[ID]
    (item,) = codec.load_interactions(lab.blob(Kind(kind)), name="x")
    assert item.request.url == "http://localhost/json"
    Path(path).unlink()
    with cassette(ID, unused="error"):  # where it was recorded is not where it is replayed
        assert client(path)["name"] == "Ada"
