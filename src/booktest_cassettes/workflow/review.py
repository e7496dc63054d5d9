"""A review: one thing at a time, one key each; what keys do to it, and nothing of terminals or disks.

Decisions are only collected here. They take effect together when the review ends, so undoing one is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias


class Decision(StrEnum):
    """What a person said about one thing: of a pending snapshot, or (the last two) of a conflict."""

    ACCEPT = "accept"
    REJECT = "reject"
    SKIP = "skip"
    OURS = "ours"
    THEIRS = "theirs"


class Act(StrEnum):
    """What is to be shown or asked after a key.

    ``MOVED``: something was decided or undone, show where the review is now. ``HELD``: not accepted, for
    it looks like a secret. ``CONFIRM``: ask for a typed confirmation, then :meth:`Review.decide`.
    """

    MOVED = "moved"
    HELD = "held"
    CONFIRM = "confirm"
    UNKNOWN = "unknown"
    NOTHING_TO_UNDO = "nothing to undo"
    UNDO = "undo"
    DIFF = "diff"
    ITEMS = "items"
    OPEN = "open"
    COMMAND = "command"
    HELP = "help"
    END = "end"


@dataclass(frozen=True, slots=True)
class Review:
    """How far a review is.

    Attributes
    ----------
    total:
        How many things there are to decide about; they are numbered from 0.
    steps:
        What each key decided, in order: usually one thing, with upper case all the rest.
    """

    total: int
    steps: tuple[Mapping[int, Decision], ...] = ()

    @property
    def decisions(self) -> dict[int, Decision]:
        """What is decided."""
        return {number: decision for step in self.steps for number, decision in step.items()}

    @property
    def open(self) -> list[int]:
        """What is not decided yet, in order; skipping is a decision."""
        decided = self.decisions
        return [number for number in range(self.total) if number not in decided]

    @property
    def position(self) -> int | None:
        """What to decide about now; ``None`` when all is decided."""
        decided = self.decisions
        return next((number for number in range(self.total) if number not in decided), None)

    def decide(self, decision: Decision) -> Review:
        """With this decision about the present thing."""
        position = self.position
        return self if position is None else self._with({position: decision})

    def decide_rest(self, decision: Decision, held: Callable[[int], bool]) -> Review:
        """With this decision about the present thing and all that follow, but for those held back."""
        return self._with({number: decision for number in self.open if not held(number)})

    def undo(self) -> Review:
        """Without what the last key decided."""
        return replace(self, steps=self.steps[:-1])

    def count(self, decision: Decision) -> int:
        """How many things were decided so."""
        return sum(found is decision for found in self.decisions.values())

    def _with(self, step: Mapping[int, Decision]) -> Review:
        return replace(self, steps=(*self.steps, step)) if step else self


Meaning: TypeAlias = Decision | Act


@dataclass(frozen=True)
class Keys:
    """What keys mean.

    Attributes
    ----------
    one:
        Decisions about the present thing, and acts.
    rest:
        Decisions about all the rest.
    """

    one: Mapping[str, Meaning]
    rest: Mapping[str, Decision]
    #: Those that also work when all is decided.
    closing: Mapping[str, Act] = field(
        default_factory=lambda: {
            "u": Act.UNDO,
            "?": Act.HELP,
            "q": Act.END,
            "\r": Act.END,
            "\n": Act.END,
        }
    )


PENDING: Final = Keys(
    one=MappingProxyType(
        {
            "a": Decision.ACCEPT,
            "r": Decision.REJECT,
            "s": Decision.SKIP,
            "!": Act.CONFIRM,
            "d": Act.DIFF,
            "i": Act.ITEMS,
            "o": Act.OPEN,
            "u": Act.UNDO,
            "?": Act.HELP,
            "q": Act.END,
        }
    ),
    rest=MappingProxyType({"A": Decision.ACCEPT, "R": Decision.REJECT, "S": Decision.SKIP}),
)

CONFLICTS: Final = Keys(
    one=MappingProxyType(
        {
            "1": Decision.OURS,
            "o": Decision.OURS,
            "2": Decision.THEIRS,
            "t": Decision.THEIRS,
            "s": Decision.SKIP,
            "d": Act.DIFF,
            "r": Act.COMMAND,
            "u": Act.UNDO,
            "?": Act.HELP,
            "q": Act.END,
        }
    ),
    rest=MappingProxyType({"O": Decision.OURS, "T": Decision.THEIRS, "S": Decision.SKIP}),
)


def press(
    review: Review, key: str, keys: Keys = PENDING, *, looks_secret: Callable[[int], bool] = lambda _: False
) -> tuple[Review, Act]:
    """What a key does.

    Parameters
    ----------
    review, key, keys:
        Where the review is, the character typed, and what keys mean.
    looks_secret:
        Whether something seems to hold a credential. It is accepted by ``CONFIRM`` only, never by the
        key of all others and never together with the rest.
    """
    position = review.position
    if position is None:
        meaning: Meaning = keys.closing.get(key, Act.UNKNOWN)
    elif key in keys.rest:
        return _rest(review, keys.rest[key], looks_secret)
    else:
        meaning = keys.one.get(key, Act.UNKNOWN)
    if isinstance(meaning, Decision):
        if meaning is Decision.ACCEPT and position is not None and looks_secret(position):
            return review, Act.HELD
        return review.decide(meaning), Act.MOVED
    if meaning is Act.UNDO:
        return (review.undo(), Act.MOVED) if review.steps else (review, Act.NOTHING_TO_UNDO)
    if meaning is Act.CONFIRM and not (position is not None and looks_secret(position)):
        return review, Act.UNKNOWN
    return review, meaning


def _rest(review: Review, decision: Decision, looks_secret: Callable[[int], bool]) -> tuple[Review, Act]:
    held = looks_secret if decision is Decision.ACCEPT else _nothing
    after = review.decide_rest(decision, held)
    return after, Act.MOVED if after is not review else Act.HELD


def _nothing(_number: int) -> bool:
    return False
