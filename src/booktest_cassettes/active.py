"""Which session a request belongs to.

A session belongs to its context (ContextVar), so two tasks or threads with two cassettes never mix.
A thread that carries no context, or a stale one, uses the innermost session that is active anywhere
in the process: nothing slips to the network because it ran in a pool.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .session import Session

#: What a context has instead of a session when it is none of the tests': our own traffic to a remote.
_OUTSIDE: Final = object()

_mine: ContextVar[Any] = ContextVar("booktest_cassettes_session", default=None)
_stack: list[Session] = []
_lock = threading.Lock()


def current() -> Session | None:
    """The session that owns what happens here and now, or ``None``."""
    if not _stack:
        return None
    session: Session | None = _mine.get()
    if session is _OUTSIDE:
        return None
    if session is not None and session in _stack:
        return session
    try:
        return _stack[-1]
    except IndexError:  # another thread left its cassette since the check above
        return None


def step_outside() -> None:
    """Belong to no session from now on, in this context: for threads and tasks of our own.

    A blob is fetched while another test's session may be active, strict even; that test neither
    answers nor refuses what we ask our remote.
    """
    _mine.set(_OUTSIDE)


@contextmanager
def activated(session: Session) -> Iterator[None]:
    """Make ``session`` the current one of this context, and the innermost of the process."""
    token = _mine.set(session)
    with _lock:
        _stack.append(session)
    try:
        yield
    finally:
        with _lock:
            # The last occurrence: another thread may have pushed its own above ours meanwhile.
            for index in range(len(_stack) - 1, -1, -1):
                if _stack[index] is session:
                    del _stack[index]
                    break
        # A fixture may be set up and torn down in two contexts; the other one dies by itself.
        with suppress(ValueError):
            _mine.reset(token)
