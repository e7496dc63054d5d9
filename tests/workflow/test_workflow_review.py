"""A review: what keys decide, what undo takes back, and what becomes of the decisions at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import BlobMissing, SecretFound, UsageError
from booktest_cassettes.store.pending import Change, Pending, ResultChange
from booktest_cassettes.workflow import approve, parts, reviewed
from booktest_cassettes.workflow.diff import of_record
from booktest_cassettes.workflow.review import CONFLICTS, PENDING, Act, Decision, Keys, Review, press

ONE, TWO, THREE = http("one"), http("two"), http("three")
SECRET = http("ghp_" + "a1B2" * 10)
ACCEPT, REJECT, SKIP = Decision.ACCEPT, Decision.REJECT, Decision.SKIP


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def typed(text: str, total: int, keys: Keys = PENDING, secret: Sequence[int] = ()) -> Review:
    review = Review(total)
    for key in text:
        review, _ = press(review, key, keys, looks_secret=lambda number: number in secret)
    return review


# --- keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "decisions"),
    [
        ("", {}),
        ("a", {0: ACCEPT}),
        ("ars", {0: ACCEPT, 1: REJECT, 2: SKIP}),
        ("rA", {0: REJECT, 1: ACCEPT, 2: ACCEPT}),
        ("aR", {0: ACCEPT, 1: REJECT, 2: REJECT}),
        ("S", {0: SKIP, 1: SKIP, 2: SKIP}),
        ("au", {}),
        ("aru", {0: ACCEPT}),
        ("aruus", {0: SKIP}),
        ("aAur", {0: ACCEPT, 1: REJECT}),
        ("uuua", {0: ACCEPT}),
        ("arsr", {0: ACCEPT, 1: REJECT, 2: SKIP}),
        ("AR", {0: ACCEPT, 1: ACCEPT, 2: ACCEPT}),
        ("x \x1b7da?io", {0: ACCEPT}),
    ],
)
def test_keys_decide_about_one_thing_after_another(text, decisions):
    assert typed(text, 3).decisions == decisions


@pytest.mark.parametrize(
    ("text", "decisions"),
    [
        ("12", {0: Decision.OURS, 1: Decision.THEIRS}),
        ("ots", {0: Decision.OURS, 1: Decision.THEIRS, 2: SKIP}),
        ("sT", {0: SKIP, 1: Decision.THEIRS, 2: Decision.THEIRS}),
        ("OuS", {0: SKIP, 1: SKIP, 2: SKIP}),
        ("aR", {}),
    ],
)
def test_conflicts_have_keys_of_their_own(text, decisions):
    assert typed(text, 3, CONFLICTS).decisions == decisions


def test_what_looks_like_a_secret_is_accepted_neither_alone_nor_with_the_rest():
    assert typed("a", 3, secret=[0]).decisions == {}
    assert typed("A", 3, secret=[1]).decisions == {0: ACCEPT, 2: ACCEPT}
    assert typed("A", 1, secret=[0]).decisions == {}
    assert press(Review(1), "A", looks_secret=lambda _: True)[1] is Act.HELD
    assert press(Review(1), "a", looks_secret=lambda _: True)[1] is Act.HELD
    assert press(Review(1), "!", looks_secret=lambda _: True)[1] is Act.CONFIRM


def test_what_looks_like_a_secret_is_rejected_and_skipped_like_anything_else():
    assert typed("rR", 3, secret=[0, 1, 2]).decisions == {0: REJECT, 1: REJECT, 2: REJECT}
    assert typed("S", 2, secret=[0, 1]).decisions == {0: SKIP, 1: SKIP}


def test_the_key_that_confirms_a_secret_means_nothing_elsewhere():
    assert press(Review(1), "!") == (Review(1), Act.UNKNOWN)


def test_when_all_is_decided_nothing_more_is_but_it_can_be_undone():
    done = typed("aa", 2)
    assert done.position is None
    for key in "arsARSd!io 1":
        assert press(done, key) == (done, Act.UNKNOWN)
    for key in "q\r\n":
        assert press(done, key) == (done, Act.END)
    assert press(done, "u")[0].decisions == {0: ACCEPT}


def test_enter_decides_nothing_while_something_is_open():
    assert press(Review(1), "\r") == (Review(1), Act.UNKNOWN)


def test_undoing_nothing_says_so():
    assert press(Review(2), "u") == (Review(2), Act.NOTHING_TO_UNDO)


def test_a_review_of_nothing_is_at_its_end():
    assert Review(0).position is None
    assert press(Review(0), "A") == (Review(0), Act.UNKNOWN)


@given(
    keys=st.text(alphabet="arsuARS!d?iox \x1b", max_size=60),
    total=st.integers(0, 12),
    secret=st.sets(st.integers(0, 11), max_size=4),
)
def test_any_keys_with_undo_decide_what_the_keys_that_were_not_undone_decide(keys, total, secret):
    done: list[str] = []
    model: dict[int, Decision] = {}
    for key in keys:
        if key == "u":
            done = done[:-1]
        elif (after := typed("".join([*done, key]), total, secret=secret).decisions) != model:
            done.append(key)
            model = after
        model = typed("".join(done), total, secret=secret).decisions
    review = typed(keys, total, secret=secret)
    assert review.decisions == model
    assert set(review.decisions) | set(review.open) == set(range(total))
    assert review.position == (review.open[0] if review.open else None)
    assert not any(review.decisions.get(number) is ACCEPT for number in secret)


# --- parts of records -----------------------------------------------------------------------------------

digests = st.one_of(st.none(), st.sampled_from([Digest.of(bytes([n])) for n in range(3)]))
changes = st.dictionaries(st.sampled_from(Kind), st.builds(Change, digests, digests))
texts = st.one_of(st.none(), st.sampled_from(["", "one\n", "two\n"]))
results = st.one_of(st.none(), st.builds(ResultChange, texts, texts))
records = st.builds(Pending, st.just("t"), changes, results)
NAMES = [*(kind.value for kind in Kind), "result"]


@given(record=records, chosen=st.sets(st.sampled_from(NAMES)))
def test_a_part_and_what_is_left_without_it_are_the_record(record, chosen):
    part = parts.only(record, chosen)
    left = parts.without(record, part)
    assert parts.holds(record, part)
    assert set(parts.names(part)) == chosen & set(parts.names(record))
    assert (left is None) == (set(parts.names(record)) <= chosen)
    rest = [] if left is None else [left]
    assert parts.join([part, *rest]) == parts.join([*rest, part]) == [record]
    assert parts.join(parts.split(record)) == ([record] if parts.names(record) else [])


@given(seen=records, now=records)
def test_what_was_recorded_anew_is_left_whatever_was_decided_about_the_old(seen, now):
    left = parts.without(now, seen) or Pending("t", {})
    for part in parts.split(now):
        (name,) = parts.names(part)
        assert (part in parts.split(left)) == (part != parts.only(seen, (name,)))
    assert len(parts.names(left)) <= len(parts.names(now))
    assert parts.holds(now, seen) == all(part in parts.split(now) for part in parts.split(seen))


# --- what becomes of decisions ----------------------------------------------------------------------------


def decide(bench: Bench, text: str, **options) -> reviewed.Applied:
    """Type keys, then carry out what they decided."""
    project = bench.project()
    waiting = reviewed.waiting(project)
    decisions = typed(text, len(waiting)).decisions
    return reviewed.apply(project, [(waiting[number], what) for number, what in decisions.items()], **options)


@pytest.fixture
def two_kinds(bench):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.stage(USERS, http=TWO, env=env(A="2"))
    return bench


def test_one_kind_is_accepted_and_the_other_rejected(two_kinds):
    decide(two_kinds, "ra")  # env, then http
    assert two_kinds.lines() == {USERS: {"env": digest(env(A="1")), "http": digest(TWO)}}
    assert two_kinds.pending() == []
    assert two_kinds.staged_files() == []
    two_kinds.see_that_payloads_are_what_the_manifest_says()


def test_the_kind_that_was_skipped_waits_on_against_what_it_was_recorded_against(two_kinds):
    decide(two_kinds, "sa")
    assert two_kinds.lines() == {USERS: {"env": digest(env(A="1")), "http": digest(TWO)}}
    change = Change(Digest.of(env(A="1")), Digest.of(env(A="2")))
    assert list(two_kinds.project().pending) == [Pending(USERS, {Kind.ENV: change})]
    decide(two_kinds, "a")
    assert two_kinds.lines() == {USERS: {"env": digest(env(A="2")), "http": digest(TWO)}}
    assert two_kinds.staged_files() == []


def test_the_kind_that_was_rejected_leaves_the_skipped_one_waiting(two_kinds):
    before = two_kinds.lines()
    applied = decide(two_kinds, "rs")
    assert [set(part.changes) for part in applied.rejected] == [{Kind.ENV}]
    assert two_kinds.lines() == before
    assert [set(record.changes) for record in two_kinds.project().pending] == [{Kind.HTTP}]
    assert len(two_kinds.staged_files()) == 1


def test_both_kinds_of_a_test_are_one_approval(two_kinds):
    applied = decide(two_kinds, "aa")
    assert [set(record.changes) for record in applied.plan.pending] == [{Kind.ENV, Kind.HTTP}]
    assert two_kinds.lines() == {USERS: {"env": digest(env(A="2")), "http": digest(TWO)}}


def test_a_kind_that_is_gone_can_be_kept_while_another_is_approved(two_kinds):
    two_kinds.stage(USERS, http=THREE, env=None)
    decide(two_kinds, "ra")
    assert two_kinds.lines() == {USERS: {"env": digest(env(A="1")), "http": digest(THREE)}}


def test_deciding_nothing_changes_no_file(two_kinds):
    before = two_kinds.files()
    decide(two_kinds, "")
    decide(two_kinds, "ss")
    assert two_kinds.files() == before


def test_equal_bytes_of_two_tests_are_decided_about_separately(bench):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=ONE)
    bench.stage(LOGIN, http=ONE)
    decide(bench, "ras")  # by id: orders, users, login
    assert bench.lines() == {USERS: {"http": digest(ONE)}}
    assert bench.pending() == [LOGIN]
    assert len(bench.staged_files()) == 1


def test_what_was_recorded_anew_meanwhile_is_neither_approved_nor_rejected_and_the_rest_is(bench):
    for test_id, data in ((ORDERS, ONE), (USERS, TWO), (LOGIN, THREE)):
        bench.stage(test_id, http=data)
    project = bench.project()
    waiting = reviewed.waiting(project)
    bench.stage(ORDERS, http=http("newer"))
    bench.stage(USERS, http=http("newer still"))
    applied = reviewed.apply(project, list(zip(waiting, [ACCEPT, REJECT, ACCEPT], strict=True)))
    assert [part.test_id for part in applied.stale] == [ORDERS, USERS]
    assert applied.rejected == ()
    assert bench.lines() == {LOGIN: {"http": digest(THREE)}}
    assert bench.pending() == [ORDERS, USERS]
    bench.approve()
    assert bench.lines()[USERS] == {"http": digest(http("newer still"))}


def test_what_another_process_decided_meanwhile_is_left_as_that_decided_it(bench):
    for test_id, data in ((ORDERS, ONE), (USERS, TWO)):
        bench.stage(test_id, http=data)
    project = bench.project()
    waiting = reviewed.waiting(project)
    bench.approve(ORDERS)
    bench.reject(USERS)
    applied = reviewed.apply(project, list(zip(waiting, [REJECT, ACCEPT], strict=True)))
    assert [part.test_id for part in applied.stale] == [ORDERS, USERS]
    assert bench.lines() == {ORDERS: {"http": digest(ONE)}}


def test_what_was_approved_anew_since_it_was_recorded_is_not_approved(bench):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    bench.manifest_path.write_text((bench.manifest() or "").replace(digest(ONE), digest(THREE)))
    applied = decide(bench, "a")
    assert [part.test_id for part in applied.stale] == [USERS]
    assert bench.lines() == {USERS: {"http": digest(THREE)}}
    assert bench.pending() == [USERS]


def test_what_is_approved_already_needs_no_review(bench):
    bench.stage(USERS, http=ONE)
    record = next(iter(bench.project().pending))
    bench.approve()
    bench.project().pending.save(record)
    assert reviewed.waiting(bench.project()) == []


def test_only_the_tests_asked_for_are_reviewed(bench):
    for test_id in (ORDERS, USERS, LOGIN):
        bench.stage(test_id, http=ONE)
    project = bench.project()
    assert [part.test_id for part in reviewed.waiting(project, ["tests/test_login.py"])] == [LOGIN]
    assert [part.test_id for part in reviewed.waiting(project, tests={USERS})] == [USERS]
    with pytest.raises(UsageError, match="nothing here matches"):
        reviewed.waiting(project, ["tests/test_logn.py"])


def test_a_secret_that_nobody_confirmed_is_refused_and_all_stays_pending(bench):
    bench.stage(USERS, http=SECRET)
    bench.stage(ORDERS, http=ONE)
    bench.stage(LOGIN, http=TWO)
    before = bench.files()
    with pytest.raises(SecretFound):
        decide(bench, "aar")  # by id: orders, users, login; the screen would not let this happen
    assert bench.files() == before


def test_a_secret_that_was_confirmed_is_approved_and_no_other(bench):
    other = http("ghp_" + "b2C3" * 10)
    bench.stage(USERS, http=SECRET)
    bench.stage(ORDERS, http=other)
    project = bench.project()
    orders, users = reviewed.waiting(project)
    confirmed = reviewed.secrets(project, users)
    assert confirmed == {BlobKey(Kind.HTTP, Digest.of(SECRET))}
    with pytest.raises(SecretFound):
        reviewed.apply(project, [(orders, ACCEPT), (users, ACCEPT)], seen_secrets=confirmed)
    reviewed.apply(project, [(users, ACCEPT)], seen_secrets=confirmed)
    assert bench.lines() == {USERS: {"http": digest(SECRET)}}


def test_staged_bytes_that_are_gone_stop_the_whole_review_and_can_be_rejected(bench):
    bench.stage(USERS, http=ONE)
    bench.stage(LOGIN, http=TWO)
    gone = next(name for name in bench.staged_files() if digest(ONE).partition(":")[2] in name)
    (bench.root / gone).unlink()
    with pytest.raises(BlobMissing):
        decide(bench, "ar")
    assert bench.pending() == sorted([USERS, LOGIN])
    assert reviewed.secrets(bench.project(), reviewed.waiting(bench.project())[0]) == set()
    decide(bench, "rr")
    assert bench.pending() == []


# --- results ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "http_after", "result_after", "left"),
    [
        ("ar", TWO, "one\n", []),
        ("ra", ONE, "two\n", []),
        ("sa", ONE, "two\n", ["http"]),
        ("as", TWO, "one\n", ["result"]),
        ("aa", TWO, "two\n", []),
    ],
)
def test_a_result_is_decided_about_apart_from_its_recording(bench, keys, http_after, result_after, left):
    bench.approved(USERS, http=ONE, result="one\n")
    bench.stage(USERS, http=TWO, result="two\n")
    decide(bench, keys)
    assert bench.lines() == {USERS: {"http": digest(http_after)}}
    assert bench.result(USERS) == result_after
    assert [parts.names(record) for record in bench.project().pending] == ([left] if left else [])


def test_what_a_result_says_now_is_told_line_by_line(bench):
    bench.approved(USERS, result="one\ntwo\n")
    bench.stage(USERS, result="one\n2\n")
    project = bench.project()
    (part,) = reviewed.waiting(project)
    (found,) = of_record(project, part, reviewed.finder(project, [part])).result
    assert found.where.endswith("line 2")
    assert ((found.old or "").strip(), (found.new or "").strip()) == ("two", "2")


def test_a_result_that_was_approved_anew_meanwhile_is_left(bench):
    bench.approved(USERS, result="one\n")
    bench.stage(USERS, result="two\n")
    bench.project().results.write(USERS, "three\n")
    assert [part.test_id for part in decide(bench, "a").stale] == [USERS]
    assert bench.result(USERS) == "three\n"


def test_a_result_that_looks_like_a_secret_needs_its_own_confirmation(bench):
    bench.stage(USERS, result="ghp_" + "a1B2" * 10 + "\n")
    project = bench.project()
    (part,) = reviewed.waiting(project)
    assert reviewed.secrets(project, part) == {USERS}
    with pytest.raises(SecretFound):
        reviewed.apply(project, [(part, ACCEPT)])
    reviewed.apply(project, [(part, ACCEPT)], seen_secrets={USERS})
    assert bench.result(USERS)


# --- what a run staged ------------------------------------------------------------------------------------


def test_what_was_staged_since_is_told_from_what_waited_before(bench):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=ONE)
    before = reviewed.marks(bench.project())
    assert reviewed.staged_since(bench.project(), before) == set()
    bench.stage(ORDERS, http=ONE)
    bench.stage(LOGIN, http=TWO)
    bench.reject(USERS)
    assert reviewed.staged_since(bench.project(), before) == {ORDERS, LOGIN}


# --- approve --kind, reject --kind --------------------------------------------------------------------------


def test_approving_one_kind_leaves_the_others_pending(two_kinds):
    project = two_kinds.project()
    approve.execute(project, approve.plan(project, kinds=[Kind.HTTP]))
    assert two_kinds.lines() == {USERS: {"env": digest(env(A="1")), "http": digest(TWO)}}
    assert [set(record.changes) for record in two_kinds.project().pending] == [{Kind.ENV}]


def test_rejecting_one_kind_leaves_the_others_pending(two_kinds):
    approve.reject(two_kinds.project(), kinds=[Kind.HTTP])
    assert [set(record.changes) for record in two_kinds.project().pending] == [{Kind.ENV}]


def test_a_kind_that_no_test_has_pending_is_refused(two_kinds):
    before = two_kinds.files()
    for act in (approve.plan, approve.reject):
        with pytest.raises(UsageError, match="no func snapshot waits for review there"):
            act(two_kinds.project(), kinds=[Kind.FUNC])
    assert two_kinds.files() == before


def test_a_part_is_not_approved_once_another_process_rejected_it(two_kinds):
    project = two_kinds.project()
    plan = approve.plan(project, kinds=[Kind.HTTP])
    approve.reject(two_kinds.project(), kinds=[Kind.HTTP])
    before = two_kinds.files()
    with pytest.raises(UsageError, match="rejected or recorded anew"):
        approve.execute(project, plan)
    assert two_kinds.files() == before


def test_a_part_that_another_process_approved_with_the_rest_is_done_already(two_kinds):
    project = two_kinds.project()
    plan = approve.plan(project, kinds=[Kind.HTTP])
    two_kinds.approve()
    before = two_kinds.files()
    approve.execute(project, plan)
    assert two_kinds.files() == before
