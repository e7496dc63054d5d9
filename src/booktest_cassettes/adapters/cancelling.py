"""Requests that the code under test stopped waiting for: recorded as that, and waited for again.

A request that is cancelled has no outcome, yet the test made it: a deadline around a slow call, a
hedged request whose twin was faster, a poller that is stopped. Its replay waits, as it did live,
until it is cancelled.
"""

from __future__ import annotations

import asyncio
import sys
from typing import NoReturn

from ..errors import UnhandledRequest
from ..recording.model import Failure, Request
from ..session import Session
from ..traffic import Slot

CANCELLED = Failure("asyncio.exceptions.CancelledError", "the client stopped waiting")
#: How long a replay waits to be cancelled. A test that would wait for ever is told so instead.
PATIENCE_SECONDS = 60.0


def is_cancellation(error: BaseException) -> bool:
    """Whether an exception is asyncio's or trio's way of ending a task."""
    trio = sys.modules.get("trio")
    return isinstance(error, asyncio.CancelledError) or (
        trio is not None and isinstance(error, trio.Cancelled)
    )


def gave_up(slot: Slot, error: BaseException) -> None:
    """A request ended by an exception: recorded where the client stopped waiting, else dropped."""
    if is_cancellation(error):
        slot.finish(CANCELLED)
    else:
        slot.drop()


async def cancelled_again(session: Session, request: Request) -> NoReturn:
    """Wait to be cancelled.

    Raises
    ------
    UnhandledRequest
        When nobody does.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        await trio.sleep(PATIENCE_SECONDS)
    else:
        await asyncio.sleep(PATIENCE_SECONDS)
    raise session.refuse(
        UnhandledRequest(
            f"{session.test_id}: {request.method} {request.url} was cancelled when it was recorded,"
            f" and is awaited for more than {PATIENCE_SECONDS:g} seconds now",
            hint=session.command,
        )
    )
