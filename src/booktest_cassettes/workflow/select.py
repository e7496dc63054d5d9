"""Which tests a person means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from ..errors import UsageError
from ..store.pending import Pending

_T = TypeVar("_T")
_P = TypeVar("_P", bound=Pending)


def matches(pattern: str, test_id: str) -> bool:
    """Whether a pattern means a test: its id, a file or directory above it, or a glob over the id.

    ``tests/test_api.py``, ``tests/test_api.py::Users``, ``test_list`` of ``test_list[a]`` and
    ``*::test_users*`` all do. Brackets of parameters are taken as they stand.
    """
    if pattern == test_id:
        return True
    stem = pattern.removeprefix("./").rstrip("/")
    rest = test_id.removeprefix(stem)
    if stem and rest != test_id and (not rest or rest.startswith(("/", "::", "["))):
        return True
    return "*" in pattern and fnmatchcase(test_id, pattern.replace("[", "[[]"))


def _test_id(item: Any) -> str:
    return str(item.test_id)


def select(items: Iterable[_T], patterns: Sequence[str], id_of: Callable[[_T], str] = _test_id) -> list[_T]:
    """Those items whose test a pattern means; all of them without patterns.

    Raises
    ------
    UsageError
        When a pattern means nothing: a typo must not look like success.
    """
    found = list(items)
    chosen: set[int] = set()
    for pattern in patterns:
        meant = _meant(pattern, [id_of(item) for item in found])
        if not meant:
            raise UsageError(
                f"nothing here matches {pattern!r}",
                hint="booktest-cassettes status lists the tests that wait for review,"
                " the manifest those that are approved",
            )
        chosen.update(meant)
    return [item for number, item in enumerate(found) if number in chosen or not patterns]


def waiting_of(records: Iterable[_P], approved: Iterable[str], patterns: Sequence[str]) -> list[_P]:
    """Those pending records whose test a pattern means; one that means approved tests only is no typo.

    Raises
    ------
    UsageError
        When a pattern means neither.
    """
    found = list(records)
    if not patterns:
        return found
    known = dict.fromkeys([*(record.test_id for record in found), *approved])
    chosen = set(select(known, patterns, str))
    return [record for record in found if record.test_id in chosen]


def _meant(pattern: str, ids: Sequence[str]) -> list[int]:
    """Which of these ids a pattern means; one that is an id means that test alone, asterisks or not."""
    if pattern in ids:
        return [ids.index(pattern)]
    return [number for number, test_id in enumerate(ids) if matches(pattern, test_id)]
