"""One phase of a big body's life in a process of its own: how far its memory grows.

    memory_probe.py PHASE CLIENT SHAPE MEGABYTES ROOT URL

PHASE is ``record``, ``approve`` or ``replay`` of the project in ROOT; URL is that of memory_server.py.
Prints JSON: ``grown`` (bytes that the peak lies above what was there before), ``size`` and ``sha256`` of
what the client read.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from lab import LabRunner

from booktest_cassettes import cassette, runner
from booktest_cassettes.workflow import approve

STEP = 262_144
WARM, BIG = "x.py::warm", "x.py::big"


class Seen:
    """Takes pieces in and keeps none."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        self.size += len(piece)
        self._hash.update(piece)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


# -- clients: each reads in pieces -----------------------------------------------------------------


def by_requests(url: str) -> Iterator[bytes]:
    import requests

    with requests.get(url, stream=True, timeout=60) as response:
        yield from response.iter_content(STEP)


def by_urllib3(url: str) -> Iterator[bytes]:
    import urllib3

    with urllib3.PoolManager() as pool:
        response = pool.request("GET", url, preload_content=False)
        yield from response.stream(STEP, decode_content=True)
        response.release_conn()


def by_http_client(url: str) -> Iterator[bytes]:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host)
    connection.request("GET", f"/{path}")
    response = connection.getresponse()
    while piece := response.read(STEP):
        yield piece
    connection.close()


HELD: list[bytes] = []


def by_holding(url: str) -> Iterator[bytes]:
    """What the measurement must see: a client that keeps three times the body."""
    for piece in by_http_client(url):
        HELD.append(piece * 3)
        yield piece


def by_httpx(name: str, method: str, url: str) -> Iterator[bytes]:
    with import_module(name).Client(verify=False) as client, client.stream("GET", url) as response:
        yield from getattr(response, method)()


async def by_async_httpx(name: str, method: str, url: str) -> AsyncIterator[bytes]:
    async with import_module(name).AsyncClient(verify=False) as client, client.stream("GET", url) as response:
        async for piece in getattr(response, method)():
            yield piece


async def by_aiohttp(url: str) -> AsyncIterator[bytes]:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(url) as response:
        async for piece in response.content.iter_chunked(STEP):
            yield piece


CLIENTS: dict[str, Callable[[str], Iterator[bytes] | AsyncIterator[bytes]]] = {
    "requests": by_requests,
    "urllib3": by_urllib3,
    "http.client": by_http_client,
    "holding": by_holding,
    "aiohttp": by_aiohttp,
    "httpx": partial(by_httpx, "httpx", "iter_raw"),
    "httpx-bytes": partial(by_httpx, "httpx", "iter_bytes"),
    "httpx-asyncio": partial(by_async_httpx, "httpx", "aiter_raw"),
    "httpx2": partial(by_httpx, "httpx2", "iter_raw"),
    "httpx2-asyncio": partial(by_async_httpx, "httpx2", "aiter_raw"),
}


def read(client: str, url: str) -> Seen:
    seen = Seen()
    pieces = CLIENTS[client](url)
    if isinstance(pieces, Iterator):
        for piece in pieces:
            seen.take(piece)
        return seen

    async def run() -> None:
        async for piece in pieces:
            seen.take(piece)

    asyncio.run(run())
    return seen


# -- memory ----------------------------------------------------------------------------------------


def forget_peak() -> int:
    """Begin a new high-water mark; the bytes of memory in use now, which is where it begins.

    ``getrusage``'s ru_maxrss would not do: it cannot be begun anew, and a process starts with that of
    the one it was forked from, so a big pytest would hide any growth of a small probe.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmHWM")


def peak() -> int:
    """The most bytes of memory that were in use since."""
    return _status("VmHWM")


def _status(name: str) -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[name].removesuffix("kB")) * 1024


# -- phases ----------------------------------------------------------------------------------------


def exchange(run: LabRunner, phase: str, client: str, url: str, test_id: str) -> Seen:
    if phase == "approve":
        project = run.project()
        approve.execute(project, approve.plan(project, [test_id]))
        return Seen()
    run.use("rewrite" if phase == "record" else "none")
    with cassette(test_id):
        return read(client, url)


def main(phase: str, client: str, shape: str, megabytes: str, root: str, url: str) -> dict[str, Any]:
    os.environ.pop("CI", None)
    run = LabRunner(Path(root))
    runner.register(run)
    # What a first exchange imports and sets up for good is not what a body costs.
    exchange(run, phase, client, f"{url}/{shape}/1", WARM)
    before = forget_peak()
    seen = exchange(run, phase, client, f"{url}/{shape}/{megabytes}", BIG)
    return {"grown": peak() - before, "size": seen.size, "sha256": seen.sha256}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
