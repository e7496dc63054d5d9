"""A push revives what a garbage collection is about to take, at whichever step the two meet."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest
from dvc_share import digest_of
from gc_sweep_lab import DAY, GRACE, NOTHING, PREFIX, Disk, Lab, key_of, marks
from remote_bench import RemoteBench
from workflow_bench import USERS, http

from booktest_cassettes.digest import BlobKey
from booktest_cassettes.errors import RemoteError
from booktest_cassettes.project import Project
from booktest_cassettes.store.remote.medium import Entry, Medium, Trouble, Unlisted
from booktest_cassettes.workflow import moving, sharing, sync, transfer
from booktest_cassettes.workflow.gc import handshake, leases, places, sweeping
from booktest_cassettes.workflow.gc.leases import Lease

ONE, TWO = http("one"), http("two")


@pytest.fixture
def lab(tmp_path) -> Lab:
    """A share, of which a project has a cache."""
    return Lab(tmp_path / "project", Disk(tmp_path / "share"))


@pytest.fixture
def bench(tmp_path) -> RemoteBench:
    return RemoteBench(tmp_path / "project", tmp_path / "share")


def ground_of(bench: RemoteBench) -> Lab:
    """The same project, seen by a garbage collection."""
    return Lab(bench.root, Disk(bench.share))


def bury(lab: Lab, key: BlobKey, days: float = 40) -> None:
    """Make a blob old, and its tombstone."""
    path = f"{PREFIX}/{key.path}"
    lab.ground.put(path, lab.ground.files()[path], days * DAY)
    lab.ground.put(f"{PREFIX}/tombstones/{key.path}", b"dead\n", days * DAY)


def age(lab: Lab, path: str) -> float:
    return time.time() - lab.ground.modified(f"{PREFIX}/{path}")


# --- who revives ------------------------------------------------------------------------------------


def _is_alive(lab: Lab, key: BlobKey) -> bool:
    return lab.buried() == set() and age(lab, key.path) < DAY


def test_a_push_revives_what_it_finds_tombstoned(bench):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    bury(lab, key_of(ONE))
    assert bench.push().blobs == 1
    assert _is_alive(lab, key_of(ONE))
    assert lab.ours() == {key_of(ONE).path}
    assert bench.push().blobs == 0


def test_approving_and_so_recording_anew_revives(bench):
    bench.approved(USERS, http=ONE)
    bench.approved(USERS, http=TWO)
    lab = ground_of(bench)
    bury(lab, key_of(ONE))
    bench.approved(USERS, http=ONE)
    assert _is_alive(lab, key_of(ONE))


def test_moving_to_the_remote_revives(bench):
    bench.say("git")
    bench.approved(USERS, http=ONE)
    lab = Lab(bench.root, Disk(bench.share))
    lab.lay("one", 40, tombstone=40)
    (bench.root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    moving.execute(moving.plan(bench.project(), "dvc"))
    assert _is_alive(lab, key_of(ONE))


def test_a_push_from_a_machine_that_has_not_got_the_bytes_revives_as_well(bench):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    bury(lab, key_of(ONE))
    bench.lose_the_cache()
    assert bench.push().exit_code == 0
    assert _is_alive(lab, key_of(ONE))


def test_a_push_with_nothing_in_its_way_writes_no_lease(bench, monkeypatch):
    monkeypatch.setattr(Lease, "write", lambda _: pytest.fail("a lease was written"))
    bench.approved(USERS, http=ONE)
    bench.approved(USERS, http=TWO)
    bury(ground_of(bench), key_of(ONE))  # which nobody pushes
    assert bench.push().exit_code == 0
    assert key_of(ONE).path in ground_of(bench).buried()


def test_where_nothing_can_be_listed_nobody_collects_and_a_push_goes_on(bench, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise Unlisted("it cannot be listed")

    bench.unpushed(USERS, http=ONE)
    monkeypatch.setattr("booktest_cassettes.store.remote.remote.Remote.list", refuse)
    assert bench.push().blobs == 1


def test_credentials_that_read_only_are_enough_to_learn_that_all_is_there(bench, monkeypatch):
    bench.approved(USERS, http=ONE)

    async def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("booktest_cassettes.store.remote.share.ShareMedium.write", refuse)
    assert bench.push().there == 1


def test_who_may_not_delete_revives_by_a_new_tombstone(bench, monkeypatch):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    bury(lab, key_of(ONE))
    plan = lab.plan(marks())

    def refuse(*_: object) -> None:
        raise RemoteError("it refuses to delete")

    with monkeypatch.context() as denied:
        denied.setattr("booktest_cassettes.store.remote.remote.Remote.delete", refuse)
        assert bench.push().blobs == 1
    swept = sweeping.execute(lab.remote(), plan, marks)
    assert swept.deleted.number == 0
    assert [why for _, why in swept.spared] == ["its tombstone was taken away"]
    assert lab.gc().deleted.number == 0
    assert key_of(ONE).path in lab.kept()


def test_sharing_for_review_writes_anew_what_is_there_for_long(bench):
    bench.stage(USERS, http=ONE)
    sharing.push(bench.project())
    lab = ground_of(bench)
    path = f"staging/{key_of(ONE).path}"
    assert sharing.push(bench.project()).there == 1
    lab.ground.put(f"{PREFIX}/{path}", lab.ground.files()[f"{PREFIX}/{path}"], 6.9 * DAY)
    assert sharing.push(bench.project()).blobs == 1
    assert age(lab, path) < DAY
    assert not [name for name in lab.ours() if name.startswith("leases/")]


# --- intents and leases ------------------------------------------------------------------------------


def _intent(lab: Lab, key: BlobKey, days: float = 0.0) -> str:
    path = f"{PREFIX}/leases/sweep-{1:016x}"
    text = "\n".join(["booktest-cassettes sweep 1", *leases.names([key.path]), ""])
    lab.ground.put(path, text.encode(), days * DAY)
    return path


def test_a_push_that_meets_a_sweep_waits_for_its_end_and_then_writes_anew(bench, monkeypatch):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    intent = _intent(lab, key_of(ONE))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        assert [name for name in lab.ours() if name.startswith("leases/push-")]
        pauses.append(seconds)
        if len(pauses) == 3:  # the sweep goes on, deletes, and ends
            lab.ground.remove(f"{PREFIX}/{key_of(ONE).path}")
            lab.ground.remove(intent)

    monkeypatch.setattr(handshake, "sleep", pause)
    assert bench.push().blobs == 1
    assert pauses == sorted(pauses)
    assert len(pauses) == 3
    assert lab.ours() == {key_of(ONE).path}


def test_a_push_says_that_it_waits(bench, monkeypatch):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    intent = _intent(lab, key_of(ONE))
    monkeypatch.setattr(handshake, "sleep", lambda _: lab.ground.remove(intent))
    said: list[str] = []

    class Talking:
        def __call__(self, *_: int) -> None: ...

        def say(self, text: str) -> None:
            said.append(text)

    sync.push(bench.project(), progress=Talking())
    assert said == [
        "waiting for a garbage collection on the remote to end (at most 10 minutes, if it was killed)"
    ]


def test_a_sweep_of_other_blobs_and_a_stale_one_hold_nobody_up(bench, monkeypatch):
    monkeypatch.setattr(handshake, "sleep", lambda _: pytest.fail("it waits"))
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    _intent(lab, key_of(TWO))
    assert bench.push().there == 1
    _intent(lab, key_of(ONE), days=601 / DAY)
    assert bench.push().there == 1


def test_a_push_after_a_killed_sweep_waits_until_that_is_ten_minutes_old_and_goes_on_by_itself(
    bench, monkeypatch
):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    bury(lab, key_of(ONE))
    clock, started = [0.0], time.time()
    intent = _intent(lab, key_of(ONE))
    monkeypatch.setattr(leases, "time", lambda: clock[0])

    def pause(seconds: float) -> None:  # on this machine, and at the remote, where the intent alone ages
        clock[0] += seconds
        os.utime(lab.ground.root / intent, (started - clock[0],) * 2)  # type: ignore[union-attr]

    monkeypatch.setattr(handshake, "sleep", pause)
    assert bench.push().blobs == 1
    assert 600 / 2 < clock[0] <= 610  # our own clock goes on here, and so does the remote's
    assert clock[0] < handshake.PATIENCE
    assert lab.ours() == {key_of(ONE).path, intent.removeprefix(f"{PREFIX}/")}
    assert age(lab, key_of(ONE).path) < DAY


def test_a_push_that_slept_while_it_waited_says_its_lease_again_and_starts_over(bench, monkeypatch):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    intent = _intent(lab, key_of(ONE))
    clock, begun = [0.0], []
    monkeypatch.setattr(leases, "time", lambda: clock[0])

    def pause(_: float) -> None:
        clock[0] += 4_000
        for path in [path for path in lab.ours() if path.startswith("leases/")]:  # another run swept them
            lab.ground.remove(f"{PREFIX}/{path}")

    def work(dead: frozenset[BlobKey], _: Lease) -> int:
        begun.append(dead)
        return len(begun)

    monkeypatch.setattr(handshake, "sleep", pause)
    assert handshake.keeping(bench.project().remote().remote, [key_of(ONE)], work) == 2
    assert not (lab.ground.root / intent).exists()  # type: ignore[union-attr]
    assert not [path for path in lab.ours() if path.startswith("leases/")]


def test_a_sweep_that_never_ends_stops_a_push_with_5_before_anything_is_written(bench, monkeypatch):
    bench.unpushed(USERS, http=ONE)
    lab = ground_of(bench)
    _intent(lab, key_of(ONE))
    monkeypatch.setattr(handshake, "PATIENCE", 0.0)
    monkeypatch.setattr(handshake, "sleep", lambda _: None)
    with pytest.raises(RemoteError, match="has not ended") as caught:
        bench.push()
    assert caught.value.exit_code == 5
    assert caught.value.hint
    assert lab.ours() == {f"leases/sweep-{1:016x}"}  # no lease of the push is left
    assert bench.waiting() == [key_of(ONE).digest]


def test_a_push_whose_machine_stood_still_starts_over(bench, monkeypatch):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    bury(lab, key_of(ONE))
    clock, begun = [0.0], []
    monkeypatch.setattr(leases, "time", lambda: clock[0])

    def work(dead: frozenset[BlobKey], _: Lease) -> str:
        begun.append(dead)
        if len(begun) == 1:
            clock[0] += leases.STALE["push"]
        return f"attempt {len(begun)}"

    files = bench.project().remote().remote
    assert handshake.keeping(files, [key_of(ONE)], work) == "attempt 2"
    assert begun[0] == {key_of(ONE)}


def test_a_long_push_renews_its_lease(bench, monkeypatch):
    bench.approved(USERS, http=ONE)
    lab = ground_of(bench)
    bury(lab, key_of(ONE))
    clock = [0.0]
    monkeypatch.setattr(leases, "time", lambda: clock[0])

    def work(_: frozenset[BlobKey], lease: Lease) -> int:
        for number in range(10):
            os.utime(lab.ground.root / PREFIX / lease.path, (1, 1))  # type: ignore[union-attr]
            clock[0] += leases.RENEW + 1
            lease.renew()
            assert age(lab, lease.path) < DAY, number
        return 1

    assert handshake.keeping(bench.project().remote().remote, [key_of(ONE)], work) == 1


# --- every step of each, met by the other -------------------------------------------------------------


class Stepping:
    """A Medium around another one, that calls ``before(n)`` before the n-th thing it is asked."""

    def __init__(self, inner: Medium, before: Callable[[int], None]) -> None:
        self.inner, self.before, self.jobs, self.count = inner, before, 1, 0

    async def _step(self) -> None:
        self.count += 1
        await asyncio.get_running_loop().run_in_executor(None, self.before, self.count)

    async def read(self, path: str) -> bytes | None:
        await self._step()
        return await self.inner.read(path)

    async def write(self, path: str, data: bytes) -> None:
        await self._step()
        await self.inner.write(path, data)

    async def exists(self, path: str) -> bool:
        await self._step()
        return await self.inner.exists(path)

    async def list(self, directory: str, *, unfinished: bool = False) -> AsyncIterator[Entry]:
        await self._step()
        async for entry in self.inner.list(directory, unfinished=unfinished):
            yield entry

    async def delete(self, paths: Sequence[str]) -> None:
        for path in paths:
            await self._step()
            await self.inner.delete([path])

    def explain(self, error: BaseException) -> Trouble | None:
        return self.inner.explain(error)


def _step(project: Project, before: Callable[[int], None]) -> Project:
    remote = project.remote().remote
    stepping = Stepping(remote.medium, before)
    remote.media[os.getpid()] = stepping
    return project


class Play:
    """One garbage collection and one push of the same blob, each of which can be stopped at any step."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.key = key_of(ONE)
        self.here = lab.project()
        self.here.prepare_cache()
        self.here.keep.put(self.key, ONE)
        self.errors: list[BaseException] = []

    def lay(self) -> None:
        """The blob is there, old and buried."""
        for path in self.lab.ours():
            self.lab.ground.remove(f"{PREFIX}/{path}")
        self.lab.lay("one", 40, tombstone=40)

    def sweep(self, before: Callable[[int], None] = lambda _: None, grace: timedelta = NOTHING) -> None:
        """It never hears that the blob is needed: only the handshake can tell it."""
        project = _step(self.lab.project(), before)
        swept = self.lab.gc(grace=grace, place=places.remote(project))
        assert swept.error is None, swept.error

    def push(self, before: Callable[[int], None] = lambda _: None) -> None:
        transfer.deliver(_step(self.lab.project(), before), [self.key])

    def start(self, act: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                act()
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def see(self, where: str) -> None:
        assert self.errors == [], where
        path = f"{PREFIX}/{self.key.path}"
        files = self.lab.ground.files()
        assert path in files, f"lost: {where}"
        assert digest_of(files[path]) == self.key.digest
        assert not [name for name in self.lab.ours() if name.startswith(("leases/", "probe/"))], where


def _count(act: Callable[[Callable[[int], None]], None]) -> int:
    seen: list[int] = []
    act(seen.append)
    return len(seen)


@pytest.mark.parametrize("grace", [NOTHING, GRACE], ids=["no grace", "the grace"])
def test_a_whole_push_at_any_step_of_a_sweep_loses_nothing(lab, grace, monkeypatch):
    """Where the push has to wait for the sweep, the sweep goes on."""
    play = Play(lab)
    play.lay()
    steps = _count(lambda before: play.sweep(before, grace))
    assert play.key.path not in lab.kept(), "nothing would be shown"
    waited = 0
    for number in range(1, steps + 1):
        play.lay()
        waiting, threads = threading.Event(), []

        def pause(_: float, waiting: threading.Event = waiting) -> None:
            waiting.set()
            time.sleep(0.001)

        def before(
            step: int,
            number: int = number,
            threads: list[threading.Thread] = threads,
            waits: threading.Event = waiting,
        ) -> None:
            if step == number:
                threads.append(play.start(play.push))
                while threads[0].is_alive() and not waits.is_set():
                    threads[0].join(0.001)

        monkeypatch.setattr(handshake, "sleep", pause)
        play.sweep(before, grace)
        threads[0].join(20)
        waited += waiting.is_set()
        play.see(f"a push before step {number} of {steps}")
    assert 2 <= waited < steps


@pytest.mark.parametrize("grace", [NOTHING, GRACE], ids=["no grace", "the grace"])
def test_a_whole_sweep_at_any_step_of_a_push_loses_nothing(lab, grace):
    play = Play(lab)
    play.lay()
    steps = _count(play.push)
    for number in range(1, steps + 1):
        play.lay()

        def before(step: int, number: int = number) -> None:
            if step == number:
                play.sweep(grace=grace)

        play.push(before)
        play.see(f"a sweep before step {number} of {steps}")


def _halfway(play: Play, first: int, second: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep stops before its step ``first``, the push before its step ``second``; then each ends."""
    play.lay()
    stopped, go, ended = threading.Event(), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def in_push(step: int) -> None:
        if step == second:
            stopped.set()
            assert go.wait(20)

    def push() -> None:
        try:
            play.push(in_push)
        finally:
            ended.set()

    def pause(_: float) -> None:
        stopped.set()
        time.sleep(0.001)

    def in_sweep(step: int) -> None:
        if step == first:
            threads.append(play.start(push))
            while not (stopped.is_set() or ended.is_set()):
                stopped.wait(0.001)

    monkeypatch.setattr(handshake, "sleep", pause)
    play.sweep(in_sweep)
    go.set()
    for thread in threads:
        thread.join(20)
    play.see(f"a sweep stopped before step {first}, a push before step {second}")


@pytest.mark.parametrize("part", range(4))
def test_a_sweep_and_a_push_that_are_each_stopped_at_any_step_lose_nothing(lab, part, monkeypatch):
    play = Play(lab)
    play.lay()
    of_push = _count(play.push)
    play.lay()
    of_sweep = _count(play.sweep)
    for first in range(1 + part, of_sweep + 1, 4):
        for second in range(1, of_push + 1):
            _halfway(play, first, second, monkeypatch)


class Turns:
    """Who goes on is drawn by lot, one step at a time."""

    def __init__(self, seed: int) -> None:
        self._lots = random.Random(seed)
        self._changed = threading.Condition()
        self._waiting: dict[str, bool] = {}  # by name: whether it may go on
        self._running: set[str] = set()

    def run(self, acts: dict[str, Callable[[], None]], play: Play) -> None:
        self._running = set(acts)
        threads = [play.start(partial(self._acting, name, act)) for name, act in acts.items()]
        with self._changed:
            while self._running:
                assert self._changed.wait_for(lambda: self._running <= self._waiting.keys(), 20)
                if self._running:
                    self._waiting[self._lots.choice(sorted(self._running))] = True
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: not any(self._waiting.values()), 20)
        for thread in threads:
            thread.join(20)

    def _acting(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        finally:
            with self._changed:
                self._running.discard(name)
                self._waiting.pop(name, None)
                self._changed.notify_all()

    def step(self, name: str) -> None:
        """Wait for one's turn."""
        with self._changed:
            self._waiting[name] = False
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._waiting.get(name), 20)
            del self._waiting[name]
            self._changed.notify_all()


def _drawn(lab: Lab, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sweeps and a push, that take turns as it falls; sometimes the blob is not there."""
    play, turns = Play(lab), Turns(seed)
    play.lay()
    if seed % 4 == 0:
        lab.ground.remove(f"{PREFIX}/{play.key.path}")
    if seed % 4 == 1:
        lab.ground.remove(f"{PREFIX}/tombstones/{play.key.path}")
    monkeypatch.setattr(handshake, "sleep", lambda _: turns.step("push"))

    def sweep(name: str) -> None:
        play.sweep(lambda _: turns.step(name), GRACE)  # without one, they bury and delete between them

    acts = {"one": partial(sweep, "one"), "two": partial(sweep, "two")}
    turns.run(acts | {"push": lambda: play.push(lambda _: turns.step("push"))}, play)
    play.see(f"seed {seed}")


@pytest.mark.parametrize("part", range(3))
def test_two_sweeps_and_a_push_in_any_order_of_their_steps_lose_nothing(lab, part, monkeypatch):
    for seed in range(15 * part, 15 * part + 15):
        _drawn(lab, seed, monkeypatch)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(10))
def test_two_sweeps_and_a_push_in_any_order_of_their_steps_lose_nothing_at_length(lab, part, monkeypatch):
    for seed in range(1_000 * (part + 1), 1_000 * (part + 1) + 300):
        _drawn(lab, seed, monkeypatch)


def test_without_the_handshake_a_push_would_lose_what_it_found(lab, monkeypatch):
    """That the tests above can fail."""
    monkeypatch.setattr(
        handshake, "keeping", lambda files, keys, work, tell: work(frozenset(), Lease(files, "push", ()))
    )
    with pytest.raises(AssertionError, match="lost"):
        test_a_whole_push_at_any_step_of_a_sweep_loses_nothing(lab, NOTHING, monkeypatch)
