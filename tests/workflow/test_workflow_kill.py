"""Promises 2 and 3: kill -9, a full disk and a broken one leave the old state or the new, at every step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from dvc_share import init_dvc
from remote_bench import RemoteBench
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs fork and SIGKILL")

ONE, TWO, THREE = http("one"), http("two"), http("three")
GONE = "tests/test_gone.py::test_gone"


def _new(bench: Bench) -> None:
    bench.stage(USERS, http=ONE, env=env(A="1"))


def _new_beside_others(bench: Bench) -> None:
    bench.approved(ORDERS, http=ONE)
    bench.stage(USERS, http=ONE)


def _updated(bench: Bench) -> None:
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.stage(USERS, http=TWO)


def _kind_gone(bench: Bench) -> None:
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.stage(USERS, env=None)


def _test_gone(bench: Bench) -> None:
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.stage(USERS, http=None)


def _shared(bench: Bench) -> None:
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=ONE)
    bench.stage(USERS, http=TWO)


def _swapped(bench: Bench) -> None:
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.stage(USERS, http=TWO)
    bench.stage(ORDERS, http=ONE)


def _all_at_once(bench: Bench) -> None:
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.approved(ORDERS, http=ONE)
    bench.stage(USERS, http=TWO, env=None)
    bench.stage(ORDERS, http=None)
    bench.stage(LOGIN, http=ONE, func=THREE)


def _results(bench: Bench) -> None:
    """One comes, one changes beside a recording, one alone, one goes with its test's last snapshot."""
    bench.approved(ORDERS, http=ONE, result="old\n")
    bench.approved(LOGIN, result="old\n")
    bench.approved(GONE, http=TWO, result="old\n")
    bench.stage(USERS, http=ONE, result="new\n")
    bench.stage(ORDERS, http=TWO, result="new\n")
    bench.stage(LOGIN, result="new\n")
    bench.stage(GONE, http=None, result=None)


SCENES: dict[str, Callable[[Bench], None]] = {
    "new": _new,
    "new beside others": _new_beside_others,
    "updated": _updated,
    "kind gone": _kind_gone,
    "test gone": _test_gone,
    "shared": _shared,
    "swapped": _swapped,
    "all at once": _all_at_once,
    "results": _results,
}


@dataclass
class Run:
    """One disturbed run: what it struck, and the project it left."""

    bench: Bench
    struck: str
    code: int | None
    message: str


@dataclass
class Play:
    """A scene before and after, and everything that can happen in between."""

    before: Bench
    after: Bench
    job: str
    root: Path
    make: Callable[[Path], Bench] = Bench

    def runs(self, mode: str) -> Iterator[Run]:
        copies = self.root / mode
        faults = Path(__file__).with_name("faults.py")
        command = [sys.executable, str(faults), self.job, mode, str(self.before.root), str(copies)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        reports: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(reports) > 5
        assert reports[-1]["code"] == 100, reports[-1]
        for number, report in enumerate(reports, 1):
            bench = self.make(copies / f"{number:03}")
            yield Run(bench, report["struck"], report.get("code"), report.get("message", ""))

    def see_old_or_new(self, bench: Bench) -> None:
        assert bench.manifest() in (self.before.manifest(), self.after.manifest())
        bench.see_that_everything_named_can_be_read()

    def see_that_it_is_completed(self, bench: Bench) -> None:
        """Doing it again brings the very files that an undisturbed run leaves."""
        if self.job == "reject":
            bench.reject()
        else:
            bench.approve()
        assert bench.worktree() == self.after.worktree()
        assert bench.kept_files() == self.after.kept_files()
        assert bench.pending() == []


def _play(scene: str, job: str, tmp_path: Path, make: Callable[[Path], Bench] = Bench) -> Play:
    before, after = make(tmp_path / "before"), make(tmp_path / "after")
    for bench in (before, after):
        (SCENES if make is Bench else REMOTE_SCENES)[scene](bench)
    play = Play(before, after, job, tmp_path, make)
    _ = after.reject() if job == "reject" else after.approve()
    if make is Bench:
        assert after.kept_files() == []
        after.see_that_payloads_are_what_the_manifest_says()
    return play


@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_at_any_step_of_an_approval_leaves_the_old_state_or_the_new_and_it_can_be_completed(
    scene, tmp_path
):
    play = _play(scene, "approve", tmp_path)
    manifests = set()
    for run in play.runs("kill"):
        play.see_old_or_new(run.bench)
        manifests.add(run.bench.manifest())
        play.see_that_it_is_completed(run.bench)
    assert manifests == {play.before.manifest(), play.after.manifest()}


@pytest.mark.parametrize("scene", ["new", "updated", "all at once"])
def test_a_kill_at_any_step_of_an_approval_can_be_rejected_as_well(scene, tmp_path):
    """After which the project is what it was, or what the approval made of it."""
    play = _play(scene, "approve", tmp_path)
    for run in play.runs("kill"):
        manifest = run.bench.manifest()
        run.bench.reject()
        assert run.bench.manifest() == manifest
        run.bench.see_that_everything_named_can_be_read()
        run.bench.see_that_payloads_are_what_the_manifest_says()
        assert run.bench.kept_files() == []
        assert run.bench.pending() == []


@pytest.mark.parametrize("scene", ["new", "updated", "all at once"])
def test_a_kill_at_any_step_of_an_approval_can_be_recorded_over(scene, tmp_path):
    play = _play(scene, "approve", tmp_path)
    for run in play.runs("kill"):
        run.bench.stage(USERS, http=http("four"))
        run.bench.see_that_everything_named_can_be_read()
        run.bench.approve()
        run.bench.see_that_payloads_are_what_the_manifest_says()
        assert run.bench.pending() == []


@pytest.mark.parametrize(
    ("scene", "mode"),
    [
        *product(["new", "updated", "test gone", "all at once"], ["disk-full", "input-output-error"]),
        ("results", "disk-full"),
    ],
)
def test_a_disk_that_refuses_any_step_of_an_approval_is_a_clear_error_and_it_can_be_completed(
    scene, mode, tmp_path
):
    play = _play(scene, "approve", tmp_path)
    for run in play.runs(mode):
        if run.code not in (0, 100):
            assert run.code == 4, run.message
            assert str(run.bench.root) in run.message
            assert "No space left" in run.message or "Input/output error" in run.message
            assert "next: " in run.message
        play.see_old_or_new(run.bench)
        assert [name for name in run.bench.files() if name.endswith(".tmp")] == []
        play.see_that_it_is_completed(run.bench)


def test_a_kill_at_any_step_leaves_each_result_the_old_one_or_the_new_and_rejecting_fits_it_to_its_snapshot(
    tmp_path,
):
    play = _play("results", "approve", tmp_path)
    before, after = _results_of(play.before), _results_of(play.after)
    seen = set()
    for run in play.runs("kill"):
        found = _results_of(run.bench)
        assert all(found[test] in (before[test], after[test]) for test in found)
        run.bench.reject()
        is_approved = run.bench.manifest() == play.after.manifest()
        rejected, kept = _results_of(run.bench), after if is_approved else before
        for test in (USERS, ORDERS, GONE):
            assert rejected[test] == kept[test]
        assert rejected[LOGIN] == found[LOGIN], "nothing but its file says whether it was approved"
        seen.add(is_approved)
    assert seen == {True, False}


def _results_of(bench: Bench) -> dict[str, str | None]:
    return {test: bench.project().results.read(test) for test in (USERS, ORDERS, LOGIN, GONE)}


@pytest.mark.parametrize("mode", ["kill", "disk-full", "input-output-error"])
@pytest.mark.parametrize("scene", ["updated", "all at once"])
def test_a_rejection_that_is_disturbed_at_any_step_changes_nothing_approved(scene, mode, tmp_path):
    play = _play(scene, "reject", tmp_path)
    for run in play.runs(mode):
        assert run.code in (None, 0, 4, 100), run.message
        assert run.bench.worktree() == play.before.worktree()
        play.see_that_it_is_completed(run.bench)


# --- with a remote ----------------------------------------------------------------------------------


def _with_share(root: Path) -> RemoteBench:
    """A project whose share is in it: steps there are struck, too, and every copy has its own."""
    if not (root / ".dvc").exists():
        init_dvc(root, "../share")
    return RemoteBench(root, root / "share")


def _moving(bench: Bench) -> None:
    """From Git to the remote, with a first result."""
    assert isinstance(bench, RemoteBench)
    bench.say("git")
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.say("dvc")
    bench.stage(USERS, http=TWO, env=None, result="new\n")


REMOTE_SCENES: dict[str, Callable[[Bench], None]] = {"all at once": _all_at_once, "moving": _moving}


def _see_it_kept_its_promise(play: Play, bench: Bench) -> None:
    """Promise 1, in the middle of everything: what the manifest names is on the remote."""
    assert isinstance(bench, RemoteBench)
    play.see_old_or_new(bench)
    bench.see_that_the_cache_is_whole()
    if play.job == "approve":
        bench.see_that_the_remote_has_what_the_manifest_names()
    else:
        waiting = set(bench.waiting())
        for test_id, kinds in bench.lines().items():
            for kind, digest in kinds.items():
                places = (bench.remote_path(digest, kind), bench.payload(test_id, kind))
                assert digest in waiting or any(path.exists() for path in places)


@pytest.mark.parametrize(
    ("scene", "job"), [("all at once", "approve"), ("moving", "approve"), ("moving", "approve-unpushed")]
)
def test_a_kill_at_any_step_leaves_no_manifest_that_names_what_the_remote_lacks(scene, job, tmp_path):
    play = _play(scene, job, tmp_path, _with_share)
    manifests = set()
    for run in play.runs("kill"):
        _see_it_kept_its_promise(play, run.bench)
        manifests.add(run.bench.manifest())
        play.see_that_it_is_completed(run.bench)
        assert isinstance(run.bench, RemoteBench)
        assert run.bench.push().exit_code == 0
        assert run.bench.waiting() == []
        run.bench.see_that_the_remote_has_what_the_manifest_names()
    assert manifests == {play.before.manifest(), play.after.manifest()}


@pytest.mark.parametrize(("scene", "mode"), [("moving", "disk-full"), ("all at once", "input-output-error")])
def test_a_disk_or_a_share_that_refuses_any_step_is_a_clear_error_and_it_can_be_completed(
    scene, mode, tmp_path
):
    play = _play(scene, "approve", tmp_path, _with_share)
    codes = set()
    for run in play.runs(mode):
        codes.add(run.code)
        if run.code not in (0, 100):
            assert run.code in (4, 5), run.message
            assert str(run.bench.root) in run.message or "remote 'share'" in run.message
            assert "next: " in run.message
        _see_it_kept_its_promise(play, run.bench)
        assert [name for name in run.bench.files() if name.endswith(".tmp")] == []
        play.see_that_it_is_completed(run.bench)
    assert {4, 5, 100} <= codes


def test_a_killed_approval_can_be_rejected_and_what_is_approved_stays_whole(tmp_path):
    play = _play("moving", "approve", tmp_path, _with_share)
    for run in play.runs("kill"):
        manifest = run.bench.manifest()
        run.bench.reject()
        assert run.bench.manifest() == manifest
        _see_it_kept_its_promise(play, run.bench)
        assert run.bench.pending() == []
