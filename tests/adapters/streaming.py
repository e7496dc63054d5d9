"""Every way in which the clients hand out a body piece by piece."""

from __future__ import annotations

import asyncio
import http.client
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import requests
import trio
import urllib3
from clients import CONTEXT
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import HTTPStreamClosedError

_SHORT = aiohttp.ClientTimeout(5)
#: Told about each piece as it is read.
Tick = Callable[[Any], None]
#: Reads at most so many pieces of a URL (-1: all), and closes.
Read = Callable[[str, int, Tick], list[Any]]


def _read(pieces: Callable[[str], Iterator[Any]], url: str, limit: int, tick: Tick) -> list[Any]:
    found: list[Any] = []
    with closing(pieces(url)) as running:  # type: ignore[type-var]
        for piece in running:
            found.append(piece)
            tick(piece)
            if len(found) == limit:
                break
    return found


def _aread(
    run: Any, pieces: Callable[[str], AsyncIterator[Any]], url: str, limit: int, tick: Tick
) -> list[Any]:
    async def main() -> list[Any]:
        found: list[Any] = []
        async with aclosing(pieces(url)) as running:  # type: ignore[type-var]
            async for piece in running:
                found.append(piece)
                tick(piece)
                if len(found) == limit:
                    break
        return found

    return list(run(main))


def on_asyncio(main: Any) -> Any:
    return asyncio.run(main())


def _http_client(how: str, url: str) -> Iterator[bytes]:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=5)) as connection:
        connection.request("GET", parts.path)
        with connection.getresponse() as response:
            yield from iter(getattr(response, how), b"")


def _urlopen(how: str, url: str) -> Iterator[bytes]:
    with urllib.request.urlopen(url, timeout=5) as response:
        yield from iter(getattr(response, how), b"")


def _urllib3(how: str, arguments: tuple[Any, ...], url: str) -> Iterator[bytes]:
    with urllib3.PoolManager() as pool:
        response = pool.request("GET", url, preload_content=False, timeout=5.0)
        try:
            yield from getattr(response, how)(*arguments)
        finally:
            response.close()


def _requests(how: str, arguments: dict[str, Any], url: str) -> Iterator[Any]:
    with requests.get(url, stream=True, timeout=5) as response:
        yield from getattr(response, how)(**arguments)


def _requests_raw(url: str) -> Iterator[Any]:
    with requests.get(url, stream=True, timeout=5) as response:
        yield from response.raw


async def _aiohttp(how: str, url: str) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(timeout=_SHORT) as session, session.get(url) as response:
        async for piece in getattr(response.content, how)():
            yield piece


async def _aiohttp_readline(url: str) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(timeout=_SHORT) as session, session.get(url) as response:
        while line := await response.content.readline():
            yield line


class _Enough(Exception):
    """Raised in tornado's callback: there is no other way to stop it."""


def _tornado(url: str, limit: int, tick: Tick) -> list[Any]:
    found: list[Any] = []

    def take(piece: bytes) -> None:
        found.append(piece)
        tick(piece)
        if len(found) == limit:
            raise _Enough

    async def main() -> None:
        client = AsyncHTTPClient(force_instance=True)
        try:
            await client.fetch(url, streaming_callback=take, request_timeout=5)
        except HTTPStreamClosedError:
            if len(found) != limit:
                raise
        finally:
            client.close()

    asyncio.run(main())
    return found


def _httpx(library: Any, how: str, url: str) -> Iterator[Any]:
    with library.Client(timeout=5, verify=CONTEXT) as client, client.stream("GET", url) as response:
        yield from getattr(response, how)()


async def _async_httpx(library: Any, how: str, url: str) -> AsyncIterator[Any]:
    async with library.AsyncClient(timeout=5, verify=CONTEXT) as client:
        async with client.stream("GET", url) as response, aclosing(getattr(response, how)()) as pieces:
            async for piece in pieces:
                yield piece


#: Readers that give what arrives as it arrives.
BY_PIECE: dict[str, Read] = {
    "http.client read1": partial(_read, partial(_http_client, "read1")),
    "urlopen read1": partial(_read, partial(_urlopen, "read1")),
    "urllib3 stream": partial(_read, partial(_urllib3, "stream", ())),
    "urllib3 read_chunked": partial(_read, partial(_urllib3, "read_chunked", ())),
    "requests iter_content": partial(_read, partial(_requests, "iter_content", {"chunk_size": None})),
    "aiohttp iter_any": partial(_aread, on_asyncio, partial(_aiohttp, "iter_any")),
    "tornado streaming_callback": _tornado,
    "aiohttp iter_chunks": partial(_aread, on_asyncio, partial(_aiohttp, "iter_chunks")),
}
#: Readers that cut what arrives into lines.
BY_LINE: dict[str, Read] = {
    "http.client readline": partial(_read, partial(_http_client, "readline")),
    "urlopen readline": partial(_read, partial(_urlopen, "readline")),
    "urllib3 iteration": partial(_read, partial(_urllib3, "__iter__", ())),
    "requests iter_lines": partial(_read, partial(_requests, "iter_lines", {})),
    "requests raw": partial(_read, _requests_raw),
    "aiohttp lines": partial(_aread, on_asyncio, partial(_aiohttp, "__aiter__")),
    "aiohttp readline": partial(_aread, on_asyncio, _aiohttp_readline),
}
for _name, _library in {"httpx": httpx, "httpx2": httpx2}.items():
    for _how in ("iter_raw", "iter_bytes", "iter_text", "iter_lines"):
        _group = BY_LINE if _how == "iter_lines" else BY_PIECE
        _group[f"{_name} {_how}"] = partial(_read, partial(_httpx, _library, _how))
        _several = partial(_async_httpx, _library, f"a{_how}")
        _group[f"{_name} asyncio {_how}"] = partial(_aread, on_asyncio, _several)
        _group[f"{_name} trio {_how}"] = partial(_aread, trio.run, _several)
STREAMS: dict[str, Read] = BY_PIECE | BY_LINE
