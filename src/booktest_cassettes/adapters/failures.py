"""Exceptions a client raised: written down, and raised again."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import IntegrityError
from ..recording.model import Failure

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_ERRNO = re.compile(r"\[Errno (-?\d+)\] (.*)", re.DOTALL)


def failure_of(error: BaseException) -> Failure:
    """An exception as it is written down; memory addresses in its text would change every digest."""
    kind = type(error)
    return Failure(f"{kind.__module__}.{kind.__qualname__}", _ADDRESS.sub("", str(error)))


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
    try:
        return kind(message)
    except TypeError:  # a constructor that wants more than a message: the class and text are what is caught
        error = kind.__new__(kind)
        error.args = (message,)
        return error
