"""Exceptions a client raised: written down, and raised again."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import IntegrityError
from ..recording.model import Failure

#: Parts of an exception's text that differ between processes and builds of Python.
_ACCIDENTS = re.compile(r" at 0x[0-9a-fA-F]+| \(_ssl\.c:\d+\)")
_ERRNO = re.compile(r"\[Errno (-?\d+)\] (.*)", re.DOTALL)


def failure_of(error: BaseException) -> Failure:
    """An exception as it is written down, without what would change every digest."""
    kind = type(error)
    return Failure(f"{kind.__module__}.{kind.__qualname__}", _ACCIDENTS.sub("", str(error)))


def exception_of(
    failure: Failure, build: Callable[[type[Exception], str], Exception] | None = None
) -> Exception:
    """A recorded exception, ready to be raised again.

    Parameters
    ----------
    failure:
        What was recorded.
    build:
        How to make one of the class with the message, for families whose constructors want more.

    Raises
    ------
    IntegrityError
        When its class is not there (another version of the client).
    """
    module, _, name = failure.type.rpartition(".")
    kind: Any = None
    with suppress(ImportError):
        kind = getattr(importlib.import_module(module), name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        raise IntegrityError(f"the recorded exception {failure.type} does not exist here: {failure.message}")
    if build is not None:
        return build(kind, failure.message)
    return _build(kind, failure.message)


def _build(kind: type[Exception], message: str) -> Exception:
    numbered = _ERRNO.fullmatch(message)
    if issubclass(kind, OSError) and numbered:
        return kind(int(numbered[1]), numbered[2])
    if kind.__module__ == "ssl":
        return kind(1, message)  # its text is only text when it has a number
    try:
        # TimeoutError("") would have args, and TimeoutError() has none.
        return kind(message) if message else kind()
    except TypeError:  # a constructor that wants more than a message: the class and text are what is caught
        return _with_text(kind, message)


def _with_text(kind: type[Exception], message: str) -> Exception:
    error = kind.__new__(kind)
    error.args = (message,)
    if str(error) == message:
        return error
    # Its text is made of parts that were not recorded (UnicodeError's are).
    own = {"__str__": lambda _: message, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return _with_text(type(kind.__name__, (kind,), own), message)
