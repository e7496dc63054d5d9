"""The text of a manifest, and the way back.

There is one canonical text for a manifest, written and read here::

    # booktest.manifest.yaml: test and kind -> sha256 of the approved snapshot; written by ...
    storage_mode: dvc
    tests/test_api.py::test_users:
      env: "sha256:<64 hex>"
      http: "sha256:<64 hex>"

:func:`read_canonical` takes exactly that and nothing else, in two or three times what ``json.loads``
takes; it never imports yaml, because every replay starts with it. Any other YAML that says the same is
:mod:`.manifest_yaml`'s. Both give the same data for the same meaning; :func:`write` of what they give is
the canonical text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from .digest import Digest, Kind
from .errors import UsageError

StorageMode: TypeAlias = Literal["dvc", "git"]
Kinds: TypeAlias = Mapping[Kind, Digest]

STORAGE_MODES: Final[tuple[StorageMode, ...]] = ("dvc", "git")

_COMMENT = (
    "# booktest.manifest.yaml: test and kind -> sha256 of the approved snapshot; "
    "written by booktest-cassettes"
)
_HEADERS: Final[dict[StorageMode, str]] = {
    mode: f"{_COMMENT}\nstorage_mode: {mode}\n" for mode in STORAGE_MODES
}
_KINDS = tuple(sorted(Kind))
_BEFORE_DIGEST = {kind: f'  {kind.value}: "' for kind in _KINDS}

# YAML reads a plain scalar as something other than text only when it begins with a digit, a sign or
# punctuation, or is a bare word (true, no, null...). A letter first and one of ./:[ after the first
# word rules both out; without spaces there is no ": " and no " #" either.
_PLAIN = r"[A-Za-z_][A-Za-z0-9_-]*[./:\[][A-Za-z0-9_./:\[\]()+,=@-]*(?<!:)"
# PyYAML gives up on a one-line key after 1,024 characters; the explicit form has no limit.
_KEY_LIMIT = 1000

# One test's lines, or else all the rest of the text, so that nothing is skipped. Digits are any 64
# characters here, and a quoted key anything in quotes: both are cheaper to check afterwards.
_TEST = re.compile(
    rf'({_PLAIN}|".*"|\? ".*"\n):\n(?=  )'
    + "".join(rf'(?:  {kind.value}: "sha256:(.{{64}})"\n)?' for kind in _KINDS)
    + r"|((?s:.+))"
)

# The patterns below are compiled by `re` when first used: most replays never do.

# What an id may not hold: YAML 1.1 and editors break lines at some of these, terminals obey others.
# pytest escapes control characters in ids; a tab is the one it is worth keeping.
_NOT_IN_ID = r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
# Written as escapes: what quoting needs, and what would not be seen in a diff. The ranges are spelled
# out because `str.isprintable` changes with the Unicode tables of each Python.
_ESCAPED = r'["\\\t\xa0\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]'
_ESCAPE = r'\\(["\\t]|u[0-9a-f]{4})'
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\t": "\\t"}

# A test may be called what a setting is called; in the text its name then gets a "./" in front, which
# is the same path, and so does every name that already looks like that, so the way back is exact.
_LIKE_A_SETTING = r"(?:\./)*storage_mode"


def check_test_id(test_id: str) -> None:
    """Accept a test id the manifest can hold: any text of at least one printable character.

    Raises
    ------
    UsageError
        When the id is empty, or holds a line break, another control character (a tab is fine) or
        a lone surrogate.
    """
    if reason := refusal(test_id):
        raise UsageError(
            f"test id {shown(test_id)} {reason}",
            hint="give the parametrised value an id: pytest.param(..., id='...')",
        )


def refusal(test_id: str) -> str:
    if not test_id:
        return "is empty"
    if found := re.search(_NOT_IN_ID, test_id):
        return f"holds the character U+{ord(found[0]):04X}, which a test id may not"
    return ""


def shown(text: str) -> str:
    return repr(text) if len(text) <= 120 else f"{text[:120]!r}..."


# --- writing


def write(storage_mode: StorageMode, entries: Mapping[str, Kinds]) -> str:
    """The canonical text: tests in code point order, kinds in alphabetical order, LF.

    Raises
    ------
    UsageError
        When a test id is one that :func:`check_test_id` refuses.
    """
    parts = [_HEADERS[storage_mode]]
    for test_id in sorted(entries):
        kinds = entries[test_id]
        if not kinds:
            continue  # a test with no snapshot has no line
        parts.append(_key_text(test_id))
        parts.append(":\n")
        for kind in sorted(kinds):
            parts += _BEFORE_DIGEST[kind], kinds[kind], '"\n'
    return "".join(parts)


def _key_text(test_id: str) -> str:
    """The key as written, without its colon; an explicit key ends its line."""
    if len(test_id) < _KEY_LIMIT and re.fullmatch(_PLAIN, test_id):
        return test_id
    check_test_id(test_id)
    name = "./" + test_id if re.fullmatch(_LIKE_A_SETTING, test_id) else test_id
    quoted = f'"{re.sub(_ESCAPED, _escaped, name)}"'
    return quoted if len(quoted) < _KEY_LIMIT else f"? {quoted}\n"


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return _SHORT_ESCAPES.get(character) or f"\\u{ord(character):04x}"


def _unescaped(found: re.Match[str]) -> str:
    character = found[1]
    return {"t": "\t"}.get(character, character) if len(character) == 1 else chr(int(character[1:], 16))


def test_id_of(name: str) -> str:
    """The id a key stands for; undoes what `_key_text` does to a name like a setting's."""
    return name[2:] if name.startswith("./") and re.fullmatch(_LIKE_A_SETTING, name) else name


# --- reading our own text


class _Rows(Mapping[str, Kinds]):
    """What `_TEST` found, by test id. A test's mapping is made when it is asked for: a run needs a few."""

    __slots__ = ("_rows",)

    def __init__(self, rows: dict[str, tuple[str, ...]]) -> None:
        self._rows = rows

    def __getitem__(self, test_id: str) -> Kinds:
        written = self._rows[test_id][1:-1]
        return {
            kind: Digest(f"sha256:{digits}") for kind, digits in zip(_KINDS, written, strict=True) if digits
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr(dict(self))


def read_canonical(text: str) -> tuple[StorageMode, Mapping[str, Kinds]] | None:
    """Read a text that is exactly what :func:`write` gives; ``None`` for any other."""
    mode = next((mode for mode, header in _HEADERS.items() if text.startswith(header)), None)
    if mode is None:
        return None
    found: list[tuple[str, ...]] = _TEST.findall(text, len(_HEADERS[mode]))
    if not found:
        return mode, {}
    if found[-1][-1]:  # the rest
        return None
    # Column by column, nearly all of it in C: every replay starts with this.
    keys, *digits, _ = ([row[column] for row in found] for column in range(_TEST.groups))
    ids = _read_keys(keys)
    rows = dict(zip(ids, found, strict=True))
    if "" in rows or len(rows) < len(ids) or ids != sorted(ids) or not _are_hex(digits):
        return None
    return mode, _Rows(rows)


def _are_hex(columns: Iterable[Iterable[str]]) -> bool:
    written = "".join(map("".join, columns)).encode("utf-8", "surrogatepass")
    return not written.translate(None, b"0123456789abcdef")


def _read_keys(keys: Iterable[str]) -> list[str]:
    """The ids; an empty one, which is nobody's, for each key that :func:`write` writes in another form."""
    return [key if key[0] not in '"?' and len(key) < _KEY_LIMIT else _read_quoted(key) for key in keys]


def _read_quoted(key: str) -> str:
    name = re.sub(_ESCAPE, _unescaped, key.removeprefix("? ").strip("\n")[1:-1])
    test_id = test_id_of(name)
    try:
        return test_id if _key_text(test_id) == key else ""
    except UsageError:
        return ""
