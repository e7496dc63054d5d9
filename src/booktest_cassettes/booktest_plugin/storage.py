"""What booktest's own decorators get and give: its ``SnapshotStorage``, over approved blobs.

A replay stores nothing. With ``-s`` and ``-S`` what they hand over is held until the test's end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from booktest.snapshots.storage import SnapshotStorage

from ..digest import Digest, Kind
from ..errors import CassetteError, IntegrityError, RemoteError, SnapshotMissing, UsageError
from ..importing.booktest_payloads import Snapshots
from ..options import Options, resolve
from ..recording.declared import REDACTED
from ..traffic import Cleaner
from . import projects, second_names, streams

#: booktest's types of snapshots, and the kind of ours that each is part of.
KINDS = {
    "env": Kind.ENV,
    "http": Kind.HTTP,
    "httpx": Kind.HTTPX,
    "func": Kind.FUNC,
    "snapshot": Kind.FUNC,
}
_LEGACY = (
    ".requests",
    ".httpx",
    ".functions",
    ".requests.json",
    ".httpx.json",
    ".functions.json",
    ".env.json",
)
_LEGACY_FILES = ("requests.json", "httpx.json", "functions.json", "env.json", "http.json", "func.json")


class CassetteStorage(SnapshotStorage):  # type: ignore[misc]  # booktest ships no types
    """One test's snapshots.

    Parameters
    ----------
    name, books:
        booktest's ``test_path`` and the path of the test's directory among its results.
    completes, refreshes:
        Whether this run records what is missing (``-s``), or everything (``-S``).
    """

    def __init__(self, name: str, books: str, *, completes: bool, refreshes: bool) -> None:
        self.test_id = projects.id_of(name)
        self.books = Path(books)
        self.refreshes = refreshes
        self.records = completes or refreshes
        self.recorded: dict[str, bytes] = {}
        self._unchanged: set[str] = set()

    # -- booktest's contract ---------------------------------------------------------------------

    def fetch(self, test_id: str, snapshot_type: str) -> bytes | None:  # noqa: ARG002
        """The approved snapshots of one type as booktest's JSON.

        Raises
        ------
        SnapshotMissing
            When there are snapshots of booktest's own format, and none of ours yet.
        """
        self.check()
        content = self.snapshots.payload(snapshot_type)
        if content and snapshot_type == "env" and self.records:
            return _with_live_secrets(content)
        return content and second_names.with_second(snapshot_type, content)[0]

    def store(self, test_id: str, snapshot_type: str, content: bytes) -> str:
        """The hash of what :meth:`fetch` gave where nothing changed; on a replay that is always so."""
        given = self.fetch(test_id, snapshot_type)
        if self.records:
            if known := self.snapshots.payload(snapshot_type):
                content = second_names.with_approved(
                    content, second_names.with_second(snapshot_type, known)[1]
                )
            self.recorded[snapshot_type] = content
            if not self._is_unchanged(snapshot_type, content):
                return Digest.of(content)
        return Digest.of(content if given is None else given)

    def exists(self, test_id: str, snapshot_type: str) -> bool:  # noqa: ARG002
        """Whether there are approved snapshots of this type."""
        return self.snapshots.payload(snapshot_type) is not None

    def get_manifest(self) -> dict[str, dict[str, str]]:
        """The approved digests by test."""
        entries = projects.current().manifest.entries
        return {
            test: {kind.value: str(digest) for kind, digest in kinds.items()}
            for test, kinds in entries.items()
        }

    def update_manifest(self, updates: dict[str, dict[str, str]]) -> None:
        """Nothing: only an approval changes the manifest."""

    def promote(self, test_id: str, snapshot_type: str | None = None) -> bool:  # noqa: ARG002
        """Nothing: what a test recorded has been staged when booktest calls this."""
        return False

    # -- ours ------------------------------------------------------------------------------------

    @cached_property
    def approved(self) -> dict[Kind, bytes]:
        """The approved blobs by kind; with ``-S``, those that can be had.

        Raises
        ------
        IntegrityError, RemoteError, StorageError
            When one of them is missing or damaged, or cannot be fetched.
        """
        project = projects.current()
        found = {}
        forgiven = (IntegrityError, RemoteError) if self.refreshes else ()
        for kind, digest in project.manifest.get(self.test_id).items():
            with suppress(*forgiven), streams.real():
                found[kind] = project.approved(self.test_id, kind, digest)
        return found

    @cached_property
    def snapshots(self) -> Snapshots:
        """What is approved, as booktest sees it."""
        return Snapshots.load(self.approved, self.test_id)

    def check(self) -> None:
        """Refuse to replay without what was approved; raises what :attr:`approved` does, SnapshotMissing."""
        if self.approved or self.refreshes or projects.current().manifest.get(self.test_id):
            return
        if old := self._legacy():
            raise SnapshotMissing(
                f"{self.test_id}: its snapshots are in booktest's own format ({old})",
                hint="booktest-cassettes migrate --from booktest",
            )

    def _legacy(self) -> Path | None:
        places = [self.books.with_name(f"{self.books.name}.snapshots.json")]
        places += [self.books / name for name in _LEGACY]
        places += [self.books / "_snapshots" / name for name in _LEGACY_FILES]
        return next((path for path in places if path.exists()), None)

    def recording(self) -> dict[Kind, bytes]:
        """The blobs of what was handed over, with what is approved beside it where ``-s`` keeps that.

        Raises
        ------
        CassetteError
            When it cannot be kept.
        """
        if not self.recorded:
            return {}
        kept = {} if self.refreshes else dict(self.approved)
        payloads = {**self._beside(), **self.recorded}
        for name in payloads:
            kept.pop(KINDS[name], None)
        taken = self._taken(payloads)
        self._check_replayable(taken)
        return {**kept, **taken}

    def _check_replayable(self, blobs: Mapping[Kind, bytes]) -> None:
        """Refuse what could be approved, and then not be replayed: booktest reads text only."""
        back = Snapshots.load(blobs, self.test_id)
        for name in ("http", "httpx"):
            recorded = json.loads(self.recorded.get(name, b"{}"))
            replayed = json.loads(back.payload(name) or b"{}")
            lost = [entry["request"] for key, entry in recorded.items() if key not in replayed]
            if lost and len(replayed) < len(recorded):
                line = f"{lost[0].get('method', '')} {str(lost[0].get('url', '')).partition('?')[0]}"
                raise UsageError(
                    f"{self.test_id}: the answer to {_cleaner(None).redactor.text(line)} is not UTF-8 text,"
                    " which booktest's own decorators cannot replay",
                    hint="use booktest_cassettes.cassette on this test instead",
                )

    def _beside(self) -> dict[str, bytes]:
        """With ``-s``, approved payloads that share a kind with a recorded one."""
        if self.refreshes:
            return {}
        kinds = {KINDS[name] for name in self.recorded}
        names = [name for name, kind in KINDS.items() if kind in kinds and name not in self.recorded]
        return {name: data for name in names if (data := self.snapshots.payload(name)) is not None}

    def _is_unchanged(self, name: str, content: bytes) -> bool:
        if (known := self.snapshots.payload(name)) is None:
            return False
        try:
            return Snapshots.load(self._taken({name: content}), self.test_id).payload(name) == known
        except CassetteError:  # it is said at the test's end
            return False

    def _taken(self, payloads: Mapping[str, bytes]) -> dict[Kind, bytes]:
        return self.snapshots.taking(payloads, _cleaner(payloads.get("env")))


def _cleaner(env: bytes | None) -> Cleaner:
    """The configuration's, to which the values of variables that hold secrets are secrets.

    Those that were recorded, too: a mock may have set one that is gone again.
    """
    values: dict[str, str | None] = json.loads(env) if env else {}
    options = Options(env=tuple(values), record_mode="none")
    config = projects.current().config
    found = resolve(config, options).cleaner
    redact = found.redactor.env_value
    secrets = [value for name, value in values.items() if value and redact(name, value) == REDACTED != value]
    return resolve(config, replace(options, secrets=secrets)).cleaner if secrets else found


def _with_live_secrets(content: bytes) -> bytes:
    """Without what was redacted and is set here: a live service wants the real one."""
    values = json.loads(content)
    kept = {
        name: value
        for name, value in values.items()
        if not (value and REDACTED in value and name in os.environ)
    }
    return content if kept == values else json.dumps(kept).encode()
