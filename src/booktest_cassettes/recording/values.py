"""Python values of function snapshots as JSON data, and back; never pickle (DESIGN section 5).

JSON's own values stand for themselves; every other value is ``{"$type": "<name>", "value": ...}``::

    None, bool, int, float, str, list      themselves
    dict with sorted str keys              a JSON object
    any other dict                         "dict", its items in their order, as [{"b": 1}, {"a": 2}, [3, 4]]
    what JSON text cannot hold             "float" (nan, inf), "int" (over 2048 bits), "str" (lone surrogates)
    tuple, set, frozenset, OrderedDict     by name; sets in the order of their members' canonical text
    bytes, datetime, Decimal, Path...      by name, through a `Codec`; users `register` more
    Enum, dataclass, namedtuple, pydantic  by class path "module:qualname" and fields
    exceptions                             by class path, arguments and attributes

Only exact types are taken: a subclass of ``dict`` or ``datetime`` would come back as its base, so it
is refused until somebody registers it. `value_redaction` takes secrets out of the data.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ..errors import CassetteError, IntegrityError, UsageError
from .value_codecs import CODECS, SCALAR_BUILDERS, SCALARS, Codec, reads
from .value_families import FAMILY_BUILDERS, take_apart
from .value_notation import (
    JSON,
    TYPE_KEY,
    VALUE_KEY,
    Encode,
    dump_dict,
    dump_items,
    key_text,
    load_item,
    tagged,
)
from .value_refusals import StaleError, Trail, class_name, reason, where

__all__ = ["JSON", "TYPE_KEY", "Codec", "decode", "encode", "key_text", "register"]

_T = TypeVar("_T")


def encode(value: object, *, root: str = "value") -> JSON:
    """JSON data for ``value``; equal values of equal types give equal data.

    Parameters
    ----------
    value:
        What to encode. Never changed.
    root:
        What messages call the whole value, as in ``result.items[3].owner``.

    Raises
    ------
    UsageError
        When a value inside has no codec, is circular, or could not be decoded again.
    """
    try:
        return _Encoder().encode(value, (None, root))
    except RecursionError as error:
        raise UsageError(f"{root} is nested too deeply to be recorded") from error


def decode(data: object, *, root: str = "value") -> Any:
    """The value that `encode` made ``data`` from.

    Classes named in the data are imported, so decode only what has been read from a blob whose digest
    was verified: what a person approved.

    Raises
    ------
    IntegrityError
        When ``data`` is not something `encode` writes.
    UsageError
        When this process lacks a codec or class that the data names, or the class has changed since.
    """
    try:
        return _decode(data, (None, root))
    except RecursionError as error:
        raise IntegrityError(f"{root} is nested too deeply to be replayed") from error


def register(
    value_type: type[_T], name: str, to_json: Callable[[_T], object], from_json: Callable[[Any], _T]
) -> Codec:
    """Teach function snapshots one more type; see `Codec` for the parameters.

    A registered codec goes before the general rules for enums, dataclasses, models and exceptions.
    The same type may register again under its name, as happens when its module is reloaded.

    Raises
    ------
    UsageError
        When the type or the name already belongs to another codec.
    """
    if not isinstance(value_type, type) or not isinstance(name, str) or not name:
        raise UsageError(f"a codec needs a class and a name, not {value_type!r} and {name!r}")
    if value_type in _BUILT_IN_TYPES or name in _BUILT_IN_NAMES:
        raise UsageError(f"the codec {name!r} for {class_name(value_type)} is built in and stays as it is")
    for other in (_CODECS_BY_TYPE.get(value_type), _CODECS_BY_NAME.get(name)):
        if other and (other.name, class_name(other.value_type)) != (name, class_name(value_type)):
            raise UsageError(
                f"cannot register {name!r} for {class_name(value_type)}:"
                f" {other.name!r} is registered for {class_name(other.value_type)}",
                hint="give every type one codec, and every codec its own name",
            )
    codec = Codec(value_type, name, to_json, from_json)
    _CODECS_BY_TYPE[value_type] = codec
    _CODECS_BY_NAME[name] = codec
    return codec


# --- encoding ---------------------------------------------------------------------------------------


class _Encoder:
    """One run of `encode`; remembers which containers are open to notice circles."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def encode(self, value: Any, at: Trail) -> JSON:
        scalar = SCALARS.get(type(value))
        if scalar is not None:
            return scalar(value)
        if id(value) in self._open:
            raise UsageError(f"{where(at)} is circular: it holds itself, which JSON cannot")
        self._open.add(id(value))
        try:
            return self._encode_object(value, at)
        finally:
            self._open.discard(id(value))

    def _encode_object(self, value: Any, at: Trail) -> JSON:
        container = _CONTAINERS.get(type(value))
        if container is not None:
            return container(value, self.encode, at)
        codec = _CODECS_BY_TYPE.get(type(value))
        if codec is not None:
            return tagged(codec.name, self.encode(_simplify(codec, value, at), at))
        return take_apart(value, self.encode, at)


def _dump_list(value: Iterable[Any], encode: Encode, at: Trail) -> list[JSON]:
    return [encode(item, (at, index)) for index, item in enumerate(value)]


def _dump_members(value: Iterable[Any], encode: Encode, at: Trail) -> list[JSON]:
    # Iteration order of a set changes from run to run with the hash seed.
    return sorted((encode(item, at) for item in value), key=key_text)


def _dump_pairs(value: Mapping[Any, Any], encode: Encode, at: Trail) -> list[tuple[JSON, JSON]]:
    return [(encode(key, at), encode(item, (at, key))) for key, item in value.items()]


def _simplify(codec: Codec, value: object, at: Trail) -> object:
    try:
        return codec.to_json(value)
    except CassetteError:
        raise
    except Exception as error:
        raise UsageError(
            f"{where(at)} cannot be recorded: codec {codec.name!r} failed with {reason(error)}"
        ) from error


# --- decoding ---------------------------------------------------------------------------------------


def _decode(data: object, at: Trail) -> Any:
    if data is None or isinstance(data, (str, int, float)):
        return data
    if isinstance(data, list):
        return [_decode(item, (at, index)) for index, item in enumerate(data)]
    if not isinstance(data, dict):
        raise IntegrityError(f"{where(at)} is not JSON data but {class_name(type(data))}")
    if TYPE_KEY in data:
        return _decode_tagged(data, at)
    return {key: _decode(item, (at, key)) for key, item in data.items()}


def _decode_tagged(data: dict[str, Any], at: Trail) -> Any:
    name = data[TYPE_KEY]
    if not isinstance(name, str) or set(data) != {TYPE_KEY, VALUE_KEY}:
        raise IntegrityError(f"{where(at)} is malformed: {TYPE_KEY!r} must name a type, beside one 'value'")
    build = _builder(name)
    if build is None:
        raise UsageError(
            f"{where(at)} was recorded with the codec {name!r}, which is not registered here",
            hint="call booktest_cassettes.register_codec(...) before the replay, as in conftest.py",
        )
    payload = _decode(data[VALUE_KEY], at)
    try:
        return build(payload)
    except StaleError as error:
        hint = "record this test again, review and approve"
        raise UsageError(f"{where(at)} cannot be replayed: {error}", hint=hint) from error
    except Exception as error:
        raise IntegrityError(f"{where(at)} is not a valid {name!r}: {reason(error)}") from error


def _builder(name: str) -> Callable[[Any], object] | None:
    if name in _BUILDERS:
        return _BUILDERS[name]
    codec = _CODECS_BY_NAME.get(name)
    return codec.from_json if codec else None


def _load_dict(items: list[Any]) -> dict[Any, Any]:
    found = dict(map(load_item, items))
    if len(found) != len(items):
        raise ValueError("a key occurs twice")
    return found


# --- tables -----------------------------------------------------------------------------------------

_CONTAINERS: dict[type, Callable[[Any, Encode, Trail], JSON]] = {
    list: _dump_list,
    tuple: lambda value, encode, at: tagged("tuple", _dump_list(value, encode, at)),
    set: lambda value, encode, at: tagged("set", _dump_members(value, encode, at)),
    frozenset: lambda value, encode, at: tagged("frozenset", _dump_members(value, encode, at)),
    dict: lambda value, encode, at: dump_dict(_dump_pairs(value, encode, at)),
    OrderedDict: lambda value, encode, at: tagged("ordereddict", dump_items(_dump_pairs(value, encode, at))),
}

_BUILDERS: dict[str, Callable[[Any], object]] = {
    **SCALAR_BUILDERS,
    "tuple": reads(list, tuple),
    # Equal members are no error: redaction makes two secrets one.
    "set": reads(list, set),
    "frozenset": reads(list, frozenset),
    "dict": reads(list, _load_dict),
    "ordereddict": reads(list, lambda items: OrderedDict(_load_dict(items))),
    **FAMILY_BUILDERS,
}

_CODECS_BY_TYPE: dict[type, Codec] = {codec.value_type: codec for codec in CODECS}
_CODECS_BY_NAME: dict[str, Codec] = {codec.name: codec for codec in CODECS}
_BUILT_IN_TYPES = frozenset((*SCALARS, *_CONTAINERS, *_CODECS_BY_TYPE))
_BUILT_IN_NAMES = frozenset((*_BUILDERS, *_CODECS_BY_NAME))
