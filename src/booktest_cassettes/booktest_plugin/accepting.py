"""Accepting a test's result: its snapshots are approved first, then the result moves to the books."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from booktest.config.naming import to_filesystem_path

from ..digest import Digest, Kind
from ..errors import UsageError
from ..files import atomic_write, locked, move, read_bytes, remove
from ..manifest import Manifest
from ..project import Project
from ..store.pending import Pending
from . import projects

#: Beside a test's output: the digests that the run recorded which wrote it.
_MARK = ".cassettes"
_RESULT = "result"
#: Seconds in which a test of another run should end.
_PATIENCE = 600.0
_AGAIN = "run the test again, then accept it"
#: What is ours in the books: payloads, pointers, and the result that ``cassette.result`` wrote.
_OURS = ("_snapshots", "result.md")

#: Digests by kind of snapshot, and of the result file; ``None`` for what is gone.
_Shape = Mapping[str, str | None]


def mark(
    output: Path, records: Iterable[Pending] = (), used: Mapping[str, _Shape] | None = None
) -> bytes | None:
    """Note beside a result (``output`` without its suffix) which snapshots it was written with.

    Parameters
    ----------
    output, records:
        Where, and what the test staged.
    used:
        What it replayed, by test; where that is something else by now, the result is not accepted.

    Returns
    -------
    bytes
        The note, for :func:`check_mark`; ``None`` where there is nothing to say.
    """
    path = _marker(output)
    recorded = {record.test_id: _shape(record) for record in records}
    if not recorded and not used:
        remove(path)
        return None
    note = {"written": _written(output), "recorded": recorded, "used": used or {}}
    data = json.dumps(note).encode()
    atomic_write(path, data)
    return data


def alone(outputs: str, name: str) -> AbstractContextManager[None]:
    """While one run has a test's output: another that records or accepts it waits."""
    return locked(_marker(Path(outputs, to_filesystem_path(name))), timeout=_PATIENCE)


def check_mark(output: Path, marked: bytes | None) -> None:
    """Refuse to accept what another run wrote meanwhile; raises UsageError."""
    if read_bytes(_marker(output)) != marked:
        raise UsageError("another run is writing its result", hint=_AGAIN)


def accept(books: str, outputs: str, name: str) -> list[str]:
    """Approve what the test recorded in its last run, and take its result into the books.

    Parameters
    ----------
    books, outputs, name:
        Directories of accepted results and of new ones, and the test's path in both.

    Returns
    -------
    list
        The files that may have changed, where anything was approved.

    Raises
    ------
    CassetteError
        When approving fails; the result then stays where it is.
    """
    path = to_filesystem_path(name)
    accepted, output = Path(books, path), Path(outputs, path)
    approved = _approve(output)
    before = _files(accepted)
    _move(accepted, output)
    results = {str(path.absolute()) for path in (*before, *_files(accepted))}
    return [*approved, *sorted(results)] if approved else []


def _files(accepted: Path) -> list[Path]:
    """A test's accepted result, and what stands beside it."""
    beside = [path for path in accepted.rglob("*") if path.is_file() and "_snapshots" not in path.parts]
    return [accepted.with_name(f"{accepted.name}.md"), *beside]


def _approve(output: Path) -> list[str]:
    """Approve what the marker names; the paths in the work tree that this may have changed."""
    marked = read_bytes(_marker(output))
    if marked is None:
        return []
    from ..workflow import approve

    note = json.loads(marked)
    project = projects.current()
    manifest = project.read_manifest()
    _check_used(note, manifest, _written(output))
    waiting = (_pending(project, manifest, test_id, shape) for test_id, shape in note["recorded"].items())
    records = [record for record in waiting if record]
    done = approve.execute(project, approve.plan_of(project, records))
    if _written(output) not in (note["written"], None):  # a replay, which waits for nobody, began it anew
        raise UsageError("another run is writing its result", hint=_AGAIN)
    remove(_marker(output))
    return done.paths


def _check_used(note: Mapping[str, Any], manifest: Manifest, written: str | None) -> None:
    """Refuse a result that belongs to other snapshots than the approved ones: it would differ at once."""
    if note["written"] != written:
        raise UsageError(
            "its result was written by another run than its snapshots were recorded by", hint=_AGAIN
        )
    for test_id, shape in note["used"].items():
        for kind, digest in shape.items():
            if manifest.get(test_id).get(Kind(kind)) != digest:
                raise UsageError(
                    f"{test_id}: its {kind} snapshot was approved anew since its result was written",
                    hint=_AGAIN,
                )


def _pending(project: Project, manifest: Manifest, test_id: str, shape: _Shape) -> Pending | None:
    """What waits for review of a test, or of another cassette that it uses; ``None``: it is approved."""
    asked = {
        name: digest
        for name, digest in shape.items()
        if not _is_approved(project, manifest, test_id, name, digest)
    }
    if not asked:
        return None
    record = project.pending.load(test_id)
    if record is None:
        raise UsageError(
            f"{test_id}: what it recorded was rejected since its result was written", hint=_AGAIN
        )
    now = _shape(record)
    if not asked.items() <= now.items() <= shape.items():
        raise UsageError(f"{test_id}: was recorded anew since its result was written", hint=_AGAIN)
    return record


def _is_approved(project: Project, manifest: Manifest, test_id: str, name: str, digest: str | None) -> bool:
    if name == _RESULT:
        return _digest(project.results.read(test_id)) == digest
    return manifest.get(test_id).get(Kind(name)) == digest


def _shape(record: Pending) -> dict[str, str | None]:
    shape: dict[str, str | None] = {
        kind.value: change.staged for kind, change in sorted(record.changes.items())
    }
    if record.result is not None:
        shape[_RESULT] = _digest(record.result.staged)
    return shape


def _digest(text: str | None) -> str | None:
    return None if text is None else Digest.of(text.encode("utf-8", "surrogatepass"))


def _written(output: Path) -> str | None:
    data = read_bytes(output.with_name(f"{output.name}.md"))
    return None if data is None else Digest.of(data)


def _move(accepted: Path, output: Path) -> None:
    """As booktest does, but for what is ours."""
    written = output.with_name(f"{output.name}.md")
    result = accepted.with_name(f"{accepted.name}.md")
    if not written.exists() and result.exists():
        return  # a worker accepted it already
    if accepted.is_dir():
        for path in accepted.iterdir():
            if path.name not in _OURS:
                _delete(path)
    remove(accepted / "_snapshots" / "metadata.json")
    move(written, result)
    if output.is_dir():
        _take(output, accepted)
    if accepted.is_dir() and not any(accepted.iterdir()):
        accepted.rmdir()


def _take(output: Path, accepted: Path) -> None:
    for path in output.iterdir():
        if path.name == "_snapshots":  # booktest's notes on a run: time and hashes
            continue
        target = accepted / path.name
        accepted.mkdir(parents=True, exist_ok=True)
        if target.exists():
            _delete(target)
        move(path, target)
    shutil.rmtree(output)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _marker(output: Path) -> Path:
    return output.with_name(f"{output.name}{_MARK}")
