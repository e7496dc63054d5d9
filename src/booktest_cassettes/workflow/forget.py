"""Forget approved snapshots: of tests that were deleted or renamed."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..files import locked
from ..manifest import save
from ..project import Project
from ..store.pending import Change, Pending
from . import homes
from .approve import LOCK
from .select import select


def forget(project: Project, patterns: Sequence[str]) -> list[str]:
    """Take tests out of the manifest, then their payloads and pointers out of the work tree.

    Blobs on the remote and in the cache stay: other branches may name them.

    Returns
    -------
    list of str
        The tests.

    Raises
    ------
    UsageError
        When a pattern means nothing, or one of the tests has a recording that waits for review.
    StorageError
        When the disk refuses; the manifest is then the old one or the new one.
    """
    project.prepare_cache()
    with locked(project.config.cache_dir / LOCK):
        manifest = project.read_manifest()
        chosen = select(manifest.entries, patterns, id_of=str)
        waiting = [test_id for test_id in chosen if project.pending.load(test_id)]
        if waiting:
            raise UsageError(
                f"{waiting[0]}: has a recording that waits for review",
                hint="approve or reject it first",
            )
        gone = [
            Pending(test_id, {kind: Change(digest, None) for kind, digest in manifest.get(test_id).items()})
            for test_id in chosen
        ]
        after = manifest.with_changes({test_id: dict.fromkeys(manifest.get(test_id)) for test_id in chosen})
        save(project.config.manifest, after)
        homes.home(project, after).finish(gone)
    return chosen
