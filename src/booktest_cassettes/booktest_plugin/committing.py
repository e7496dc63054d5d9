"""``commit_on_approve``: one Git commit of what a run accepted, made by the process that began it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..files import atomic_write, read_bytes
from ..wording import count
from . import projects

_FILE = "accepted.json"

_accepted: list[list[str]] = []


def note(paths: Sequence[str], batch: str | None) -> None:
    """What accepting one test changed; nothing where the project does not want commits.

    Parameters
    ----------
    paths:
        Of files; none where only booktest's result moved.
    batch:
        booktest's directory of this worker's test; ``None`` in the process that commits.
    """
    if not paths or not projects.current().config.commit_on_approve:
        return
    if batch is None:
        _accepted.append(list(paths))
    else:
        atomic_write(Path(batch) / _FILE, json.dumps(list(paths)).encode())


def commit(workers: str | None) -> None:
    """Commit what was accepted.

    Parameters
    ----------
    workers:
        booktest's output directory, where workers ran; else ``None``.

    Raises
    ------
    UsageError
        With Git's own words, when it refuses.
    """
    told = Path(workers, ".batches").glob(f"*/{_FILE}") if workers else ()
    accepted = [*_accepted, *(json.loads(read_bytes(path) or b"[]") for path in sorted(told))]
    _accepted.clear()
    if not accepted:
        return
    from ..workflow.commit import commit

    tests = count(len(accepted), "test")
    changed = [path for paths in accepted for path in paths]
    if commit(projects.current().config.root, changed, f"Accept {tests}"):
        print(f"cassettes: committed what was accepted of {tests}", file=sys.stderr)
