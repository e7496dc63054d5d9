"""What records and replays a cell: ours, or a peer to compare with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from columns import COLUMNS
from lab import ID, LabRunner

from booktest_cassettes import cassette, runner
from booktest_cassettes.workflow import approve


class Backend(Protocol):
    """A recorder of one test.

    Attributes
    ----------
    addressed:
        Whether recording the same again has to give the same recording.
    """

    addressed: bool

    def recording(self, options: dict[str, Any]) -> AbstractContextManager[Any]:
        """Record from nothing."""

    def keep(self) -> bool:
        """Make the recording the one that is replayed; whether there is a new one."""

    def replaying(self, options: dict[str, Any]) -> AbstractContextManager[Any]:
        """Replay strictly."""

    def refused(self, error: Exception) -> bool:
        """Whether what a replay raised is the recorder's own refusal."""

    def close(self) -> None:
        """Leave nothing behind."""


class Ours:
    """booktest-cassettes, in a project of its own."""

    addressed = True

    def __init__(self, root: Path) -> None:
        (root / "booktest.toml").write_text("")
        self._runner = LabRunner(root)
        runner.register(self._runner)

    def recording(self, options: dict[str, Any]) -> AbstractContextManager[Any]:
        self._runner.use("rewrite")
        return cassette(ID, **options)

    def keep(self) -> bool:
        project = self._runner.project()
        differs = bool(list(project.pending))
        approve.execute(project, approve.plan(project, allow_secrets=True))
        self._runner.use("none")
        return differs

    def replaying(self, options: dict[str, Any]) -> AbstractContextManager[Any]:
        return cassette(ID, **{"unused": "error", **options})

    def refused(self, error: Exception) -> bool:
        session, _ = self._runner.reports[-1]
        return bool(session.problems)

    def close(self) -> None:
        runner.unregister(self._runner)


class Vcrpy:
    """Stock vcrpy with its defaults."""

    addressed = False

    def __init__(self, root: Path) -> None:
        self._path = root / "cassette.yaml"

    def recording(self, options: dict[str, Any]) -> AbstractContextManager[Any]:
        return self._use("all")

    def keep(self) -> bool:
        return self._path.exists()

    def refused(self, error: Exception) -> bool:
        from vcr.errors import CannotOverwriteExistingCassetteException, UnhandledHTTPRequestError

        return _is_caused_by(error, (CannotOverwriteExistingCassetteException, UnhandledHTTPRequestError))

    def replaying(self, options: dict[str, Any]) -> AbstractContextManager[Any]:
        return self._use("none")

    def _use(self, mode: str) -> AbstractContextManager[Any]:
        import vcr

        return vcr.VCR().use_cassette(str(self._path), record_mode=mode)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Its patches end with its cassettes."""


class Cassetter(Vcrpy):
    """cassetter with its defaults."""

    def refused(self, error: Exception) -> bool:
        import cassetter

        return _is_caused_by(error, (cassetter.NoMatchError,))

    def _use(self, mode: str) -> AbstractContextManager[Any]:
        import cassetter

        return cassetter.use_cassette(self._path, record_mode=mode)  # type: ignore[no-any-return]


def _is_caused_by(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether an exception is of one of these kinds, or was raised from one, however a client wrapped it."""
    left, seen = [error], set()
    while left:
        found = left.pop()
        if isinstance(found, kinds):
            return True
        seen.add(id(found))
        inner = (found.__cause__, found.__context__, getattr(found, "reason", None), *found.args)
        left += [one for one in inner if isinstance(one, BaseException) and id(one) not in seen]
    return False


_OF_CASSETTER = ("requests", "urllib3", "aiohttp", "httpx")
PEERS = {"vcrpy": Vcrpy, "cassetter": Cassetter}
#: Clients that a peer says it records; the others are played all the same.
CLAIMED = {
    "vcrpy": tuple(COLUMNS),
    "cassetter": tuple(name for name in COLUMNS if name.startswith(_OF_CASSETTER)),
}
