"""Reading any YAML that says what a manifest says, and refusing what YAML would quietly bend.

A hand-edited manifest (comments, another order, other quotes) comes here; the text as it is written
never does, see :mod:`.manifest_text`. Refused, with the line: duplicate keys, merge keys, anchors,
tags, a second document, malformed digests, unknown kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from .digest import Digest, Kind
from .errors import IntegrityError, ManifestError
from .manifest_text import STORAGE_MODES, Kinds, StorageMode, refusal, shown, test_id_of

if TYPE_CHECKING:
    import yaml

# The text as a whole: libyaml's printable set, less the line breaks that only YAML 1.1 sees.
_NOT_IN_TEXT = (
    r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\r(?!\n)"
)
_MERGE_MARKER = r"(?m:^)(?:<{7,}|={7,}|>{7,}|\|{7,})(?=[ \r\n]|\Z)"
_SETTING_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_UPGRADE = "upgrade booktest-cassettes, or correct the line"
_KIND_NAMES = ", ".join(Kind)


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
            hint="booktest-cassettes review, which shows both sides to choose from",
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
                    f"{what} {shown(key.text)} is there twice (first on line {first_line[key.text]})",
                    "keep the one that is right: `booktest-cassettes status` says which snapshots exist",
                )
            first_line[key.text] = key.line
            yield key

    def _storage_mode(self) -> StorageMode:
        value = next(self._tokens)
        for mode in STORAGE_MODES:
            if value.what == "Scalar" and value.text == mode:
                return mode
        found = shown(value.text) if value.what == "Scalar" else "a mapping or list"
        raise self._error(value.line, f"storage_mode must be dvc or git, not {found}", "write dvc or git")

    def _id(self, key: _Token) -> str:
        test_id = test_id_of(key.text)
        if reason := refusal(test_id):
            raise self._error(key.line, f"test id {shown(test_id)} {reason}", "delete the test's lines")
        return test_id

    def _kinds(self, test: _Token) -> Kinds:
        start = next(self._tokens)
        if start.what != "MappingStart":
            raise self._not_kinds(test, start)
        kinds = {self._kind(key): self._digest(key) for key in self._keys("kind")}
        if not kinds:
            raise self._error(test.line, f"test {shown(test.text)} has no snapshots", "delete the line")
        return kinds

    def _not_kinds(self, test: _Token, value: _Token) -> ManifestError:
        name = shown(test.text)
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
                key.line, f"unknown kind {shown(key.text)} (known: {_KIND_NAMES})", _UPGRADE
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
