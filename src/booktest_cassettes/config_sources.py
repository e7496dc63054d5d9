"""What people write: reads the configuration files into entries, and the values in them into shapes.

Which settings there are, and which place wins, is the job of ``config``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

TABLE = "tool.booktest-cassettes"

# A line that opens our table (or one below it), in any of TOML's spellings. A dependency on this
# package or a comment about it does not count: most pyproject files that name us only depend on us.
_OUR_TABLE = re.compile(
    r"""(?m)^[ \t]*(?:\[\s*)?["']?tool["']?\s*\.\s*["']?booktest-cassettes["']?\s*[].=]"""
)
_TOML_HEADER = re.compile(r"[ \t]*\[+([^][,]*)\]+[ \t]*(?:#.*)?$")
_TOML_KEY = re.compile(r"([^=#\[]+)=")
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_FLAT_HEADER = re.compile(r"\[([^]]*)\]\s*(?:[#;].*)?$")
# A comma inside a character class, a {2,5} or after a backslash belongs to a regular expression.
_ITEM = re.compile(r"(?:\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[\d,]*\}|[^,\\[{]|[\\[{])+")
_SWITCH = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as somebody wrote it.

    Parameters
    ----------
    name, value:
        Dotted name, ``storage.mode`` or an alias of it, and what is written for it.
    where:
        ``booktest.toml:3``, ``environment BOOKTEST_STORAGE_MODE``...; starts every message about it.
    is_text:
        The source knows only text, so ``1`` may be a flag and ``a, b`` a list.
    """

    name: str
    value: object
    where: str
    is_text: bool = False


def read_text(path: Path) -> str | None:
    """The text of a configuration file, or ``None`` when there is none.

    Raises
    ------
    ConfigError
        When something is there that cannot be read as UTF-8 text.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path.name}: cannot be read: {error.strerror}", hint=f"look at {path}") from error
    try:
        # With its byte-order mark a first line would be no key of ours and be ignored in silence.
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path.name}:{line}: not UTF-8 text", hint=f"save {path} as UTF-8") from error


def holds_our_table(text: str) -> bool:
    """Whether a ``pyproject.toml`` has a ``[tool.booktest-cassettes]`` table, without parsing it."""
    return _OUR_TABLE.search(text) is not None


def toml_entries(path: Path, *, is_shared: bool = False) -> list[Entry]:
    """The settings in a TOML file.

    Parameters
    ----------
    path, is_shared:
        The file; shared with other tools, only ``[tool.booktest-cassettes]`` is ours, if it is there.

    Raises
    ------
    ConfigError
        When the file cannot be read or is not TOML.
    """
    text = read_text(path)
    if text is None or (is_shared and not holds_our_table(text)):
        return []
    table: object = _parse_toml(path.name, text)
    for part in TABLE.split(".") if is_shared else ():
        table = table.get(part, {}) if isinstance(table, dict) else table
    if not isinstance(table, dict):
        raise ConfigError(f"{path.name}: '{TABLE}' must be a table", hint=f"write [{TABLE}]")
    lines = _toml_lines(text)
    prefix = f"{TABLE}." if is_shared else ""
    return [Entry(name, leaf, _place(path.name, lines, prefix + name)) for name, leaf in _leaves(table)]


def _parse_toml(label: str, text: str) -> dict[str, object]:
    import tomllib  # a project without TOML settings never pays for it

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # bare ValueError: a number of thousands of digits
        message = str(error)
        found = _AT_LINE.search(message)
        number = int(found[1]) if found else text.rstrip("\n").count("\n") + 1
        raise ConfigError(f"{label}:{number}: not valid TOML: {_AT_LINE.sub('', message)}") from error


def _leaves(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _toml_lines(text: str) -> dict[str, int]:
    """The line each dotted name first stands on. Best effort: it reads lines, not TOML."""
    lines: dict[str, int] = {}
    header = ""
    for number, line in enumerate(text.split("\n"), 1):
        if found := _TOML_HEADER.match(line):
            name = _unquoted(found[1])
            header = f"{name}."
        elif found := _TOML_KEY.match(line):
            name = header + _unquoted(found[1])
        else:
            continue
        lines.setdefault(name, number)
    return lines


def _unquoted(dotted: str) -> str:
    return ".".join(part.strip(" \t\"'") for part in dotted.split("."))


def _place(label: str, lines: Mapping[str, int], name: str) -> str:
    while name and name not in lines:  # inside an inline table: the line of the table
        name = name.rpartition(".")[0]
    return f"{label}:{lines[name]}" if name else label


def flat_entries(path: Path, sections: Collection[str]) -> Iterator[Entry]:
    """The settings of a ``key=value`` file that we share with booktest, as booktest reads it.

    Comments are whole lines that start with ``#`` or ``;``. A key without a value takes the lines
    indented below it. ``[storage]`` before ``mode=dvc`` means ``storage.mode``. Keys outside
    ``sections`` are booktest's own and skipped.

    Raises
    ------
    ConfigError
        When the file cannot be read, or a line of ours has no ``=``.
    """
    header = ""
    for number, line in _flat_lines(read_text(path) or ""):
        if found := _FLAT_HEADER.match(line):
            header = found[1].strip()
            continue
        key, equals, value = line.partition("=")
        name = _full_name(key.strip(), header, sections)
        if name and not equals:
            raise ConfigError(
                f"{path.name}:{number}: no '=' after a key", hint="write one key = value per line"
            )
        if name:
            yield Entry(name, value, f"{path.name}:{number}", is_text=True)


def _full_name(key: str, header: str, sections: Collection[str]) -> str:
    for name in (key, f"{header}.{key}"):
        section, dot, _ = name.partition(".")
        if dot and section in sections:
            return name
    return ""


def _flat_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each setting; a value from indented lines keeps its line breaks."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        first = lines[number]
        number += 1
        start, line = number, first.strip()
        if _says_nothing(line):
            continue
        if line.endswith("=") and line.count("=") == 1:
            while number < len(lines) and _indent(lines[number]) > _indent(first):
                more = lines[number].strip()
                line += "" if _says_nothing(more) else f"\n{more}"
                number += 1
        yield start, line


def _says_nothing(line: str) -> bool:
    return not line or line[0] in "#;"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t")) if line.strip() else -1


# --- shapes of values


@dataclass(frozen=True, slots=True)
class Shape:
    """How values of one kind are read; both steps raise :class:`ConfigError` without a place.

    Parameters
    ----------
    check, from_text:
        From a TOML value to the value of a field, and from the text of a flat file to a TOML value.
    """

    check: Callable[[object], object]
    from_text: Callable[[str], object]


def did_you_mean(word: str, known: Iterable[str], say: Callable[[str], str] = str) -> str:
    """A hint with the one of ``known`` that was most likely meant, put by ``say``; or nothing."""
    import difflib  # only mistakes pay for it

    words = list(known)
    # Names share their section, so unrelated ones look alike: the whole must be very near...
    found = difflib.get_close_matches(word[:80], words, 1, cutoff=0.75)
    if not found:  # ...or it is the right name in the wrong section.
        by_last = {name.rpartition(".")[2]: name for name in reversed(words)}
        last = word[:80].rpartition(".")[2]
        found = [by_last[name] for name in difflib.get_close_matches(last, by_last, 1)]
    return f"did you mean {say(found[0])}?" if found else ""


def _one(text: str) -> str:
    if "\n" in text:
        raise ConfigError("takes one value, on the same line")
    return _plain(text.strip())


def _items(text: str) -> list[str]:
    items = [item.strip() for line in text.split("\n") for item in _ITEM.findall(line)]
    return [_plain(item) for item in items if item]


def _plain(value: str) -> str:
    # booktest takes all of this as part of the value. Guessing otherwise could leave the name of a
    # secret unrecognised, and nothing redacted, without a word.
    if re.search(r"\s[#;]", value):
        raise ConfigError("holds '#' or ';' after a space", hint="put comments on lines of their own")
    if re.match(r"""\[\s*["']|(["']).*\1$""", value):
        raise ConfigError(
            "is quoted", hint="write it without quotes and brackets, or set it in booktest.toml"
        )
    return value


def _switch(text: str) -> bool:
    word = _one(text)
    if word.lower() not in _SWITCH:
        raise ConfigError(f"{word[:40]!r} is neither yes nor no", hint="write 1 or 0")
    return _SWITCH[word.lower()]


def _wrong_type(value: object, wanted: str, example: str) -> ConfigError:
    # Never the value itself: what stands in the wrong place may be a secret.
    return ConfigError(f"must be {wanted}, not {type(value).__name__}", hint=f"for example {example}")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(value, "a string", '"text"')
    if any((char < " " and char != "\t") or char == "\x7f" for char in value):
        raise ConfigError("holds a control character")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, "true or false", "true, without quotes")
    return value


def _path(value: object) -> Path:
    text = _string(str(value) if isinstance(value, Path) else value)
    if not text.strip():
        raise ConfigError("must not be empty")
    return Path(text)


def _size(value: object) -> int:
    if isinstance(value, str):
        return _size_in_words(value.strip())
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(value, "a size", '"100KB"')
    if not 0 <= value < 10**15:
        raise ConfigError("is not a number of bytes", hint='for example 100000, or "100KB"')
    return value


def _size_in_words(text: str) -> int:
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)", text.lower(), re.ASCII)
    if not found or found[2] not in _UNITS:
        raise ConfigError(f"{text[:40]!r} is not a size", hint='for example "100KB", "1.5MB", "64KiB"')
    return round(float(found[1]) * _UNITS[found[2]])


def _prefix(value: object) -> str:
    text = _string(value).strip().removesuffix("/")
    parts = text.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\\" in text or ":" in parts[0]:
        raise ConfigError(f"{text[:80]!r} is no relative path in the remote", hint='use "booktest/blobs"')
    if len(parts[0]) == 2 or parts[:2] == ["files", "md5"]:
        raise ConfigError(f"'dvc gc' deletes unknown files in {text[:80]!r}", hint='use "booktest/blobs"')
    return text


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong_type(value, "a list of strings", '["one", "two"]')
    items = tuple(_string(item) for item in value)
    if not all(item.strip() for item in items):
        raise ConfigError("holds an empty string")
    return items


def _names(value: object) -> tuple[str, ...]:
    return tuple(item.strip() for item in _strings(value))


def _patterns(value: object) -> tuple[str, ...]:
    items = _strings(value)
    for number, item in enumerate(items, 1):
        try:
            re.compile(item)
        # A warning is an exception under `-W error`, and a reason to look at the pattern anyway.
        except (re.error, OverflowError, RecursionError, Warning) as error:
            raise ConfigError(f"item {number} is not a regular expression: {error}") from error
    return items


def _variables(value: object) -> tuple[str, ...]:
    items = _names(value)
    for number, item in enumerate(items, 1):
        if not re.fullmatch(r"[A-Za-z_]\w*", item, re.ASCII):
            # Not shown: who writes the secret itself here must not find it in a log.
            raise ConfigError(f"item {number} is no variable's name", hint="name it, as in API_TOKEN")
    return items


def _member(value: str, allowed: Collection[str]) -> str:
    if value not in allowed:
        problem = f"{value[:40]!r} is not one of {', '.join(allowed)}"
        raise ConfigError(problem, hint=did_you_mean(value.lower(), allowed))
    return value


def one_of(*allowed: str, renamed: Mapping[str, str] | None = None) -> Shape:
    """One word of ``allowed``, or a key of ``renamed`` that stands for its value."""
    names = {word: word for word in allowed} | dict(renamed or {})
    return Shape(lambda value: names[_member(_string(value), names)], _one)


def some_of(*allowed: str) -> Shape:
    """At least one word of ``allowed``."""

    def check(value: object) -> tuple[str, ...]:
        items = tuple(_member(item, allowed) for item in _names(value))
        if not items:
            raise ConfigError("must name at least one", hint=f"known: {', '.join(allowed)}")
        return items

    return Shape(check, _items)


def optional(shape: Shape) -> Shape:
    """``shape``, or nothing: unset, or an empty string."""
    return Shape(lambda value: None if value in (None, "") else shape.check(value), shape.from_text)


STRING = Shape(_string, _one)
FLAG = Shape(_flag, _switch)
PATH = Shape(_path, _one)
SIZE = Shape(_size, _one)
PREFIX = Shape(_prefix, _one)
NAMES = Shape(_names, _items)
PATTERNS = Shape(_patterns, _items)
VARIABLES = Shape(_variables, _items)
