"""What a place holds, object by object: a remote's prefix, or the cache of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ...digest import BlobKey


class What(StrEnum):
    """What an object of a place is, by its path alone."""

    KEEP = "keep"
    STAGED = "staged"
    RECORD = "record"  # shared for review
    TOMBSTONE = "tombstone"
    LEASE = "lease"
    INTENT = "intent"
    TEMPORARY = "temporary"
    PROBE = "probe"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Item:
    """One object.

    Attributes
    ----------
    path:
        As the place calls it, relative to what of it is ours.
    size:
        Bytes, as they are stored.
    modified:
        Seconds since the epoch, by the place's clock.
    key:
        The blob that it is, or that a tombstone is about; ``None`` for anything else.
    """

    path: str
    what: What
    size: int
    modified: float
    key: BlobKey | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of them.

    Attributes
    ----------
    name:
        ``local`` or ``remote``.
    where:
        The place, for people.
    items:
        In no order. Of the cache: without what collecting has no business with (records of this
        machine's pending tests, the list of what is unpushed, quarantine).
    shared:
        The staged blobs that shared records name, each with when the youngest of those was written.
    """

    name: str
    where: str
    items: Sequence[Item]
    shared: Mapping[BlobKey, float] = field(default_factory=dict)
