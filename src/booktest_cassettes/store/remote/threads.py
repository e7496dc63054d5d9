"""Threads for calls that block. They do not keep the process alive: a dead mount may hold one for ever."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ...active import step_outside

_R = TypeVar("_R")
_MOST = 32
_PATIENCE = 2.0  # seconds, for what is under way when nobody wants it any more


class DaemonThreads(Executor):
    """An executor whose threads end with the process; outside of every cassette.

    Python's own waits at exit for what its threads are doing.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._begun = self._busy = 0
        self._changed = threading.Condition()
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """See Executor."""
        future: Future[Any] = Future()
        self._calls.put((future, partial(function, *args, **options)))
        with self._changed:
            if self._begun < self._most:
                self._begun += 1
                threading.Thread(target=self._run, name="cassettes-remote", daemon=True).start()
        return future

    def _run(self) -> None:
        step_outside()
        while True:
            future, call = self._calls.get()
            self._count(1)
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
                future.set_exception(error)
            finally:
                self._count(-1)

    def _count(self, change: int) -> None:
        with self._changed:
            self._busy += change
            self._changed.notify_all()

    def settle(self, seconds: float = _PATIENCE) -> None:
        """Let what is under way end, a file be whole or gone; begin nothing else."""
        with suppress(Empty):
            while True:
                self._calls.get_nowait()[0].cancel()
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, seconds)


#: By process: a forked one has its parent's without the threads.
_pools: dict[int, DaemonThreads] = {}


def _pool() -> DaemonThreads:
    if os.getpid() not in _pools:
        _pools[os.getpid()] = DaemonThreads()
        atexit.register(_pools[os.getpid()].settle)
    return _pools[os.getpid()]


async def in_thread(function: Callable[..., _R], *args: Any) -> _R:
    """What a blocking function returns, without blocking the loop.

    Cancelled, it waits a moment for the function, which nobody can stop: a file it writes is then whole.
    """
    call = asyncio.get_running_loop().run_in_executor(_pool(), partial(function, *args))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call], timeout=_PATIENCE)
        raise
