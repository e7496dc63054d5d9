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
is refused until somebody registers it.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import importlib
import inspect
import json
import math
import reprlib
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from types import NoneType
from typing import Any, TypeAlias, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from ..errors import CassetteError, IntegrityError, UsageError

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

_T = TypeVar("_T")
# Where a value stands inside the whole: (the trail of its container, its key), rendered on errors only.
_Trail: TypeAlias = "tuple[_Trail | None, object]"

TYPE_KEY = "$type"
_VALUE_KEY = "value"
# The lowest limit that sys.set_int_max_str_digits accepts is 640 digits, a little over 2,120 bits:
# up to here any interpreter can read the int back from JSON text.
_INT_BITS = 2048
_NOT_FINITE = ("nan", "inf", "-inf")
_RECORD_AGAIN = "record this test again, review and approve"


@dataclass(frozen=True, slots=True)
class Codec:
    """How values of exactly one type become simpler values, and come back.

    Parameters
    ----------
    value_type:
        The exact type; subclasses need their own codec.
    name:
        What ``$type`` says in the blob. Approved blobs hold it, so it stays once chosen.
    to_json:
        Value to anything that can be encoded in turn (JSON, or values of other known types).
    from_json:
        The inverse of ``to_json``.
    """

    value_type: type[Any]
    name: str
    to_json: Callable[[Any], object]
    from_json: Callable[[Any], object]


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
        raise UsageError(f"the codec {name!r} for {_class_name(value_type)} is built in and stays as it is")
    for other in (_CODECS_BY_TYPE.get(value_type), _CODECS_BY_NAME.get(name)):
        if other and (other.name, _class_name(other.value_type)) != (name, _class_name(value_type)):
            raise UsageError(
                f"cannot register {name!r} for {_class_name(value_type)}:"
                f" {other.name!r} is registered for {_class_name(other.value_type)}",
                hint="give every type one codec, and every codec its own name",
            )
    codec = Codec(value_type, name, to_json, from_json)
    _CODECS_BY_TYPE[value_type] = codec
    _CODECS_BY_NAME[name] = codec
    return codec


def key_text(data: JSON) -> str:
    """One line of JSON, equal for equal data: to sort and to look up by.

    Not ``canonical.dumps``, which writes blobs: the order of a set must not hang on line lengths.
    """
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


# --- encoding ---------------------------------------------------------------------------------------


class _Encoder:
    """One run of `encode`; remembers which containers are open to notice circles."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def encode(self, value: Any, at: _Trail) -> JSON:
        kind = type(value)
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return scalar(value)
        if id(value) in self._open:
            raise UsageError(f"{_where(at)} is circular: it holds itself, which JSON cannot")
        self._open.add(id(value))
        try:
            return self._encode_object(kind, value, at)
        finally:
            self._open.discard(id(value))

    def _encode_object(self, kind: type, value: Any, at: _Trail) -> JSON:
        container = _CONTAINERS.get(kind)
        if container is not None:
            return container(self, value, at)
        codec = _CODECS_BY_TYPE.get(kind)
        if codec is not None:
            return _tagged(codec.name, self.encode(_simplify(codec, value, at), at))
        family = next((family for family in _FAMILIES if family.owns(kind)), None)
        if family is None:
            raise _unsupported(kind, at)
        return _tagged(family.name, {"class": _class_path(kind, at), **family.take(value, self, at)})

    def items(self, value: Iterable[Any], at: _Trail) -> list[JSON]:
        return [self.encode(item, (at, index)) for index, item in enumerate(value)]

    def members(self, value: Iterable[Any], at: _Trail) -> list[JSON]:
        # Iteration order of a set changes from run to run with the hash seed.
        return sorted((self.encode(item, at) for item in value), key=key_text)

    def mapping(self, value: Mapping[Any, Any], at: _Trail) -> JSON:
        return self.assemble({key: self.encode(item, (at, key)) for key, item in value.items()}, at)

    def assemble(self, encoded: dict[Any, JSON], at: _Trail) -> JSON:
        """A dict whose values are encoded already."""
        keys = list(encoded)
        if all(map(_is_name, keys)) and keys == sorted(keys):
            return encoded
        # Canonical JSON sorts the keys of an object, so the order of these needs a list.
        return _tagged("dict", self.ordered(encoded, at))

    def ordered(self, encoded: dict[Any, JSON], at: _Trail) -> list[JSON]:
        # One object per item, not [key, item]: redaction finds a secret field by its name in an object.
        return [
            {key: item} if _is_name(key) else [self.encode(key, at), item] for key, item in encoded.items()
        ]

    def ordered_dict(self, value: OrderedDict[Any, Any], at: _Trail) -> JSON:
        encoded = {key: self.encode(item, (at, key)) for key, item in value.items()}
        return _tagged("ordereddict", self.ordered(encoded, at))

    def fields(self, value: Mapping[str, Any], at: _Trail) -> JSON:
        """A mapping whose order means nothing, as attributes of an object."""
        return self.mapping(dict(sorted(value.items())), at)


def _tagged(name: str, value: JSON) -> dict[str, JSON]:
    return {TYPE_KEY: name, _VALUE_KEY: value}


def _is_name(key: object) -> bool:
    """Whether it may be the key of a JSON object."""
    return type(key) is str and key != TYPE_KEY and _is_text(key)


def _is_text(value: str) -> bool:
    """Whether UTF-8 can hold it, which is all but lone surrogates."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encode_text(value: str) -> JSON:
    return value if _is_text(value) else _tagged("str", _to_base64(value.encode("utf-8", "surrogatepass")))


def _encode_int(value: int) -> JSON:
    return value if value.bit_length() <= _INT_BITS else _tagged("int", hex(value))


def _encode_float(value: float) -> JSON:
    return value if math.isfinite(value) else _tagged("float", repr(value))


def _encode_itself(value: Any) -> Any:
    return value


def _simplify(codec: Codec, value: object, at: _Trail) -> object:
    try:
        return codec.to_json(value)
    except CassetteError:
        raise
    except Exception as error:
        raise UsageError(
            f"{_where(at)} cannot be recorded: codec {codec.name!r} failed with {_reason(error)}"
        ) from error


def _unsupported(kind: type, at: _Trail) -> UsageError:
    return UsageError(
        f"{_where(at)} cannot be recorded: no codec for type {_class_name(kind)}",
        hint=f"booktest_cassettes.register_codec({kind.__name__}, {kind.__name__!r}, to_json, from_json)",
    )


def _where(at: _Trail) -> str:
    """``result.items[3].owner``."""
    steps: list[str] = []
    trail: _Trail | None = at
    while trail is not None:
        trail, key = trail
        steps.append(_step(key, is_root=trail is None))
    return "".join(reversed(steps))


def _step(key: object, *, is_root: bool) -> str:
    if is_root:
        return str(key)
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{reprlib.repr(key)}]"


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# --- decoding ---------------------------------------------------------------------------------------


class _StaleError(Exception):
    """The data is sound, but the classes of this process no longer agree with it."""


def _decode(data: object, at: _Trail) -> Any:
    if data is None or isinstance(data, (str, int, float)):
        return data
    if isinstance(data, list):
        return [_decode(item, (at, index)) for index, item in enumerate(data)]
    if not isinstance(data, dict):
        raise IntegrityError(f"{_where(at)} is not JSON data but {_class_name(type(data))}")
    if TYPE_KEY in data:
        return _decode_tagged(data, at)
    return {key: _decode(item, (at, key)) for key, item in data.items()}


def _decode_tagged(data: dict[str, Any], at: _Trail) -> Any:
    name = data[TYPE_KEY]
    if not isinstance(name, str) or set(data) != {TYPE_KEY, _VALUE_KEY}:
        raise IntegrityError(f"{_where(at)} is malformed: {TYPE_KEY!r} must name a type, beside one 'value'")
    build = _builder(name)
    if build is None:
        raise UsageError(
            f"{_where(at)} was recorded with the codec {name!r}, which is not registered here",
            hint="call booktest_cassettes.register_codec(...) before the replay, as in conftest.py",
        )
    payload = _decode(data[_VALUE_KEY], at)
    try:
        return build(payload)
    except _StaleError as error:
        raise UsageError(f"{_where(at)} cannot be replayed: {error}", hint=_RECORD_AGAIN) from error
    except Exception as error:
        raise IntegrityError(f"{_where(at)} is not a valid {name!r}: {_reason(error)}") from error


def _builder(name: str) -> Callable[[Any], object] | None:
    if name in _BUILDERS:
        return _BUILDERS[name]
    codec = _CODECS_BY_NAME.get(name)
    return codec.from_json if codec else None


def _expect(kind: type[_T], payload: object) -> _T:
    # Exact, because a bool is no int here and "abc" is no list of letters.
    if type(payload) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {type(payload).__name__}")
    return payload


def _reads(kind: type[_T], build: Callable[[_T], object]) -> Callable[[Any], object]:
    """``build``, given a payload of exactly ``kind``."""
    return lambda payload: build(_expect(kind, payload))


def _to_base64(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _build_float(text: str) -> float:
    if text not in _NOT_FINITE:
        raise ValueError("a finite float is a JSON number")
    return float(text)  # a new one each time: two nan in a set are two objects


def _build_dict(items: list[Any]) -> dict[Any, Any]:
    found = dict(map(_build_item, items))
    if len(found) != len(items):
        raise ValueError("a key occurs twice")
    return found


def _build_item(item: Any) -> tuple[Any, Any]:
    [(key, value)] = item.items() if type(item) is dict else [_expect(list, item)]
    return key, value


# --- simple types -----------------------------------------------------------------------------------


def _simplify_offset(zone: timezone) -> object:
    name = zone.tzname(None)
    offset = zone.utcoffset(None)
    return offset if timezone(offset).tzname(None) == name else [offset, name]


def _build_offset(payload: Any) -> timezone:
    return timezone(*payload) if isinstance(payload, list) else timezone(payload)


def _simplify_zone(zone: ZoneInfo) -> str:
    if zone.key is None:
        raise ValueError("a ZoneInfo read from a file has no key to find it by")
    return zone.key


def _build_zone(key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except LookupError as error:
        raise _StaleError(f"no time zone {key!r} on this machine (pip install tzdata)") from error


def _simplify_moment(moment: Any) -> object:
    """A datetime or time; ISO text alone where that says everything."""
    if moment.fold == 0 and _is_iso_zone(moment.tzinfo):
        return moment.isoformat()
    local = moment.replace(tzinfo=None, fold=0).isoformat()
    return {"fold": moment.fold, "local": local, "tzinfo": moment.tzinfo}


def _is_iso_zone(zone: tzinfo | None) -> bool:
    """Whether ``fromisoformat`` gives this zone back: no zone, or a nameless offset of whole seconds."""
    if zone is None:
        return True
    # Python 3.11 reads an offset below one second as UTC.
    offset = _simplify_offset(zone) if type(zone) is timezone else None
    return isinstance(offset, timedelta) and offset.microseconds == 0


def _build_moment(kind: type[datetime | time], payload: Any) -> datetime | time:
    if isinstance(payload, str):
        return kind.fromisoformat(payload)
    local = kind.fromisoformat(payload["local"])
    return local.replace(tzinfo=payload["tzinfo"], fold=payload["fold"])


def _simplify_duration(value: timedelta) -> dict[str, int]:
    return {"microseconds": value.microseconds, "seconds": value.days * 86_400 + value.seconds}


def _build_duration(payload: dict[str, Any]) -> timedelta:
    seconds, microseconds = _expect(int, payload["seconds"]), _expect(int, payload["microseconds"])
    return timedelta(seconds=seconds, microseconds=microseconds)


def _build_fraction(payload: list[Any]) -> Fraction:
    numerator, denominator = payload
    return Fraction(_expect(int, numerator), _expect(int, denominator))


def _build_complex(payload: list[Any]) -> complex:
    real, imaginary = payload
    return complex(_expect(float, real), _expect(float, imaginary))


_CODECS: tuple[Codec, ...] = (
    Codec(bytes, "bytes", _to_base64, _reads(str, _from_base64)),
    Codec(bytearray, "bytearray", _to_base64, _reads(str, lambda text: bytearray(_from_base64(text)))),
    Codec(datetime, "datetime", _simplify_moment, lambda payload: _build_moment(datetime, payload)),
    Codec(time, "time", _simplify_moment, lambda payload: _build_moment(time, payload)),
    Codec(date, "date", date.isoformat, _reads(str, date.fromisoformat)),
    Codec(timedelta, "timedelta", _simplify_duration, _reads(dict, _build_duration)),
    Codec(timezone, "timezone", _simplify_offset, _build_offset),
    Codec(ZoneInfo, "zoneinfo", _simplify_zone, _reads(str, _build_zone)),
    Codec(Decimal, "decimal", str, _reads(str, Decimal)),
    Codec(UUID, "uuid", str, _reads(str, UUID)),
    Codec(
        Fraction,
        "fraction",
        lambda value: [value.numerator, value.denominator],
        _reads(list, _build_fraction),
    ),
    Codec(complex, "complex", lambda value: [value.real, value.imag], _reads(list, _build_complex)),
    # PosixPath or WindowsPath, whichever this system has: the blob is the same on both.
    Codec(type(Path()), "path", PurePath.as_posix, _reads(str, Path)),
    Codec(PurePosixPath, "pureposixpath", PurePath.as_posix, _reads(str, PurePosixPath)),
    Codec(PureWindowsPath, "purewindowspath", PurePath.as_posix, _reads(str, PureWindowsPath)),
)


# --- families of classes ----------------------------------------------------------------------------


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _class_path(kind: type, at: _Trail) -> str:
    """``module:qualname``, when that leads back to the class: what is recorded must be replayable."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    try:
        found = _find_class(path)
    except _StaleError:
        found = None
    if found is not kind:
        raise UsageError(
            f"{_where(at)} cannot be recorded: the class {_class_name(kind)} is not importable by that name",
            hint="define it at the top of a module, or booktest_cassettes.register_codec(...)",
        )
    return path


def _find_class(path: str) -> type:
    """The class at ``module:qualname``. Imports the module; what it finds is looked at, never called."""
    module, _, qualname = path.partition(":")
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        first, *inner = qualname.split(".")
        found = getattr(found, first)
        for name in inner:
            found = vars(found)[name]
    except Exception as error:  # a module may raise anything while it is imported
        raise _StaleError(f"the class {path} cannot be imported ({_reason(error)})") from error
    if not isinstance(found, type):
        raise TypeError(f"{path} is no class")
    return found


@dataclass(frozen=True, slots=True)
class _Family:
    """Classes recorded by one rule, under the class's own path."""

    name: str
    owns: Callable[[type], bool]
    take: Callable[[Any, _Encoder, _Trail], dict[str, JSON]]
    build: Callable[[Any, dict[str, Any]], object]

    def rebuild(self, payload: object) -> object:
        """The value of a decoded payload, once its class is known to be one of this family."""
        parts = dict(_expect(dict, payload))
        path = _expect(str, parts.pop("class"))
        kind = _find_class(path)
        if not self.owns(kind):
            raise TypeError(f"{path} is no {self.name}")
        return self.build(kind, parts)


def _check_fields(kind: type, recorded: Iterable[str], known: Iterable[str], required: Iterable[str]) -> None:
    """A class may have gained a field with a default since; no more than that."""
    recorded = set(recorded)
    if gone := sorted(recorded.difference(known)):
        raise _StaleError(f"{_class_name(kind)} no longer has {', '.join(gone)}")
    if new := sorted(set(required) - recorded):
        raise _StaleError(f"{_class_name(kind)} now needs {', '.join(new)}")


def _owns_enum(kind: type) -> bool:
    return issubclass(kind, Enum)


def _take_enum(value: Enum, encoder: _Encoder, at: _Trail) -> dict[str, JSON]:
    if value._name_ in type(value).__members__:
        return {"name": value._name_}
    if not isinstance(value, Flag):
        raise _unsupported(type(value), at)
    # A combination of flags has no name of its own.
    return {"flags": encoder.encode(value._value_, at)}


def _build_enum(kind: type[Enum], parts: dict[str, Any]) -> Enum:
    if "flags" in parts:
        if not issubclass(kind, Flag):
            raise TypeError(f"{_class_name(kind)} has no flags to combine")
        return kind(_expect(int, parts["flags"]))
    name = _expect(str, parts["name"])
    if name not in kind.__members__:
        raise _StaleError(f"{_class_name(kind)} has no member {name!r} any more")
    return kind.__members__[name]


def _owns_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple)


def _take_namedtuple(value: Any, encoder: _Encoder, at: _Trail) -> dict[str, JSON]:
    if getattr(value, "__dict__", None):
        raise _unsupported(type(value), at)  # a subclass that keeps more than its fields
    return {"fields": encoder.fields(dict(zip(value._fields, value, strict=True)), at)}


def _build_namedtuple(kind: Any, parts: dict[str, Any]) -> object:
    fields = _expect(dict, parts["fields"])
    defaults: dict[str, Any] = kind._field_defaults
    _check_fields(kind, fields, kind._fields, set(kind._fields) - defaults.keys())
    # Past any __new__ of the class: what that made of its arguments is what was recorded.
    return tuple.__new__(kind, [fields[name] if name in fields else defaults[name] for name in kind._fields])


def _owns_dataclass(kind: type) -> bool:
    # One that is also a dict or list holds more than its fields.
    bases = (base for base in kind.__mro__ if base.__module__ == "builtins")
    return dataclasses.is_dataclass(kind) and list(bases) == [object]


@functools.lru_cache(maxsize=1024)
def _unstored_parameters(kind: type) -> list[str]:
    """Arguments that the class asks for and keeps in no field (``InitVar``, its own ``__init__``)."""
    stored = {field.name for field in dataclasses.fields(kind) if field.init}
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter.name
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in variadic
        and parameter.name not in stored
    ]


def _take_dataclass(value: Any, encoder: _Encoder, at: _Trail) -> dict[str, JSON]:
    kind: type = type(value)
    if unstored := _unstored_parameters(kind):
        raise UsageError(
            f"{_where(at)} cannot be recorded: {_class_name(kind)} is made from {', '.join(unstored)},"
            " which no field keeps",
            hint=f"booktest_cassettes.register_codec({kind.__name__}, ...)",
        )
    # A field with init=False may have no value yet.
    names = [field.name for field in dataclasses.fields(kind) if hasattr(value, field.name)]
    return {"fields": encoder.fields({name: getattr(value, name) for name in names}, at)}


def _build_dataclass(kind: Any, parts: dict[str, Any]) -> object:
    fields = _expect(dict, parts["fields"])
    expected = {field.name: field for field in dataclasses.fields(kind)}
    _check_fields(kind, fields, known=expected, required=())
    try:
        value = kind(**{name: item for name, item in fields.items() if expected[name].init})
    except Exception as error:
        raise _StaleError(f"{_class_name(kind)} refused its own fields ({_reason(error)})") from error
    # Every field again: __post_init__ may have changed them, and its result is what was recorded.
    for name, item in fields.items():
        object.__setattr__(value, name, item)
    return value


def _owns_model(kind: type) -> bool:
    # Whoever has a model has imported pydantic; looking further would import it for everybody.
    base = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return base is not None and issubclass(kind, base) and hasattr(kind, "model_construct")


def _take_model(value: Any, encoder: _Encoder, at: _Trail) -> dict[str, JSON]:
    # model_dump would turn nested models into dicts of their declared type, and drop excluded fields.
    kind, stored = type(value), vars(value)
    if unset := sorted(kind.model_fields.keys() - stored):
        raise UsageError(f"{_where(at)} cannot be recorded: {_class_name(kind)} without {', '.join(unset)}")
    return {
        "extra": encoder.fields(value.model_extra or {}, at),
        "fields": encoder.fields({name: stored[name] for name in kind.model_fields}, at),
        "set": encoder.items(sorted(value.model_fields_set), at),
    }


def _build_model(kind: Any, parts: dict[str, Any]) -> object:
    fields, extra = _expect(dict, parts["fields"]), _expect(dict, parts["extra"])
    required = {name for name, field in kind.model_fields.items() if field.is_required()}
    _check_fields(kind, fields, kind.model_fields, required)
    # Not model_validate: it wants aliases for names, and validators to be idempotent.
    return kind.model_construct(_fields_set=set(_expect(list, parts["set"])), **fields, **extra)


def _owns_exception(kind: type) -> bool:
    return issubclass(kind, BaseException)


def _take_exception(value: BaseException, encoder: _Encoder, at: _Trail) -> dict[str, JSON]:
    arguments = _arguments(value)
    _check_rebuildable(value, arguments, at)
    kept, omitted = _take_attributes(value, encoder, at)
    parts: dict[str, JSON] = {"args": encoder.items(arguments, (at, "args")), "attributes": kept}
    return {**parts, "omitted": omitted} if omitted else parts


def _arguments(value: BaseException) -> tuple[Any, ...]:
    """What the built-in part of an exception is made from."""
    arguments = value.args
    if isinstance(value, OSError) and len(arguments) == 2 and value.filename is not None:
        # OSError hides its third and fifth argument.
        arguments += (value.filename,) if value.filename2 is None else (value.filename, None, value.filename2)
    return arguments


def _check_rebuildable(value: BaseException, arguments: tuple[Any, ...], at: _Trail) -> None:
    try:
        _bare_exception(type(value), arguments)
    except Exception as error:
        raise _unsupported(type(value), at) from error


def _take_attributes(value: BaseException, encoder: _Encoder, at: _Trail) -> tuple[JSON, list[JSON]]:
    """Attributes that can be recorded, and the names of those that cannot.

    Exceptions of HTTP clients carry live requests and connections; refusing those would refuse every
    error worth recording. The blob names what it leaves out, for the reviewer.
    """
    kept: dict[str, JSON] = {}
    omitted: list[JSON] = []
    for name, item in sorted(vars(value).items()):
        try:
            kept[name] = encoder.encode(item, (at, name))
        except UsageError:
            omitted.append(name)
    return encoder.assemble(kept, at), omitted


def _bare_exception(kind: type[BaseException], arguments: Iterable[Any]) -> BaseException:
    """An exception made by its built-in base alone, past any ``__init__`` of the class."""
    base: Any = kind
    while base.__module__ != "builtins":
        base = base.__base__  # the base whose memory layout it has; the first of __mro__ need not be it
    value: BaseException = base.__new__(kind, *arguments)
    base.__init__(value, *arguments)
    return value


def _build_exception(kind: type[BaseException], parts: dict[str, Any]) -> BaseException:
    arguments = _expect(list, parts["args"])
    value = _call_exception(kind, arguments)
    if value is None:
        value = _bare_exception(kind, arguments)
    vars(value).update(_expect(dict, parts["attributes"]))
    return value


def _call_exception(kind: type[BaseException], arguments: list[Any]) -> BaseException | None:
    """``kind(*arguments)`` where that gives the same exception, as it does for most.

    Not where ``__init__`` takes something else than it hands to ``Exception``: it fails, or writes its
    message around a message.
    """
    try:
        value = kind(*arguments)
    except Exception:  # noqa: BLE001 - whatever the class raises, there is the other way
        return None
    rebuilt = _arguments(value)
    same = len(rebuilt) == len(arguments) and all(a is b for a, b in zip(rebuilt, arguments, strict=True))
    return value if type(value) is kind and same else None


# In the order they are asked: a dataclass may be an exception, whose arguments matter more.
_FAMILIES: tuple[_Family, ...] = (
    _Family("enum", _owns_enum, _take_enum, _build_enum),
    _Family("exception", _owns_exception, _take_exception, _build_exception),
    _Family("namedtuple", _owns_namedtuple, _take_namedtuple, _build_namedtuple),
    _Family("dataclass", _owns_dataclass, _take_dataclass, _build_dataclass),
    _Family("model", _owns_model, _take_model, _build_model),
)

_SCALARS: dict[type, Callable[[Any], JSON]] = {
    NoneType: _encode_itself,
    bool: _encode_itself,
    int: _encode_int,
    float: _encode_float,
    str: _encode_text,
}

_CONTAINERS: dict[type, Callable[[_Encoder, Any, _Trail], JSON]] = {
    list: _Encoder.items,
    tuple: lambda encoder, value, at: _tagged("tuple", encoder.items(value, at)),
    set: lambda encoder, value, at: _tagged("set", encoder.members(value, at)),
    frozenset: lambda encoder, value, at: _tagged("frozenset", encoder.members(value, at)),
    dict: _Encoder.mapping,
    OrderedDict: _Encoder.ordered_dict,
}

_BUILDERS: dict[str, Callable[[Any], object]] = {
    "int": _reads(str, lambda text: int(text, 16)),
    "float": _reads(str, _build_float),
    "str": _reads(str, lambda text: _from_base64(text).decode("utf-8", "surrogatepass")),
    "tuple": _reads(list, tuple),
    # Equal members are no error: redaction makes two secrets one.
    "set": _reads(list, set),
    "frozenset": _reads(list, frozenset),
    "dict": _reads(list, _build_dict),
    "ordereddict": _reads(list, lambda items: OrderedDict(_build_dict(items))),
    **{family.name: family.rebuild for family in _FAMILIES},
}

_CODECS_BY_TYPE: dict[type, Codec] = {codec.value_type: codec for codec in _CODECS}
_CODECS_BY_NAME: dict[str, Codec] = {codec.name: codec for codec in _CODECS}
_BUILT_IN_TYPES = frozenset((*_SCALARS, *_CONTAINERS, *_CODECS_BY_TYPE))
_BUILT_IN_NAMES = frozenset((*_BUILDERS, *_CODECS_BY_NAME))
