"""Attributes of other people's classes that we put ours in the place of; loud when one is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import CassetteError


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put ``make(original)`` in the place of an attribute.

    Raises
    ------
    CassetteError
        When there is none: a client that we cannot intercept must not go on as if we did.
    """
    original = getattr(owner, name, None)
    if original is None:
        library = owner.__module__.partition(".")[0]
        raise CassetteError(
            f"cannot intercept {owner.__module__}.{owner.__qualname__}.{name}:"
            f" this version of {library} is unknown",
            hint=f"pip install --upgrade booktest-cassettes, or an older {library}",
        )
    setattr(owner, name, make(original))
