"""Results in a merge conflict: Git leaves its markers in them, and nobody may add those unseen."""

from __future__ import annotations

import subprocess

import pytest
from click.testing import CliRunner
from test_workflow_merge import HTTP, ONE, THREE, TWO, USERS, Fork, fork  # noqa: F401 - a fixture

from booktest_cassettes.cli.commands import group
from booktest_cassettes.workflow import conflicts, result_sides

BASE, OURS, THEIRS = "# Users\n\n1 user\n", "# Users\n\n2 users\n", "# Users\n\n3 users\n"


def _merge(bench: Fork, result: str | None, other: str | None, **blobs: bytes) -> None:
    """Both sides changed the result, and, with blobs, the recording."""
    bench.approved(USERS, http=ONE, result=BASE)
    bench.commit("base")
    for branch, text in (("theirs", other), ("ours", result)):
        bench.git("checkout", "--quiet", "-b", branch, "main")
        changed = {"http": blobs[branch]} if blobs else {}
        bench.approved(USERS, result=text, **changed)
        bench.commit(branch)
    assert bench.try_git("merge", "theirs") == 1


@pytest.mark.parametrize(("side", "text"), [("ours", OURS), ("theirs", THEIRS)])
def test_a_result_goes_with_the_recording_that_was_chosen(fork, side, text):  # noqa: F811
    _merge(fork, OURS, THEIRS, ours=TWO, theirs=THREE)
    assert "<<<<<<<" in (fork.result(USERS) or "")
    assert conflicts.resolve(fork.project(), {(USERS, HTTP): side}) is None
    assert fork.result(USERS) == text
    assert result_sides.left(fork.project()) == []
    subprocess.run(conflicts.next_command(fork.project()), shell=True, cwd=fork.root, check=True)
    assert fork.git("status", "--porcelain") == ""


def test_a_result_that_the_chosen_side_deleted_is_deleted(fork):  # noqa: F811
    _merge(fork, OURS, None, ours=TWO, theirs=THREE)
    conflicts.resolve(fork.project(), {(USERS, HTTP): "theirs"})
    assert fork.result(USERS) is None


def test_a_result_that_was_mended_by_hand_stays(fork):  # noqa: F811
    _merge(fork, OURS, THEIRS, ours=TWO, theirs=THREE)
    mended = "# Users\n=======\n\n5 users\n"
    fork.project().results.write(USERS, mended)
    conflicts.resolve(fork.project(), {(USERS, HTTP): "theirs"})
    assert fork.result(USERS) == mended
    assert result_sides.left(fork.project()) == []


def test_a_result_alone_in_conflict_is_named_until_it_is_mended(fork, monkeypatch):  # noqa: F811
    _merge(fork, OURS, THEIRS)
    monkeypatch.chdir(fork.root)
    path = "books/" + USERS.replace("::", "/") + "/result.md"
    for arguments in (["review"], ["review", "--take", "ours"]):
        done = CliRunner().invoke(group, arguments)
        assert done.exit_code == 3, done.output
        assert f"in conflict: 1 result\n  {path}\n" in done.output
        assert f"git checkout --ours -- {path}" in done.output
    fork.git("checkout", "--ours", "--", path)
    assert CliRunner().invoke(group, ["review"]).exit_code == 0
    assert fork.result(USERS) == OURS
