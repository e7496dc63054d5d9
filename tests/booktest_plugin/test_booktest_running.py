"""Runs: ``run --runner booktest``, one line in the suite, flags, exit codes, what is refused at once."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest
from booktest_desk import CALLS, ENV, FILE, QUIET, Desk, told

LINE = "import booktest_cassettes.booktest_plugin\n"
PARALLEL_AT_NIGHT = pytest.mark.parametrize(
    "how", [[], pytest.param(["-p2"], marks=pytest.mark.nightly)], ids=["serial", "p2"]
)
INTACT = {ENV: "(snapshots intact)", QUIET: "(snapshots intact)", CALLS: "(snapshots intact)", FILE: ""}


@PARALLEL_AT_NIGHT
def test_a_replay_says_intact_and_changes_no_file(desk: Desk, how: list[str]) -> None:
    before = desk.files()
    code, text = desk.ours(*how, WHO="bob")
    assert (code, told(text)) == (0, INTACT), text
    assert desk.files() == before
    assert sorted(desk.lines()) == sorted([ENV, QUIET, CALLS])
    assert desk.lines()[CALLS].keys() == {"func"}, "t.snapshot() is kept beside calls of functions"


@PARALLEL_AT_NIGHT
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


@PARALLEL_AT_NIGHT
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


@pytest.mark.parametrize("flag", ["-s", pytest.param("-S", marks=pytest.mark.nightly)])
def test_recording_in_ci_is_refused_before_the_first_test(desk: Desk, flag: str) -> None:
    desk.write("test/__booktest__.py", LINE)
    before = desk.files()
    through_us, alone = desk.ours(flag, CI="1"), desk.stock(flag, CI="1")
    for (code, text), command in (
        (through_us, "booktest-cassettes run --runner booktest"),
        (alone, "booktest"),
    ):
        assert code == 2, text
        assert "CI only replays approved snapshots" in text
        assert f"on your own machine: {command} {flag}\n" in text
        assert told(text) == {}
    assert desk.files() == before


def test_a_mode_that_booktest_does_not_have_is_refused(desk: Desk) -> None:
    code, text = desk.ours("--record", "verify")
    assert code == 2
    assert "booktest does not record with mode verify" in text


def test_booktest_records_as_its_flags_say_and_not_as_our_record_mode_does(desk: Desk) -> None:
    code, text = desk.ours(ENV, CI="1", BOOKTEST_RECORD_MODE="rewrite", WHO="bob")
    assert (code, told(text)) == (0, {ENV: "(snapshots intact)"}), text


@pytest.mark.parametrize(
    "flags", [pytest.param(["-S"], marks=pytest.mark.nightly), ["--", "-S"]], ids=["ours", "behind"]
)
def test_recording_without_a_network_is_refused_wherever_the_flag_stands(
    desk: Desk, flags: list[str]
) -> None:
    code, text = desk.ours("--isolate", *flags)
    assert code == 2, text
    assert "mode rewrite records, which needs the network" in text
    assert "next: booktest-cassettes run --runner booktest -s to record" in text


@pytest.mark.parametrize("option", ["--review", pytest.param("--isolate", marks=pytest.mark.nightly)])
def test_what_is_done_here_is_refused_where_booktest_goes_elsewhere(desk: Desk, option: str) -> None:
    for code, text in (
        desk.ours(option, "--", "--context", "sub"),
        desk.ours(option, BOOKTEST_CONTEXT="sub"),
    ):
        assert code == 2, text
        assert f"{option} is for the project here, and booktest's context is another" in text


def test_arguments_that_booktest_refuses_are_told_in_the_words_one_typed(desk: Desk) -> None:
    code, text = desk.ours("-r", "--", "--nonesuch")
    assert code == 2, text
    assert "usage: booktest-cassettes run --runner booktest -- [-h]" in text
    assert "booktest ended with 2: nothing is reviewed or approved" in text


UNHEARD = "test/our_book.py::test_unheard"


def _with_an_unrecorded_test(desk: Desk) -> None:
    test = '@cassette(env=["WHO"])\ndef test_unheard(t):\n    t.tln("x")\n'
    desk.write("test/our_book.py", f"from booktest_cassettes import cassette\n\n{test}")


@PARALLEL_AT_NIGHT
def test_the_commands_that_messages_name_work_where_nothing_but_us_knows_of_the_plugin(
    desk: Desk, how: list[str]
) -> None:
    _with_an_unrecorded_test(desk)
    code, text = desk.ours(*how, UNHEARD)
    assert code == 3, text
    (record,) = set(re.findall("next: (booktest-cassettes .*)", text))
    assert UNHEARD in record
    tips = re.findall("run: (.*)", text)
    assert {tip.partition(" -- ")[0] for tip in tips} == {"booktest-cassettes run --runner booktest"}, text
    code, text = desk.cli(*shlex.split(record)[1:])
    assert (code, desk.waiting()) == (1, {UNHEARD}), text
    code, text = desk.cli(*shlex.split(tips[-1])[1:], "-a")
    assert (code, desk.waiting()) == (0, set()), text
    assert UNHEARD in desk.lines()


def test_the_plain_command_is_named_where_it_works(desk: Desk) -> None:
    _with_an_unrecorded_test(desk)
    desk.write("test/__booktest__.py", LINE)
    code, text = desk.stock("-p2", UNHEARD)
    assert code == 3, text
    assert f"next: booktest -s {UNHEARD}\n" in text
    assert "run: booktest -c -s\n" in text


def test_what_the_tests_did_is_kept_though_the_suites_own_teardown_fails(desk: Desk) -> None:
    desk.write("booktest.toml", '[storage]\nmode = "git"\n[review]\ncommit_on_approve = true\n')
    for command in ("init -q", "config user.name Ada", "config user.email ada@example.com"):
        assert desk.run("git", *command.split())[0] == 0
    teardown = "def process_setup_teardown():\n    yield\n    raise OSError('gone')\n"
    desk.write("test/__booktest__.py", teardown)
    code, text = desk.ours("-S", "--", "-a", ENV, QUIET, WHO="bob")
    assert code == 1
    assert "OSError: gone" in text
    assert "1 test recorded, and waits for review" in text
    assert "committed what was accepted of 1 test\n" in text
    assert desk.waiting() == {QUIET}


def test_a_damaged_record_of_another_test_ends_the_run_with_4_and_the_rest_is_said(desk: Desk) -> None:
    desk.write(".booktest_cache/staging/pending/x.json", "{")
    for flags, named in (([], [FILE]), (["-a"], [ENV, FILE])):
        code, text = desk.ours("-S", "--", *flags, *named, WHO="bob")
        assert code == 4, text
        assert "Traceback" not in text
        assert "x.json: damaged pending record" in text
        assert "waits for review" not in text
    assert text.index("error: ") < text.index(f"{ENV}: its result is not accepted"), text


def test_without_booktest_the_error_says_what_to_install(fresh: Desk) -> None:
    fresh.write("blocked/sitecustomize.py", "import sys\nsys.modules['booktest'] = None\n")
    code, text = fresh.ours(PYTHONPATH=str(fresh.root / "blocked"))
    assert code == 2
    assert "booktest is not installed" in text
    assert "pip install 'booktest-cassettes[booktest]'" in text


@pytest.mark.parametrize(
    "command",
    [[], ["--", "-w"], pytest.param(["--", "--print"], marks=pytest.mark.nightly)],
    ids=["run", "review", "print"],
)
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


@PARALLEL_AT_NIGHT
def test_a_changed_blob_fails_its_test_alone_and_ends_the_run_with_4(desk: Desk, how: list[str]) -> None:
    payload = desk.root / "books/test/dice_book.py/test_env/_snapshots/env.json"
    payload.write_text(payload.read_text().replace("ada", "eve"))
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
