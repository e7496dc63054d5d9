"""Forget approved snapshots: of tests that were deleted or renamed."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..files import locked
from ..manifest import Manifest, save
from ..project import Project
from ..store.pending import Change, Pending
from . import homes
from .approve import LOCK
from .select import select


def forget(project: Project, patterns: Sequence[str]) -> list[str]:
    """Take tests out of the manifest, then their payloads, pointers and results out of the work tree.

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
        chosen = select(_known(project, manifest, patterns), patterns, id_of=str)
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
        if after != manifest:
            save(project.config.manifest, after)
        homes.home(project, after).finish(gone)
        for test_id in chosen:
            project.results.write(test_id, None)
    return chosen


def _known(project: Project, manifest: Manifest, patterns: Sequence[str]) -> list[str]:
    """The tests that have something approved; one with nothing but a result is in no manifest."""
    named = (pattern for pattern in patterns if project.results.exists(pattern))
    return sorted({*manifest.entries, *project.results.ids(), *named})
