"""Rows about several requests: in order, at once, in an authentication, cancelled."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from typing import Any

import aiohttp
import httplib2
import httpx
import httpx2
import requests
import requests.auth
import trio
from clients import Ask, on_asyncio
from columns import COLUMNS, EXCHANGES, exchanging
from rows import Row, Way, for_all
from stage import Stage

_LIBRARIES = {"httpx": httpx, "httpx2": httpx2}
_PATHS = [f"/echo?n={number % 6}" for number in range(24)]


def _in_order(column: str) -> Way:
    return lambda stage: [exchanging(column, stage.base, Ask("/count")) for _ in range(3)]


def _in_threads(paths: list[str]) -> Callable[[str], Way]:
    """By eight threads; answers without their order."""

    def make(column: str) -> Way:
        exchange = next(iter(EXCHANGES[column].values()))

        def play(stage: Stage) -> Any:
            base = stage.base  # started here: from Python 3.12 on, each thread might start one
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(lambda path: exchange(base, Ask(path)), paths))
            return sorted((one["status"], one["body"]) for one in found)

        return play

    return make


async def _gathered_aiohttp(stage: Stage, paths: list[str]) -> Any:
    async with aiohttp.ClientSession() as session:

        async def get(path: str) -> Any:
            async with session.get(stage.base + path) as response:
                return response.status, await response.read()

        return sorted(await asyncio.gather(*map(get, paths)))


async def _gathered_httpx(library: Any, engine: str, stage: Stage, paths: list[str]) -> Any:
    found: list[Any] = []
    async with library.AsyncClient() as client:

        async def get(path: str) -> None:
            response = await client.get(stage.base + path)
            found.append((response.status_code, response.content))

        if engine == "trio":
            async with trio.open_nursery() as nursery:
                for path in paths:
                    nursery.start_soon(get, path)
        else:
            await asyncio.gather(*map(get, paths))
    return sorted(found)


def _run(engine: str, make: Callable[[], Awaitable[Any]]) -> Any:
    return trio.run(make) if engine == "trio" else on_asyncio(make)


def _gathered(paths: list[str]) -> dict[str, Way]:
    ways: dict[str, Way] = {"aiohttp": lambda stage: asyncio.run(_gathered_aiohttp(stage, paths))}
    for name, library in _LIBRARIES.items():
        for engine in ("asyncio", "trio"):

            def way(stage: Stage, library: Any = library, engine: str = engine) -> Any:
                return _run(engine, lambda: _gathered_httpx(library, engine, stage, paths))

            ways[f"{name} {engine}"] = way
    return ways


_SYNC = {name: "it is asynchronous: see gathered" for name in COLUMNS if name in _gathered([])}
_ASYNC = {name: "it is synchronous: see threads" for name in COLUMNS if name not in _SYNC}


def _row(name: str, ways: dict[str, Way], absent: dict[str, str] | None = None, **more: Any) -> Row:
    return Row("Several requests", name, ways, absent or {}, **more)


# -- authentication --------------------------------------------------------------------------------

_REALM = ("ada", "lovelace")


def _digest_requests(stage: Stage) -> Any:
    found = requests.get(f"{stage.base}/digest", auth=requests.auth.HTTPDigestAuth(*_REALM), timeout=5)
    return found.text, [past.status_code for past in found.history]


def _digest_urllib(stage: Stage) -> Any:
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    known.add_password(None, stage.base, *_REALM)
    with urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(known)).open(
        f"{stage.base}/digest", timeout=5
    ) as found:
        return found.read(), found.status


def _digest_httplib2(stage: Stage) -> Any:
    with closing(httplib2.Http()) as http:
        http.add_credentials(*_REALM)
        response, content = http.request(f"{stage.base}/digest")
        return response.status, content


def _digest_aiohttp(stage: Stage) -> Any:
    async def talk() -> Any:
        middleware = aiohttp.DigestAuthMiddleware(*_REALM)
        async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
            async with session.get(f"{stage.base}/digest") as found:
                return found.status, await found.text()

    return asyncio.run(talk())


class _Refreshing:
    """An auth flow that fetches a token, and another one when the first has run out."""

    requires_response_body = True

    def __init__(self, library: Any, base: str) -> None:
        self._library = library
        self._base = base

    def auth_flow(self, request: Any) -> Any:
        for _ in range(2):
            answer = yield self._library.Request("POST", f"{self._base}/count", json={"grant": "refresh"})
            request.headers["Authorization"] = f"Bearer {answer.text}"
            response = yield request
            if response.status_code != 401:
                return


def _flow(library: Any, base: str) -> Any:
    return type("Flow", (_Refreshing, library.Auth), {})(library, base)


def _with_auth(make: Callable[[Any, str], Any], path: str) -> dict[str, Way]:
    ways: dict[str, Way] = {}
    for name, library in _LIBRARIES.items():

        def sync(stage: Stage, library: Any = library) -> Any:
            with library.Client() as client:
                found = client.get(stage.base + path, auth=make(library, stage.base))
                return found.text, [past.status_code for past in found.history]

        ways[name] = sync
        for engine in ("asyncio", "trio"):

            def awaited(stage: Stage, library: Any = library, engine: str = engine) -> Any:
                async def talk() -> Any:
                    async with library.AsyncClient() as client:
                        found = await client.get(stage.base + path, auth=make(library, stage.base))
                        return found.text, [past.status_code for past in found.history]

                return _run(engine, talk)

            ways[f"{name} {engine}"] = awaited
    return ways


_DIGEST = {
    "requests": _digest_requests,
    "urllib": _digest_urllib,
    "httplib2": _digest_httplib2,
    "aiohttp": _digest_aiohttp,
    **_with_auth(lambda library, _base: library.DigestAuth(*_REALM), "/digest"),
}
_NO_DIGEST = {name: "it has no digest authentication" for name in COLUMNS if name not in _DIGEST}
_FLOWS = _with_auth(_flow, "/oauth")
_NO_FLOWS = {name: "it has no auth flows" for name in COLUMNS if name not in _FLOWS}


# -- cancellation ----------------------------------------------------------------------------------


async def _cancelled_aiohttp(stage: Stage, path: str) -> Any:
    seen: list[Any] = []
    async with aiohttp.ClientSession() as session:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2), session.get(stage.base + path) as response:
                seen.append(response.status)
                async for piece in response.content.iter_any():
                    seen.append(piece)  # noqa: PERF401 - a cancelled comprehension would give nothing
                seen.append("ended")
        async with session.get(f"{stage.base}/text") as response:
            return [seen, response.status]


async def _cancelled_httpx(library: Any, engine: str, path: str, stage: Stage) -> Any:
    seen: list[Any] = []

    async def read(client: Any) -> None:
        async with client.stream("GET", stage.base + path) as response:
            seen.append(response.status_code)
            async for piece in response.aiter_raw():
                seen.append(piece)  # noqa: PERF401 - as above
            seen.append("ended")

    async with library.AsyncClient() as client:
        if engine == "trio":
            with trio.move_on_after(0.2):
                await read(client)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await read(client)
        return [seen, (await client.get(f"{stage.base}/text")).status_code]


def _cancelled(path: str) -> dict[str, Way]:
    ways: dict[str, Way] = {"aiohttp": lambda stage: asyncio.run(_cancelled_aiohttp(stage, path))}
    for name, library in _LIBRARIES.items():
        for engine in ("asyncio", "trio"):
            talk = partial(_cancelled_httpx, library, engine, path)
            ways[f"{name} {engine}"] = lambda stage, engine=engine, talk=talk: _run(
                engine, lambda: talk(stage)
            )
    return ways


_UNCANCELLABLE = {name: "it is synchronous" for name in COLUMNS if name not in _cancelled("")}
_UNCANCELLABLE["tornado"] = "a fetch runs on when nobody waits for it any more"
ROWS = [
    _row("equal requests, answers in order", for_all(_in_order)),
    _row("eight threads", for_all(_in_threads(_PATHS), _SYNC), _SYNC),
    _row("eight threads, equal requests", for_all(_in_threads(["/count"] * 9), _SYNC), _SYNC),
    _row("gathered", _gathered(_PATHS), _ASYNC),
    _row("gathered, equal requests", _gathered(["/count"] * 9), _ASYNC),
    _row("digest authentication", _DIGEST, _NO_DIGEST),
    _row("a token refreshed inside an auth flow", _FLOWS, _NO_FLOWS),
    _row("cancelled before the answer", _cancelled("/hang"), _UNCANCELLABLE),
    _row("cancelled in the body", _cancelled("/hang-in-body"), _UNCANCELLABLE),
]
