"""Where a cassette begins and ends: clients made before and after, nesting, every sort of function."""

from __future__ import annotations

import asyncio
import http.client
import unittest
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from contextvars import copy_context
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from clients import CONTEXT
from lab import ID, Lab

from booktest_cassettes import cassette
from booktest_cassettes.adapters.connections import Interceptor
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import SnapshotMissing, UnhandledRequest
from booktest_cassettes.recording import codec
from booktest_cassettes.session import Session


def recorded_paths(lab: Lab, test_id: str = ID) -> list[str]:
    """What an approved test holds, of both HTTP kinds."""
    kinds = lab.runner.project().manifest.entries.get(test_id, {})
    found = []
    for kind in (Kind.HTTP, Kind.HTTPX):
        if kind in kinds:
            items = codec.load_interactions(lab.blob(kind, test_id), name="x")
            found += [urlsplit(item.request.url).path for item in items]
    return found


# -- clients that live longer than a cassette ------------------------------------------------------


class LongLived:
    """Clients of every sort, made when this is entered, for use inside and outside of cassettes."""

    def __init__(self, stack: ExitStack, base: str) -> None:
        self.base = base
        self.session = stack.enter_context(requests.Session())
        self.pool = stack.enter_context(urllib3.PoolManager())
        self.pool_of_one = stack.enter_context(urllib3.HTTPConnectionPool(urlsplit(base).netloc, maxsize=1))
        self.httpx = stack.enter_context(httpx.Client(verify=CONTEXT, timeout=5))
        self.httpx2 = stack.enter_context(httpx2.Client(verify=CONTEXT, timeout=5))
        self.loop = asyncio.new_event_loop()
        stack.callback(self.loop.close)
        self.aiohttp = self.loop.run_until_complete(self._aiohttp_session())
        self.async_httpx = httpx.AsyncClient(verify=CONTEXT, timeout=5)
        stack.callback(lambda: self.loop.run_until_complete(self._close()))

    async def _aiohttp_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def _close(self) -> None:
        await self.aiohttp.close()
        await self.async_httpx.aclose()

    async def _by_aiohttp(self, path: str) -> bytes:
        async with self.aiohttp.get(self.base + path) as response:
            return await response.read()

    async def _by_httpx(self, path: str) -> bytes:
        return (await self.async_httpx.get(self.base + path)).content

    def ask_all(self, path: str) -> list[bytes]:
        return [
            self.session.get(self.base + path, timeout=5).content,
            self.pool.request("GET", self.base + path).data,
            self.pool_of_one.request("GET", path).data,
            self.httpx.get(self.base + path).content,
            self.httpx2.get(self.base + path).content,
            self.loop.run_until_complete(self._by_aiohttp(path)),
            self.loop.run_until_complete(self._by_httpx(path)),
        ]

    def idle_connections(self) -> Iterator[Any]:
        managers = [self.pool, *(adapter.poolmanager for adapter in self.session.adapters.values())]
        pools = [manager.pools[key] for manager in managers for key in list(manager.pools.keys())]
        for pool in [*pools, self.pool_of_one]:
            yield from (connection for connection in list(pool.pool.queue) if connection is not None)


@pytest.mark.parametrize("used_before", [True, False], ids=["used before", "unused before"])
def test_clients_made_before_a_cassette_are_recorded_and_replayed_and_live_again(
    lab: Lab, used_before: bool
) -> None:
    def outside(clients: LongLived) -> None:
        hits = lab.server.hits
        assert set(clients.ask_all("/count")) == {b"%d" % n for n in range(*_next(lab, 7))}
        assert lab.server.hits == hits + 7

    def scenario(clients: LongLived) -> list[bytes]:
        return clients.ask_all("/text") + clients.ask_all("/json")

    with ExitStack() as stack:
        clients = LongLived(stack, lab.server.base)
        if used_before:
            outside(clients)
        lab.record()
        with cassette(ID):
            recorded = scenario(clients)
        outside(clients)
        lab.approve()
        hits = lab.server.hits
        with cassette(ID, unused="error"):
            assert scenario(clients) == recorded
        assert lab.server.hits == hits
        outside(clients)
        assert not [found for found in clients.idle_connections() if isinstance(found, Interceptor)]


def _next(lab: Lab, count: int) -> tuple[int, int]:
    start = getattr(lab, "counted", 0)
    lab.counted = start + count  # type: ignore[attr-defined]
    return start, start + count


def _get(connection: http.client.HTTPConnection, path: str = "/count") -> bytes:
    connection.request("GET", path, headers={"X-Sent": "yes"})
    return connection.getresponse().read()


def test_an_http_client_connection_made_before_the_cassette_is_recorded_and_replayed(lab: Lab) -> None:
    def connect() -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection(urlsplit(lab.server.base).netloc))

    lab.record()
    with connect() as connection:
        assert _get(connection) == b"0"
        with cassette(ID):
            assert _get(connection) == b"1"
            assert b"yes" in _get(connection, "/echo")
        assert _get(connection) == b"2"
    lab.approve()
    with connect() as connection:
        assert _get(connection) == b"3"
        hits = lab.server.hits
        with cassette(ID, unused="error"):
            assert _get(connection) == b"1"
            assert b"yes" in _get(connection, "/echo")
        assert lab.server.hits == hits
        assert _get(connection) == b"4"
        with pytest.raises(UnhandledRequest), cassette(ID):
            _get(connection, "/other")


def test_an_http_client_connection_made_inside_works_on_outside(lab: Lab) -> None:
    """It stays a stand-in, and passes everything through."""

    def run(inside: bytes, outside: bytes) -> None:
        with ExitStack() as stack:
            with cassette(ID, unused="error"):
                connection = http.client.HTTPConnection(urlsplit(lab.server.base).netloc)
                stack.enter_context(closing(connection))
                assert _get(connection) == inside
            assert _get(connection) == outside
            assert isinstance(connection, http.client.HTTPConnection)

    lab.record()
    run(b"0", b"1")
    lab.approve()
    run(b"0", b"2")


def test_no_patch_of_ours_changes_what_happens_outside_of_cassettes(lab: Lab) -> None:
    lab.record()
    with cassette(ID):
        requests.get(f"{lab.server.base}/text", timeout=5)
    connection = http.client.HTTPConnection("127.0.0.1")
    assert type(connection) is http.client.HTTPConnection
    with closing(urllib3.HTTPConnectionPool("127.0.0.1")) as pool:
        assert type(pool._get_conn()) is urllib3.connection.HTTPConnection


# -- nesting ---------------------------------------------------------------------------------------


def test_nested_cassettes_each_hold_their_own(lab: Lab) -> None:
    def get(path: str) -> None:
        requests.get(lab.server.base + path, timeout=5)
        httpx.get(lab.server.base + path, verify=CONTEXT)

    def run() -> None:
        with cassette("x.py::outer", unused="error"):
            get("/echo/before")
            with cassette("x.py::inner", unused="error"):
                get("/echo/inside")
            get("/echo/after")

    lab.record()
    run()
    lab.approve()
    hits = lab.server.hits
    run()
    assert lab.server.hits == hits
    assert recorded_paths(lab, "x.py::inner") == ["/echo/inside"] * 2
    assert recorded_paths(lab, "x.py::outer") == ["/echo/before", "/echo/after"] * 2


def test_one_cassette_object_can_be_entered_again_and_inside_of_itself(lab: Lab) -> None:
    lab.record()
    both = cassette(ID)
    with both:
        requests.get(f"{lab.server.base}/echo/1", timeout=5)
        with both:
            requests.get(f"{lab.server.base}/echo/2", timeout=5)
    lab.approve()
    assert recorded_paths(lab) == ["/echo/1"]  # the one that ended last


def test_an_exception_passes_through_unchanged_and_records_nothing(lab: Lab) -> None:
    lab.record()
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught, cassette(ID):
        requests.get(f"{lab.server.base}/text", timeout=5)
        raise error
    assert caught.value is error
    assert not list(lab.runner.project().pending)
    assert requests.get(f"{lab.server.base}/count", timeout=5).text == "0"


def test_a_cassette_that_cannot_begin_leaves_nothing_behind(lab: Lab) -> None:
    lab.runner.use("none")
    hits = lab.server.hits
    with pytest.raises(SnapshotMissing), cassette(ID):
        requests.get(f"{lab.server.base}/text", timeout=5)
    assert lab.server.hits == hits
    assert requests.get(f"{lab.server.base}/text", timeout=5).ok


# -- every sort of function ------------------------------------------------------------------------


def _ids(lab: Lab) -> set[str]:
    return {record.test_id.rpartition("/")[2] for record in lab.runner.project().pending}


def _twice(lab: Lab, run: Callable[[], Any]) -> Any:
    """Record, approve, replay; the same must come out, with no request."""
    lab.record()
    recorded = run()
    assert lab.server.hits
    lab.approve()
    hits = lab.server.hits
    assert run() == recorded
    assert lab.server.hits == hits
    return recorded


def test_functions_and_coroutines_may_be_decorated_with_and_without_options(lab: Lab) -> None:
    url = f"{lab.server.base}/count"

    @cassette
    def test_bare(add: int) -> int:
        """Docs stay."""
        return int(requests.get(url, timeout=5).text) + add

    @cassette(unused="error")
    def test_with_options() -> str:
        return requests.get(url, timeout=5).text

    @cassette
    async def test_async() -> str:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.text()

    assert test_bare.__doc__ == "Docs stay."
    assert test_bare.__name__ == "test_bare"
    assert asyncio.iscoroutinefunction(test_async)
    got = _twice(lab, lambda: [test_bare(10), test_with_options(), asyncio.run(test_async())])
    assert got == [10, "1", "2"]
    name = "test_adapter_scoping.py::test_functions_and_coroutines_may_be_decorated_with_and_without_options"
    ids = {test_id.rpartition("/")[2] for test_id in lab.runner.project().manifest.entries}
    assert ids == {f"{name}::{test}" for test in ("test_bare", "test_with_options", "test_async")}


def test_traffic_at_the_yield_of_a_generator_belongs_to_whoever_is_there(lab: Lab) -> None:
    def get(path: str) -> str:
        return requests.get(lab.server.base + path, timeout=5).text

    @cassette("x.py::fixture", unused="error")
    def fixture() -> Iterator[str]:
        got = yield get("/echo/setup")
        assert got == "sent"
        yield get("/echo/middle")
        get("/echo/teardown")

    def run() -> list[str]:
        generator = fixture()
        found = [next(generator)]
        with cassette("x.py::test", unused="error"):
            found += [get("/echo/test"), generator.send("sent"), get("/echo/test2")]
        with pytest.raises(StopIteration):
            next(generator)
        return found

    _twice(lab, run)
    assert recorded_paths(lab, "x.py::test") == ["/echo/test", "/echo/test2"]
    assert recorded_paths(lab, "x.py::fixture") == ["/echo/setup", "/echo/middle", "/echo/teardown"]


def test_traffic_at_the_yield_of_an_async_generator_belongs_to_whoever_is_there(lab: Lab) -> None:
    async def get(path: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(lab.server.base + path) as response:
            return await response.text()

    @cassette("x.py::fixture", unused="error")
    async def fixture() -> AsyncIterator[str]:
        try:
            yield await get("/echo/setup")
        finally:
            await get("/echo/teardown")

    async def run() -> list[str]:
        generator = fixture()
        found = [await anext(generator)]
        async with cassette("x.py::test", unused="error"):
            found.append(await get("/echo/test"))
        await generator.aclose()
        return found

    _twice(lab, lambda: asyncio.run(run()))
    assert recorded_paths(lab, "x.py::test") == ["/echo/test"]
    assert recorded_paths(lab, "x.py::fixture") == ["/echo/setup", "/echo/teardown"]


def test_an_exception_thrown_into_a_generator_reaches_its_code(lab: Lab) -> None:
    seen: list[str] = []

    @cassette("x.py::fixture")
    def fixture() -> Iterator[str]:
        requests.get(f"{lab.server.base}/text", timeout=5)
        try:
            yield "value"
        except ValueError as error:
            seen.append(str(error))
            yield "handled"

    lab.record()
    generator: Any = fixture()
    assert next(generator) == "value"
    assert generator.throw(ValueError("thrown")) == "handled"
    assert seen == ["thrown"]
    generator.close()
    lab.approve()
    assert recorded_paths(lab, "x.py::fixture") == ["/text"]


def test_a_generator_that_waits_while_another_cassette_runs_does_not_catch_its_threads(lab: Lab) -> None:
    """A session fixture that is waiting at its yield is not the innermost cassette."""

    @cassette("x.py::fixture")
    def fixture() -> Iterator[None]:
        requests.get(f"{lab.server.base}/text", timeout=5)
        yield

    lab.record()
    generator = fixture()
    next(generator)
    assert requests.get(f"{lab.server.base}/count", timeout=5).text == "0"
    generator.close()
    lab.approve()
    assert recorded_paths(lab, "x.py::fixture") == ["/text"]


class Book:
    base = ""

    @cassette
    def test_method(self) -> str:
        return requests.get(f"{self.base}/count", timeout=5).text

    @cassette
    @staticmethod
    def test_static() -> str:
        return requests.get(f"{Book.base}/count", timeout=5).text

    @staticmethod
    @cassette
    def test_static_inside() -> str:
        return requests.get(f"{Book.base}/count", timeout=5).text

    @cassette
    @classmethod
    def test_class(cls) -> str:
        return requests.get(f"{cls.base}/count", timeout=5).text


class Sequel(Book):
    pass


def test_methods_static_and_class_methods_are_known_by_their_class(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Book, "base", lab.server.base)
    book = Book()

    def run() -> list[str]:
        return [book.test_method(), book.test_static(), Book.test_static_inside(), Book.test_class()]

    assert _twice(lab, run) == ["0", "1", "2", "3"]
    names = {test_id.partition("::")[2] for test_id in lab.runner.project().manifest.entries}
    assert names == {f"Book::test_{name}" for name in ("method", "static", "static_inside", "class")}


def test_an_inherited_test_is_known_by_the_class_it_runs_in(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Book, "base", lab.server.base)
    assert _twice(lab, lambda: [Sequel().test_method(), Book().test_method()]) == ["0", "1"]
    names = {test_id.partition("::")[2] for test_id in lab.runner.project().manifest.entries}
    assert names == {"Sequel::test_method", "Book::test_method"}


def test_a_decorated_class_has_its_tests_decorated_and_nothing_else(lab: Lab) -> None:
    base = lab.server.base

    @cassette(unused="error")
    class TestAll(unittest.TestCase):
        def helper(self) -> str:
            return requests.get(f"{base}/count", timeout=5).text

        def test_one(self) -> None:
            assert self.helper() == "0"

        @staticmethod
        def test_two() -> None:
            assert requests.get(f"{base}/text", timeout=5).ok

        @unittest.skip("skipped stays skipped")
        def test_three(self) -> None:
            raise AssertionError

    def run() -> tuple[int, int, int]:
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(TestAll).run(result)
        return result.testsRun, len(result.failures) + len(result.errors), len(result.skipped)

    _twice(lab, run)
    names = {test_id.rpartition("::")[2] for test_id in lab.runner.project().manifest.entries}
    assert names == {"test_one", "test_two"}


def test_a_decorated_class_has_its_inherited_tests_decorated_once(lab: Lab) -> None:
    base = lab.server.base

    class Base:
        def test_inherited(self) -> str:
            return requests.get(f"{base}/count", timeout=5).text

        @cassette(ignore_localhost=True)
        def test_with_its_own(self) -> None:
            requests.get(f"{base}/text", timeout=5)

        @classmethod
        def test_of_the_class(cls) -> str:
            return requests.get(f"{base}/count", timeout=5).text

    @cassette
    class TestDerived(Base):
        pass

    lab.record()
    found = TestDerived()
    assert [found.test_inherited(), found.test_of_the_class()] == ["0", "1"]
    found.test_with_its_own()
    lab.approve()
    names = {test_id.rpartition("::")[2] for test_id in lab.runner.project().manifest.entries}
    assert names == {"test_inherited", "test_of_the_class"}
    assert [found.test_inherited(), found.test_of_the_class()] == ["0", "1"]


def test_an_isolated_asyncio_test_case_is_replayed(lab: Lab) -> None:
    base = lab.server.base

    class TestAsync(unittest.IsolatedAsyncioTestCase):
        @cassette
        async def test_it(self) -> None:
            async with httpx.AsyncClient(verify=CONTEXT) as client:
                assert (await client.get(f"{base}/count")).text == "0"

    def run() -> int:
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(TestAsync).run(result)
        assert not result.errors, result.errors
        return result.testsRun

    _twice(lab, run)


def test_a_skip_inside_of_a_cassette_is_still_a_skip(lab: Lab) -> None:
    lab.record()
    with pytest.raises(unittest.SkipTest), cassette(ID):
        raise unittest.SkipTest("why not")


def test_the_context_manager_gives_the_session(lab: Lab) -> None:
    lab.record()
    with cassette(ID) as session:
        assert isinstance(session, Session)
        assert not session.strict


def test_a_deep_recursion_of_cassettes_unwinds(lab: Lab) -> None:
    lab.record()

    def deeper(left: int) -> None:
        with cassette(f"x.py::test_{left}"):
            requests.get(f"{lab.server.base}/echo/{left}", timeout=5)
            if left:
                deeper(left - 1)

    deeper(20)
    assert requests.get(f"{lab.server.base}/count", timeout=5).text == "0"
    lab.approve()
    assert all(recorded_paths(lab, f"x.py::test_{n}") == [f"/echo/{n}"] for n in range(21))


def test_a_cassette_may_be_entered_in_one_context_and_left_in_another(lab: Lab) -> None:
    """As async fixtures are, by some runners."""

    def run() -> bytes:
        both, inside = cassette(ID, unused="error"), copy_context()
        inside.run(both.__enter__)
        got = copy_context().run(requests.get, f"{lab.server.base}/count", timeout=5).content
        copy_context().run(both.__exit__, None, None, None)
        return got

    lab.record()
    assert run() == b"0"
    lab.approve()
    assert run() == b"0"
    assert requests.get(f"{lab.server.base}/count", timeout=5).text == "1"
