"""How two lists of named values differ: headers, query, form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .compared import Difference
from .comparing_pairs import changed_blocks

#: Why another value of a name (name, old, new) is noise, or "".
Noise = Callable[[str, str, str], str]


def fields(
    where: str, old: Iterable[tuple[str, str]], new: Iterable[tuple[str, str]], noise: Noise
) -> Iterator[Difference]:
    """Differences by name; a name may be there more than once, and its values keep their order.

    Parameters
    ----------
    where:
        ``response header``, ``request query``: what the name is put behind.
    old, new:
        Names, as they are to be compared, with values.
    noise:
        See :data:`Noise`.
    """
    mine, theirs = _grouped(old), _grouped(new)
    for name in dict.fromkeys([*theirs, *mine]):
        for before, after in _changed(mine.get(name, []), theirs.get(name, [])):
            why = "" if before is None or after is None else noise(name, before, after)
            yield Difference(f"{where} {name}", before, after, why)
    if list(mine) != list(theirs) and mine == theirs:
        yield Difference(f"{where} order", ", ".join(mine), ", ".join(theirs), "the same in another order")


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _changed(old: list[str], new: list[str]) -> Iterator[tuple[str | None, str | None]]:
    for olds, news in changed_blocks(old, new):
        for number in range(max(len(olds), len(news))):
            before = old[olds[number]] if number < len(olds) else None
            yield before, new[news[number]] if number < len(news) else None
