"""Batches on a loop of their own: what is begun, what is cancelled, and whom the thread belongs to."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from booktest_cassettes import guard
from booktest_cassettes.active import activated, current
from booktest_cassettes.errors import NetworkRefused, RemoteError
from booktest_cassettes.options import Options, resolve
from booktest_cassettes.project import Project
from booktest_cassettes.session import Session
from booktest_cassettes.store.remote import engine
from booktest_cassettes.store.remote.medium import Trouble
from booktest_cassettes.store.remote.place import Place
from booktest_cassettes.store.remote.remote import Remote


async def same(item: object) -> object:
    await asyncio.sleep(0)
    return item


async def never(_: object) -> None:
    await asyncio.Event().wait()


def on_loop(work: Callable[[], object]) -> object:
    """What a plain function gives on the loop's thread."""

    async def run(_: object) -> object:
        return work()

    return next(engine.each([None], run, jobs=1))


# --- batches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 3, 64])
@pytest.mark.parametrize("count", [0, 1, 500])
def test_every_item_has_its_outcome_once(jobs, count):
    assert sorted(engine.each(range(count), same, jobs=jobs)) == list(range(count))


def test_so_many_are_under_way_and_no_more():
    now, most = 0, 0

    async def work(_: object) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    list(engine.each(range(100), work, jobs=7))
    assert most == 7


def test_outcomes_come_as_they_are_ready_not_in_turn():
    last = asyncio.Event()

    async def work(item: int) -> int:
        if item == 0:
            await last.wait()
        elif item == 9:
            last.set()
        return item

    assert next(engine.each(range(10), work, jobs=2)) == 1


def test_items_are_read_as_they_are_needed():
    read = []
    hold = asyncio.Event()

    def items() -> Iterator[int]:
        for item in range(1000):
            read.append(item)
            yield item

    async def work(item: int) -> int:
        if item:
            await hold.wait()
        return item

    outcomes = engine.each(items(), work, jobs=4)
    next(outcomes)
    on_loop(lambda: None)
    assert len(read) <= 5
    outcomes.close()


@pytest.mark.parametrize("error", [ValueError("no"), RemoteError("no"), KeyError("no"), TimeoutError("no")])
def test_the_first_error_ends_the_batch_and_keeps_its_type(error):
    begun = []

    async def work(item: int) -> int:
        begun.append(item)
        if item == 5:
            raise error
        return item

    outcomes = engine.each(range(10_000), work, jobs=1)
    seen = []
    with pytest.raises(type(error)) as caught:
        seen.extend(outcomes)
    assert caught.value.args == error.args
    assert begun == list(range(6))


def test_what_was_done_before_an_error_is_handed_out_first():
    async def work(item: int) -> int:
        if item == 3:
            raise ValueError
        return item

    seen: list[int] = []
    with pytest.raises(ValueError):
        for item in engine.each(range(10), work, jobs=1):
            seen.append(item)  # noqa: PERF402 - what came before the error counts
    assert seen == [0, 1, 2]


def test_an_error_of_the_items_ends_the_batch():
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(engine.each(items(), same, jobs=3))


def _cancelled_work() -> tuple[Callable[[int], object], threading.Semaphore]:
    ended = threading.Semaphore(0)

    async def work(item: int) -> int:
        if item == 0:
            return item
        try:
            await asyncio.Event().wait()
        finally:
            ended.release()
        return item

    return work, ended


def test_a_reader_that_leaves_cancels_what_is_under_way():
    work, ended = _cancelled_work()
    outcomes = engine.each(range(10), work, jobs=4)
    assert next(outcomes) == 0
    on_loop(lambda: None)  # the others have begun
    outcomes.close()
    assert all(ended.acquire(timeout=10) for _ in range(4))


def test_an_error_of_one_cancels_the_others():
    ended = threading.Semaphore(0)

    async def work(item: int) -> None:
        if item == 3:
            raise ValueError
        try:
            await asyncio.Event().wait()
        finally:
            ended.release()

    with pytest.raises(ValueError):
        list(engine.each(range(10), work, jobs=4))
    assert all(ended.acquire(blocking=False) for _ in range(3))


def test_an_interrupt_of_the_reader_cancels_what_is_under_way():
    code = """
import asyncio, os, signal, threading
from booktest_cassettes.store.remote import engine
reading, ended = threading.Event(), threading.Semaphore(0)
async def work(item):
    if item == 0:
        return
    try:
        await asyncio.to_thread(reading.wait)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
    finally:
        ended.release()
try:
    for _ in engine.each([0, 1], work, jobs=1):
        reading.set()
except KeyboardInterrupt:
    assert ended.acquire(timeout=10)
    print("interrupted")
"""
    assert ran(code) == "interrupted\n"


def test_a_slow_reader_is_waited_for(monkeypatch):
    monkeypatch.setattr(engine, "_UNREAD", 100)
    begun = []

    async def work(item: int) -> int:
        begun.append(item)
        return item

    outcomes = engine.each(range(1000), work, jobs=4, weight=lambda _: 10)
    seen = [next(outcomes)]
    for _ in range(50):
        on_loop(lambda: None)  # time for the others to go on, if they did
    assert len(begun) <= 11 + 1 + 4
    seen.extend(outcomes)
    assert sorted(seen) == list(range(1000))


def test_one_outcome_heavier_than_all_that_may_wait_passes(monkeypatch):
    monkeypatch.setattr(engine, "_UNREAD", 1)
    assert len(list(engine.each(range(20), same, jobs=4, weight=lambda _: 1000))) == 20


def test_several_threads_share_one_loop():
    with ThreadPoolExecutor(8) as pool:
        batches = [pool.submit(lambda: sum(engine.each(range(200), same, jobs=5))) for _ in range(8)]
        assert {batch.result() for batch in batches} == {sum(range(200))}
    assert len({id(on_loop(asyncio.get_running_loop)) for _ in range(3)}) == 1


def test_an_operation_that_asks_the_remote_itself_is_refused_instead_of_waiting_for_ever():
    async def work(_: object) -> object:
        return next(engine.each([1], same, jobs=1))

    with pytest.raises(RuntimeError, match="from within an operation"):
        list(engine.each([1], work, jobs=1))


# --- the limit --------------------------------------------------------------------------------------


class _Hanging:
    jobs = 4

    async def read(self, _: str) -> None:
        await never(None)

    def explain(self, _: BaseException) -> Trouble | None:
        return None


def test_an_operation_that_never_ends_is_given_up_with_words(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "OPERATION_LIMIT", 0.05)
    remote = Remote(Place(tmp_path, "it", "s3://bucket"), "prefix")
    remote.media[os.getpid()] = _Hanging()
    with pytest.raises(RemoteError, match=r"remote 'it' \(s3://bucket\): no answer within 0\.05 seconds"):
        list(remote.each(range(10), lambda medium, item: medium.read("path")))


# --- whom it belongs to -----------------------------------------------------------------------------


@pytest.fixture
def strict(tmp_path, monkeypatch) -> Session:
    """A session that refuses whatever is not on this machine."""
    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    for name in ("CI", "BOOKTEST_RECORD_MODE"):
        monkeypatch.delenv(name, raising=False)
    guard.install()
    project = Project.open(tmp_path, {"record_mode": "once"})
    session = Session(project, "tests/test_a.py::test_b", resolve(project.config, Options()))
    session.strict = True
    return session


def _look_elsewhere() -> None:
    """What the interpreter says before it connects; nothing is sent."""
    sys.audit("socket.connect", None, ("203.0.113.7", 443))


def test_the_loop_belongs_to_no_session_whatever_test_asks(strict):
    async def everywhere(_: object) -> list[object]:
        later: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: later.set_result(current()))
        executor = asyncio.get_running_loop().run_in_executor(None, current)
        return [current(), await later, await executor, await asyncio.to_thread(current)]

    with activated(strict):
        assert current() is strict
        assert next(engine.each([None], everywhere, jobs=1)) == [None] * 4
        assert current() is strict


def test_a_strict_session_refuses_the_test_and_not_the_remote(strict):
    async def connect(_: object) -> str:
        _look_elsewhere()
        await asyncio.to_thread(_look_elsewhere)
        return "through"

    with activated(strict):
        with pytest.raises(NetworkRefused):
            _look_elsewhere()
        assert next(engine.each([None], connect, jobs=1)) == "through"
    assert len(strict.problems) == 1


# --- forks ------------------------------------------------------------------------------------------


def ran(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
def test_a_forked_process_gets_a_loop_of_its_own_and_leaves_the_parent_s_alone():
    code = """
import os, sys
from booktest_cassettes.store.remote import engine
async def work(item):
    return item
assert list(engine.each([1], work, jobs=1)) == [1]
ours = engine.loop()
pid = os.fork()
if pid == 0:
    assert list(engine.each([2], work, jobs=1)) == [2]
    assert engine.loop() is not ours
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert engine.loop() is ours
assert list(engine.each([3], work, jobs=1)) == [3]
"""
    assert ran(code) == ""
