"""How two texts differ, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from .compared import Difference
from .comparing_pairs import changed_blocks


def lines(where: str, old: str, new: str) -> Iterator[Difference]:
    """Every stretch of lines that differs; of two texts of one line, the texts.

    Parameters
    ----------
    where:
        What they are; a place is named by its lines in the new text, from 1, or in the old one where
        lines went.
    old, new:
        Of any size: long texts are aligned around the lines that both have once.
    """
    mine, theirs = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if len(mine) <= 1 and len(theirs) <= 1:
        yield Difference(where, old, new)
        return
    for olds, news in changed_blocks(mine, theirs):
        before = "".join(mine[olds.start : olds.stop]) if olds else None
        after = "".join(theirs[news.start : news.stop]) if news else None
        yield Difference(f"{where} {_numbers(news or olds)}", before, after)


def _numbers(block: range) -> str:
    if len(block) == 1:
        return f"line {block.start + 1}"
    return f"lines {block.start + 1}-{block.stop}"
