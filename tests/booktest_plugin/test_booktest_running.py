"""Runs: ``run --runner booktest``, one line in the suite, flags, exit codes, what is refused at once."""

from __future__ import annotations

import json
import sys

import pytest
from booktest_desk import CALLS, ENV, FILE, QUIET, Desk, told

LINE = "import booktest_cassettes.booktest_plugin\n"
INTACT = {ENV: "(snapshots intact)", QUIET: "(snapshots intact)", CALLS: "(snapshots intact)", FILE: ""}


@pytest.mark.parametrize("how", [[], ["-p2"]], ids=["serial", "p2"])
def test_a_replay_says_intact_and_changes_no_file(desk: Desk, how: list[str]) -> None:
    before = desk.files()
    code, text = desk.ours(*how, WHO="bob")
    assert (code, told(text)) == (0, INTACT), text
    assert desk.files() == before
    assert sorted(desk.lines()) == sorted([ENV, QUIET, CALLS])
    assert desk.lines()[CALLS].keys() == {"func"}, "t.snapshot() is kept beside calls of functions"


@pytest.mark.parametrize("how", [[], ["-p2"]], ids=["serial", "p2"])
def test_one_line_in_the_suite_is_enough_for_the_plain_command(desk: Desk, how: list[str]) -> None:
    desk.write("test/__booktest__.py", LINE)
    before = desk.files()
    code, text = desk.stock(*how, WHO="bob")
    assert (code, told(text)) == (0, INTACT), text
    assert desk.files() == before


SETUP = f"""\
import sys
{LINE}

def process_setup_teardown():
    print("up")
    yield
    print("down", *(name for name in ("dvc", "booktest_cassettes.workflow") if name in sys.modules))
"""


@pytest.mark.parametrize("how", [[], ["-p2"]], ids=["serial", "p2"])
def test_the_suites_own_setup_still_runs_and_a_replay_loads_nothing_that_records(
    desk: Desk, how: list[str]
) -> None:
    desk.write("test/__booktest__.py", SETUP)
    code, text = desk.stock(*how, ENV, QUIET)
    times = 2 if how else 1
    assert (code, text.count("up\n"), text.count("down\n")) == (0, times, times), text


def test_the_console_script_works_with_workers(desk: Desk) -> None:
    script = desk.root / "booktest-cassettes"
    script.write_text("from booktest_cassettes.cli import main\nif __name__ == '__main__':\n    main()\n")
    code, text = desk.run(sys.executable, str(script), "test", "--runner", "booktest", "-p2", WHO="bob")
    assert (code, told(text)) == (0, INTACT), text


def test_the_configuration_says_who_runs_and_select_says_what(desk: Desk) -> None:
    desk.write("booktest.toml", '[storage]\nmode = "git"\n[cassettes]\nrunner = "booktest"\n')
    code, text = desk.cli("run", "--select", ENV, "--select", FILE)
    assert (code, told(text)) == (0, {ENV: "(snapshots intact)", FILE: ""}), text


def test_select_works_for_pytest_too(fresh: Desk) -> None:
    fresh.write("tests/test_one.py", "def test_a(): pass\n")
    fresh.write("tests/test_two.py", "def test_b(): assert False\n")
    code, text = fresh.cli("run", "--select", "tests/test_one.py", "--", "-q")
    assert code == 0, text
    assert "1 passed" in text


def test_c_runs_only_what_did_not_pass(desk: Desk) -> None:
    assert desk.ours("-S", WHO="bob")[0] == 1
    code, text = desk.ours("-c", WHO="bob")
    assert (code, sorted(told(text))) == (0, sorted([ENV, CALLS])), text


def test_booktests_own_arguments_follow_the_two_dashes(desk: Desk) -> None:
    code, text = desk.ours("--", "-v", "-f", QUIET)
    assert code == 0, text
    assert "says nothing about it" in text
    assert "ms. (snapshots intact)" in text


@pytest.mark.parametrize("flag", ["-s", "-S"])
def test_recording_in_ci_is_refused_before_the_first_test(desk: Desk, flag: str) -> None:
    desk.write("test/__booktest__.py", LINE)
    before = desk.files()
    for code, text in (desk.ours(flag, CI="1"), desk.stock(flag, CI="1")):
        assert code == 2, text
        assert "CI only replays approved snapshots" in text
        assert told(text) == {}
    assert desk.files() == before


def test_a_mode_that_booktest_does_not_have_is_refused(desk: Desk) -> None:
    code, text = desk.ours("--record", "verify")
    assert code == 2
    assert "booktest does not record with mode verify" in text


def test_without_booktest_the_error_says_what_to_install(fresh: Desk) -> None:
    fresh.write("blocked/sitecustomize.py", "import sys\nsys.modules['booktest'] = None\n")
    code, text = fresh.ours(PYTHONPATH=str(fresh.root / "blocked"))
    assert code == 2
    assert "booktest is not installed" in text
    assert "pip install 'booktest-cassettes[booktest]'" in text


@pytest.mark.parametrize("command", [[], ["--", "-w"], ["--", "--print"]], ids=["run", "review", "print"])
def test_a_name_that_a_shell_would_read_is_refused_before_anything_runs(
    fresh: Desk, command: list[str]
) -> None:
    fresh.write("test/a $(touch gone)_test.py", "def test_x(t):\n    t.tln('x')\n")
    code, text = fresh.ours(*command)
    assert code == 2, text
    assert "booktest passes this name to a shell" in text
    assert told(text) == {}
    assert not list(fresh.root.rglob("gone"))


def test_a_manifest_that_cannot_be_read_ends_the_run_with_4(desk: Desk) -> None:
    desk.write("booktest.manifest.yaml", desk.manifest + "<<<<<<< HEAD\n")
    code, text = desk.ours()
    assert code == 4, text
    assert told(text) == {}


def test_a_changed_blob_fails_its_test_alone_and_ends_the_run_with_4(desk: Desk) -> None:
    payload = desk.root / "books/test/dice_book.py/test_env/_snapshots/env.json"
    payload.write_text(payload.read_text().replace("ada", "eve"))
    for how in ([], ["-p2"]):
        code, text = desk.ours(*how)
        assert code == 4, text
        assert told(text) == {**INTACT, ENV: told(text)[ENV]}
        assert "FAIL" in told(text)[ENV]
        assert "its snapshots cannot be replayed" in text


def test_what_booktest_calls_garbage_is_never_ours(desk: Desk) -> None:
    source = (desk.root / "test/dice_book.py").read_text()
    desk.write(
        "test/dice_book.py",
        source.replace("    def test_file", '    @bt.snapshot_env("WHO")\n    def test_file'),
    )
    assert desk.ours("-s", "--", "-a")[0] == 0
    before = desk.files()
    desk.write("books/test/old.md", "old")
    code, text = desk.ours("--", "--clean")
    assert (code, text.split()) == (0, ["removed", "books/test/old.md"])
    assert desk.files() == before


def test_a_recording_that_waits_is_named_in_the_runs_notes(desk: Desk) -> None:
    code, text = desk.ours("-S", WHO="bob")
    assert code == 1
    assert "3 tests recorded, and wait for review: booktest-cassettes review" in text
    assert desk.waiting() == {ENV, QUIET, CALLS}
    notes = json.loads(
        (desk.root / "books/.out/test/dice_book.py/test_quiet/_snapshots/metadata.json").read_text()
    )
    assert notes["snapshots"]["env"]["state"] == "updated"
    assert desk.cli("approve", QUIET)[0] == 0
    assert desk.lines()[QUIET]["env"] == notes["snapshots"]["env"]["hash"], (
        "booktest's notes have our digests"
    )


def test_r_reviews_what_the_run_staged(desk: Desk) -> None:
    code, text = desk.ours("-S", "-r", "--", QUIET, WHO="bob")
    assert code == 3, "without a terminal it waits on"
    assert f"booktest-cassettes approve {QUIET}" in text
