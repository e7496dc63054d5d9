"""The formats that recordings come in: how each is recognised, read, and says whose recording it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from ...errors import IntegrityError, UsageError
from ...importing.imported import Imported
from . import betamax_names
from .booktest_tests import is_booktest, test_of

#: Bytes from the start of a file by which formats are told apart.
HEAD = 65_536

#: Takes a file's path (relative to the root) and its first bytes.
Recognises: TypeAlias = Callable[[PurePosixPath, bytes], bool]
#: Gives the test id that a file's path (relative to the root) says, where it says one. The second argument
#: looks up the ids of the project's test functions, by their source: ``a/test_x.py::TestY::test_z``.
TestOf: TypeAlias = Callable[[PurePosixPath, Callable[[], Collection[str]]], str | None]

#: Takes the stem of a file and the ids of all tests; gives the ids of those that use it.
Users: TypeAlias = Callable[[str, tuple[str, ...]], list[str]]


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes
    ----------
    name:
        What ``--from`` calls it.
    reader:
        The module of ``importing`` whose ``read(data, name)`` gives an :class:`Imported`.
    gathers:
        That module has ``gather(files)``, too, which knows how the files of one test belong together.
    recognises:
        Whether a file is one; only used to choose among formats and to leave other files alone.
    ids:
        ``suite``: the test that uses the file, by pytest-recording's naming or a ``use_cassette`` in its
        source. ``path``: the file's path, which is the id under ``vcr_persister()``. ``own``: ``test_of``.
    test_of:
        The test that a path says; where it gives ``None`` the file is an orphan.
    suffixes:
        Of the files that may be one.
    users:
        The tests that use a file, by its stem and the ids of all tests, where a format has its own names.
    by_name:
        Its files are recognised by their names: others beside them are none of it.
    """

    name: str
    reader: str
    recognises: Recognises
    ids: Literal["suite", "path", "own"] = "suite"
    test_of: TestOf | None = None
    suffixes: tuple[str, ...] = (".yaml", ".yml", ".json")
    gathers: bool = False
    users: Users | None = None
    by_name: bool = False

    def read(self, files: Iterable[tuple[str, bytes]]) -> tuple[Imported, list[IntegrityError]]:
        """The files of one test as one recording, and what is wrong with those that could be left out.

        Raises
        ------
        IntegrityError
            When there is nothing that could be taken.
        """
        room = import_module(f"...importing.{self.reader}", __package__)
        if not self.gathers:
            return merged(room.read(data, name) for name, data in files), []
        found, problems = room.gather(files)
        if problems and found == Imported(notes=found.notes):
            raise problems[0]
        return found, problems


def merged(parts: Iterable[Imported]) -> Imported:
    """Several files as one recording, in order; raises IntegrityError where they contradict each other."""
    whole = Imported()
    for part in parts:
        for name, value in part.env.items():
            if whole.env.get(name, value) != value:
                raise IntegrityError(f"the variable {name} has two values", hint="migrate one of the files")
        whole = Imported(
            whole.interactions + part.interactions,
            whole.httpx + part.httpx,
            {**whole.env, **part.env},
            whole.calls + part.calls,
            whole.notes + part.notes,
        )
    return whole


_VCR_YAML = re.compile(rb"(?m)^(?:interactions:|- request:|[ \t]*\{[ \t]*\n?[ \t]*[\"']?interactions\b)")
_VCR_JSON = re.compile(rb"\A\s*\{(?s:.*)\"interactions\"\s*:\s*(?:\[\s*(?:\{\s*\"re|\])|null)")


def is_vcr(path: PurePosixPath, head: bytes) -> bool:
    """Whether a file looks like a cassette of vcrpy's."""
    if path.parent.name == "_snapshots":  # booktest's payloads, and ours
        return False
    if _VCR_JSON.search(head):  # under any name: vcrpy does not tie one to its serializer
        return True
    return path.suffix != ".json" and bool(_VCR_YAML.search(head)) and b"http_interactions" not in head


# Each in linear time, whatever the file: all YAML of a project is looked at.
_VERSION_ONE = re.compile(rb"(?m)^version: 1[ \t\r]*$")
_CASSETTER_YAML = re.compile(rb"(?m)^ +body:[ \t\r]*\n[ \t]+type: ")
_CASSETTER_TOML = re.compile(rb"(?m)^body_type[ \t]*=")
_BETAMAX = re.compile(rb"\A\s*\{(?s:.)*\"http_interactions\"\s*:\s*\[")
_HAR = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*\{\s*\"log\"\s*:\s*\{")


def is_cassetter(path: PurePosixPath, head: bytes) -> bool:
    """Whether a file looks like a cassette of cassetter's."""
    if path.suffix == ".toml":
        return b"[[interactions]]" in head and bool(_CASSETTER_TOML.search(head))
    return bool(_VERSION_ONE.search(head) and _CASSETTER_YAML.search(head))


def is_betamax(_path: PurePosixPath, head: bytes) -> bool:
    """Whether a file looks like a cassette of betamax's."""
    return bool(_BETAMAX.search(head))


def is_har(_path: PurePosixPath, head: bytes) -> bool:
    """Whether a file looks like a browser's log."""
    return bool(_HAR.search(head))


#: In the order in which ``--from auto`` asks.
FORMATS: tuple[Format, ...] = (
    Format("booktest", "booktest", is_booktest, "own", test_of, (".json",), gathers=True, by_name=True),
    Format("cassetter", "cassetter", is_cassetter, suffixes=(".yaml", ".yml", ".toml")),
    Format("betamax", "betamax", is_betamax, suffixes=(".json",), users=betamax_names.users),
    Format("har", "har", is_har, "own", suffixes=(".har",)),
    Format("pytest-recording", "vcr", is_vcr),
    Format("vcr", "vcr", is_vcr, ids="path"),
)


def named(name: str) -> Format:
    """The format that ``--from`` names; raises UsageError."""
    for known in FORMATS:
        if known.name == name:
            return known
    words = ", ".join(known.name for known in FORMATS)
    raise UsageError(f"--from {name}: unknown format", hint=f"one of auto, {words}")


def names() -> list[str]:
    """What ``--from`` takes."""
    return [*(known.name for known in FORMATS), "auto"]
