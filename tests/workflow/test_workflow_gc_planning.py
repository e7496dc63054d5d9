"""What a plan says of every sort of object at every age; pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.workflow.gc import report
from booktest_cassettes.workflow.gc.marking import Marked
from booktest_cassettes.workflow.gc.objects import Inventory, Item, What
from booktest_cassettes.workflow.gc.planning import Action, Options, Plan, plan, total

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
A = BlobKey(Kind.HTTP, Digest.of(b"a"))
DAY = 86_400.0


def item(what: What, days: float, key: BlobKey | None = None, size: int = 10) -> Item:
    of = key if key is not None else A if what in {What.KEEP, What.STAGED, What.TOMBSTONE} else None
    return Item(f"{what.value}/{of}", what, size, NOW.timestamp() - days * DAY, of)


def marked(*keys: BlobKey, staged: tuple[BlobKey, ...] = ()) -> Marked:
    return Marked(dict.fromkeys(keys, "refs/heads/main"), frozenset(staged), 1, 1, 1)


def planned(*items: Item, of: Marked | None = None, shared: dict[BlobKey, float] | None = None) -> Plan:
    inventory = Inventory("remote", "there", items, shared or {})
    return plan(of or marked(), inventory, NOW, Options())


def actions(*items: Item, **more: object) -> list[str]:
    return [step.action.value for step in planned(*items, **more).steps]


def test_what_is_reachable_stays_however_old_and_its_tombstone_goes():
    found = planned(item(What.KEEP, 900), item(What.TOMBSTONE, 800), of=marked(A))
    assert [step.action for step in found.steps] == [Action.KEEP, Action.UNTOMBSTONE]
    assert {step.reason for step in found.steps} == {"refs/heads/main"}


def test_what_nothing_reaches_is_kept_while_it_is_young():
    (step,) = planned(item(What.KEEP, 13.9)).steps
    assert step.action is Action.KEEP_YOUNG
    assert step.due == pytest.approx(NOW.timestamp() + 0.1 * DAY)


def test_then_it_gets_a_tombstone_waits_as_long_again_and_goes():
    assert actions(item(What.KEEP, 14)) == ["tombstone"]
    (blob, stone) = planned(item(What.KEEP, 27), item(What.TOMBSTONE, 13)).steps
    assert (blob.action, stone.action) == (Action.WAIT, Action.WAIT)
    assert blob.due == stone.due == NOW.timestamp() + DAY
    assert actions(item(What.KEEP, 28), item(What.TOMBSTONE, 14)) == ["delete", "delete"]


def test_a_blob_that_was_written_after_its_tombstone_begins_anew():
    assert actions(item(What.KEEP, 3), item(What.TOMBSTONE, 20)) == ["keep-young", "untombstone"]
    assert actions(item(What.KEEP, 15), item(What.TOMBSTONE, 20)) == ["tombstone", "leave"]


def test_a_tombstone_without_a_blob_goes():
    assert actions(item(What.TOMBSTONE, 0)) == ["sweep-left-over"]


def test_a_blob_of_another_kind_with_the_same_digest_is_another_one():
    other = BlobKey(Kind.ENV, A.digest)
    assert actions(item(What.KEEP, 30), of=marked(other)) == ["tombstone"]


def test_staged_blobs_go_after_a_week_unless_they_are_pending():
    assert actions(item(What.STAGED, 6.9)) == ["keep-young"]
    assert actions(item(What.STAGED, 7)) == ["sweep-staged"]
    assert actions(item(What.STAGED, 700), of=marked(staged=(A,))) == ["keep"]
    assert actions(item(What.STAGED, 700), of=marked(A)) == ["sweep-staged"], "approved: kept elsewhere"


def test_an_old_staged_blob_stays_while_a_young_shared_record_names_it():
    young, old = NOW.timestamp() - DAY, NOW.timestamp() - 8 * DAY
    assert actions(item(What.STAGED, 20), shared={A: young}) == ["keep-young"]
    assert actions(item(What.STAGED, 20), shared={A: old}) == ["sweep-staged"]
    assert actions(item(What.RECORD, 6), item(What.RECORD, 8)) == ["keep-young", "sweep-staged"]


@pytest.mark.parametrize(
    ("what", "hours"), [(What.INTENT, 1 / 6), (What.LEASE, 1), (What.TEMPORARY, 24), (What.PROBE, 24)]
)
def test_what_killed_processes_left_goes_when_nobody_can_be_at_it_any_more(what, hours):
    assert actions(item(what, (hours - 0.01) / 24)) == ["leave"]
    assert actions(item(what, hours / 24)) == ["sweep-left-over"]


def test_what_is_not_ours_is_left_alone_however_old():
    (step,) = planned(item(What.FOREIGN, 9_999)).steps
    assert (step.action, step.reason) == (Action.LEAVE, "not ours")


def test_what_seems_to_come_from_the_future_is_young():
    assert actions(item(What.KEEP, -30), item(What.STAGED, -30)) == ["keep-young", "keep-young"]


@pytest.mark.parametrize(
    ("gone", "kept", "large"), [(0, 0, False), (1, 0, True), (1, 1, False), (2, 1, True)]
)
def test_a_plan_is_large_when_it_deletes_more_than_half(gone, kept, large):
    doomed = [BlobKey(Kind.HTTP, Digest.of(b"g%d" % number)) for number in range(gone)]
    fine = [BlobKey(Kind.HTTP, Digest.of(b"k%d" % number)) for number in range(kept)]
    items = [item(What.KEEP, 40, key) for key in doomed + fine]
    items += [item(What.TOMBSTONE, 20, key) for key in doomed] + [item(What.FOREIGN, 1)] * 5
    found = planned(*items, of=marked(*fine))
    assert found.is_large is large
    assert total(found.of(Action.DELETE, What.KEEP)).number == gone
    assert total(found.of(Action.DELETE)).size == 20 * gone


_KEYS = [BlobKey(Kind.HTTP, Digest.of(b"%d" % number)) for number in range(4)]
_ITEMS = st.builds(
    lambda what, days, key: item(
        what, days, key if what in {What.KEEP, What.STAGED, What.TOMBSTONE} else None
    ),
    st.sampled_from(list(What)),
    st.floats(-5, 60),
    st.sampled_from(_KEYS),
)


@given(st.lists(_ITEMS, max_size=12), st.sets(st.sampled_from(_KEYS)), st.sets(st.sampled_from(_KEYS)))
def test_whatever_there_is_every_object_has_one_step_and_nothing_needed_goes(items, reachable, pending):
    unique = {(one.what, one.key) if one.key else (one.what, number): one for number, one in enumerate(items)}
    found = planned(*unique.values(), of=marked(*reachable, staged=tuple(pending)))
    assert [step.item for step in found.steps] == list(unique.values())
    summed = report.sums(found).values()
    everything = total(found.steps)
    assert (sum(of.number for of in summed), sum(of.size for of in summed)) == (
        *(everything.number, everything.size),
    )
    stones = {one.key: one for one in unique.values() if one.what is What.TOMBSTONE}
    for step in found.steps:
        age = NOW.timestamp() - step.item.modified
        if step.item.what is What.KEEP and step.action in {Action.DELETE, Action.TOMBSTONE}:
            assert step.item.key not in reachable
            assert age >= 14 * DAY
        if step.item.what is What.KEEP and step.action is Action.DELETE:
            stone = stones[step.item.key]
            assert stone.modified >= step.item.modified
            assert NOW.timestamp() - stone.modified >= 14 * DAY
        if step.item.what is What.STAGED and step.action is Action.SWEEP_STAGED:
            assert step.item.key not in pending
        if step.item.what is What.FOREIGN:
            assert step.action is Action.LEAVE


@given(st.floats(0, 100), st.floats(0, 100))
def test_night_after_night_what_nothing_reaches_goes_after_two_graces_and_no_earlier(age, start):
    written = -age
    stone: float | None = None
    for night in range(60):
        now = start + night
        days = [now - written] if stone is None else [now - written, now - stone]
        items = [item(what, of) for what, of in zip((What.KEEP, What.TOMBSTONE), days, strict=False)]
        first = planned(*items).steps[0]
        if first.action is Action.TOMBSTONE:
            stone = now
        if first.action is Action.DELETE:
            assert stone is not None
            assert now - stone >= 14 - 1e-6
            assert now - written >= 28 - 1e-6
            assert night <= 30
            return
    raise AssertionError("it never went")
