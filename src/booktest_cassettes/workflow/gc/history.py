"""The commits of a window of time, as far as refs reach them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from ...errors import UsageError
from .. import ages, git
from .clone import HINT, Clone
from .refs import Root


def moment(text: str, now: datetime | None = None) -> datetime:
    """``90d`` ago (see :func:`.ages.span`), or a date: ``2026-01-31``, with a time and zone or without.

    Raises
    ------
    UsageError
        For anything else.
    """
    if re.fullmatch(r"\d{1,5}[hdwy]", text.strip(), re.ASCII):
        now = now or datetime.now(UTC)
        return now - min(ages.span(text), now - datetime.fromtimestamp(0, UTC))
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is neither a span of time nor a date",
            hint="for example --since 90d or 2026-01-31",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def within(clone: Clone, roots: Sequence[Root], since: datetime) -> list[Root]:
    """The commits since then that the roots reach, and what they replaced: the state when it began.

    Every commit is looked at, not only those down to the first that is older: clocks differ.
    """
    given = "".join(f"{root.sha}\n" for root in roots if root.sha != root.tree)
    if not given:
        return []
    said = git.strict(
        *(clone.root, "log", "--stdin", "--no-show-signature", "--format=%H %T %ct %P"),
        given=given.encode(),
        hint=HINT,
    )
    start = since.timestamp()
    trees: dict[str, str] = {}
    times: dict[str, int] = {}
    inside: dict[str, str] = {}
    for line in said.decode("ascii").splitlines():
        sha, tree, time, *parents = line.split()
        trees[sha], times[sha] = tree, int(time)
        if times[sha] >= start:
            inside.setdefault(sha, sha)
            inside.update((parent, sha) for parent in parents if parent not in inside)
    return [Root(sha, _reason(sha, times[sha]), trees[sha]) for sha in inside]


def _reason(sha: str, time: int) -> str:
    return f"commit {sha[:12]} of {datetime.fromtimestamp(min(time, 253_402_300_799), UTC):%Y-%m-%d}"
