"""One garbage collection: look at Git and at the places, plan for all of them, then carry it out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from ...digest import BlobKey
from ...errors import CassetteError, RemoteError, StorageError, UsageError
from ...project import Project
from .. import git, staging
from ..status import place_of
from ..transfer import Progress, quiet
from . import marking, places, sweeping
from .marking import Marked, Wanted
from .objects import What
from .places import Place
from .planning import Action, Options, Plan, plan, total
from .sweeping import Swept

#: What a plan frees sooner or later.
GOES = (Action.DELETE, Action.TOMBSTONE, Action.WAIT, Action.SWEEP_STAGED, Action.SWEEP_LEFT_OVER)
_SHORT = timedelta(days=1)
_MOST_REFS = 100  # that `status` reads manifests of


@dataclass(frozen=True, slots=True)
class Collection:
    """What is reachable, and the plans.

    Attributes
    ----------
    notes:
        What a person should know besides.
    """

    project: Project
    wanted: Wanted
    marked: Marked
    plans: Sequence[tuple[Place, Plan]]
    notes: tuple[str, ...] = ()

    @property
    def is_for_nothing(self) -> bool:
        """Whether nothing at all is reachable, though blobs are kept somewhere."""
        steps = (step for _, planned in self.plans for step in planned.steps)
        return not self.marked.reasons and any(step.item.what is What.KEEP for step in steps)


def look(
    project: Project,
    at: Iterable[Place],
    wanted: Wanted,
    options: Options,
    *,
    dry: bool,
    progress: Progress = quiet,
) -> Collection:
    """Mark, and plan for each place; changes nothing but for a probe, written and deleted again.

    Parameters
    ----------
    project, at:
        Whose, and which places.
    wanted, options:
        What counts as reachable, and how long what is kept.
    dry:
        Nothing will be carried out: a place that cannot be written to is shown by this machine's clock.
    progress:
        Told how many manifests were read.

    Raises
    ------
    UsageError, ManifestError, IntegrityError
        When Git or the cache cannot tell what is reachable: see :func:`.marking.mark`.
    RemoteError, StorageError
        When a place cannot be listed.
    """
    notes: list[str] = []
    # Before marking: what is written from here on is young, however short the grace is.
    clocks = [(place, _now(place, notes, dry=dry)) for place in at]
    marked = marking.mark(project, wanted, progress)
    notes += marked.notes
    if options.grace < _SHORT:
        notes.append(
            "a grace this short takes what commits that are not pushed yet, or not fetched here, need"
        )
    plans = [(place, plan(marked, places.inventory(place), now, options)) for place, now in clocks]
    return Collection(project, wanted, marked, plans, tuple(notes))


def _now(place: Place, notes: list[str], *, dry: bool) -> datetime:
    try:
        return places.clock(place)
    except (RemoteError, StorageError) as error:
        if not dry:
            raise
        notes.append(f"ages are by this machine's clock: {error.message}")
        return datetime.now(UTC)


def default_places(project: Project, *, local: bool, remote: bool) -> tuple[list[Place], list[str]]:
    """The places that were asked for, or all there are, and notes on what is left out.

    Raises
    ------
    RemoteError
        When the remote was asked for, and there is none.
    """
    notes: list[str] = []
    found: list[Place] = []
    everything = not (local or remote)
    if local or everything:
        if project.config.cache_dir.is_dir():
            found.append(places.local(project))
        elif local:
            notes.append(f"there is no cache at {project.relative(project.config.cache_dir)}")
    if remote or (everything and place_of(project) is not None):
        found.append(places.remote(project))
    elif everything and project.storage.lack is not None and project.storage.mode != "git":
        notes.append(f"the remote is left out: {project.storage.lack.message}")
    return found, notes


def check(collection: Collection) -> None:
    """Refuse what looks like a mistake.

    Raises
    ------
    UsageError
        When nothing is reachable, or a plan deletes more than half of what a place keeps.
    """
    sure = "look at the plan; if it is right: booktest-cassettes gc --execute --yes-really"
    for _, planned in collection.plans:
        kept = total(step for step in planned.steps if step.item.what is What.KEEP)
        if kept.number and not collection.marked.manifests:
            name = collection.project.config.manifest.name
            raise UsageError(
                f"no manifest {name!r} was found anywhere, and {planned.inventory.where} holds"
                f" {kept.number:,} approved blobs; nothing was deleted",
                hint=f"is `manifest` configured as it was when they were approved? {sure}",
            )
        if kept.number and not collection.marked.reasons:
            raise UsageError(
                f"nothing at all is reachable, and {planned.inventory.where} holds {kept.number:,} approved"
                " blobs; nothing was deleted",
                hint=f"is this the right clone, and the manifest whole? {sure}",
            )
        if planned.is_large:
            gone = total(planned.of(Action.DELETE, What.KEEP))
            raise UsageError(
                f"{planned.inventory.where}: this would delete {gone.number:,} of {kept.number:,} approved"
                " blobs, more than half; nothing was deleted",
                hint=sure,
            )


def execute(collection: Collection, progress: Progress = quiet) -> list[tuple[Place, Swept]]:
    """Carry the plans out, place by place; one that is stopped says so in what it gives back."""
    remark = partial(marking.mark, collection.project, collection.wanted, before=collection.marked)
    return [(place, sweeping.execute(place, plan, remark, progress)) for place, plan in collection.plans]


def reclaimable(project: Project) -> int | None:
    """Bytes of the cache that nothing needs, but for what is young; no network, and Git only where it must.

    ``None`` where that is not known: Git cannot tell, or would have to read many manifests.
    """
    if not project.config.cache_dir.is_dir():
        return 0
    try:
        inventory = places.inventory(places.local(project))
        named = _named(project)
        if any(item.what is What.KEEP and item.key not in named for item in inventory.items):
            if _has_many_refs(project):
                return None
            marked = marking.mark(project, Wanted())
        else:
            staged = frozenset(key for record in project.pending for key in staging.staged_keys(record))
            marked = Marked(dict.fromkeys(named, "manifest"), staged, 0, 0, 0)
        planned = plan(marked, inventory, datetime.now(UTC), Options())
    except CassetteError:
        return None
    return sum(step.item.size for step in planned.steps if step.action in GOES)


def _named(project: Project) -> set[BlobKey]:
    return project.manifest.keys() | project.unpushed.read()


def _has_many_refs(project: Project) -> bool:
    listed = git.ask(project.config.root, "for-each-ref", f"--count={_MOST_REFS + 1}", "--format=.")
    return listed is None or len(listed.split()) > _MOST_REFS
