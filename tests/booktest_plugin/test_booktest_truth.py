"""A result is accepted with the snapshots that it was written with, or not at all; nothing fails unseen."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from booktest_desk import CALLS, ENV, FILE, QUIET, Desk, told

AT_NIGHT = pytest.mark.parametrize(
    "how", [[], pytest.param(["-p2"], marks=pytest.mark.nightly)], ids=["serial", "p2"]
)
SAYS_WHO = 't.tln(os.environ["WHO"])'


def change(desk: Desk, old: str, new: str, *, first: str = "") -> None:
    source = (desk.root / "test/dice_book.py").read_text(encoding="utf-8")
    assert old in source
    desk.write("test/dice_book.py", first + source.replace(old, new))


def test_a_result_whose_recording_was_rejected_is_not_accepted(waiting: Desk) -> None:
    before = waiting.files()
    assert waiting.cli("reject", ENV)[0] == 0
    code, text = waiting.ours("--", "-w", "-a", ENV)
    assert code == 2, text
    assert f"{ENV}: what it recorded was rejected since its result was written" in text
    assert waiting.files() == before


def test_a_result_is_accepted_after_its_recording_was_approved_by_itself(waiting: Desk) -> None:
    assert waiting.cli("approve", ENV)[0] == 0
    approved = waiting.manifest
    code, text = waiting.ours("--", "-w", "-a", ENV)
    assert code == 0, text
    assert waiting.result("test_env") == "bob\n"
    assert waiting.manifest == approved


def test_a_result_of_snapshots_that_others_have_replaced_is_not_accepted(desk: Desk) -> None:
    change(desk, SAYS_WHO, 't.tln("by " + os.environ["WHO"])')
    assert desk.ours("--", ENV)[0] == 1
    other = Desk(desk.root.parent / "other")
    shutil.copytree(desk.root, other.root)
    assert other.ours("-S", "--", "-a", ENV, WHO="bob")[0] == 0
    for name in ("booktest.manifest.yaml", "books/test/dice_book.py/test_env/_snapshots/env.json"):
        shutil.copy(other.root / name, desk.root / name)  # as git pull does
    before = desk.files()
    code, text = desk.ours("--", "-w", "-a", ENV)
    assert code == 2, text
    assert f"{ENV}: its env snapshot was approved anew since its result was written" in text
    assert desk.files() == before


def test_a_result_that_another_run_wrote_meanwhile_is_not_accepted(desk: Desk) -> None:
    # The other run's start takes the note away, and its test begins the file anew.
    other = (
        "from booktest_cassettes.booktest_plugin import accepting\n"
        "mark = accepting.mark\n"
        "def marked(output, *args):\n"
        "    found = mark(output, *args)\n"
        "    if found:\n"
        "        mark(output)\n"
        "    return found\n"
        "accepting.mark = marked\n"
    )
    change(desk, SAYS_WHO, SAYS_WHO, first=other)
    before = desk.files()
    code, text = desk.ours("-S", "--", "-a", ENV, WHO="bob")
    assert code == 2, text
    assert "another run is writing its result" in text
    assert desk.files() == before
    assert desk.waiting() == {ENV}


def test_an_output_that_was_written_again_without_a_note_is_not_accepted(waiting: Desk) -> None:
    waiting.write("books/.out/test/dice_book.py/test_env.md", "eve\n")
    before = waiting.files()
    code, text = waiting.ours("--", "-w", "-a", ENV)
    assert code == 2, text
    assert "was written by another run than its snapshots were recorded by" in text
    assert waiting.files() == before


def test_a_failure_in_a_line_that_never_ended_accepts_nothing_while_recording(desk: Desk) -> None:
    change(desk, SAYS_WHO, f'{SAYS_WHO}\n    t.i("half").fail()')
    before = desk.files()
    code, text = desk.ours("-S", "--", "-a", ENV, WHO="bob")
    assert code == 1, text
    assert "FAIL" in told(text)[ENV]
    assert desk.files() == before
    assert desk.waiting() == set()


def test_a_kind_of_snapshot_that_a_test_ceased_to_use_is_said_to_have_changed(desk: Desk) -> None:
    change(
        desk,
        "@bt.snapshot_functions(dice.roll)\n",
        '@bt.snapshot_env("WHO")\n@bt.snapshot_functions(dice.roll)\n',
    )
    assert desk.ours("-S", "-u", "--", CALLS)[0] == 0
    change(desk, "t.tln(str(dice.roll(3)))", 't.tln("3 by ada")')
    change(desk, "t.tln(str(t.snapshot(", "t.tln(str((lambda *_: lambda _: '8 for ada')(")
    assert set(desk.lines()[CALLS]) == {"env", "func"}
    _, text = desk.ours("-S", "--", CALLS)
    assert told(text)[CALLS] == "(snapshots updated)", text
    assert desk.waiting() == {CALLS}
    assert desk.ours("-S", "-u", "--", CALLS)[0] == 0
    assert set(desk.lines()[CALLS]) == {"env"}


def test_what_a_test_reports_of_its_own_is_left_alone(desk: Desk) -> None:
    report = "t.report_snapshot_usage('mine', 'x', SnapshotState.INTACT)"
    change(
        desk,
        SAYS_WHO,
        f"{report}\n    {SAYS_WHO}",
        first="from booktest.reporting.reports import SnapshotState\n",
    )
    code, text = desk.ours()
    assert code == 0, text
    assert told(text)[ENV] == "(snapshots intact)"


@AT_NIGHT
def test_whatever_goes_wrong_while_a_recording_is_kept_fails_the_test_and_is_seen(
    desk: Desk, how: list[str]
) -> None:
    broken = "def settle(project, held):\n    raise ZeroDivisionError('broken in here')\n"
    wraps = "from booktest_cassettes.booktest_plugin import projects\n"
    change(desk, SAYS_WHO, SAYS_WHO, first=f"{wraps}{broken}projects.BooktestProject.settle = settle\n")
    before = desk.files()
    code, text = desk.ours("-S", *how, "--", "-a", ENV, QUIET, WHO="bob")
    assert code == 1, text
    assert "ZeroDivisionError: broken in here" in text
    assert {"FAIL" in said for said in told(text).values()} == {True}
    assert desk.files() == before


@AT_NIGHT
def test_what_keeps_a_test_from_starting_is_seen(desk: Desk, how: list[str]) -> None:
    desk.write("books/.out/test/dice_book.py/test_env.cassettes/in", "the way")
    code, text = desk.ours(*how, "--", ENV, FILE)
    assert code in (1, 4), text
    assert "cannot delete books/.out/test/dice_book.py/test_env.cassettes" in text


@AT_NIGHT
def test_two_runs_at_once_accept_each_result_with_the_snapshots_of_its_own_run(
    desk: Desk, how: list[str]
) -> None:

    runs = [partial(desk.ours, "-S", "-u", *how, "--", "-a", WHO=who) for who in ("bob", "eve")]
    with ThreadPoolExecutor(2) as pool:
        done = [run.result() for run in [pool.submit(run) for run in runs]]
    assert {code for code, _ in done} <= {0, 1, 2}, done
    for name in ("test_env", "test_calls"):
        kind = name.removeprefix("test_").replace("calls", "func")
        payload = (desk.root / f"books/test/dice_book.py/{name}/_snapshots/{kind}.json").read_text()
        who = {who for who in ("ada", "bob", "eve") if who in payload}
        assert {who for who in ("ada", "bob", "eve") if who in desk.result(name)} == who, done
    assert desk.cli("verify")[0] == 0
