"""The text of a manifest, and the way back.

There is one canonical text for a manifest. It is written here, and read here in two ways::

    # booktest.manifest.yaml: test and kind -> sha256 of the approved snapshot; written by ...
    storage_mode: dvc
    tests/test_api.py::test_users:
      env: "sha256:<64 hex>"
      http: "sha256:<64 hex>"

* :func:`read_canonical` takes exactly that and nothing else, in two or three times what ``json.loads`` takes;
  it never imports yaml, because every replay starts with it.
* :func:`read_yaml` takes any YAML that says the same (comments, another order, other quotes) and
  refuses, with the line, whatever YAML would quietly make something else of: duplicate keys, merge
  keys, anchors, tags, a second document.

Both give the same data for the same meaning; :func:`write` of what they give is the canonical text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from .digest import Digest, Kind
from .errors import IntegrityError, ManifestError, UsageError

if TYPE_CHECKING:
    import yaml

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
# The text as a whole: libyaml's printable set, less the line breaks that only YAML 1.1 sees.
_NOT_IN_TEXT = (
    r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\r(?!\n)"
)
_MERGE_MARKER = r"(?m:^)(?:<{7}|={7}|>{7}|\|{7})(?=[ \r\n]|\Z)"

# A test may be called what a setting is called; in the text its name then gets a "./" in front, which
# is the same path, and so does every name that already looks like that, so the way back is exact.
_LIKE_A_SETTING = r"(?:\./)*storage_mode"
_SETTING_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"

_UPGRADE = "upgrade booktest-cassettes, or correct the line"
_KIND_NAMES = ", ".join(Kind)


def check_test_id(test_id: str) -> None:
    """Accept a test id the manifest can hold: any text of at least one printable character.

    Raises
    ------
    UsageError
        When the id is empty, or holds a line break, another control character (a tab is fine) or
        a lone surrogate.
    """
    if reason := _refusal(test_id):
        raise UsageError(
            f"test id {_shown(test_id)} {reason}",
            hint="give the parametrised value an id: pytest.param(..., id='...')",
        )


def _refusal(test_id: str) -> str:
    if not test_id:
        return "is empty"
    if found := re.search(_NOT_IN_ID, test_id):
        return f"holds the character U+{ord(found[0]):04X}, which a test id may not"
    return ""


def _shown(text: str) -> str:
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


def _test_id(name: str) -> str:
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
    test_id = _test_id(name)
    try:
        return test_id if _key_text(test_id) == key else ""
    except UsageError:
        return ""


# --- reading any YAML that says the same


def error_at(name: str, line: int, message: str, *, hint: str) -> ManifestError:
    """A refusal that editors and terminals can jump to."""
    return ManifestError(f"{name}:{line}: {message}", hint=hint)


def read_yaml(text: str, name: str) -> tuple[StorageMode, dict[str, Kinds]]:
    """Read any YAML text that says what a manifest says.

    Parameters
    ----------
    text:
        Without a limit on size or form; a byte order mark is skipped.
    name:
        What errors call the text; usually its path.

    Raises
    ------
    ManifestError
        ``<name>:<line>: ...`` for everything that is no manifest, or not beyond doubt.
    """
    text = text.removeprefix("\ufeff")
    _refuse_merge_markers(text, name)
    _refuse_hidden_characters(text, name)
    return _Reader(text, name).manifest()


def _refuse_merge_markers(text: str, name: str) -> None:
    if found := re.search(_MERGE_MARKER, text):
        raise error_at(
            name,
            _line_of(text, found.start()),
            f"an unresolved merge conflict ({found[0]})",
            hint="resolve the conflict, then `booktest-cassettes status`",
        )


def _refuse_hidden_characters(text: str, name: str) -> None:
    if found := re.search(_NOT_IN_TEXT, text):
        raise error_at(
            name,
            _line_of(text, found.start()),
            f"the character U+{ord(found[0]):04X} has no place in a manifest",
            hint="delete it, or restore the file from Git",
        )


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class _Token(NamedTuple):
    """What is left of a YAML event: its kind, its text, and where it stands."""

    what: str
    text: str
    plain: bool
    line: int


def _tokens(text: str, name: str) -> Iterator[_Token]:
    """The nodes of the one document in ``text``; the only place that knows PyYAML."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # wheels without libyaml exist
    documents = 0
    try:
        # Events come before any resolving or constructing, so nothing is merged, executed or lost yet.
        for event in yaml.parse(text, Loader=loader):
            token = _token(event)
            documents += token.what == "DocumentStart"
            if documents > 1:
                raise error_at(name, token.line, "a second document begins", hint="keep one of them")
            if not token.what.startswith(("Stream", "Document")):
                _refuse_properties(event, token, name)
                yield token
    except yaml.YAMLError as error:
        raise _syntax_error(error, name) from None
    except (ValueError, OverflowError) as error:  # pure PyYAML: "\UFFFFFFFF", "%YAML 1.<5,000 digits>"
        raise error_at(name, 1, f"not valid YAML: {error}", hint=_RESTORE) from None


_RESTORE = "correct the line, or restore the file from Git"


def _token(event: yaml.Event) -> _Token:
    return _Token(
        what=type(event).__name__.removesuffix("Event"),
        text=getattr(event, "value", ""),
        plain=not getattr(event, "style", None),
        line=_line_at(event.start_mark),
    )


def _line_at(mark: object) -> int:
    return int(getattr(mark, "line", 0)) + 1  # libyaml has its own class of marks; either may be None


def _refuse_properties(event: yaml.Event, token: _Token, name: str) -> None:
    if token.what == "Alias" or getattr(event, "anchor", None) is not None:
        found = "an anchor or alias"
    elif getattr(event, "tag", None) is not None:
        found = "a tag"
    elif token.what == "Scalar" and token.plain and token.text == "<<":
        found = "a merge key"
    else:
        return
    raise error_at(name, token.line, f"{found} has no place in a manifest", hint="write the line out")


def _syntax_error(error: yaml.YAMLError, name: str) -> ManifestError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = ": ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    return error_at(name, _line_at(mark), f"not valid YAML: {reason or error}", hint=_RESTORE)


class _Reader:
    """Walks the tokens of one manifest; each method takes what its name says, or refuses."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._tokens = _tokens(text, name)

    def _error(self, line: int, message: str, hint: str) -> ManifestError:
        return error_at(self._name, line, message, hint=hint)

    def manifest(self) -> tuple[StorageMode, dict[str, Kinds]]:
        storage_mode: StorageMode | None = None
        entries: dict[str, Kinds] = {}
        self._begin()
        for key in self._keys("test"):
            if key.text == "storage_mode":
                storage_mode = self._storage_mode()
            else:
                entries[self._id(key)] = self._kinds(key)
        next(self._tokens, None)  # nothing is left, or a second document or rubbish, which is refused
        if storage_mode is None:
            raise self._error(
                1,
                "no storage_mode",
                "add the line `storage_mode: git` (or dvc), or restore the file from Git",
            )
        return storage_mode, entries

    def _begin(self) -> None:
        start = next(self._tokens, None)
        if start is None or (start.what == "Scalar" and not start.text):
            # Taking it for "no tests" would let `gc` plan to delete every blob.
            raise self._error(1, "the manifest is empty", "restore it from Git, or delete it to begin anew")
        if start.what != "MappingStart":
            raise self._error(start.line, "not a manifest: a mapping of tests is expected", _RESTORE)

    def _keys(self, what: str) -> Iterator[_Token]:
        """The keys up to the end of the mapping; the caller takes the value after each."""
        first_line: dict[str, int] = {}
        while (key := next(self._tokens)).what != "MappingEnd":
            if key.what != "Scalar":
                raise self._error(
                    key.line, f"a {what} must be text", "write it on one line, in double quotes"
                )
            if key.text in first_line:
                raise self._error(
                    key.line,
                    f"{what} {_shown(key.text)} is there twice (first on line {first_line[key.text]})",
                    "keep the one that is right: `booktest-cassettes status` says which snapshots exist",
                )
            first_line[key.text] = key.line
            yield key

    def _storage_mode(self) -> StorageMode:
        value = next(self._tokens)
        for mode in STORAGE_MODES:
            if value.what == "Scalar" and value.text == mode:
                return mode
        found = _shown(value.text) if value.what == "Scalar" else "a mapping or list"
        raise self._error(value.line, f"storage_mode must be dvc or git, not {found}", "write dvc or git")

    def _id(self, key: _Token) -> str:
        test_id = _test_id(key.text)
        if reason := _refusal(test_id):
            raise self._error(key.line, f"test id {_shown(test_id)} {reason}", "delete the test's lines")
        return test_id

    def _kinds(self, test: _Token) -> Kinds:
        start = next(self._tokens)
        if start.what != "MappingStart":
            raise self._not_kinds(test, start)
        kinds = {self._kind(key): self._digest(key) for key in self._keys("kind")}
        if not kinds:
            raise self._error(test.line, f"test {_shown(test.text)} has no snapshots", "delete the line")
        return kinds

    def _not_kinds(self, test: _Token, value: _Token) -> ManifestError:
        name = _shown(test.text)
        if value.what == "Scalar" and value.plain and not value.text:
            return self._error(test.line, f"{name} has an empty value", "delete the line")
        if re.fullmatch(_SETTING_NAME, test.text):
            return self._error(
                test.line,
                f"unknown setting {name}: the manifest was written by a newer version of booktest-cassettes",
                _UPGRADE,
            )
        return self._error(test.line, f"test {name} needs a mapping of kind to digest", _RESTORE)

    def _kind(self, key: _Token) -> Kind:
        try:
            return Kind(key.text)
        except ValueError:
            raise self._error(
                key.line, f"unknown kind {_shown(key.text)} (known: {_KIND_NAMES})", _UPGRADE
            ) from None

    def _digest(self, kind: _Token) -> Digest:
        value = next(self._tokens)
        if value.what != "Scalar":
            raise self._error(kind.line, f"kind {kind.text} needs a digest, not a mapping or list", _RESTORE)
        if value.plain and not value.text:
            raise self._error(kind.line, f"kind {kind.text} has an empty value", "delete the line")
        try:
            return Digest.parse(value.text)
        except IntegrityError as error:
            raise self._error(value.line, error.message, _RESTORE) from None
