"""One of the processes of a race: approves and pushes, round after round, or collects garbage all the time.

    python gc_race.py push ROOT ROUNDS STOP
    python gc_race.py collect ROOT STOP
    python gc_race.py collect-blindly ROOT STOP SECONDS

A push looks after each round whether all that its manifest names is on the remote; it goes on until something
was deleted, of which there is a file beside STOP. ``collect`` ends when there is a file STOP; it prints how
many blobs it deleted, and how many it spared, by reason. A blind one does not look at Git again before it
deletes, as if it ran where nothing was fetched: what saves a push then is what the two say to each other. Its
grace is SECONDS long.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

from remote_bench import DVC
from workflow_bench import Bench, http

from booktest_cassettes.project import Project
from booktest_cassettes.workflow import approve, verify
from booktest_cassettes.workflow.gc import collection, marking, places, planning, sweeping
from booktest_cassettes.workflow.gc.marking import Wanted
from booktest_cassettes.workflow.gc.planning import Options
from booktest_cassettes.workflow.gc.sweeping import Swept

TESTS, VARIANTS = 4, 3
MOST = 1_000  # rounds
DELETED = "deleted"


def push(root: Path, rounds: int, deleted: Path) -> None:
    """Each test goes through a few recordings, again and again: what comes back may be dead by then."""
    bench = Bench(root, DVC)
    for number in range(MOST):
        if number >= rounds and deleted.exists():
            return
        for test in range(TESTS):
            text = f"{root.name} {test} {(number + test) % VARIANTS}"
            bench.stage(f"tests/test_it.py::test_{test}", http=http(text))
        project = bench.project()
        approve.execute(project, approve.plan(project))
        found = verify.verify(bench.project(), remote=True)
        if found.exit_code:
            sys.exit(f"round {number}: {[str(trouble.error) for trouble in found.troubles]}")


def collect(root: Path, stop: Path, grace: timedelta | None = None) -> None:
    """With no grace at all; blindly, with one that may be none."""
    deleted, spared = 0, Counter[str]()
    while not stop.exists():
        swept = _seeing(root) if grace is None else _blind(root, grace)
        if swept.error is not None:
            sys.exit(str(swept.error))
        deleted += swept.deleted.number
        if deleted:
            stop.with_name(DELETED).touch()
        spared.update(sweeping.reasons(swept.spared))
    print(json.dumps({"deleted": deleted, "spared": spared}))


def _seeing(root: Path) -> Swept:
    project = Project.open(root)
    at = [places.remote(project)]
    found = collection.look(project, at, Wanted(), Options(timedelta(), timedelta()), dry=False)
    return collection.execute(found)[0][1]


def _blind(root: Path, grace: timedelta) -> Swept:
    """The clock first: with no grace, somebody may bury after its marking what is pushed after that."""
    project = Project.open(root)
    place = places.remote(project)
    now = places.clock(place)
    marked = marking.mark(project, Wanted())
    plan = planning.plan(marked, places.inventory(place), now, Options(grace, grace))
    return sweeping.execute(place, plan, lambda: marked)


if __name__ == "__main__":
    os.fsync = lambda _: None
    if sys.argv[1] == "push":
        push(Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]).with_name(DELETED))
    else:
        graces = [timedelta(seconds=int(word)) for word in sys.argv[4:]]
        collect(Path(sys.argv[2]), Path(sys.argv[3]), *graces)
