"""Which tests a person means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from ..errors import UsageError

_T = TypeVar("_T")


def matches(pattern: str, test_id: str) -> bool:
    """Whether a pattern means a test: its id, a file or directory above it, or a glob over the id.

    ``tests/test_api.py``, ``tests/test_api.py::Users``, ``test_list`` of ``test_list[a]`` and
    ``*::test_users*`` all do. Brackets of parameters are taken as they stand.
    """
    if pattern == test_id:
        return True
    stem = pattern.rstrip("/")
    if test_id.startswith(stem) and test_id[len(stem)] in "/:[":
        return True
    literal = pattern.replace("[", "[[]")
    return "*" in pattern and fnmatchcase(test_id, literal)


def select(items: Iterable[_T], patterns: Sequence[str], id_of: str = "test_id") -> list[_T]:
    """Those items whose test a pattern means; all of them without patterns.

    Raises
    ------
    UsageError
        When a pattern means nothing: a typo must not look like success.
    """
    found = list(items)
    for pattern in patterns:
        if not any(matches(pattern, getattr(item, id_of)) for item in found):
            raise UsageError(
                f"nothing here matches {pattern!r}",
                hint="booktest-cassettes status lists the tests that wait for review",
            )
    if not patterns:
        return found
    return [item for item in found if any(matches(pattern, getattr(item, id_of)) for pattern in patterns)]
