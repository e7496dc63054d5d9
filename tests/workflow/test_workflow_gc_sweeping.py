"""The sweep: two phases by the place's own clock, batches, refusals in the middle, two at once."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
import s3_stub
from gc_sweep_lab import DAY, GRACE, NOTHING, PREFIX, Bucket, Disk, Ground, Lab, key_of, marks
from s3_stub import BUCKET, Refusal, running_stub
from ssh_server import Sshd, running_sshd
from workflow_bench import USERS, Bench, http

from booktest_cassettes.errors import CassetteError, RemoteError, StorageError
from booktest_cassettes.files import locked
from booktest_cassettes.store.remote import share as remote_share
from booktest_cassettes.store.remote import ssh
from booktest_cassettes.workflow import approve
from booktest_cassettes.workflow.gc import leases, places, sweeping
from booktest_cassettes.workflow.gc.marking import Marked
from booktest_cassettes.workflow.gc.objects import What
from booktest_cassettes.workflow.gc.planning import Action


@pytest.fixture(scope="module")
def sshd(tmp_path_factory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(autouse=True)
def _nobody_at_home(tmp_path, monkeypatch):
    for name in ("HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(ssh, "_has_terminal", lambda: False)


@pytest.fixture
def share(tmp_path) -> Lab:
    return Lab(tmp_path / "project", Disk(tmp_path / "share"))


@pytest.fixture
def bucket(tmp_path) -> Iterator[Lab]:
    with running_stub() as stub:
        yield Lab(tmp_path / "project", Bucket(stub))


def stub_of(lab: Lab) -> s3_stub.Stub:
    assert isinstance(lab.ground, Bucket)
    return lab.ground.stub


def root_of(lab: Lab) -> Path:
    assert isinstance(lab.ground, Disk)
    return lab.ground.root


@pytest.fixture(params=["share", "s3", "ssh"])
def anywhere(request, tmp_path) -> Iterator[Lab]:
    """On every kind of remote that our own tests run against."""
    if request.param == "s3":
        with running_stub() as stub:
            yield Lab(tmp_path / "project", Bucket(stub))
        return
    ground: Ground = Disk(tmp_path / "remote")
    if request.param == "ssh":
        server: Sshd = request.getfixturevalue("sshd")
        ground = Disk(tmp_path / "remote", server.url(tmp_path / "remote"), **server.dvc_settings())
    yield Lab(tmp_path / "project", ground)


# --- the life of a blob -----------------------------------------------------------------------------


def test_what_nothing_reaches_gets_a_tombstone_waits_the_grace_and_goes_with_it(anywhere):
    needed, old, young = anywhere.lay("needed", 400), anywhere.lay("old", 15), anywhere.lay("young", 13)
    assert anywhere.gc(needed).tombstoned == 1
    assert anywhere.kept() == {needed.path, old.path, young.path}
    assert anywhere.buried() == {old.path}

    assert anywhere.gc(needed).deleted.number == 0
    anywhere.older(13.9)
    assert anywhere.gc(needed).deleted.number == 0
    assert anywhere.buried() == {old.path, young.path}

    anywhere.older(0.2)
    swept = anywhere.gc(needed)
    assert (swept.deleted.number, swept.deleted.size) == (1, len(http("old")))
    assert anywhere.kept() == {needed.path, young.path}
    assert anywhere.buried() == {young.path}

    anywhere.older(14)
    assert anywhere.gc(needed).deleted.number == 1
    assert anywhere.ours() == {needed.path}


def test_what_is_reached_again_loses_its_tombstone_and_starts_anew(anywhere):
    key = anywhere.lay("back", 100, tombstone=50)
    assert anywhere.gc(key).untombstoned == 1
    assert anywhere.ours() == {key.path}
    assert anywhere.gc().tombstoned == 1
    assert anywhere.gc().deleted.number == 0
    assert anywhere.kept() == {key.path}


def test_a_blob_that_was_written_after_its_tombstone_is_young_again(anywhere):
    key = anywhere.lay("anew", 0, tombstone=50)
    swept = anywhere.gc()
    assert (swept.deleted.number, swept.untombstoned) == (0, 1)
    assert anywhere.ours() == {key.path}


def test_a_tombstone_whose_blob_is_gone_goes(anywhere):
    key = anywhere.lay("gone", 1, tombstone=1)
    anywhere.ground.remove(f"{PREFIX}/{key.path}")
    anywhere.gc()
    assert anywhere.ours() == set()


def test_staged_blobs_and_shared_records_go_after_their_days_but_for_those_that_are_pending_here(anywhere):
    old, pending, young = anywhere.stage("old", 8), anywhere.stage("pending", 8), anywhere.stage("young", 6)
    anywhere.ground.put(f"{PREFIX}/staging/pending/tests_a.json", b"{}", 8 * DAY)
    where = anywhere.remote()
    plan = anywhere.plan(marks(staged=[pending]), GRACE, where, timedelta(days=7))
    swept = sweeping.execute(where, plan, lambda: marks(staged=[pending]))
    assert swept.staged.number == 2
    assert anywhere.ours() == {f"staging/{pending.path}", f"staging/{young.path}"}
    assert f"staging/{old.path}" not in anywhere.ours()


def test_what_killed_processes_left_goes_after_a_day_and_not_before(anywhere):
    digest = key_of(http("it")).digest.hex
    leftover = [
        "probe/0123456789abcdef",
        f"http/sha256/{digest[:2]}/.{digest[:50]}.0123456789abcdef.tmp",
        f"tombstones/http/sha256/{digest[:2]}/.0123456789abcdef.tmp",
        "staging/pending/.tests_a.json.0123456789abcdef.tmp",
        "leases/.push-0123456789abcdef.0123456789abcdef.tmp",
    ]
    for path in leftover:
        anywhere.ground.put(f"{PREFIX}/{path}", b"it\n", 0.5 * DAY)
    anywhere.gc()
    assert set(leftover) <= anywhere.ours()
    anywhere.older(0.6)
    anywhere.gc()
    there = anywhere.ours()
    if isinstance(anywhere.ground, Bucket):  # where nothing leaves such files: they are foreign, or its own
        there = {path for path in there if not path.endswith(".tmp")}
    assert there == set()


def test_a_killed_sweeps_intent_goes_after_ten_minutes_and_a_killed_pushs_lease_after_an_hour(anywhere):
    sweep, push = "leases/sweep-0123456789abcdef", "leases/push-0123456789abcdef"
    anywhere.ground.put(f"{PREFIX}/{sweep}", b"it\n", 500)
    anywhere.ground.put(f"{PREFIX}/{push}", b"it\n", 500)
    for left in ({sweep, push}, {push}, set()):
        assert anywhere.gc().error is None
        assert anywhere.ours() == left
        anywhere.older(0.04 if left == {push} else 200 / DAY)


FOREIGN = [
    "other/prefix/file",
    "booktest/blobs-of-others/http/sha256/ab/file",
    "booktest/blob",
    f"{PREFIX}/README",
    f"{PREFIX}/http/sha256/ab/short",
    f"{PREFIX}/http/sha256/ab/{'c' * 64}",  # on another's shelf
    f"{PREFIX}/http/sha256/AB/{'A' * 64}",
    f"{PREFIX}/http/md5/ab/{'a' * 64}",
    f"{PREFIX}/http/sha256/aa/{'a' * 64}/deeper",
    f"{PREFIX}/staging/notes.txt",
    f"{PREFIX}/staging/pending/deep/er.json",
    f"{PREFIX}/tombstones/http/sha256/aa/{'a' * 63}",
    f"{PREFIX}/leases/push-short",
    f"{PREFIX}/leases/somebody",
    f"{PREFIX}/probe/mine",
    f"{PREFIX}/somebody.0123456789abcdef.tmp",
    f"{PREFIX}/.hidden.0123456789abcdef.tmp",
    f"{PREFIX}/caché/naïve name",
]


def test_what_is_foreign_beside_and_below_the_prefix_is_never_touched(anywhere):
    """Line 5 of the issue."""
    for path in FOREIGN:
        anywhere.ground.put(path, f"mine: {path}".encode(), 1000 * DAY)
    before, times = anywhere.ground.files(), {path: anywhere.ground.modified(path) for path in FOREIGN}
    old = anywhere.lay("old", 1000, tombstone=1000)
    for _ in range(2):
        assert anywhere.gc(grace=NOTHING, staging=NOTHING).error is None
    assert anywhere.ground.files() == before
    assert {path: anywhere.ground.modified(path) for path in FOREIGN} == times
    assert old.path not in anywhere.kept()


def test_nothing_outside_the_prefix_is_asked_for_and_nothing_foreign_below_it(bucket):
    for path in FOREIGN:
        bucket.ground.put(path, b"mine", 1000 * DAY)
    bucket.lay("old", 1000, tombstone=1000)
    bucket.gc()
    assert isinstance(bucket.ground, Bucket)
    deleted = 0
    for line, body in bucket.ground.log:
        where = line.split(" ")[1]
        if "list-type=2" in where:
            assert f"prefix={PREFIX.replace('/', '%2F')}%2F" in where
        elif where == f"/{BUCKET}?delete":
            named = re.findall("<Key>(.*?)</Key>", body)
            assert all(path.startswith(f"{PREFIX}/") and path not in FOREIGN for path in named)
            deleted += len(named)
        else:
            assert where.startswith(f"/{BUCKET}/{PREFIX}/"), where
            assert unquote(where).removeprefix(f"/{BUCKET}/") not in FOREIGN
    assert deleted >= 2


def test_listing_is_paged_and_deletes_go_a_thousand_at_once(bucket):
    stub = stub_of(bucket)
    stub.page_size = 500
    for number in range(1_200):
        bucket.lay(f"number {number}", 40, tombstone=40)
    stub.asked.clear()
    swept = bucket.gc()
    assert swept.deleted.number == 1_200
    assert stub.asked["DeleteObjects"] <= 2 + 2 + 2  # blobs, tombstones, the probe and the lease
    assert stub.asked["DeleteObject"] == 0
    assert stub.asked["ListObjectsV2"] >= 5
    assert bucket.ours() == set()


# --- when something is wrong ------------------------------------------------------------------------


def test_a_delete_that_is_denied_ends_it_with_5_and_loses_nothing(bucket):
    key = bucket.lay("old", 40, tombstone=40)
    stub_of(bucket).keep.add(f"{PREFIX}/{key.path}")
    swept = bucket.gc()
    assert swept.exit_code == 5
    assert isinstance(swept.error, RemoteError)
    assert "not deleted" in swept.error.message
    assert swept.deleted.number == 0
    assert bucket.ours() == {key.path, f"tombstones/{key.path}"}
    stub_of(bucket).keep.clear()
    assert bucket.gc().deleted.number == 1
    assert bucket.ours() == set()


def test_a_remote_that_goes_away_in_the_middle_ends_it_and_what_was_done_is_said(bucket, monkeypatch):
    monkeypatch.setattr(sweeping, "SLICE", 10)
    for number in range(30):
        bucket.lay(f"number {number}", 40, tombstone=40)
    asked: list[int] = []

    def remark() -> Marked:
        asked.append(1)
        if len(asked) == 2:
            stub_of(bucket).deny()
        return marks()

    swept = bucket.gc(remark=remark)
    assert swept.exit_code == 5
    assert swept.deleted.number == 10
    assert swept.as_json()["deleted"]["objects"] == 10
    assert swept.error is not None
    assert swept.error.hint
    stub_of(bucket).refuse.clear()
    assert bucket.gc().deleted.number == 20
    assert bucket.kept() == bucket.buried() == set()


def test_a_remote_that_cannot_be_written_says_so_before_anything_is_done(bucket):
    bucket.lay("old", 40, tombstone=40)
    before = bucket.ground.files()
    stub_of(bucket).deny("PutObject", "DeleteObjects")
    with pytest.raises(RemoteError) as caught:
        places.clock(bucket.remote())
    assert "refuses to write" in caught.value.message
    assert caught.value.hint
    assert bucket.ground.files() == before


def test_a_listing_that_breaks_off_is_no_inventory(bucket):
    stub = stub_of(bucket)
    for number in range(40):
        bucket.lay(f"number {number}", 40, tombstone=40)
    stub.page_size = 10
    answer, pages = stub.answer, [0]

    def broken(method: str, target: str, head: bytes, body: bytes) -> bytes:
        pages[0] += "list-type=2" in target
        if pages[0] == 3:
            stub.refuse["ListObjectsV2"] = Refusal(403, "AccessDenied")
        return answer(method, target, head, body)

    stub.answer = broken  # type: ignore[method-assign]
    with pytest.raises(RemoteError, match="refuses to list"):
        places.inventory(bucket.remote())


def test_objects_that_vanish_between_the_listing_and_the_delete_are_fine(anywhere):
    keys = [anywhere.lay(f"number {number}", 40, tombstone=40) for number in range(3)]

    def remark() -> Marked:
        anywhere.ground.remove(f"{PREFIX}/{keys[0].path}")
        return marks()

    assert anywhere.gc(remark=remark).error is None
    assert anywhere.ours() == set()


@pytest.mark.parametrize("days", [-30.0, -3.0, 3.0, 30.0])
def test_ages_are_the_remotes_own_however_wrong_a_clock_is(bucket, days, monkeypatch):
    monkeypatch.setattr(s3_stub, "time", lambda: time.time() + days * DAY)
    due, young = bucket.lay("due", 15, tombstone=14.1), bucket.lay("young", 13.9)
    waits = bucket.lay("waits", 15, tombstone=13.9)
    swept = bucket.gc()
    assert swept.error is None
    assert swept.deleted.number == 1
    assert bucket.kept() == {young.path, waits.path}
    assert due.path not in bucket.ours()
    assert bucket.buried() == {waits.path}


def test_what_git_reaches_by_the_time_of_the_delete_stays(anywhere):
    back, dead = anywhere.lay("back", 40, tombstone=40), anywhere.lay("dead", 40, tombstone=40)
    swept = anywhere.gc(remark=lambda: marks(back))
    assert [(item.key, why) for item, why in swept.spared] == [(back, "reachable by now: refs/heads/main")]
    assert swept.deleted.number == 1
    assert anywhere.ours() == {back.path}
    assert dead.path not in anywhere.ours()


def test_what_was_reachable_at_the_time_of_the_delete_begins_both_phases_anew(anywhere):
    """Or the next run would delete at once what a branch needed until this morning."""
    keys = [anywhere.lay(f"number {number}", 40, tombstone=40) for number in range(3)]
    swept = anywhere.gc(remark=lambda: marks(*keys))
    assert (swept.deleted.number, swept.untombstoned, len(swept.spared)) == (0, 3, 3)
    assert anywhere.ours() == {key.path for key in keys}
    assert anywhere.gc().tombstoned == 3
    anywhere.older(13.9)
    assert anywhere.gc().deleted.number == 0
    anywhere.older(0.2)
    assert anywhere.gc().deleted.number == 3
    assert anywhere.ours() == set()


def test_git_that_cannot_be_read_by_then_ends_it_before_any_delete(share):
    key = share.lay("old", 40, tombstone=40)

    def remark() -> Marked:
        raise CassetteError("Git says no", hint="ask it")

    swept = share.gc(remark=remark)
    assert swept.exit_code == 1
    assert swept.deleted.number == 0
    assert share.ours() == {key.path, f"tombstones/{key.path}"}  # its lease is gone, too


def test_two_garbage_collections_at_once_do_not_hinder_each_other(anywhere):
    needed = anywhere.lay("needed", 40, tombstone=40)
    for number in range(5):
        anywhere.lay(f"number {number}", 40, tombstone=40)
    inner = []

    def remark() -> Marked:
        inner.append(anywhere.gc(needed))
        return marks(needed)

    outer = anywhere.gc(needed, remark=remark)
    assert outer.error is inner[0].error is None
    assert anywhere.ours() == {needed.path}


def test_one_that_stood_still_for_too_long_deletes_nothing_more(share, monkeypatch):
    key = share.lay("old", 40, tombstone=40)
    clock = [0.0]
    monkeypatch.setattr(leases, "time", lambda: clock[0])

    def remark() -> Marked:
        clock[0] += 301
        return marks()

    swept = share.gc(remark=remark)
    assert swept.exit_code == 5
    assert swept.deleted.number == 0
    assert key.path in share.kept()


def test_a_batch_that_takes_too_long_is_stopped_in_its_middle(share, monkeypatch):
    """Others take a sweep for dead after ten minutes: it has to be over by then, not only not begin."""
    for number in range(100):
        share.lay(f"number {number}", 40, tombstone=40)
    clock, begun = [0.0], []
    monkeypatch.setattr(leases, "time", lambda: clock[0])
    monkeypatch.setattr(sweeping, "_LOOK", 0.001)
    real = remote_share.remove

    def slow(path: Path) -> None:
        begun.append(path)
        clock[0] += 40
        while clock[0] > 300 and not stopped.is_set():
            stopped.wait(0.001)
        real(path)

    stopped = threading.Event()
    seen = leases.Lease.is_good.fget

    def is_good(lease: leases.Lease) -> bool:
        good = seen(lease)
        if not good:
            threading.Timer(0.2, stopped.set).start()
        return good

    monkeypatch.setattr(leases.Lease, "is_good", property(is_good))
    monkeypatch.setattr(remote_share, "remove", slow)
    swept = share.gc()
    assert swept.exit_code == 5
    assert "deleting took too long" in swept.error.message
    assert 8 <= len(begun) <= 40, len(begun)


def test_what_somebody_is_pushing_stays_and_a_stale_or_returned_lease_holds_nothing(anywhere):
    keys = {name: anywhere.lay(name, 40, tombstone=40) for name in ("pushed", "stale", "returned", "free")}
    for number, (name, age) in enumerate((("pushed", 0.0), ("stale", 0.1))):
        lines = ["booktest-cassettes push 1", *leases.names([keys[name].path]), ""]
        anywhere.ground.put(f"{PREFIX}/leases/push-{number:016x}", "\n".join(lines).encode(), age * DAY)
    anywhere.ground.put(f"{PREFIX}/leases/push-{9:016x}", b"booktest-cassettes released 1\n")
    swept = anywhere.gc()
    assert [(item.key, why) for item, why in swept.spared] == [(keys["pushed"], "somebody is pushing it")]
    assert anywhere.kept() == {keys["pushed"].path}


def test_a_lease_that_nobody_can_read_holds_everything_until_it_is_stale(share):
    key = share.lay("old", 40, tombstone=40)
    share.ground.put(f"{PREFIX}/leases/push-{1:016x}", b"booktest-cassettes push 2\nin another way")
    assert share.gc().deleted.number == 0
    share.ground.put(
        f"{PREFIX}/leases/push-{1:016x}", b"booktest-cassettes push 2\nin another way", 0.05 * DAY
    )
    assert share.gc().deleted.number == 1
    assert key.path not in share.ours()


def test_staged_blobs_that_are_shared_anew_meanwhile_stay(share):
    key = share.stage("it", 30)

    where = share.remote()
    plan = share.plan(marks(), GRACE, where)
    share.stage("it")
    swept = sweeping.execute(where, plan, marks)
    assert [why for _, why in swept.spared] == ["it was written anew"]
    assert share.ours() == {f"staging/{key.path}"}


# --- the cache of this machine ----------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path) -> Lab:
    """Its ground is the cache itself."""
    lab = Lab(tmp_path / "project", Disk(tmp_path / "share"))
    lab.project().prepare_cache()
    return lab


def _cached(lab: Lab, text: str, days: float, tombstone: float | None = None) -> Path:
    key = key_of(http(text))
    lab.project().keep.put(key, http(text))
    path = lab.root / ".booktest_cache" / key.path
    _age(path, days)
    if tombstone is not None:
        buried = lab.root / ".booktest_cache/tombstones" / key.path
        buried.parent.mkdir(parents=True)
        buried.write_bytes(b"dead\n")
        _age(buried, tombstone)
    return path


def _age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def test_the_cache_is_collected_in_the_same_two_phases(cache):
    needed, old, young = _cached(cache, "needed", 99), _cached(cache, "old", 15), _cached(cache, "young", 1)
    keys = [key_of(http("needed"))]
    place = places.local(cache.project())
    assert cache.gc(*keys, place=place).tombstoned == 1
    assert old.exists()
    _age(cache.root / ".booktest_cache/tombstones" / key_of(http("old")).path, 14.1)
    swept = cache.gc(*keys, place=place)
    assert (swept.deleted.number, swept.error) == (1, None)
    assert (needed.exists(), old.exists(), young.exists()) == (True, False, True)
    left = [path for path in (cache.root / ".booktest_cache/tombstones").rglob("*") if path.is_file()]
    assert left == []


def test_nothing_but_blobs_and_leftovers_of_the_cache_is_its_business(cache, tmp_path):
    bench = Bench(cache.root)
    bench.stage(USERS, http=http("pending"))
    others = {"unpushed": b"", "quarantine/http-abc": b"x", "staging/shared/a.json": b"{}", "mine": b"x"}
    for name, data in others.items():
        path = cache.root / ".booktest_cache" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = places.inventory(places.local(cache.project()))
    assert {item.path for item in found.items if item.what is What.FOREIGN} == {"mine"}
    assert {item.what for item in found.items} == {What.FOREIGN, What.STAGED}


def test_what_is_put_into_the_cache_again_is_alive_again(cache):
    path = _cached(cache, "it", 40, tombstone=40)
    place = places.local(cache.project())
    plan = cache.plan(marks(), place=place)
    assert len(plan.of(Action.DELETE, What.KEEP)) == 1
    cache.project().keep.put(key_of(http("it")), http("it"))
    swept = sweeping.execute(place, plan, marks)
    assert [why for _, why in swept.spared] == ["its tombstone was taken away"]
    assert path.exists()
    assert time.time() - path.stat().st_mtime < DAY
    assert cache.plan(marks(), place=place).of(Action.KEEP_YOUNG)


def test_what_of_the_cache_was_reachable_at_the_time_of_the_delete_begins_anew_as_well(cache):
    path = _cached(cache, "it", 40, tombstone=40)
    place, key = places.local(cache.project()), key_of(http("it"))
    assert cache.gc(place=place, remark=lambda: marks(key)).untombstoned == 1
    swept = cache.gc(place=place)
    assert (swept.tombstoned, swept.deleted.number) == (1, 0)
    assert path.exists()


def test_nobody_approves_or_stages_while_the_cache_is_swept(cache):
    _cached(cache, "it", 40, tombstone=40)
    refused = []

    def remark() -> Marked:
        for lock in (cache.root / ".booktest_cache" / approve.LOCK, cache.project().pending.root):
            with pytest.raises(StorageError), locked(lock, timeout=0.01):
                pass
            refused.append(lock)
        return marks()

    assert cache.gc(place=places.local(cache.project()), remark=remark).deleted.number == 1
    assert len(refused) == 2


def test_a_cache_that_is_not_there_is_empty_and_stays_away(tmp_path):
    lab = Lab(tmp_path / "project", Disk(tmp_path / "share"))
    place = places.local(lab.project())
    assert list(places.inventory(place).items) == []
    assert lab.gc(place=place).error is None
    assert not (lab.root / ".booktest_cache").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs modes")
def test_a_cache_that_cannot_be_written_is_the_disks_trouble(cache, monkeypatch):
    _cached(cache, "it", 40, tombstone=40)
    place = places.local(cache.project())
    plan = cache.plan(marks(), place=place)

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    swept = sweeping.execute(place, plan, marks)
    assert isinstance(swept.error, StorageError)
    assert swept.exit_code == 4
