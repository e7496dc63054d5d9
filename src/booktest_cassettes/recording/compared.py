"""What a comparison of two snapshots says: data, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..digest import Digest, Kind

What: TypeAlias = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place inside an item that is not what it was.

    Attributes
    ----------
    where:
        ``status``, ``response header etag``, ``request body $.user.name``, ``response body line 3``...
    old, new:
        The values as text, whole and not yet made inert; ``None`` where there is none.
    noise:
        Why nobody needs to look (``a timestamp``, ``follows the body``); ``""`` for what counts.
    """

    where: str
    old: str | None
    new: str | None
    noise: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One interaction, call or variable that is not as it was.

    Attributes
    ----------
    title:
        ``GET https://api.example.com/users``, ``shop:pay``, ``HOME``.
    old, new:
        Its number in the snapshot before and after, from 0; ``None`` where it is not.
    differences:
        What changed inside, at least one; empty for an item that came or went; of one that moved, volatile
        ones at most.
    outcome:
        What came of it, in short: ``201 Created, 1.2 kB``, ``raised httpx.ConnectTimeout``.
    """

    what: What
    title: str
    old: int | None
    new: int | None
    differences: tuple[Difference, ...] = ()
    outcome: str = ""

    @property
    def is_noise(self) -> bool:
        """Whether only volatile values changed."""
        return self.what == "changed" and all(difference.noise for difference in self.differences)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two snapshots of one kind.

    Attributes
    ----------
    old, new:
        Digests of the blobs; ``None`` for a snapshot that was not, or is no more.
    items:
        What is not as it was, in the order of the new snapshot, removed ones where they were.
    same:
        How many items did not change.
    """

    kind: Kind
    old: Digest | None
    new: Digest | None
    items: tuple[Item, ...]
    same: int = 0

    def count(self, what: What) -> int:
        """How many items were added, removed, changed or moved."""
        return sum(item.what == what for item in self.items)

    @property
    def is_noise(self) -> bool:
        """Whether nothing changed but volatile values."""
        return all(item.is_noise for item in self.items)
