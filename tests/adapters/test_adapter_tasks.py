"""A cassette belongs to its context: tasks and threads that ask the same get only their own answers."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
from clients import CONTEXT
from lab import Lab

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec

Send = Callable[[str, bytes, str], Coroutine[Any, Any, bytes]]  # URL, body, X-Sent
TASKS, STEPS = 50, 4


@asynccontextmanager
async def _aiohttp_sender() -> AsyncIterator[Send]:
    async with aiohttp.ClientSession() as session:

        async def send(url: str, body: bytes, sent: str) -> bytes:
            async with session.post(url, data=body, headers={"X-Sent": sent}) as response:
                await asyncio.sleep(0)  # let the others in between the headers and the body
                return await response.read()

        yield send


@asynccontextmanager
async def _httpx_sender(library: Any) -> AsyncIterator[Send]:
    limits = library.Limits(max_connections=20)  # the others wait for a task that is done with its own
    async with library.AsyncClient(verify=CONTEXT, timeout=30, limits=limits) as client:

        async def send(url: str, body: bytes, sent: str) -> bytes:
            async with client.stream("POST", url, content=body, headers={"X-Sent": sent}) as response:
                await asyncio.sleep(0)
                return bytes(await response.aread())

        yield send


SENDERS: dict[str, tuple[Kind, Callable[[], AbstractAsyncContextManager[Send]]]] = {
    "aiohttp": (Kind.HTTP, _aiohttp_sender),
    "httpx": (Kind.HTTPX, partial(_httpx_sender, httpx)),
    "httpx2": (Kind.HTTPX, partial(_httpx_sender, httpx2)),
}


class _Tasks:
    """Tasks that ask the same of one server, and are answered by what matching does not look at."""

    def __init__(self, lab: Lab, kind: Kind, make: Callable[[], AbstractAsyncContextManager[Send]]) -> None:
        self.lab, self.kind, self.make = lab, kind, make

    def sent(self, number: int) -> list[str]:
        """What each step of a task says in a header; some requests are equal but for it."""
        return [f"task {number} step {step}" for step in range(STEPS)]

    async def one(self, number: int, send: Send, meet: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Every step waits for all the others to be there."""
        async with cassette(f"x.py::test_{number}", unused="error"):
            for step, sent in enumerate(self.sent(number)):
                await meet()
                answer = json.loads(await send(f"{self.lab.server.base}/echo", b"%d" % (step // 2), sent))
                assert answer["headers"]["x-sent"] == [sent]
                assert base64.b64decode(answer["body"]) == b"%d" % (step // 2)

    async def share_a_client(self) -> None:
        barrier = asyncio.Barrier(TASKS)
        async with self.make() as send:
            await asyncio.gather(*(self.one(number, send, barrier.wait) for number in _shuffled(TASKS)))

    def in_threads(self) -> None:
        """Each with a loop and a client of its own."""
        barrier = threading.Barrier(8)

        async def meet() -> None:
            barrier.wait(60)

        async def main(number: int) -> None:
            async with self.make() as send:
                await self.one(number, send, meet)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: asyncio.run(main(number)), _shuffled(48)))

    def check(self, run: Callable[[], Any], count: int) -> None:
        """Record, see what is in each cassette, and replay."""
        self.lab.record()
        run()
        assert self.lab.server.hits == count * STEPS
        self.lab.approve()
        for number in range(count):
            items = codec.load_interactions(self.lab.blob(self.kind, f"x.py::test_{number}"), name="x")
            answers = [json.loads(item.outcome.body.content) for item in items]  # type: ignore[union-attr]
            assert [answer["headers"]["x-sent"] for answer in answers] == [[x] for x in self.sent(number)]
        counters = self.lab.counters
        for _ in range(2):
            run()
        assert self.lab.counters == counters


def _shuffled(count: int) -> list[int]:
    return random.Random().sample(range(count), count)


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS.keys())
def test_fifty_tasks_with_fifty_cassettes_do_not_mix(lab: Lab, sender: Any) -> None:
    tasks = _Tasks(lab, *sender)
    tasks.check(lambda: asyncio.run(tasks.share_a_client()), TASKS)


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS.keys())
def test_threads_with_cassettes_of_their_own_do_not_mix(lab: Lab, sender: Any) -> None:
    tasks = _Tasks(lab, *sender)
    tasks.check(tasks.in_threads, 48)
