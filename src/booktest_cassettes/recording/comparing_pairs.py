"""Which item of a list was which item of an older one: the same first, then those most alike.

Nothing here is quadratic in the lengths: lists are aligned around what is in both of them once, and only
small groups are compared each with each.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice, pairwise
from typing import TypeAlias

_SMALL = 40_000  # pairs of places that are aligned in every detail
_CLOSE = 40  # items on both sides together that are compared each with each
_NEAR = 12  # items of a larger group that one is compared with
_READ = 4_000  # characters of an item by which two are called alike
_WORD = re.compile(r"\w+")

#: A stretch of the old list and the stretch of the new one that took its place.
Block: TypeAlias = tuple[range, range]
Words: TypeAlias = frozenset[str]


def words(*texts: str) -> Words:
    """What two items are called alike by."""
    return frozenset(word for text in texts for word in _WORD.findall(text[:_READ]))


def likeness(mine: Words, theirs: Words) -> float:
    """How much of two items' words both of them have, from 0 to 1."""
    both = len(mine & theirs)
    rest = len(mine) + len(theirs) - both
    return both / rest if rest else 1.0


class Pairing:
    """Pairs of places of two lists, made in stages, each on what the stages before it left.

    Parameters
    ----------
    old, new:
        How many items there are.
    """

    def __init__(self, old: int, new: int) -> None:
        self.partner: dict[int, int] = {}  # new place to old place
        self.old = dict.fromkeys(range(old))  # places without a partner, in order
        self.new = dict.fromkeys(range(new))

    def equal(self, old_key: Callable[[int], Hashable], new_key: Callable[[int], Hashable]) -> None:
        """Pair places of equal keys, in order."""
        for olds, news in self._groups(old_key, new_key):
            for mine, theirs in zip(news, olds, strict=False):
                self._pair(mine, theirs)

    def alike(
        self,
        old_key: Callable[[int], Hashable],
        new_key: Callable[[int], Hashable],
        words_of: tuple[Callable[[int], Words], Callable[[int], Words]],
        least: float,
    ) -> None:
        """Pair places of equal keys, the most alike first; those with less than ``least`` in common never."""
        for olds, news in self._groups(old_key, new_key):
            for mine, theirs in most_alike(olds, news, words_of, least):
                self._pair(mine, theirs)

    def _groups(
        self, old_key: Callable[[int], Hashable], new_key: Callable[[int], Hashable]
    ) -> Iterator[tuple[list[int], list[int]]]:
        waiting: dict[Hashable, list[int]] = defaultdict(list)
        for place in self.old:
            waiting[old_key(place)].append(place)
        asking: dict[Hashable, list[int]] = defaultdict(list)
        for place in self.new:
            key = new_key(place)
            if key in waiting:
                asking[key].append(place)
        for key, news in asking.items():
            yield waiting[key], news

    def _pair(self, mine: int, theirs: int) -> None:
        self.partner[mine] = theirs
        del self.new[mine], self.old[theirs]

    def out_of_order(self) -> set[int]:
        """The fewest new places without which all pairs stand in their old order."""
        return set(self.partner) - set(_rising(sorted(self.partner.items())))


def most_alike(
    olds: Sequence[int],
    news: Sequence[int],
    words_of: tuple[Callable[[int], Words], Callable[[int], Words]],
    least: float,
) -> Iterator[tuple[int, int]]:
    """Pairs (new, old) of two small groups, the most alike first; in large ones, of those that stand near."""
    if least <= 0 and len(olds) == len(news) == 1:
        yield news[0], olds[0]
        return
    theirs = {place: words_of[0](place) for place in olds}
    mine = {place: words_of[1](place) for place in news}
    if len(olds) + len(news) > _CLOSE:
        yield from _near(mine, theirs, least)
        return
    ranked = sorted(
        (-likeness(mine[new], theirs[old]), abs(one - other), one, new, old)
        for one, new in enumerate(news)
        for other, old in enumerate(olds)
    )
    for rank, _, _, new, old in ranked:
        if -rank >= least and new in mine and old in theirs:
            del mine[new], theirs[old]
            yield new, old


def _near(mine: dict[int, Words], theirs: dict[int, Words], least: float) -> Iterator[tuple[int, int]]:
    """Each new place with the most alike of the next few old ones that have no partner yet."""
    for new, words_of_new in mine.items():
        near = [(likeness(words_of_new, theirs[old]), -number, old) for number, old in _next(theirs)]
        rank, _, old = max(near, default=(-1.0, 0, 0))
        if rank >= least:
            del theirs[old]
            yield new, old


def _next(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    return enumerate(islice(places, _NEAR))


def _rising(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Of pairs in the order of their first numbers, the first numbers of a longest rise of the second."""
    ends: list[int] = []  # the least second number that ends a rise of each length
    last: list[int] = []  # which pair that is
    before: list[int] = []
    for number, (_, value) in enumerate(pairs):
        length = bisect_left(ends, value)
        ends[length : length + 1] = [value]
        last[length : length + 1] = [number]
        before.append(last[length - 1] if length else -1)
    found = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(pairs[number][0])
        number = before[number]
    return found[::-1]


def changed_blocks(old: Sequence[Hashable], new: Sequence[Hashable]) -> Iterator[Block]:
    """Where two lists differ, in order; what stands between the blocks is equal."""
    start = _alike_from_start(old, new)
    end = _alike_from_end(old, new, start)
    olds, news = range(start, len(old) - end), range(start, len(new) - end)
    if not olds and not news:
        return
    if len(olds) * len(news) <= _SMALL:
        yield from _in_detail(old, new, olds, news)
        return
    for mine, theirs in _between(olds, news, _anchors(old, new, olds, news)):
        yield from _gap(old, new, mine, theirs)


def _gap(old: Sequence[Hashable], new: Sequence[Hashable], olds: range, news: range) -> Iterator[Block]:
    start = _alike_from_start(old[olds.start : olds.stop], new[news.start : news.stop])
    olds, news = olds[start:], news[start:]
    end = _alike_from_end(old[olds.start : olds.stop], new[news.start : news.stop], 0)
    olds, news = olds[: len(olds) - end], news[: len(news) - end]
    if olds and news and len(olds) * len(news) <= _SMALL:
        yield from _in_detail(old, new, olds, news)
    elif olds or news:
        yield olds, news


def _in_detail(old: Sequence[Hashable], new: Sequence[Hashable], olds: range, news: range) -> Iterator[Block]:
    mine, theirs = old[olds.start : olds.stop], new[news.start : news.stop]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        if tag != "equal":
            yield olds[i1:i2], news[j1:j2]


def _anchors(
    old: Sequence[Hashable], new: Sequence[Hashable], olds: range, news: range
) -> list[tuple[int, int]]:
    """Places (old, new) of what is in both stretches exactly once, as many as stand in one order."""
    often, often_new = Counter(old[place] for place in olds), Counter(new[place] for place in news)
    once = {old[place]: place for place in olds if often[old[place]] == 1}
    pairs = [(place, once[new[place]]) for place in news if often_new[new[place]] == 1 and new[place] in once]
    at = dict(pairs)
    return [(at[place], place) for place in _rising(pairs)]


def _between(olds: range, news: range, anchors: list[tuple[int, int]]) -> Iterator[Block]:
    ends = [(olds.start - 1, news.start - 1), *anchors, (olds.stop, news.stop)]
    for (old_from, new_from), (old_to, new_to) in pairwise(ends):
        yield range(old_from + 1, old_to), range(new_from + 1, new_to)


def _alike_from_start(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    length = min(len(old), len(new))
    return next((place for place in range(length) if old[place] != new[place]), length)


def _alike_from_end(old: Sequence[Hashable], new: Sequence[Hashable], start: int) -> int:
    length = min(len(old), len(new)) - start
    return next((place for place in range(length) if old[-1 - place] != new[-1 - place]), length)
