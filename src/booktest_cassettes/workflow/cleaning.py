"""Differences without what was declared secret after it was approved.

A recording is clean as of the day it was made. Its old values go to terminals, and into comments on pull
requests, long after: what is declared a secret by then is shown on neither side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from ..recording.comparison import Comparison, Difference, Item

Clean: TypeAlias = Callable[[str], str]

_DECLARED = " (a declared secret)"


def comparison(found: Comparison, clean: Clean) -> Comparison:
    """A comparison without what ``clean`` takes out of a text."""
    return replace(found, items=tuple(_item(item, clean) for item in found.items))


def differences(found: Iterable[Difference], clean: Clean) -> tuple[Difference, ...]:
    """The same of differences."""
    return tuple(_difference(one, clean) for one in found)


def _item(item: Item, clean: Clean) -> Item:
    inside = differences(item.differences, clean)
    return replace(item, title=clean(item.title), outcome=clean(item.outcome), differences=inside)


def _difference(one: Difference, clean: Clean) -> Difference:
    where = clean(one.where)
    old, new = (None if text is None else clean(text) for text in (one.old, one.new))
    if old == new:  # what is redacted is all that differs
        where += _DECLARED
    return replace(one, where=where, old=old, new=new)
