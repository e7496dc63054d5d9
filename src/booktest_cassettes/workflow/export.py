"""Recordings in the formats of other tools: HAR, vcrpy's cassettes, curl commands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote
from typing import Literal

from ..digest import BlobKey, Kind
from ..errors import UsageError
from ..project import Project
from . import show
from .har import KINDS
from .select import select

Format = Literal["har", "vcr", "curl"]

SUFFIXES: dict[Format, str] = {"har": ".har", "vcr": ".yaml", "curl": ".sh"}
_FORBIDDEN = frozenset("<>?%*:|\"'/\\")  # pytest-recording's: a hyphen stands for each
_CASSETTES = (".yaml", ".yml", ".json")
_ELSEWHERE = {
    Kind.ENV: "environment variables have no place in it",
    Kind.FUNC: "results of functions have no place in it",
}


@dataclass(frozen=True)
class Exported:
    """One test in another format.

    Attributes
    ----------
    data:
        The bytes of the file.
    exchanges:
        How many requests are in it.
    left_out:
        What the format has no word for, and why; one line each.
    """

    data: bytes
    exchanges: int
    left_out: tuple[str, ...] = ()


def tests(project: Project, patterns: Sequence[str], *, pending: bool) -> list[str]:
    """The tests that patterns mean, all without one; raises UsageError where one means nothing."""
    waiting = {record.test_id for record in project.pending if record.changes} if pending else set()
    return select(sorted({*project.manifest.entries, *waiting}), patterns, id_of=str)


def fetch(project: Project, tests: Sequence[str], *, pending: bool) -> None:
    """Have what is needed of these tests on this machine, in one batch; what is lost is for its test to say.

    Raises
    ------
    RemoteError, StorageError
        When the remote or the disk refuses.
    """
    wanted = [
        (test_id, BlobKey(kind, digest))
        for test_id in tests
        if not (pending and project.pending.load(test_id))
        for kind, digest in project.manifest.get(test_id).items()
        if kind in KINDS
    ]
    if project.place is not None and project.absent(wanted):
        from . import sync

        sync.pull_these(project, wanted)


def snapshots(project: Project, test_id: str, *, pending: bool, kind: str | None = None) -> dict[Kind, bytes]:
    """The bytes of a test's snapshots, or of the one kind that is asked for; see :func:`.show.snapshots`."""
    blobs = show.snapshots(project, test_id, pending=pending)
    return {found: data for found, data in blobs.items() if kind in (None, found.value)}


def export(
    test_id: str,
    blobs: Mapping[Kind, bytes],
    format_: Format,
    *,
    as_json: bool = False,
    compressed: bool = False,
) -> Exported:
    """A test's HTTP snapshots in another format.

    Parameters
    ----------
    test_id, blobs:
        Whose, and by kind.
    format_:
        Which.
    as_json, compressed:
        vcrpy's cassette as JSON, for its serializer of that name; all of its bodies as the wire had them.

    Raises
    ------
    UsageError
        When there is no HTTP traffic among them.
    IntegrityError
        When one is no snapshot.
    """
    if not any(kind in blobs for kind in KINDS):
        there = ", ".join(sorted(kind.value for kind in blobs)) or "nothing"
        raise UsageError(
            f"{test_id} has no HTTP traffic among what was asked for: {there}",
            hint=f"booktest-cassettes show {quote(test_id)}",
        )
    others = tuple(f"{kind.value}: {_ELSEWHERE[kind]}" for kind in sorted(blobs) if kind in _ELSEWHERE)
    made = _made(test_id, blobs, format_, as_json=as_json, compressed=compressed)
    return Exported(made.data, made.exchanges, (*made.left_out, *others))


def _made(
    test_id: str, blobs: Mapping[Kind, bytes], format_: Format, *, as_json: bool, compressed: bool
) -> Exported:
    if format_ == "vcr":
        from . import vcr_export

        cassette = vcr_export.cassette(blobs, as_json=as_json, compressed=compressed)
        data = vcr_export.dump(cassette.interactions, as_json=as_json)
        return Exported(data, len(cassette.interactions), tuple(cassette.left_out))
    if format_ == "har":
        from .har import document

        made = document(test_id, blobs)
        return Exported(f"{json.dumps(made, indent=2)}\n".encode(), len(made["log"]["entries"]))
    from .curl import commands

    lines = list(commands(test_id, blobs))
    return Exported("".join(f"{line}\n" for line in lines).encode(), sum(not line for line in lines))


def file_name(test_id: str, format_: Format, *, as_json: bool = False) -> str:
    """Where a test's export goes below a directory: for vcrpy's format, where pytest-recording looks.

    ``tests/test_api.py::TestUsers::test_list`` becomes ``tests/cassettes/test_api/TestUsers.test_list.yaml``.
    An id that is the path of a cassette (those of vcrpy's own persister are) stays that path.

    Raises
    ------
    UsageError
        When an id would lead out of the directory.
    """
    suffix = ".json" if as_json else SUFFIXES[format_]
    file, _, inside = test_id.partition("::")
    path = PurePosixPath(file)
    if not inside and path.suffix in _CASSETTES:
        found = path if format_ == "vcr" else path.with_suffix(suffix)
    else:
        found = path.parent / "cassettes" / path.stem / f"{_name(inside or path.name)}{suffix}"
    if found.is_absolute() or ".." in found.parts or "\\" in file or "\0" in test_id:
        raise UsageError(
            f"{test_id}: no path for its export lies within the directory",
            hint=f"booktest-cassettes export {quote(test_id)} --format {format_} --output PATH",
        )
    return found.as_posix()


def _name(inside: str) -> str:
    """pytest-recording's name for what is inside of a module: the class, and the test with its parameters."""
    head, bracket, parameters = inside.partition("[")
    named = ".".join(head.split("::")[-2:]) + bracket + parameters
    return "".join("-" if char in _FORBIDDEN else char for char in named)


def file_names(tests: Sequence[str], format_: Format, *, as_json: bool = False) -> dict[str, str]:
    """:func:`file_name` of each test; raises UsageError where two would be one file."""
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for test_id in tests:
        name = file_name(test_id, format_, as_json=as_json)
        if other := taken.get(name.lower()):  # as macOS and Windows compare them
            raise UsageError(
                f"{other} and {test_id} would both be {name}",
                hint=f"booktest-cassettes export {quote(test_id)} --format {format_} --output PATH",
            )
        names[test_id], taken[name.lower()] = name, test_id
    return names
