"""Exceptions raised again on replay, beside the matrix (tests/conformance): classes, causes, retries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx
import httpx2
import loopback
import pytest
import requests
import urllib3
from clients import CONTEXT
from lab import ID, Lab, described, raised

from booktest_cassettes import cassette


@pytest.fixture
def closed_port() -> str:
    return loopback.closed_port()


@pytest.fixture
def full_port() -> Iterator[str]:
    with loopback.full_port() as url:
        yield url


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_httpx_timeouts_keep_their_classes(lab: Lab, full_port: str, library: Any) -> None:
    def scenario(base: str) -> list[dict[str, Any]]:
        # Only the limit that is asked about is short: on a busy machine another would be met first.
        to_connect, to_read = library.Timeout(30, connect=0.1), library.Timeout(30, read=0.1)
        with library.Client(verify=CONTEXT) as client:
            found = [
                raised(lambda: client.get(full_port, timeout=to_connect)),
                raised(lambda: client.get(f"{base}/hang", timeout=to_read)),
            ]
        kinds = [entry["type"].rpartition(".")[2] for entry in found]
        assert kinds == ["ConnectTimeout", "ReadTimeout"]
        assert found[0]["request"] == ("GET", full_port)
        return found

    lab.conform(scenario)


def test_aiohttp_timeouts_keep_their_classes(lab: Lab, full_port: str) -> None:
    async def ask(url: str, limit: aiohttp.ClientTimeout) -> dict[str, Any]:
        async with aiohttp.ClientSession(timeout=limit) as session:
            try:
                async with session.get(url) as response:
                    await response.read()
            except (TimeoutError, aiohttp.ClientError) as error:
                return described(error)
        raise AssertionError("nothing was raised")

    def scenario(base: str) -> list[dict[str, Any]]:
        timeouts = [
            (full_port, aiohttp.ClientTimeout(total=0.1)),
            (full_port, aiohttp.ClientTimeout(sock_connect=0.1)),
            (full_port, aiohttp.ClientTimeout(connect=0.1)),
            (f"{base}/hang", aiohttp.ClientTimeout(total=0.1)),
            (f"{base}/hang", aiohttp.ClientTimeout(sock_read=0.1)),
            (f"{base}/hang-in-body", aiohttp.ClientTimeout(total=0.1)),
            (f"{base}/hang-in-body", aiohttp.ClientTimeout(sock_read=0.1)),
        ]
        return [asyncio.run(ask(*each)) for each in timeouts]

    lab.conform(scenario)


def test_requests_errors_keep_what_they_wrap(lab: Lab, closed_port: str) -> None:
    def scenario(base: str) -> list[Any]:
        try:
            requests.get(closed_port, timeout=1)
        except requests.ConnectionError as error:
            inner = error.args[0]
            reason = inner.reason
            return [type(inner).__name__, inner.url, type(reason).__name__, error.request is not None]
        raise AssertionError

    lab.conform(scenario, counts=False)


def test_a_retrying_session_gives_up_on_errors_as_it_did(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with requests.Session() as session:
            retries = urllib3.Retry(total=2, backoff_factor=0, status_forcelist=[503], allowed_methods=None)
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
            return [
                session.get(f"{base}/flaky/1").text,
                raised(lambda: session.get(f"{base}/status/503")),
                raised(lambda: session.get(f"{base}/hang-up")),
            ]

    lab.conform(scenario)


def test_a_cassette_error_is_not_taken_for_a_failed_connection_worth_retrying(lab: Lab) -> None:
    lab.record()
    with cassette(ID):
        requests.get(f"{lab.server.base}/text", timeout=5)
    lab.approve()
    retries = urllib3.Retry(total=5, backoff_factor=10)
    with pytest.raises(Exception, match="is not in its http cassette"), cassette(ID):
        with requests.Session() as session:
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
            session.get(f"{lab.server.base}/other")


def test_an_exception_without_arguments_comes_back_without_any(lab: Lab) -> None:
    async def late(base: str) -> tuple[Any, ...]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session:
            with pytest.raises(TimeoutError) as caught:
                await session.get(f"{base}/hang")
        return caught.value.args

    assert lab.conform(lambda base: asyncio.run(late(base))) == ()
