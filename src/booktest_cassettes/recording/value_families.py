"""Families of classes recorded by one rule each, under the class's own path ``module:qualname``."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, Flag
from typing import Any

from ..errors import UsageError
from .value_exceptions import build_exception, take_exception
from .value_notation import JSON, Encode, tagged
from .value_refusals import StaleError, Trail, class_name, expect, reason, unsupported, where


@dataclass(frozen=True, slots=True)
class _Family:
    """Which classes belong to it, how their values are taken apart and built again."""

    name: str
    owns: Callable[[type], bool]
    take: Callable[[Any, Encode, Trail], dict[str, JSON]]
    build: Callable[[Any, dict[str, Any]], object]

    def rebuild(self, payload: object) -> object:
        """The value of a decoded payload, once its class is known to be one of this family."""
        parts = dict(expect(dict, payload))
        path = expect(str, parts.pop("class"))
        kind = _find_class(path)
        if not self.owns(kind):
            raise TypeError(f"{path} is no {self.name}")
        return self.build(kind, parts)


def take_apart(value: object, encode: Encode, at: Trail) -> JSON:
    """Data for a value of any family.

    Raises
    ------
    UsageError
        When its class is of no family, or replay could not make the value again.
    """
    kind = type(value)
    family = next((family for family in _FAMILIES if family.owns(kind)), None)
    if family is None:
        raise unsupported(kind, at)
    return tagged(family.name, {"class": _class_path(kind, at), **family.take(value, encode, at)})


# --- classes ----------------------------------------------------------------------------------------


def _class_path(kind: type, at: Trail) -> str:
    """``module:qualname``, when that leads back to the class: what is recorded must be replayable."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    try:
        found = _find_class(path)
    except StaleError:
        found = None
    if found is not kind:
        raise UsageError(
            f"{where(at)} cannot be recorded: the class {class_name(kind)} is not importable by that name",
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
        raise StaleError(f"the class {path} cannot be imported ({reason(error)})") from error
    if not isinstance(found, type):
        raise TypeError(f"{path} is no class")
    return found


def _dump_fields(fields: dict[str, Any], encode: Encode, at: Trail) -> JSON:
    return encode(dict(sorted(fields.items())), at)  # their order means nothing


def _check_fields(kind: type, recorded: Iterable[str], known: Iterable[str], required: Iterable[str]) -> None:
    """A class may have gained a field with a default since; no more than that."""
    recorded = set(recorded)
    if gone := sorted(recorded.difference(known)):
        raise StaleError(f"{class_name(kind)} no longer has {', '.join(gone)}")
    if new := sorted(set(required) - recorded):
        raise StaleError(f"{class_name(kind)} now needs {', '.join(new)}")


# --- enums ------------------------------------------------------------------------------------------


def _is_enum(kind: type) -> bool:
    return issubclass(kind, Enum)


def _take_enum(value: Enum, encode: Encode, at: Trail) -> dict[str, JSON]:
    if value._name_ in type(value).__members__:
        return {"name": value._name_}
    if not isinstance(value, Flag):
        raise unsupported(type(value), at)
    # A combination of flags has no name of its own.
    return {"flags": encode(value._value_, at)}


def _build_enum(kind: type[Enum], parts: dict[str, Any]) -> Enum:
    if "flags" in parts:
        if not issubclass(kind, Flag):
            raise TypeError(f"{class_name(kind)} has no flags to combine")
        return kind(expect(int, parts["flags"]))
    name = expect(str, parts["name"])
    if name not in kind.__members__:
        raise StaleError(f"{class_name(kind)} has no member {name!r} any more")
    return kind.__members__[name]


# --- exceptions -------------------------------------------------------------------------------------


def _is_exception(kind: type) -> bool:
    return issubclass(kind, BaseException)


# --- namedtuples ------------------------------------------------------------------------------------


def _is_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple)


def _take_namedtuple(value: Any, encode: Encode, at: Trail) -> dict[str, JSON]:
    if getattr(value, "__dict__", None):
        raise unsupported(type(value), at)  # a subclass that keeps more than its fields
    return {"fields": _dump_fields(dict(zip(value._fields, value, strict=True)), encode, at)}


def _build_namedtuple(kind: Any, parts: dict[str, Any]) -> object:
    fields = expect(dict, parts["fields"])
    defaults: dict[str, Any] = kind._field_defaults
    _check_fields(kind, fields, kind._fields, set(kind._fields) - defaults.keys())
    # Past any __new__ of the class: what that made of its arguments is what was recorded.
    return tuple.__new__(kind, [fields[name] if name in fields else defaults[name] for name in kind._fields])


# --- dataclasses ------------------------------------------------------------------------------------


def _is_dataclass(kind: type) -> bool:
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


def _take_dataclass(value: Any, encode: Encode, at: Trail) -> dict[str, JSON]:
    kind: type = type(value)
    if unstored := _unstored_parameters(kind):
        raise UsageError(
            f"{where(at)} cannot be recorded: {class_name(kind)} is made from {', '.join(unstored)},"
            " which no field keeps",
            hint=f"booktest_cassettes.register_codec({kind.__name__}, ...)",
        )
    # A field with init=False may have no value yet.
    names = [field.name for field in dataclasses.fields(kind) if hasattr(value, field.name)]
    return {"fields": _dump_fields({name: getattr(value, name) for name in names}, encode, at)}


def _build_dataclass(kind: Any, parts: dict[str, Any]) -> object:
    fields = expect(dict, parts["fields"])
    known = {field.name: field.init for field in dataclasses.fields(kind)}
    _check_fields(kind, fields, known, required=())
    arguments = {name: item for name, item in fields.items() if known[name]}
    try:
        value = kind(**arguments)
    except Exception as error:
        if len(arguments) < sum(known.values()):
            raise StaleError(f"{class_name(kind)} refused its own fields ({reason(error)})") from error
        # Redaction puts a text where __post_init__ may want a number; the fields are all it is made from.
        value = object.__new__(kind)
    # Every field again: __post_init__ may have changed them, and its result is what was recorded.
    for name, item in fields.items():
        object.__setattr__(value, name, item)
    return value


# --- pydantic models --------------------------------------------------------------------------------


def _is_model(kind: type) -> bool:
    # Whoever has a model has imported pydantic; looking further would import it for everybody.
    base = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return base is not None and issubclass(kind, base) and hasattr(kind, "model_construct")


def _take_model(value: Any, encode: Encode, at: Trail) -> dict[str, JSON]:
    # model_dump would turn nested models into dicts of their declared type, and drop excluded fields.
    kind, stored = type(value), vars(value)
    if unset := sorted(kind.model_fields.keys() - stored):
        raise UsageError(f"{where(at)} cannot be recorded: {class_name(kind)} without {', '.join(unset)}")
    return {
        "extra": _dump_fields(value.model_extra or {}, encode, at),
        "fields": _dump_fields({name: stored[name] for name in kind.model_fields}, encode, at),
        "set": encode(sorted(value.model_fields_set), at),
    }


def _build_model(kind: Any, parts: dict[str, Any]) -> object:
    fields, extra = expect(dict, parts["fields"]), expect(dict, parts["extra"])
    required = {name for name, field in kind.model_fields.items() if field.is_required()}
    _check_fields(kind, fields, kind.model_fields, required)
    # Not model_validate: it wants aliases for names, and validators to be idempotent.
    return kind.model_construct(_fields_set=set(expect(list, parts["set"])), **fields, **extra)


# In the order they are asked: a dataclass may be an exception, whose arguments matter more.
_FAMILIES: tuple[_Family, ...] = (
    _Family("enum", _is_enum, _take_enum, _build_enum),
    _Family("exception", _is_exception, take_exception, build_exception),
    _Family("namedtuple", _is_namedtuple, _take_namedtuple, _build_namedtuple),
    _Family("dataclass", _is_dataclass, _take_dataclass, _build_dataclass),
    _Family("model", _is_model, _take_model, _build_model),
)
FAMILY_BUILDERS: dict[str, Callable[[Any], object]] = {family.name: family.rebuild for family in _FAMILIES}
