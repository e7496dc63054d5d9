"""What a report holds: frozen, plain, and every text in it already inert.

:func:`plain` is the JSON of ``report --json``, described in ``docs/report.md``; the page is made of it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

#: Counts up with every change that a reader of the JSON has to know of.
VERSION = 1

#: The states of a snapshot, the ones to look at first in front; a test has the first of its snapshots'.
STATES = {
    "LOST": "corrupt, or nowhere to be found",
    "FAIL": "the test failed, or was refused something",
    "DRIFT": "the live service answers otherwise than approved",
    "MISSING": "no approved recording",
    "WAITING": "recorded earlier, not approved yet",
    "NEW": "recorded, awaits review",
    "UPDATED": "recorded anew and different, awaits review",
    "GONE": "no longer recorded, awaits review",
    "REMOVED": "in the base revision, not here",
    "REMOTE": "approved; on the remote, not on this machine",
    "INTACT": "replayed, unchanged",
    "APPROVED": "approved, its bytes verified",
    "NOT RUN": "approved; this run did not use it",
}
_RANKS = {state: number for number, state in enumerate(STATES)}
#: Nothing to do about these.
FINE = frozenset({"INTACT", "APPROVED", "NOT RUN", "REMOTE"})


@dataclass(frozen=True, slots=True)
class Body:
    """A body as far as it is shown.

    Attributes
    ----------
    form:
        ``json``, ``form``, ``events``, ``lines``, ``text`` or ``binary``.
    size:
        Of the whole content, in bytes, decoded.
    text:
        Its beginning; of binary content the first bytes in hex.
    clipped:
        Whether there is more than that.
    digest:
        sha256 of binary content.
    coding:
        What it was compressed with on the wire.
    """

    form: str
    size: int
    text: str
    clipped: bool = False
    digest: str = ""
    coding: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One side of an exchange; ``line`` is the status line of a response."""

    line: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One interaction.

    Attributes
    ----------
    status:
        ``None`` where an exception came instead of a response.
    type, size:
        Media type and length of the response body.
    """

    method: str
    url: str
    host: str
    status: int | None
    type: str
    size: int
    request: Message
    response: Message


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded function call, its encoded arguments and outcome as JSON text."""

    function: str
    arguments: str
    outcome: str
    value: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """How often a value was replaced before it was written: ``request header authorization`` 3."""

    place: str
    count: int


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a blob."""

    size: int
    exchanges: tuple[Exchange, ...] = ()
    env: tuple[tuple[str, str | None], ...] = ()
    calls: tuple[Call, ...] = ()
    redactions: tuple[Redaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """One place that changed, ``None`` where there is no value; see `recording.comparison.Difference`."""

    where: str
    old: str | None
    new: str | None
    noise: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One interaction, call or variable that changed; see `recording.comparison.Item`."""

    what: str
    title: str
    old: int | None
    new: int | None
    places: tuple[Place, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed in a test.

    Attributes
    ----------
    against:
        ``approved``, or the base revision.
    headline:
        All of it in one line.
    text:
        All of it in lines, as ``diff`` prints it.
    changes:
        By kind.
    result:
        What changed in its result file.
    warnings:
        What looks like a secret, and what could not be read.
    """

    against: str
    headline: str
    text: tuple[str, ...] = ()
    changes: Mapping[str, tuple[Change, ...]] | None = None
    result: tuple[Place, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a test failed, or its recording cannot be had."""

    what: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One kind of one test.

    Attributes
    ----------
    digest:
        Of what is shown: the pending recording where there is one, else the approved; ``""`` without any.
        ``contents`` of the report has it, where it could be read.
    approved:
        The digest of the manifest.
    unplayed:
        Numbers, from 0, of approved interactions that the run did not play; ``None`` where nobody looked.
    """

    kind: str
    state: str
    digest: str
    approved: str = ""
    unplayed: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """One test: its snapshots, what went wrong, what changed."""

    __test__ = False  # for pytest: no class of tests

    id: str
    state: str
    snapshots: tuple[Snapshot, ...] = ()
    problems: tuple[Problem, ...] = ()
    diffs: tuple[Diff, ...] = ()
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Blob:
    """One approved or staged blob: how many tests share it, and where it is."""

    kind: str
    digest: str
    size: int | None
    tests: int
    where: str
    unpushed: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """All of it.

    Attributes
    ----------
    source:
        ``pytest`` after a run, else ``project``.
    revision:
        The commit that is checked out, shortened; ``""`` without Git.
    base:
        The revision that diffs are against, as it was asked for; ``""``: none.
    mode:
        The record mode of the run.
    counts:
        Snapshots by state, those of no test aside.
    notes:
        What the reader should know first.
    next:
        The command to run now; ``""`` when all is well.
    """

    project: str
    source: str
    storage: str
    remote: str
    revision: str
    base: str
    mode: str
    counts: Mapping[str, int]
    tests: tuple[Test, ...]
    contents: Mapping[str, Content]
    blobs: tuple[Blob, ...]
    notes: tuple[str, ...]
    next: str
    version: int = VERSION

    @property
    def urgent(self) -> list[Test]:
        """Tests somebody has to look at, the gravest first."""
        urgent = [test for test in self.tests if test.state not in FINE]
        return sorted(urgent, key=lambda test: rank(test.state))

    def unused(self, test: Test) -> list[str]:
        """Request lines of a test that the run did not play."""
        found = []
        for snapshot in test.snapshots:
            items = self.contents[snapshot.approved].exchanges if snapshot.approved in self.contents else ()
            played_not = (items[at] for at in snapshot.unplayed or () if at < len(items))
            found += [f"{item.method} {item.url}" for item in played_not]
        return found


def rank(state: str) -> int:
    """How soon somebody should look at a state: 0 first."""
    return _RANKS.get(state, 0)


def plain(value: Any) -> Any:
    """A value as JSON knows it; attributes that are empty or false are left out, numbers are not."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        whole = isinstance(value, Report)  # its keys are always there
        return {name: plain(found) for name, found in pairs if whole or not _is_empty(found)}
    if isinstance(value, Mapping):
        return {key: plain(found) for key, found in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(found) for found in value]
    return value


def _is_empty(value: Any) -> bool:
    return value is None or value is False or value in ("", ())
