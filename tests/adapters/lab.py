"""Runs a client scenario live, recorded and replayed, and compares everything the client observed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loopback import Server

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.project import Project
from booktest_cassettes.session import Result, Session
from booktest_cassettes.workflow import approve

ID = "x.py::test"
Scenario = Callable[[str], Any]


class LabRunner:
    """A runner whose project lies in a temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mode = "once"
        self.current = self._open()
        self.reports: list[tuple[Session, Sequence[Result]]] = []

    def _open(self) -> Project:
        return Project.open(self.root, {"record_mode": self.mode})

    def use(self, mode: str) -> None:
        self.mode = mode
        self.current = self._open()

    def project(self) -> Project:
        return self.current

    def test_id(self, function: Callable[..., Any] | None) -> str | None:
        return None

    def covers(self, function: Callable[..., Any]) -> bool:
        return False

    def origin(self) -> str:
        return ""

    def report(self, session: Session, results: Sequence[Result]) -> None:
        self.reports.append((session, results))


class Lab:
    """One project, one server, and the three runs of a scenario."""

    def __init__(self, root: Path, server: Server) -> None:
        self.server = server
        self.runner = LabRunner(root)

    # -- the steps ---------------------------------------------------------------------------------

    def record(self, mode: str = "rewrite") -> None:
        """From here on, cassettes record."""
        self.runner.use(mode)

    def approve(self) -> None:
        """Approve everything pending; from here on, cassettes replay strictly."""
        project = self.runner.project()
        approve.execute(project, approve.plan(project, allow_secrets=True))
        self.runner.use("none")

    @property
    def counters(self) -> tuple[int, int]:
        """What reached the server so far."""
        return self.server.hits, self.server.connections

    def digests(self, test_id: str = ID) -> dict[Kind, str]:
        """The staged digests of a test."""
        pending = {record.test_id: record for record in self.runner.project().pending}
        return {kind: str(change.staged) for kind, change in pending[test_id].changes.items()}

    def blob(self, kind: Kind, test_id: str = ID) -> bytes:
        """The approved bytes of a test's snapshot."""
        project = self.runner.project()
        return project.approved(test_id, kind, project.manifest.entries[test_id][kind])

    # -- the whole way -----------------------------------------------------------------------------

    def conform(self, scenario: Scenario, *, live: bool = True, counts: bool = True, **options: Any) -> Any:
        """Run live, recorded and replayed; all three must observe the same. Returns what.

        ``counts=False`` for scenarios whose requests do not reach the server.
        """
        self.server.reset()
        expected = scenario(self.server.base) if live else None
        digests = []
        for _ in range(2):
            self.server.reset()
            self.record()
            before = self.server.hits
            with cassette(ID, **options):
                recorded = scenario(self.server.base)
            assert self.server.hits > before or not counts, "nothing was recorded"
            digests.append(self.digests())
            if live:
                same(recorded, expected, "recording", "live")
        assert digests[0] == digests[1], "recording the same again gave another digest"
        self.approve()
        counters = self.counters
        with cassette(ID, unused="error", **options):
            replayed = scenario(self.server.base)
        assert self.counters == counters, f"replay reached the server: {self.server.paths[before:]}"
        same(replayed, recorded, "replay", "recording")
        return replayed


def same(got: Any, expected: Any, got_name: str, expected_name: str, at: str = "") -> None:
    """Fail with the path of the first difference."""
    if isinstance(got, dict) and isinstance(expected, dict) and got.keys() == expected.keys():
        for key in got:
            same(got[key], expected[key], got_name, expected_name, f"{at}.{key}")
    elif isinstance(got, list) and isinstance(expected, list) and len(got) == len(expected):
        for index, (one, other) in enumerate(zip(got, expected, strict=True)):
            same(one, other, got_name, expected_name, f"{at}[{index}]")
    else:
        assert got == expected, f"{at or 'result'}: {got_name} {got!r}, {expected_name} {expected!r}"


_VOLATILE = re.compile(r" at 0x[0-9a-f]+|port=\d+| \(_ssl\.c:\d+\)")


def raised(call: Callable[[], Any]) -> dict[str, Any]:
    """Call, and describe the exception a client would catch; it must raise one."""
    try:
        value = call()
    except Exception as error:
        return described(error)
    raise AssertionError(f"nothing was raised, but {value!r} returned")


def described(error: BaseException) -> dict[str, Any]:
    """An exception's type (with its bases), text and request."""
    request: Any = None
    try:
        found = getattr(error, "request", None)
        request = found and (found.method, str(found.url))
    except RuntimeError:  # httpx: "The .request property has not been set."
        request = "unset"
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "text": _VOLATILE.sub("", str(error)),
        "errno": getattr(error, "errno", None),
        "request": request,
    }
