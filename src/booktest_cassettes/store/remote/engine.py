"""An event loop in a thread of its own, and batches that run on it.

DVC's file systems are asynchronous; callers are not. The thread belongs to no cassette: what it asks
the remote is neither recorded nor refused, whatever test is running.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context
from queue import SimpleQueue
from typing import Any, TypeVar

from ...active import step_outside

_T = TypeVar("_T")
_R = TypeVar("_R")

#: Seconds that one operation on one blob may take. Media give up on a silent peer much earlier.
OPERATION_LIMIT = 900.0
_THREADS = 4
_UNREAD = 64 << 20  # bytes of results that wait for their reader
# Seconds in which outcomes gather. A reader that woke for each would take the interpreter's lock from the
# loop at each of its system calls: three times slower with small blobs.
_GATHER = 0.05

#: By process: one that was forked has its parent's loop without the thread, and may not even close it.
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def loop() -> asyncio.AbstractEventLoop:
    """The loop of this process, running; made by the first who asks."""
    return _loops.get(os.getpid()) or _made()


def _made() -> asyncio.AbstractEventLoop:
    made = asyncio.new_event_loop()
    ours = _loops.setdefault(os.getpid(), made)
    if ours is not made:  # another thread was faster
        made.close()
        return ours
    # For look-ups of names; what may block for long has threads of its own (threads.py).
    made.set_default_executor(ThreadPoolExecutor(_THREADS, "cassettes-remote", initializer=step_outside))
    threading.Thread(target=_run, args=(made,), name="cassettes-remote", daemon=True).start()
    return made


def _run(made: asyncio.AbstractEventLoop) -> None:
    step_outside()
    made.run_forever()


def _submit(work: Coroutine[Any, Any, _R]) -> Future[_R]:
    ours = loop()
    if asyncio._get_running_loop() is ours:  # it would wait for itself
        work.close()
        raise RuntimeError("a remote cannot be asked from within an operation on a remote")

    def outside() -> Future[_R]:
        step_outside()
        return asyncio.run_coroutine_threadsafe(work, ours)

    return Context().run(outside)  # a task inherits the context that it was asked for in


def each(
    items: Iterable[_T],
    work: Callable[[_T], Awaitable[_R]],
    *,
    jobs: int,
    weight: Callable[[_R], int] = lambda _: 0,
) -> Iterator[_R]:
    """The outcomes of ``work`` for every item, as they come in.

    Parameters
    ----------
    items:
        Read lazily, on the loop's thread.
    work:
        What to do with one; see :func:`limited`.
    jobs:
        How many at once.
    weight:
        Bytes that an outcome holds: with too many unread ones, no further item is begun.

    Raises
    ------
    Exception
        The first that ``work`` or ``items`` raises; what is under way is cancelled then.
    """
    outcomes: SimpleQueue[Any] = SimpleQueue()
    batch = _Batch(iter(items), work, outcomes.put, weight)
    future = _submit(batch.run(jobs))
    try:
        while (outcome := outcomes.get()) is not _END:
            batch.take(weight(outcome))
            yield outcome
            if outcomes.empty():
                batch.over.wait(_GATHER)
        future.result()
    finally:
        future.cancel()


_END = object()


class _Batch:
    def __init__(
        self,
        items: Iterator[Any],
        work: Callable[[Any], Awaitable[Any]],
        put: Callable[[Any], None],
        weight: Callable[[Any], int],
    ) -> None:
        self.items, self.work, self.put, self.weight = items, work, put, weight
        self.done = 0  # bytes; written by the loop's thread
        self.read = 0  # bytes; written by the reader's
        self.blocked = 0  # workers that wait for the reader
        self.moved = asyncio.Event()
        self.over = threading.Event()

    async def run(self, jobs: int) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(jobs):
                    group.create_task(self._worker())
        except BaseExceptionGroup as error:
            raise _first(error) from None
        finally:
            self.put(_END)
            self.over.set()

    def take(self, weight: int) -> None:
        """The reader has taken an outcome."""
        self.read += weight
        if self.blocked:
            loop().call_soon_threadsafe(self.moved.set)

    async def _worker(self) -> None:
        while True:
            await self._room()
            try:
                item = next(self.items)
            except StopIteration:
                return
            outcome = await self.work(item)
            self.done += self.weight(outcome)
            self.put(outcome)

    async def _room(self) -> None:
        """Wait until the reader is not too far behind."""
        while self.done - self.read > _UNREAD:
            self.blocked += 1
            self.moved.clear()
            if self.done - self.read > _UNREAD:  # still: from here on the reader sees who is blocked
                await self.moved.wait()
            self.blocked -= 1


async def limited(work: Awaitable[_R], limit: float | None = None) -> _R:
    """What ``work`` gives, or TimeoutError after ``limit`` seconds (``None``: OPERATION_LIMIT)."""
    async with asyncio.timeout(OPERATION_LIMIT if limit is None else limit):
        return await work


def _first(group: BaseExceptionGroup) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
