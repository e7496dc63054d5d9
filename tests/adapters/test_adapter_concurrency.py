"""Threads and tasks: everything is recorded, everything is replayed, nothing mixes, digests are stable."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import trio
import urllib3
from clients import CLIENTS, CONTEXT, Ask
from lab import ID, Lab
from tornado.httpclient import AsyncHTTPClient

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec

THREADS, REQUESTS = 8, 50


Get = Callable[[str], bytes]


@contextmanager
def _requests(base: str) -> Iterator[Get]:
    yield lambda path: requests.get(base + path, timeout=10).content


@contextmanager
def _requests_session(base: str) -> Iterator[Get]:
    with requests.Session() as session:
        yield lambda path: session.get(base + path, timeout=10).content


@contextmanager
def _urllib3_pool(base: str) -> Iterator[Get]:
    with urllib3.PoolManager(maxsize=3, block=True) as pool:
        yield lambda path: pool.request("GET", base + path, timeout=10.0).data


@contextmanager
def _one_shot(name: str, base: str) -> Iterator[Get]:
    yield lambda path: bytes(CLIENTS[name](base, Ask(path, timeout=10))["body"])


@contextmanager
def _httpx_client(library: Any, base: str) -> Iterator[Get]:
    with library.Client(verify=CONTEXT, timeout=10) as client:
        yield lambda path: bytes(client.get(base + path).content)


THREADED: dict[str, Callable[[str], AbstractContextManager[Get]]] = {
    "requests": _requests,
    "requests-session": _requests_session,
    "urllib3-pool": _urllib3_pool,
    "http.client": partial(_one_shot, "http.client"),
    "urlopen": partial(_one_shot, "urlopen"),
    "tornado": partial(_one_shot, "tornado"),
    "httpx": partial(_httpx_client, httpx),
    "httpx2": partial(_httpx_client, httpx2),
}


def _by_threads(make: Callable[[str], AbstractContextManager[Get]], base: str) -> list[bytes]:
    paths = [f"/echo/{number % 20}?round={number // 20}" for number in range(THREADS * REQUESTS)]
    random.Random().shuffle(paths)
    with make(base) as get, ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(paths, pool.map(get, paths), strict=True))
    return [found[path] for path in sorted(found)]


@pytest.mark.parametrize("make", THREADED.values(), ids=THREADED.keys())
def test_requests_of_eight_threads_are_all_recorded_and_all_replayed(lab: Lab, make: Any) -> None:
    _record_and_replay(lab, make, times=3)


@pytest.mark.nightly
@pytest.mark.parametrize("make", [_requests, _urllib3_pool])
def test_the_two_that_vcrpy_loses_requests_of_lose_none_in_twenty_times(lab: Lab, make: Any) -> None:
    _record_and_replay(lab, make, times=20)


def _record_and_replay(lab: Lab, make: Callable[[str], AbstractContextManager[Get]], times: int) -> None:
    digests = []
    for _ in range(times):
        lab.record()
        hits = lab.server.hits
        with cassette(ID):
            recorded = _by_threads(make, lab.server.base)
        assert lab.server.hits - hits == THREADS * REQUESTS
        digests.append(lab.digests())
    assert digests == [digests[0]] * times
    lab.approve()
    (kind,) = digests[0]
    assert len(codec.load_interactions(lab.blob(kind), name="x")) == THREADS * REQUESTS
    counters = lab.counters
    for _ in range(times):
        with cassette(ID, unused="error"):
            assert _by_threads(make, lab.server.base) == recorded
        assert lab.counters == counters


async def _gathered(fetch: Callable[[str], Any], paths: list[str]) -> list[bytes]:
    return list(await asyncio.gather(*map(fetch, paths)))


def _aiohttp_gather(base: str, paths: list[str]) -> list[bytes]:
    async def main() -> list[bytes]:
        async with aiohttp.ClientSession() as session:

            async def fetch(path: str) -> bytes:
                async with session.get(base + path) as response:
                    return await response.read()

            return await _gathered(fetch, paths)

    return asyncio.run(main())


def _tornado_gather(base: str, paths: list[str]) -> list[bytes]:
    async def main() -> list[bytes]:
        client = AsyncHTTPClient(force_instance=True, max_clients=7)  # the others wait in its queue

        async def fetch(path: str) -> bytes:
            return bytes((await client.fetch(base + path)).body)

        try:
            return await _gathered(fetch, paths)
        finally:
            client.close()

    return asyncio.run(main())


def _httpx_gather(library: Any, base: str, paths: list[str]) -> list[bytes]:
    async def main() -> list[bytes]:
        async with library.AsyncClient(verify=CONTEXT, timeout=10) as client:

            async def fetch(path: str) -> bytes:
                return bytes((await client.get(base + path)).content)

            return await _gathered(fetch, paths)

    return asyncio.run(main())


def _trio_nursery(base: str, paths: list[str]) -> list[bytes]:
    found: dict[int, bytes] = {}

    async def main() -> None:
        async with httpx.AsyncClient(verify=CONTEXT, timeout=10) as client, trio.open_nursery() as nursery:

            async def fetch(number: int, path: str) -> None:
                found[number] = (await client.get(base + path)).content

            for number, path in enumerate(paths):
                nursery.start_soon(fetch, number, path)

    trio.run(main)
    return [found[number] for number in range(len(paths))]


GATHERED = {
    "aiohttp": _aiohttp_gather,
    "tornado": _tornado_gather,
    "httpx": partial(_httpx_gather, httpx),
    "httpx2": partial(_httpx_gather, httpx2),
    "httpx-trio": _trio_nursery,
}


@pytest.mark.parametrize("gather", GATHERED.values(), ids=GATHERED.keys())
def test_gathered_requests_are_replayed_and_their_digest_does_not_depend_on_their_order(
    lab: Lab, gather: Any
) -> None:
    paths = [f"/echo/{number}" for number in range(40)]
    digests = []
    for _ in range(3):
        random.Random().shuffle(paths)
        lab.record()
        with cassette(ID):
            recorded = dict(zip(paths, gather(lab.server.base, paths), strict=True))
        digests.append(lab.digests())
    assert digests[0] == digests[1] == digests[2]
    lab.approve()
    random.Random().shuffle(paths)
    counters = lab.counters
    with cassette(ID, unused="error"):
        assert dict(zip(paths, gather(lab.server.base, paths), strict=True)) == recorded
    assert lab.counters == counters


@pytest.mark.parametrize("gather", GATHERED.values(), ids=GATHERED.keys())
def test_equal_gathered_requests_are_each_recorded_and_replayed_once(lab: Lab, gather: Any) -> None:
    paths = ["/count"] * 30
    got = lab.conform(lambda base: sorted(gather(base, paths)))
    assert len(set(got)) == 30


@pytest.mark.parametrize("name", CLIENTS)
def test_equal_requests_in_sequence_get_their_answers_in_order(lab: Lab, name: str) -> None:
    def scenario(base: str) -> list[bytes]:
        return [CLIENTS[name](base, Ask(path))["body"] for path in ("/count", "/text", "/count", "/count")]

    got = lab.conform(scenario)
    assert [got[0], got[2], got[3]] == [b"0", b"1", b"2"]


def test_work_handed_to_a_pool_one_by_one_has_a_stable_digest(lab: Lab) -> None:
    """Which worker takes the next job is an accident."""

    async def main(base: str) -> None:
        for path in ("/echo/b", "/echo/a", "/echo/c"):
            await asyncio.to_thread(requests.get, base + path, timeout=5)

    digests = []
    for workers in (1, 4):
        lab.record()
        with cassette(ID), ThreadPoolExecutor(workers) as pool:
            if workers == 1:
                asyncio.run(main(lab.server.base))
            else:  # certainly three different threads
                barrier = threading.Barrier(3)
                held = [pool.submit(barrier.wait) for _ in range(2)]
                requests.get(f"{lab.server.base}/echo/b", timeout=5)
                barrier.wait()
                [future.result() for future in held]
                for path in ("/echo/a", "/echo/c"):
                    pool.submit(requests.get, lab.server.base + path, timeout=5).result()
        digests.append(lab.digests())
    assert digests[0] == digests[1]


# -- threads that carry no context -----------------------------------------------------------------


def test_a_stray_thread_uses_the_innermost_cassette(lab: Lab) -> None:
    def stray(path: str) -> bytes:
        found: list[bytes] = []
        get = lambda: found.append(requests.get(lab.server.base + path, timeout=5).content)  # noqa: E731
        thread = threading.Thread(target=get)
        thread.start()
        thread.join()
        return found[0]

    def both() -> list[bytes]:
        with cassette("x.py::outer", unused="error"):
            first = stray("/echo/outer")
            with cassette("x.py::inner", unused="error"):
                second = stray("/echo/inner")
            return [first, second, stray("/echo/outer-again")]

    lab.record()
    recorded = both()
    lab.approve()
    counters = lab.counters
    assert both() == recorded
    assert lab.counters == counters
    inner = codec.load_interactions(lab.blob(Kind.HTTP, "x.py::inner"), name="x")
    assert [item.request.url for item in inner] == [f"{lab.server.base}/echo/inner"]


def test_a_context_that_outlives_its_cassette_belongs_to_the_one_that_is_active_now(lab: Lab) -> None:
    lab.record()
    with cassette("x.py::first"):
        stale = copy_context()
    with cassette("x.py::second"):
        stale.run(requests.get, f"{lab.server.base}/text", timeout=5)
    assert list(lab.digests("x.py::second")) == [Kind.HTTP]
    counters = lab.counters
    stale.run(requests.get, f"{lab.server.base}/text", timeout=5)
    assert lab.counters > counters, "after every cassette, requests are live again"


def test_an_unrecorded_request_of_a_pool_thread_fails_the_test_even_when_nobody_looks(lab: Lab) -> None:
    lab.record()
    with cassette(ID):
        requests.get(f"{lab.server.base}/text", timeout=5)
    lab.approve()
    counters = lab.counters
    with pytest.raises(Exception, match="/other is not in its http cassette"), cassette(ID):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(requests.get, f"{lab.server.base}/other", timeout=5)  # its future is dropped
    assert lab.counters == counters


def test_a_request_in_flight_when_its_cassette_ends_is_never_recorded_half(lab: Lab) -> None:
    lab.record()
    with cassette(ID):
        requests.get(f"{lab.server.base}/text", timeout=5)
        thread = threading.Thread(target=lambda: requests.get(f"{lab.server.base}/sse", timeout=5))
        thread.start()
        while not lab.server.paths or lab.server.paths[-1] != "GET /sse":
            threading.Event().wait(0.005)
    lab.server.open_gate()
    thread.join()
    lab.approve()
    for item in codec.load_interactions(lab.blob(Kind.HTTP), name="x"):
        assert not item.request.url.endswith("/sse") or item.outcome.cut  # type: ignore[union-attr]
