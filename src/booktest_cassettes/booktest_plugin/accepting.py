"""Accepting a test's result: its snapshots are approved first, then the result moves to the books."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from booktest.config.naming import to_filesystem_path

from ..digest import Digest
from ..errors import UsageError
from ..files import atomic_write, move, read_bytes, remove
from ..project import Project
from ..store.pending import Pending
from . import projects

#: Beside a test's output: the digests that the run recorded which wrote it.
_MARK = ".cassettes"
#: What is ours in the books: payloads, pointers, and the result that ``cassette.result`` wrote.
_OURS = ("_snapshots", "result.md")


def mark(output: Path, records: Iterable[Pending]) -> None:
    """Note what a test staged, beside what it wrote (``output`` without its suffix)."""
    path = _marker(output)
    if shapes := {record.test_id: _shape(record) for record in records}:
        atomic_write(path, json.dumps(shapes).encode())
    else:
        remove(path)


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
    staged = read_bytes(_marker(output))
    if staged is None:
        return []
    from ..workflow import approve

    project = projects.current()
    waiting = (_pending(project, test_id, shape) for test_id, shape in json.loads(staged).items())
    records = [record for record in waiting if record]
    done = approve.execute(project, approve.plan_of(project, records))
    remove(_marker(output))
    return done.paths


def _pending(project: Project, test_id: str, shape: Mapping[str, str | None]) -> Pending | None:
    """What waits for review of a test, or of another cassette that it uses."""
    record = project.pending.load(test_id)
    if record is not None and _shape(record) != shape:
        raise UsageError(
            f"{test_id}: was recorded anew since its result was written",
            hint="run the test again, then accept it",
        )
    return record


def _shape(record: Pending) -> dict[str, str | None]:
    shape: dict[str, str | None] = {
        kind.value: change.staged for kind, change in sorted(record.changes.items())
    }
    if record.result is not None:
        text = record.result.staged
        shape["result"] = None if text is None else Digest.of(text.encode("utf-8", "surrogatepass"))
    return shape


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
