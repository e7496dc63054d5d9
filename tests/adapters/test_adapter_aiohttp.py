"""aiohttp: what its users do beyond a plain request."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from lab import ID, Lab, described
from loopback import TEXT

from booktest_cassettes import cassette
from booktest_cassettes.errors import UnhandledRequest


def _conform(lab: Lab, talk: Callable[[aiohttp.ClientSession, str], Awaitable[Any]], **options: Any) -> Any:
    async def main(base: str) -> Any:
        async with aiohttp.ClientSession(**{name: make() for name, make in options.items()}) as session:
            return await talk(session, base)

    return lab.conform(lambda base: asyncio.run(main(base)))


def test_raise_for_status_says_what_it_said(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        found = []
        for options in ({"raise_for_status": True}, {}):
            try:
                async with session.get(f"{base}/status/503", **options) as response:
                    response.raise_for_status()
            except aiohttp.ClientResponseError as error:
                found.append([error.status, error.message, list(error.headers or {}), described(error)])
        return found

    assert [entry[0] for entry in _conform(lab, talk)] == [503, 503]


def test_the_whole_stream_interface_is_replayed(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        found: list[Any] = []
        async with session.get(f"{base}/lines") as response:
            content = response.content
            found += [await content.readexactly(3), await content.readuntil(b"}"), await content.readline()]
            found += [
                await content.readchunk(),
                await content.read(4),
                await content.read(),
                content.at_eof(),
            ]
            found += [await content.readany(), await content.readline(), content.total_bytes]
        async with session.get(f"{base}/text") as response:
            found += [[chunk async for chunk in response.content.iter_chunked(100)]]
            found += [response.content.is_eof(), response.closed]
        async with session.get(f"{base}/text") as response:
            try:
                await response.content.readexactly(10_000)
            except asyncio.IncompleteReadError as error:
                found += [len(error.partial), error.expected]
        return found

    lab.record()
    got = asyncio.run(_with_session(talk, lab, cassette(ID)))
    lab.approve()
    counters = lab.counters
    assert asyncio.run(_with_session(talk, lab, cassette(ID, unused="error"))) == got
    assert lab.counters == counters


async def _with_session(talk: Any, lab: Lab, use: Any) -> Any:
    async with use, aiohttp.ClientSession() as session:
        return await talk(session, lab.server.base)


def test_cookies_and_base_url_and_default_headers_are_the_sessions_own(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        async with session.get(f"{base}/cookies") as response:
            assert len(response.cookies) == 3
        async with session.get(f"{base}/echo", cookies={"own": "REDACTED"}) as response:
            return await response.json()

    got = _conform(
        lab, talk, headers=lambda: {"X-Sent": "always"}, cookie_jar=lambda: aiohttp.CookieJar(unsafe=True)
    )
    assert got["headers"]["x-sent"] == ["always"]
    assert len(got["headers"]["crumbs"][0].split(";")) == 4


def test_traces_and_hooks_are_told(lab: Lab) -> None:
    told: list[str] = []

    def trace() -> aiohttp.TraceConfig:
        config = aiohttp.TraceConfig()
        for name in ("request_start", "request_end", "request_redirect", "request_exception"):

            async def tell(_session: Any, _context: SimpleNamespace, _params: Any, name: str = name) -> None:
                told.append(name)

            getattr(config, f"on_{name}").append(tell)
        return config

    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        told.clear()
        async with session.get(f"{base}/redirect/1") as response:
            await response.read()
        return list(told)

    got = _conform(lab, talk, trace_configs=lambda: [trace()])
    assert got == ["request_start", "request_redirect", "request_redirect", "request_end"]


def test_bodies_may_be_left_compressed(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        async with session.get(f"{base}/gzip") as response:
            return await response.read(), response.headers["Content-Encoding"]

    _conform(lab, talk, auto_decompress=lambda: False)


def test_compressed_expected_and_chunked_uploads_match(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        found = []
        for options in ({"compress": "deflate"}, {"expect100": True}, {"chunked": True}, {"compress": False}):
            async with session.post(f"{base}/size", data=b"x" * 1000, **options) as response:
                found.append(await response.json())
        return found

    assert _conform(lab, talk)


def test_a_module_level_request_works(lab: Lab) -> None:
    async def main(base: str) -> Any:
        async with aiohttp.request("GET", f"{base}/json") as response:
            return await response.json()

    lab.conform(lambda base: asyncio.run(main(base)))


def test_a_connector_with_one_connection_does_not_run_out(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        async def get(path: str) -> bytes:
            async with session.get(base + path) as response:
                return await response.read()

        return sorted(await asyncio.gather(*(get("/count") for _ in range(10))))

    _conform(lab, talk, connector=lambda: aiohttp.TCPConnector(limit=1, force_close=True))


def test_a_response_looked_at_but_never_read_is_replayed_as_that(lab: Lab) -> None:
    async def look(read: bool) -> Any:
        async with aiohttp.ClientSession() as session, session.get(f"{lab.server.base}/binary") as response:
            return (await response.read()) if read else (response.status, response.content_length)

    digests = []
    for _ in range(3):
        lab.record()
        with cassette(ID):
            recorded = asyncio.run(look(read=False))
        digests.append(lab.digests())
    assert digests[0] == digests[1] == digests[2], "what TCP brought along is no part of a recording"
    lab.approve()
    with cassette(ID, unused="error"):
        assert asyncio.run(look(read=False)) == recorded
    with pytest.raises(UnhandledRequest, match="read further"), cassette(ID):
        asyncio.run(look(read=True))


def test_a_body_may_be_read_after_the_response_was_closed_as_far_as_live(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        response = await session.get(f"{base}/text")
        text = await response.text()
        response.close()
        again = await response.text()
        other = await session.get(f"{base}/text")
        other.close()
        try:
            await other.read()
        except aiohttp.ClientConnectionError as error:
            return text == again, described(error)
        raise AssertionError

    _conform(lab, talk)


def test_a_websocket_is_refused_clearly_in_every_mode(lab: Lab) -> None:
    async def connect() -> None:
        async with aiohttp.ClientSession() as session:
            await session.ws_connect(f"{lab.server.base}/echo")

    for mode in ("rewrite", "none"):
        lab.runner.use(mode)
        with (
            pytest.raises(UnhandledRequest, match="is a websocket, which a cassette cannot hold"),
            cassette(ID),
        ):
            asyncio.run(connect())
    assert lab.server.hits == 0


def test_big_bodies_pass_aiohttps_flow_control(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        async with session.get(f"{base}/big", read_bufsize=1024) as response:
            parts = [part async for part in response.content.iter_chunked(5000)]
        return len(b"".join(parts)), hash(b"".join(parts))

    assert _conform(lab, talk)[0] == 3_000_000


def test_a_gzip_bomb_sized_body_is_decoded_in_steps(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        async with session.get(f"{base}/big-gzip") as response:
            parts = [part async for part in response.content.iter_chunked(5000)]
        return len(b"".join(parts))

    assert _conform(lab, talk) == 3_000_000


def test_text_of_an_unknown_encoding_is_guessed_as_it_was(lab: Lab) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> Any:
        async with session.get(f"{base}/untyped") as response:
            return await response.text(), response.get_encoding(), json.dumps(response.content_type)

    _conform(lab, talk)
    assert TEXT


def test_an_answer_that_is_dropped_unread_warns_of_nothing(lab: Lab) -> None:
    async def drop(session: aiohttp.ClientSession, url: str) -> int:
        return (await session.get(url)).status

    def scenario(base: str) -> list[int]:
        async def talk() -> list[int]:
            async with aiohttp.ClientSession() as session:
                found = [await drop(session, f"{base}/text")]
                gc.collect()
                return [*found, await drop(session, f"{base}/json")]

        return asyncio.run(talk())

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert lab.conform(scenario) == [200, 200]
        gc.collect()
    assert not [str(warning.message) for warning in caught if "nclosed" in str(warning.message)]
