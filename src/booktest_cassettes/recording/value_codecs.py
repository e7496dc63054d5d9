"""Built-in codecs: what JSON cannot say of single values, such as bytes, times and huge numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from types import NoneType
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from .value_notation import JSON, dump_bytes, dump_text, load_bytes, load_text, tagged
from .value_refusals import StaleError, expect

_T = TypeVar("_T")

# The lowest limit that sys.set_int_max_str_digits accepts is 640 digits, a little over 2,120 bits:
# up to here any interpreter can read the int back from JSON text.
_INT_BITS = 2048
_NOT_FINITE = ("nan", "inf", "-inf")


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


def reads(kind: type[_T], build: Callable[[_T], object]) -> Callable[[Any], object]:
    """``build``, given a payload of exactly ``kind``."""
    return lambda payload: build(expect(kind, payload))


# --- scalars ----------------------------------------------------------------------------------------


def _dump_itself(value: Any) -> Any:
    return value


def _dump_int(value: int) -> JSON:
    return value if value.bit_length() <= _INT_BITS else tagged("int", hex(value))


def _dump_float(value: float) -> JSON:
    return value if math.isfinite(value) else tagged("float", repr(value))


def _load_float(text: str) -> float:
    if text not in _NOT_FINITE:
        raise ValueError("a finite float is a JSON number")
    return float(text)  # a new one each time: two nan in a set are two objects


# --- times ------------------------------------------------------------------------------------------


def _dump_offset(zone: timezone) -> object:
    name = zone.tzname(None)
    offset = zone.utcoffset(None)
    return offset if timezone(offset).tzname(None) == name else [offset, name]


def _load_offset(payload: Any) -> timezone:
    return timezone(*payload) if isinstance(payload, list) else timezone(payload)


def _dump_zone(zone: ZoneInfo) -> str:
    if zone.key is None:
        raise ValueError("a ZoneInfo read from a file has no key to find it by")
    return zone.key


def _load_zone(key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except LookupError as error:
        raise StaleError(f"no time zone {key!r} on this machine (pip install tzdata)") from error


def _dump_moment(moment: Any) -> object:
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
    offset = _dump_offset(zone) if type(zone) is timezone else None
    return isinstance(offset, timedelta) and offset.microseconds == 0


def _load_moment(kind: type[datetime | time], payload: Any) -> datetime | time:
    if isinstance(payload, str):
        return kind.fromisoformat(payload)
    local = kind.fromisoformat(payload["local"])
    return local.replace(tzinfo=payload["tzinfo"], fold=payload["fold"])


def _dump_duration(value: timedelta) -> dict[str, int]:
    return {"microseconds": value.microseconds, "seconds": value.days * 86_400 + value.seconds}


def _load_duration(payload: dict[str, Any]) -> timedelta:
    seconds, microseconds = expect(int, payload["seconds"]), expect(int, payload["microseconds"])
    return timedelta(seconds=seconds, microseconds=microseconds)


# --- pairs of numbers -------------------------------------------------------------------------------


def _load_fraction(payload: list[Any]) -> Fraction:
    numerator, denominator = payload
    return Fraction(expect(int, numerator), expect(int, denominator))


def _load_complex(payload: list[Any]) -> complex:
    real, imaginary = payload
    return complex(expect(float, real), expect(float, imaginary))


# --- tables -----------------------------------------------------------------------------------------

SCALARS: dict[type, Callable[[Any], JSON]] = {
    NoneType: _dump_itself,
    bool: _dump_itself,
    int: _dump_int,
    float: _dump_float,
    str: dump_text,
}
SCALAR_BUILDERS: dict[str, Callable[[Any], object]] = {
    "int": reads(str, lambda text: int(text, 16)),
    "float": reads(str, _load_float),
    "str": reads(str, load_text),
}
CODECS: tuple[Codec, ...] = (
    Codec(bytes, "bytes", dump_bytes, reads(str, load_bytes)),
    Codec(bytearray, "bytearray", dump_bytes, reads(str, lambda text: bytearray(load_bytes(text)))),
    Codec(datetime, "datetime", _dump_moment, lambda payload: _load_moment(datetime, payload)),
    Codec(time, "time", _dump_moment, lambda payload: _load_moment(time, payload)),
    Codec(date, "date", date.isoformat, reads(str, date.fromisoformat)),
    Codec(timedelta, "timedelta", _dump_duration, reads(dict, _load_duration)),
    Codec(timezone, "timezone", _dump_offset, _load_offset),
    Codec(ZoneInfo, "zoneinfo", _dump_zone, reads(str, _load_zone)),
    Codec(Decimal, "decimal", str, reads(str, Decimal)),
    Codec(UUID, "uuid", str, reads(str, UUID)),
    Codec(Fraction, "fraction", lambda it: [it.numerator, it.denominator], reads(list, _load_fraction)),
    Codec(complex, "complex", lambda it: [it.real, it.imag], reads(list, _load_complex)),
    # PosixPath or WindowsPath, whichever this system has: the blob is the same on both.
    Codec(type(Path()), "path", PurePath.as_posix, reads(str, Path)),
    Codec(PurePosixPath, "pureposixpath", PurePath.as_posix, reads(str, PurePosixPath)),
    Codec(PureWindowsPath, "purewindowspath", PurePath.as_posix, reads(str, PureWindowsPath)),
)
