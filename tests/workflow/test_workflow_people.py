"""Several people and one remote: what they share, mend and cannot reach."""

from __future__ import annotations

import shutil
import traceback
from pathlib import Path

import pytest
from remote_bench import RemoteBench, Terminal
from workflow_bench import ORDERS, USERS, http

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import RemoteError
from booktest_cassettes.workflow import verify

ONE, TWO = http("one"), http("two")


@pytest.fixture
def bench(tmp_path: Path) -> RemoteBench:
    return RemoteBench(tmp_path / "project", tmp_path / "share")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_a_damaged_record_does_not_keep_the_others_from_coming(bench, run):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=TWO)
    run(bench, "push", "--staged")
    damaged = bench.share / "booktest/blobs/staging/pending" / bench.project().pending.path(USERS).name
    damaged.write_bytes(b"{")
    colleague = bench.colleague()
    assert run(colleague, "pull", "--staged") == 4
    assert colleague.pending() == [ORDERS]


def test_what_was_rejected_or_approved_here_is_not_fetched_again(bench, run):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=TWO)
    run(bench, "push", "--staged")
    colleague = bench.colleague()
    run(colleague, "pull", "--staged")
    run(colleague, "reject", USERS)
    run(colleague, "approve", ORDERS)
    for one in (colleague, bench):
        run(one, "reject", "--all")
        assert run(one, "pull", "--staged") == 0
        assert one.pending() == []


def test_a_recording_that_somebody_else_shared_is_not_replaced(bench, run):
    colleague = bench.colleague()
    bench.stage(USERS, http=ONE)
    run(bench, "push", "--staged")
    colleague.stage(USERS, http=TWO)
    assert run(colleague, "push", "--staged") == 0
    assert "somebody else has shared another recording" in run.text
    run(colleague, "reject", "--all")
    run(colleague, "pull", "--staged")
    (record,) = colleague.project().pending
    assert record.changes[Kind.HTTP].staged == Digest.of(ONE)


def test_what_is_on_this_machine_and_not_on_the_remote_is_for_push_to_mend(bench, run):
    bench.stage(USERS, http=ONE)
    run(bench, "approve", "--all")
    key = BlobKey(Kind.HTTP, Digest.of(ONE))
    (bench.share / "booktest/blobs" / key.path).unlink()
    assert run(bench, "verify", "--remote") == 4
    assert "is here, but not on remote 'share'" in run.text
    assert "booktest-cassettes push" in run.text
    assert run(bench, "push") == 0
    assert run(bench, "verify", "--remote") == 0


def test_a_remote_that_cannot_be_had_is_said_anew_for_each_test_without_the_frames_of_the_last(bench):
    bench.stage(USERS, http=ONE)
    bench.approve()
    shutil.rmtree(bench.root / ".booktest_cache/http")
    bench.share.rename(bench.share.with_name("gone"))
    project = bench.project()
    depths = []
    for _ in range(5):
        with pytest.raises(RemoteError) as caught:
            project.approved(USERS, Kind.HTTP, Digest.of(ONE))
        depths.append(len(list(traceback.walk_tb(caught.value.__traceback__))))
    assert len(set(depths[1:])) == 1


def test_a_mend_while_verify_looks_is_not_set_aside(bench, monkeypatch):
    bench.stage(USERS, http=ONE)
    bench.approve()
    project, key = bench.project(), BlobKey(Kind.HTTP, Digest.of(ONE))
    good = project.keep.path(key).read_bytes()
    project.keep.path(key).write_bytes(b"rot")
    whole = project.set_aside

    def mended_meanwhile(key: BlobKey) -> Path | None:
        project.keep.path(key).write_bytes(good)
        return whole(key)

    monkeypatch.setattr(project, "set_aside", mended_meanwhile)
    verify.verify(project)
    assert project.keep.get(key) == ONE
