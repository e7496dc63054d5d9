"""How two JSON values differ, path by path; an item that came into a list does not shift all others."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import comparing_noise as noise
from .compared import Difference
from .comparing_lines import lines
from .comparing_pairs import Words, changed_blocks, most_alike, words

_DEEPEST = 80  # levels; what lies below is one value
_SHORT = 60  # characters of an object that is shown on one line
_ALIKE = 0.5  # of the words of two list items, to be called one item that changed
_NAME = re.compile(r"[\w-]+\Z")
_IDENTITIES = ("id", "_id", "uuid", "key", "name", "slug", "index")


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    name: str
    depth: int = 0

    def key(self, key: str) -> _Place:
        step = f".{key}" if _NAME.match(key) else f"[{json.dumps(key, ensure_ascii=False)}]"
        # A value of a function, written with its type, is known by the name before.
        name = self.name if key == "value" else key
        return _Place(self.path + step, name, self.depth + 1)

    def order(self) -> _Place:
        """Which item follows which, by their old numbers."""
        return _Place(f"{self.path} order of items", "", self.depth)

    def index(self, number: int) -> _Place:
        return _Place(f"{self.path}[{number}]", self.name, self.depth + 1)


def values(where: str, old: Any, new: Any, root: str = "$") -> Iterator[Difference]:
    """Every place where two JSON values differ.

    Parameters
    ----------
    where:
        What they are (``response body``): what each place begins with.
    old, new:
        Parsed JSON.
    root:
        What the outermost value is called. An item of a list has its new number, or, when it went, its old.
    """
    for place, mine, theirs in _differences(old, new, _Place(root, "")):
        yield from _told(f"{where} {place.path}", place.name, mine, theirs)


class _Nothing:
    pass


_NOTHING = _Nothing()


def _told(where: str, name: str, old: Any, new: Any) -> Iterator[Difference]:
    if isinstance(old, str) and isinstance(new, str) and "\n" in old.strip() and "\n" in new.strip():
        yield from lines(where, old, new)
        return
    why = noise.of_value(name, old, new)
    yield Difference(where, _text(old), _text(new), why)


def _text(value: Any) -> str | None:
    if value is _NOTHING:
        return None
    try:
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > _SHORT and isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=False, indent=2)
    except RecursionError:
        return "(nested too deeply to be shown)"
    return text


def _differences(old: Any, new: Any, place: _Place) -> Iterator[tuple[_Place, Any, Any]]:
    if place.depth < _DEEPEST and isinstance(old, dict) and isinstance(new, dict):
        for key in _keys(old, new):
            yield from _differences(old.get(key, _NOTHING), new.get(key, _NOTHING), place.key(key))
    elif place.depth < _DEEPEST and isinstance(old, list) and isinstance(new, list):
        yield from _in_lists(old, new, place)
    elif not _same(old, new):
        yield place, old, new


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*new, *old]))


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, (dict, list)):
        return type(old) is type(new) and _spelled(old) == _spelled(new)
    # To JSON, 1, 1.0 and true are three values, and 0.0 and -0.0 two.
    return type(old) is type(new) and bool(old == new) and (old != 0 or str(old) == str(new))


def _in_lists(old: list[Any], new: list[Any], place: _Place) -> Iterator[tuple[_Place, Any, Any]]:
    if len(old) == len(new) == 1:  # not spelled out on every level of a deep nest
        yield from _differences(old[0], new[0], place.index(0))
        return
    mine, theirs = [_spelled(item) for item in old], [_spelled(item) for item in new]
    if len(mine) == len(theirs) and mine != theirs and Counter(mine) == Counter(theirs):
        yield place, old, new  # the same items in another order
        return
    for olds, news in changed_blocks(mine, theirs):
        partners = _partners(old, new, olds, news)
        taken = set(partners.values())
        if (order := [partners[number] for number in news if number in partners]) != sorted(order):
            yield place.order(), sorted(order), order
        for number in news:
            if number in partners:
                yield from _differences(old[partners[number]], new[number], place.index(number))
            else:
                yield place.index(number), _NOTHING, new[number]
        for number in olds:
            if number not in taken:
                yield place.index(number), old[number], _NOTHING


def _spelled(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return repr(id(value))  # only itself is the same then


def _partners(old: list[Any], new: list[Any], olds: range, news: range) -> dict[int, int]:
    """Which old item each new one was: by identity, or in order, or by what they have in common."""
    partners = _by_identity(old, new, olds, news)
    taken = set(partners.values())
    rest_old = [number for number in olds if number not in taken]
    rest_new = [number for number in news if number not in partners]
    if len(rest_old) == len(rest_new) and not partners:
        return dict(zip(rest_new, rest_old, strict=True))

    def words_of(items: list[Any]) -> Any:
        return lambda number: _words(items[number])

    return partners | dict(most_alike(rest_old, rest_new, (words_of(old), words_of(new)), _ALIKE))


def _words(value: Any) -> Words:
    return words(_spelled(value))


def _by_identity(old: list[Any], new: list[Any], olds: range, news: range) -> dict[int, int]:
    for name in _IDENTITIES:
        mine = {_identity(new[number], name): number for number in news}
        theirs = {_identity(old[number], name): number for number in olds}
        is_unique = len(mine) == len(news) and len(theirs) == len(olds)
        if is_unique and None not in mine and None not in theirs:
            found = {mine[value]: theirs[value] for value in mine if value in theirs}
            if found:
                return found
    return {}


def _identity(item: Any, name: str) -> str | None:
    value = item.get(name) if isinstance(item, dict) else None
    return str(value) if isinstance(value, (str, int)) else None
