"""Requests that are cancelled, beside the matrix (tests/conformance): hedges, and deadlines that moved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import trio
from clients import CONTEXT, on_asyncio
from lab import ID, Lab
from loopback import TEXT

from booktest_cassettes import cassette
from booktest_cassettes.adapters import cancelling
from booktest_cassettes.errors import UnhandledRequest

Get = Callable[[str], Awaitable[bytes]]


async def by_aiohttp(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.read()


def by_httpx(library: Any) -> Get:
    async def get(url: str) -> bytes:
        async with library.AsyncClient(verify=CONTEXT, timeout=30) as client:
            return (await client.get(url)).content  # type: ignore[no-any-return]

    return get


_GETS = pytest.mark.parametrize(
    "get", [by_aiohttp, by_httpx(httpx), by_httpx(httpx2)], ids=["aiohttp", "httpx", "httpx2"]
)


@_GETS
def test_the_slower_of_two_hedged_requests_waits_on_replay_until_it_is_cancelled(lab: Lab, get: Get) -> None:
    async def hedged(base: str) -> Any:
        twins = [asyncio.create_task(get(f"{base}/{path}")) for path in ("hang", "text")]
        done, pending = await asyncio.wait(twins, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.wait(pending)
        return [task.result() for task in done], [task.cancelled() for task in pending]

    assert lab.conform(lambda base: asyncio.run(hedged(base))) == ([TEXT], [True])


@_GETS
@pytest.mark.parametrize("path", ["hang", "hang-in-body"])
def test_a_replay_that_nobody_cancels_ends_with_an_error(
    lab: Lab, get: Get, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def with_deadline(url: str) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(get(url), 0.2)

    url = f"{lab.server.base}/{path}"
    lab.record()
    with cassette(ID):
        asyncio.run(with_deadline(url))
    lab.approve()
    monkeypatch.setattr(cancelling, "PATIENCE_SECONDS", 0.05)
    counters = lab.counters
    with pytest.raises(UnhandledRequest, match="was cancelled when it was recorded"), cassette(ID):
        asyncio.run(get(url))  # type: ignore[arg-type]
    assert lab.counters == counters


@pytest.mark.parametrize("run", [on_asyncio, trio.run], ids=["asyncio", "trio"])
def test_an_interrupt_is_no_cancellation(lab: Lab, run: Any) -> None:
    class Interrupting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise KeyboardInterrupt

    def interrupted(transport: Any) -> Any:
        async def talk() -> None:
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get(f"{lab.server.base}/text")

        return talk

    lab.record()
    with pytest.raises(KeyboardInterrupt), cassette(ID):
        run(interrupted(Interrupting()))
    assert not list(lab.runner.project().pending)
