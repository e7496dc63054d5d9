"""Rows about where a request goes, and how: URLs, TLS, HTTP/2, proxies, sockets, failures to connect."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import aiohttp
import httpx
import httpx2
import trio
import urllib3
from clients import Ask, on_asyncio, see_aiohttp, see_http_client, see_httpx, trusting
from columns import COLUMNS
from requests import Session
from requests.adapters import HTTPAdapter
from rows import Row, Way, asking, for_all, outcome
from stage import Stage

_HTTPX = {"httpx": httpx, "httpx2": httpx2}
_ENGINES = {"asyncio": on_asyncio, "trio": trio.run}
_NAMED = "http://api.example.test"
_NO_PROXY = {
    "httplib2": "its proxies are those of PySocks, below HTTP",
    "tornado": "its simple client knows no proxies",
}


def _urls(name: str, path: str, **differing: str) -> Row:
    return Row("URLs", name, for_all(asking(Ask(path))), **differing)  # type: ignore[arg-type]


def _named_host(name: str, base: str, path: str = "/json", **options: Any) -> Row:
    """A host with any name, reached through a proxy that leads everything to the loopback server."""
    ask = lambda stage: Ask(path, proxy=stage.base)  # noqa: E731
    return Row("URLs", name, for_all(asking(ask, lambda stage: base, **options), _NO_PROXY), _NO_PROXY)


def _with_userinfo(stage: Stage) -> str:
    return stage.base.replace("http://", "http://ada:REDACTED@")


URLS = [
    _urls("repeated and empty query values", "/echo?b=2&a=1&b=1&empty=&bare&a=1"),
    _urls("percent-encoding kept", "/echo/%7Euser%2Fa%20b/%C3%A9?x=%2B+%26&y=%e9"),
    _urls("double slashes", "//echo//a///b?x=//"),
    _urls("fragment", "/echo?x=1#part-2"),
    Row("URLs", "userinfo", for_all(asking(Ask("/echo"), _with_userinfo, failing=True))),
    Row("URLs", "IPv6", for_all(asking(Ask("/json"), lambda stage: stage.ipv6))),
    _named_host("default port", "http://api.example.test:80"),
    _named_host("international name", "http://b\u00fccher.example.test", failing=True),
]


# -- TLS and HTTP/2 --------------------------------------------------------------------------------


def _http2(column: str) -> Way:
    library, _, engine = column.partition(" ")

    def sync(stage: Stage) -> Any:
        options = {"http2": True, "verify": trusting(stage.ca)}
        with _HTTPX[library].Client(**options) as client:
            one = client.post(f"{stage.http2}/echo?q=1", content=b"body")
            return [see_httpx(one), see_httpx(client.get(f"{stage.http2}/two"))]

    def awaited(stage: Stage) -> Any:
        async def talk() -> Any:
            options = {"http2": True, "verify": trusting(stage.ca)}
            async with _HTTPX[library].AsyncClient(**options) as client:
                one = await client.post(f"{stage.http2}/echo?q=1", content=b"body")
                return [see_httpx(one), see_httpx(await client.get(f"{stage.http2}/two"))]

        return _ENGINES[engine](talk)

    return awaited if engine else sync


_NO_HTTP2 = {name: "it does not speak HTTP/2" for name in COLUMNS if not name.startswith("httpx")}
_SECURE = Ask("/json", ca=Stage.ca)
TLS = [
    Row("TLS and HTTP/2", "private CA", for_all(asking(_SECURE, lambda stage: stage.tls))),
    Row(
        "TLS and HTTP/2",
        "untrusted certificate",
        for_all(asking(Ask("/json"), lambda stage: stage.tls, failing=True)),
    ),
    Row(
        "TLS and HTTP/2",
        "TLS to a plain port",
        for_all(asking(Ask("/"), lambda stage: stage.base.replace("http:", "https:"), failing=True)),
    ),
    Row(
        "TLS and HTTP/2",
        "HTTP/2",
        {name: _http2(name) for name in COLUMNS if name not in _NO_HTTP2},
        _NO_HTTP2,
    ),
]


# -- proxies ---------------------------------------------------------------------------------------


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    names = [name for pair in variables for name in (pair, pair.upper())]
    before = {name: os.environ.get(name) for name in (*names, "NO_PROXY", "no_proxy")}
    for name in before:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _by_environment(column: str) -> Way:
    play = _OF_ITS_OWN.get(column) or asking(Ask("/json"), lambda _stage: _NAMED)(column)

    def way(stage: Stage) -> Any:
        with _environment(http_proxy=stage.base, https_proxy=stage.base):
            return play(stage)

    return way


def _urllib_by_environment(_stage: Stage) -> Any:
    # urlopen would have read the environment when it was first used.
    with urllib.request.build_opener().open(f"{_NAMED}/json", timeout=5) as response:
        return see_http_client(response)


async def _aiohttp_by_environment() -> Any:
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get(f"{_NAMED}/json") as response:
            return await see_aiohttp(response)


_OF_ITS_OWN: dict[str, Way] = {
    "urllib": _urllib_by_environment,
    "aiohttp": lambda _stage: asyncio.run(_aiohttp_by_environment()),
}


def _mounted(library: Any, stage: Stage) -> Any:
    mounts = {"http://": library.HTTPTransport(proxy=stage.base)}
    with library.Client(mounts=mounts) as client:
        return see_httpx(client.get(f"{_NAMED}/json"))


def _mounted_async(library: Any, run: Any, stage: Stage) -> Any:
    async def talk() -> Any:
        mounts = {"http://": library.AsyncHTTPTransport(proxy=stage.base)}
        async with library.AsyncClient(mounts=mounts) as client:
            return see_httpx(await client.get(f"{_NAMED}/json"))

    return run(talk)


def _httpx_ways(sync: Callable[..., Any], awaited: Callable[..., Any]) -> dict[str, Way]:
    ways: dict[str, Way] = {}
    for name, library in _HTTPX.items():
        ways[name] = partial(sync, library)
        for engine, run in _ENGINES.items():
            ways[f"{name} {engine}"] = partial(awaited, library, run)
    return ways


_NO_ENVIRONMENT = (
    dict.fromkeys(("http.client", "urllib3", "botocore"), "it reads no proxy from the environment")
    | _NO_PROXY
)
_ENVIRONMENT = for_all(_by_environment, _NO_ENVIRONMENT)
_MOUNTED = _httpx_ways(_mounted, _mounted_async)
_NO_MOUNTS = {name: "it has no mounts" for name in COLUMNS if name not in _MOUNTED}


def _through(stage: Stage, ca: str | None = None) -> Ask:
    return Ask("/json", proxy=stage.base, ca=ca)


PROXIES = [
    Row("Proxies", "plain", for_all(asking(_through, lambda _: _NAMED), _NO_PROXY), _NO_PROXY),
    Row(
        "Proxies",
        "CONNECT tunnel",
        for_all(asking(lambda stage: _through(stage, stage.ca), lambda stage: stage.tls), _NO_PROXY),
        _NO_PROXY,
    ),
    Row("Proxies", "named by the environment", _ENVIRONMENT, _NO_ENVIRONMENT),
    Row("Proxies", "mounted", _MOUNTED, _NO_MOUNTS),
]


# -- Unix sockets ----------------------------------------------------------------------------------


class _UnixConnection(http.client.HTTPConnection):
    path = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def _unix_http_client(stage: Stage) -> Any:
    connection = _UnixConnection("localhost")
    connection.path = stage.socket_path
    with closing(connection):
        connection.request("GET", "/json")
        return see_http_client(connection.getresponse())


class _UnixPoolConnection(urllib3.connection.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.socket_options_path)

    socket_options_path = ""


def _unix_pool(path: str) -> urllib3.HTTPConnectionPool:
    kind = type("_Connection", (_UnixPoolConnection,), {"socket_options_path": path})
    pool = urllib3.HTTPConnectionPool("localhost")
    pool.ConnectionCls = kind  # type: ignore[assignment]
    return pool


class _UnixAdapter(HTTPAdapter):
    """As requests-unixsocket does it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._pool = _unix_pool(path)

    def get_connection_with_tls_context(self, *_args: Any, **_options: Any) -> Any:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


def _unix_requests(stage: Stage) -> Any:
    with Session() as session:
        session.mount("http://localhost/", _UnixAdapter(stage.socket_path))
        response = session.get("http://localhost/json")
        return response.status_code, response.url, response.json()


def _unix_urllib3(stage: Stage) -> Any:
    with closing(_unix_pool(stage.socket_path)) as pool:
        return pool.request("GET", "/json").json()


async def _unix_aiohttp(stage: Stage) -> Any:
    connector = aiohttp.UnixConnector(stage.socket_path)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get("http://localhost/json") as response:
            return await see_aiohttp(response)


def _unix_httpx(library: Any, stage: Stage) -> Any:
    with library.Client(transport=library.HTTPTransport(uds=stage.socket_path)) as client:
        return see_httpx(client.get("http://localhost/json"))


def _unix_httpx_async(library: Any, run: Any, stage: Stage) -> Any:
    async def talk() -> Any:
        transport = library.AsyncHTTPTransport(uds=stage.socket_path)
        async with library.AsyncClient(transport=transport) as client:
            return see_httpx(await client.get("http://localhost/json"))

    return run(talk)


_UNIX = {
    "http.client": _unix_http_client,
    "urllib3": _unix_urllib3,
    "requests": _unix_requests,
    "aiohttp": lambda stage: asyncio.run(_unix_aiohttp(stage)),
    **_httpx_ways(_unix_httpx, _unix_httpx_async),
}
_NO_UNIX = {name: "it knows no Unix sockets" for name in COLUMNS if name not in _UNIX}
UNIX = [Row("Unix sockets", "under the URL the client means", _UNIX, _NO_UNIX)]


# -- connections that fail -------------------------------------------------------------------------


def _unknown_host(column: str) -> Way:
    play = asking(Ask("/"), lambda _stage: "http://no-such-host.test", failing=True)(column)

    def way(stage: Stage) -> Any:
        real = socket.getaddrinfo

        def unknown(*_args: Any, **_options: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        socket.getaddrinfo = unknown
        try:
            return play(stage)
        finally:
            socket.getaddrinfo = real

    return way


def _failing(name: str, ask: Ask, base: Callable[[Stage], str] = lambda stage: stage.base) -> Row:
    return Row("Failures", name, for_all(asking(ask, base, failing=True)))


def _pool_timeout(library: Any, stage: Stage) -> Any:
    limits, patience = library.Limits(max_connections=1), library.Timeout(10, pool=0.1)
    with library.Client(limits=limits, timeout=patience) as client:
        with client.stream("GET", f"{stage.base}/text") as held:
            found = outcome(lambda: client.get(f"{stage.base}/json").json())
            held.read()
        return [found, held.text]


def _pool_timeout_async(library: Any, run: Any, stage: Stage) -> Any:
    async def talk() -> Any:
        limits, patience = library.Limits(max_connections=1), library.Timeout(10, pool=0.1)
        async with library.AsyncClient(limits=limits, timeout=patience) as client:
            async with client.stream("GET", f"{stage.base}/text") as held:
                try:
                    found: Any = (await client.get(f"{stage.base}/json")).json()
                except library.PoolTimeout as error:
                    found = outcome(partial(_again, error))
                await held.aread()
            return [found, held.text]

    return run(talk)


def _again(error: Exception) -> None:
    raise error


_POOLED = _httpx_ways(_pool_timeout, _pool_timeout_async)
_NO_POOL = {name: "it has no time limit for its pool" for name in COLUMNS if name not in _POOLED}
FAILURES = [
    _failing("connection refused", Ask("/"), lambda stage: stage.closed),
    _failing("connect timeout", Ask("/", timeout=0.1), lambda stage: stage.full),
    Row("Failures", "unknown host", for_all(_unknown_host)),
    _failing(
        "write timeout",
        Ask("/", "POST", content=b"more than fits " * 400_000, timeout=0.5),
        lambda stage: stage.deaf,
    ),
    _failing("read timeout before the answer", Ask("/hang", timeout=0.15)),
    _failing("read timeout in the body", Ask("/hang-in-body", timeout=0.15)),
    Row("Failures", "pool timeout", _POOLED, _NO_POOL),
]
ROWS = [*URLS, *TLS, *PROXIES, *UNIX, *FAILURES]
