"""What changed between two snapshots of a test, as a person would say it.

Interactions are paired by their requests, calls by function and arguments, variables by name; what
differs inside a pair is told by place: JSON by path, forms by field, events and text by line. What
nobody needs to look at is told, too, and marked; `comparing_noise` has the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..digest import Digest, Kind
from . import codec, legacy
from . import comparing_exchanges as exchanges
from .calls import Call, Returned, call_key
from .compared import Comparison, Difference, Item, What
from .comparing_pairs import Pairing, Words, words
from .comparing_values import values
from .model import Interaction
from .value_notation import key_text

__all__ = ["Comparison", "Difference", "Item", "What", "compare"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Sort(Generic[_T]):
    """How items of a kind are compared.

    Attributes
    ----------
    equal:
        A key that only equal items share.
    same:
        Keys of what is called the same item, the strictest first.
    alike:
        Keys of what may be the same item, with how much two of them must have in common.
    """

    equal: Callable[[_T], Hashable]
    same: Sequence[Callable[[_T], Hashable]]
    alike: Sequence[tuple[Callable[[_T], Hashable], float]]
    words: Callable[[_T], Words]
    title: Callable[[_T], str]
    outcome: Callable[[_T], str]
    differences: Callable[[_T, _T], Iterator[Difference]]


def compare(kind: Kind, old: bytes | None, new: bytes | None) -> Comparison:
    """What changed from one blob to another.

    An interaction that is there before and after, unchanged but at another place among the others, is
    ``moved``; as few as possible are. The time it takes grows with the size of the blobs, not with its
    square.

    Parameters
    ----------
    kind:
        Of both.
    old, new:
        Canonical bytes; ``None`` for none.

    Raises
    ------
    IntegrityError
        When one of them is no snapshot of this kind.
    """
    read, sort = _KINDS[kind]
    before, after = ([] if data is None else read(data) for data in (old, new))
    items, same = _compared(sort, before, after)
    return Comparison(kind, _digest(old), _digest(new), items, same)


def _digest(data: bytes | None) -> Digest | None:
    return None if data is None else Digest.of(data)


def _compared(sort: _Sort[Any], old: Sequence[Any], new: Sequence[Any]) -> tuple[tuple[Item, ...], int]:
    pairing, equal = _paired(sort, old, new)
    moved = pairing.out_of_order()
    items: list[tuple[tuple[int, int], Item]] = []
    same = 0
    for place, item in enumerate(new):
        before = pairing.partner.get(place)
        if before is None:
            items.append(((place, 0), _item(sort, "added", item, None, place)))
        elif place not in equal:
            found = tuple(sort.differences(old[before], item))
            # Volatile values that changed hide no change of the order.
            what: What = "moved" if place in moved and all(one.noise for one in found) else "changed"
            items.append(((place, 0), _item(sort, what, item, before, place, found)))
        elif place in moved:
            items.append(((place, 0), _item(sort, "moved", item, before, place)))
        else:
            same += 1
    items += _removed(sort, old, pairing)
    return tuple(item for _, item in sorted(items, key=lambda pair: pair[0])), same


def _item(
    sort: _Sort[Any],
    what: What,
    item: Any,
    old: int | None,
    new: int | None,
    found: tuple[Difference, ...] = (),
) -> Item:
    return Item(what, sort.title(item), old, new, found, sort.outcome(item))


def _removed(
    sort: _Sort[Any], old: Sequence[Any], pairing: Pairing
) -> Iterator[tuple[tuple[int, int], Item]]:
    """Items that went, behind the one that they followed."""
    after = {before: place for place, before in pairing.partner.items()}
    last = -1
    for place, item in enumerate(old):
        if place in pairing.old:
            yield (last, place + 1), _item(sort, "removed", item, place, None)
        else:
            last = after[place]


def _paired(sort: _Sort[Any], old: Sequence[Any], new: Sequence[Any]) -> tuple[Pairing, set[int]]:
    """All pairs, and the new places of those that are equal."""
    pairing = Pairing(len(old), len(new))

    def on(key: Callable[[Any], Hashable]) -> tuple[Callable[[int], Hashable], Callable[[int], Hashable]]:
        return (lambda place: key(old[place])), (lambda place: key(new[place]))

    pairing.equal(*on(sort.equal))
    equal = set(pairing.partner)
    words_of = (lambda place: sort.words(old[place])), (lambda place: sort.words(new[place]))
    for key in sort.same:
        pairing.alike(*on(key), words_of, 0)
    for key, least in sort.alike:
        pairing.alike(*on(key), words_of, least)
    return pairing, equal


# -- http, httpx -------------------------------------------------------------------------------------


def _interactions(data: bytes) -> Sequence[Interaction]:
    return codec.load_interactions(data, name="snapshot")


_INTERACTIONS: _Sort[Interaction] = _Sort(
    equal=lambda item: item,
    same=(exchanges.by_request, exchanges.by_url),
    alike=((exchanges.by_path, 0.2), (exchanges.by_place, 0.5)),
    words=exchanges.read_words,
    title=exchanges.title,
    outcome=exchanges.outcome,
    differences=exchanges.differences,
)


# -- env ---------------------------------------------------------------------------------------------

_Variable = tuple[str, str | None]


def _variables(data: bytes) -> Sequence[_Variable]:
    return list(codec.load_env(data, name="snapshot").items())


def _variable(old: _Variable, new: _Variable) -> Iterator[Difference]:
    yield Difference("value", old[1], new[1])


_VARIABLES: _Sort[_Variable] = _Sort(
    equal=lambda item: item,
    same=(lambda item: item[0],),
    alike=(),
    words=lambda item: frozenset(item[:1]),
    title=lambda item: item[0],
    outcome=lambda item: "not set" if item[1] is None else f"= {item[1]}",
    differences=_variable,
)


# -- func --------------------------------------------------------------------------------------------


def _calls(data: bytes) -> Sequence[Call]:
    return codec.load_func(data, name="snapshot")


def _verb(call: Call) -> str:
    return "returned" if isinstance(call.outcome, Returned) else "raised"


def _call(old: Call, new: Call) -> Iterator[Difference]:
    found = [*values("arguments", old.arguments, new.arguments)]
    if _verb(old) == _verb(new):
        found += values(_verb(new), old.outcome.value, new.outcome.value)
    else:
        found.append(
            Difference("outcome", *(f"{_verb(one)} {key_text(one.outcome.value)}" for one in (old, new)))
        )
    yield from found
    if old.booktest_hash != new.booktest_hash:
        yield Difference("call hash", old.booktest_hash or None, new.booktest_hash or None)
    elif not found:
        yield Difference("call", key_text(old.arguments), key_text(new.arguments))


_CALLS: _Sort[Call] = _Sort(
    equal=lambda item: key_text(
        [item.function, item.arguments, _verb(item), item.outcome.value, item.booktest_hash]
    ),
    same=(lambda item: call_key(item.function, item.arguments),),
    alike=((lambda item: item.function, 0.2),),
    words=lambda item: words(key_text([item.arguments, item.outcome.value])),
    title=lambda item: legacy.shown(item.function),
    outcome=lambda item: f"{_verb(item)} {key_text(item.outcome.value)}",
    differences=_call,
)

_KINDS: dict[Kind, tuple[Callable[[bytes], Sequence[Any]], _Sort[Any]]] = {
    Kind.ENV: (_variables, _VARIABLES),
    Kind.FUNC: (_calls, _CALLS),
    Kind.HTTP: (_interactions, _INTERACTIONS),
    Kind.HTTPX: (_interactions, _INTERACTIONS),
}
