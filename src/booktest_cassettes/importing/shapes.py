"""What readers share: a wrong shape becomes one error that says where."""

from __future__ import annotations

from typing import TypeVar

from ..errors import IntegrityError

_T = TypeVar("_T")


class at:  # noqa: N801 - reads as a word: with at(name, place)
    """Turns the ways a wrong shape shows in Python into one error that names the file and the place."""

    def __init__(self, name: str, place: str = "") -> None:
        self._where = f"{name}: {place}: " if place else f"{name}: "

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError):
            raise IntegrityError(f"{self._where}{error} is missing") from None
        if isinstance(error, UnicodeError):  # its text holds what could not be encoded
            raise IntegrityError(f"{self._where}text that cannot be encoded") from None
        if isinstance(error, (TypeError, ValueError, AttributeError, RecursionError)):
            raise IntegrityError(f"{self._where}{error}") from None


def of(kind: type[_T], value: object, what: str) -> _T:
    """``value`` where it is a ``kind``; raises TypeError that says what is something else."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{what} must be {_WORDS[kind]}, not {_word(value)}")
    return value


_WORDS: dict[type, str] = {dict: "an object", list: "a list", str: "text", int: "a whole number"}


def _word(value: object) -> str:
    return "nothing" if value is None else _WORDS.get(type(value), f"a {type(value).__name__}")
