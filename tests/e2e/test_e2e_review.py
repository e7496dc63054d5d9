"""A review as a person does it: in a real terminal, on recordings that real pytest runs made."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dvc_share import init_dvc
from e2e_workspace import Api, Workspace, running_api
from terminal import Terminal

from booktest_cassettes.config import load_config
from booktest_cassettes.digest import Kind
from booktest_cassettes.project import Project
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.workflow import approve as workflow
from booktest_cassettes.workflow.parts import names

MODULE = """
import os
import pytest
import requests
from booktest_cassettes import cassette

URL = "{url}"

@cassette
def test_added():
    assert requests.get(URL + "/added").status_code == 200

@cassette(env=["REGION"])
def test_changed():
    sent = {{"name": {name}, "size": 3}}
    assert requests.post(URL + "/users", json=sent).json() == {{"received": sent}}

@cassette
def test_hostile():
    sent = {{"text": {hostile!r}}}
    assert requests.post(URL + "/texts", json=sent).json() == {{"received": sent}}
"""
ADDED, CHANGED, HOSTILE = "test_it.py::test_added", "test_it.py::test_changed", "test_it.py::test_hostile"
#: Clears the screen, sets the title, colours, turns text around, moves the cursor up.
ATTACK = "\x1b[2J\x1b]0;gone\x07\x1b[31mred\u202eesrever\x9b1A\rover"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """test_changed is approved and was recorded anew, with another name; the other two are new."""
    workspace = Workspace(tmp_path_factory.mktemp("recorded")).begin()
    with running_api() as api:
        _write(workspace, api, name="ada")
        workspace.record("-k", "changed")
        workspace.commit()
        _write(workspace, api, name="bob")
        done = workspace.cli("run", "-S", "--", "-q", REGION="north")
        assert done.code == 0, done.text
        yield workspace


def _write(workspace: Workspace, api: Api, name: str) -> None:
    workspace.write("test_it.py", MODULE.format(url=api.url, name=repr(name), hostile=ATTACK))


@pytest.fixture
def reviewed(recorded: Workspace, tmp_path: Path) -> Workspace:
    return recorded.copy(tmp_path / "project")


def lines(workspace: Workspace) -> dict[str, list[str]]:
    entries = yaml.safe_load(workspace.manifest)
    return {test: sorted(kinds) for test, kinds in entries.items() if test != "storage_mode"}


def project(workspace: Workspace) -> Project:
    return Project(load_config(workspace.root, overrides={}, environ={}))


def pending(workspace: Workspace) -> dict[str, list[str]]:
    return {record.test_id: names(record) for record in project(workspace).pending}


def stage(workspace: Workspace, test_id: str, *urls: str, sent: str = "") -> None:
    """What a session does with a passed test's recording."""
    answer = Response(200, "OK", body=Body(b"yes"))
    recorded = [Interaction(Request("POST", url, body=sent.encode()), answer) for url in urls]
    project(workspace).stage(test_id, {Kind.HTTP: codec.dump_interactions(Kind.HTTP, recorded)})


def reject(workspace: Workspace, *patterns: str, kind: str = "") -> None:
    workflow.reject(project(workspace), patterns, kinds=[kind] if kind else [])


def see_payloads(workspace: Workspace) -> None:
    in_manifest = sorted(re.findall(r"sha256:([0-9a-f]{64})", workspace.manifest))
    assert (
        sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in workspace.payloads()) == in_manifest
    )


# -- the walk --------------------------------------------------------------------------------------


def test_one_is_accepted_one_rejected_one_skipped_and_undo_takes_back(reviewed: Workspace) -> None:
    before = yaml.safe_load(reviewed.manifest)
    with Terminal(reviewed.root, "review") as terminal:
        first = terminal.prompt()
        assert "[1/4]" in first
        assert ADDED in first
        assert "http  new  1 interaction" in first
        assert "[2/4]" in terminal.answer("r")
        assert "[1/4]" in terminal.answer("u")  # rejected by mistake
        assert "env" in terminal.answer("a")
        assert "REGION" in terminal.seen()
        changed = terminal.answer("s")
        assert "http  updated  1 added, 1 removed" in changed or "http  updated  1 changed" in changed
        assert "[4/4]" in terminal.answer("a")
        closing = terminal.answer("r")
        assert "2 accepted, 1 rejected, 1 skipped" in closing
        terminal.type("\r")
        assert terminal.end() == 0
        assert not terminal.has_sequences()
        assert all(len(line) <= 80 for line in terminal.raw.replace("\r", "").split("\n"))
        assert "approved: 2 snapshots of 2 tests" in terminal.seen()
        assert "next: git add booktest.manifest.yaml books && git commit" in terminal.seen()
    after = yaml.safe_load(reviewed.manifest)
    assert lines(reviewed) == {ADDED: ["http"], CHANGED: ["env", "http"]}
    assert after[CHANGED]["http"] != before[CHANGED]["http"]
    assert after[CHANGED]["env"] == before[CHANGED]["env"]
    see_payloads(reviewed)
    assert pending(reviewed) == {CHANGED: ["env"]}
    status = reviewed.cli("status").text
    assert f"pending review: 1 test\n  {CHANGED}  (env updated)\nnext: booktest-cassettes review" in status


def test_the_screen_shows_the_place_of_the_change_and_what_it_was(reviewed: Workspace) -> None:
    reject(reviewed, ADDED, HOSTILE)
    reject(reviewed, CHANGED, kind="env")
    with Terminal(reviewed.root, "review") as terminal:
        terminal.prompt()
        screen = terminal.screen()
        text = "\n".join(screen)
        assert "[1/1]" in text
        assert re.search(r"request body \$\.name\n +- .*ada.*\n +\+ .*bob", text), text
        assert "response body $.received.name" in text
        assert "size" not in text, "what did not change is not shown"
        assert "a accept  r reject  s skip" in screen[max(n for n, line in enumerate(screen) if line)]
        assert not terminal.has_sequences()


# -- keys -------------------------------------------------------------------------------------------


def test_quitting_keeps_the_decisions_made_and_leaves_the_rest(reviewed: Workspace) -> None:
    with Terminal(reviewed.root, "review") as terminal:
        terminal.prompt()
        terminal.answer("a")
        terminal.type("q")
        assert terminal.end() == 0
        assert "left pending: 3 snapshots" in terminal.seen()
    assert lines(reviewed) == {ADDED: ["http"], CHANGED: ["env", "http"]}
    assert pending(reviewed) == {CHANGED: ["env", "http"], HOSTILE: ["http"]}


def _snapshot(workspace: Workspace) -> dict[str, bytes]:
    return {
        str(path.relative_to(workspace.root)): path.read_bytes()
        for path in sorted(workspace.root.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and ".git" not in path.parts
    }


@pytest.mark.parametrize(
    "leave", ["\x03", "\x04", "hang up", "terminate"], ids=["interrupt", "end", "hang up", "terminate"]
)
def test_leaving_otherwise_changes_nothing(reviewed: Workspace, leave: str) -> None:
    before = _snapshot(reviewed)
    with Terminal(reviewed.root, "review") as terminal:
        terminal.prompt()
        terminal.answer("A")
        if leave == "hang up":
            terminal.hang_up()
        else:
            if leave == "terminate":
                os.kill(terminal.pid, signal.SIGTERM)
            else:
                terminal.type(leave)
            assert terminal.end() == 130
            assert "left: nothing was changed" in terminal.seen()
    assert _snapshot(reviewed) == before


def test_upper_case_accepts_all_the_rest_at_once(reviewed: Workspace) -> None:
    with Terminal(reviewed.root, "review") as terminal:
        terminal.prompt()
        terminal.answer("r")
        assert "3 accepted, 1 rejected" in terminal.answer("A")
        terminal.type("q")
        assert terminal.end() == 0
    assert lines(reviewed) == {CHANGED: ["env", "http"], HOSTILE: ["http"]}
    assert pending(reviewed) == {}
    see_payloads(reviewed)


def test_keys_typed_ahead_are_not_lost_and_arrows_decide_nothing(reviewed: Workspace) -> None:
    with Terminal(reviewed.root, "review") as terminal:
        terminal.prompt()
        terminal.type("\x1b[A\x1bOB \x1b[1;5Cé" + "aras\r")
        assert terminal.end() == 0
        assert "2 accepted, 1 rejected, 1 skipped" in terminal.seen()
    assert lines(reviewed) == {ADDED: ["http"], CHANGED: ["env", "http"]}
    assert pending(reviewed) == {HOSTILE: ["http"]}


def test_help_and_undo_say_what_there_is(reviewed: Workspace) -> None:
    with Terminal(reviewed.root, "review", HOSTILE) as terminal:
        assert "[1/1]" in terminal.prompt()
        text = terminal.answer("?")
        for said in ("accept this snapshot", "undo the last decision", "R  and all the rest", "Ctrl-C"):
            assert said in text
        assert all(len(line) < 80 for line in text.splitlines())
        assert "nothing to undo" in terminal.answer("u")
        terminal.type("q")
        assert terminal.end() == 0


# -- looking closer ---------------------------------------------------------------------------------


def test_what_was_recorded_does_not_drive_the_terminal_whatever_is_opened(reviewed: Workspace) -> None:
    with Terminal(reviewed.root, "review", HOSTILE) as terminal:
        terminal.prompt()
        for key in "dio":
            text = terminal.answer(key)
            assert "[31mred" in text or key == "d"
        terminal.type("s\r")
        assert terminal.end() == 0
        assert not terminal.has_sequences()
        for char in "\u202e\x9b\x07":
            assert char not in terminal.raw
        assert "\rover" not in terminal.raw


def test_interactions_are_chosen_by_number(workspace: Workspace) -> None:
    urls = [f"http://api.test/{name}" for name in ("one", "two", "three")]
    stage(workspace, "test_it.py::test_three", *urls, sent="hello\n" + "line\n" * 60 + "end")
    with Terminal(workspace.root, "review") as terminal:
        terminal.prompt()
        listed = terminal.answer("i")
        assert [line.strip() for line in listed.splitlines() if "POST" in line] == [
            f"{number}  POST {url}" for number, url in enumerate(urls, 1)
        ]
        second = terminal.answer("2\r")
        assert "  2. POST http://api.test/two" in second
        assert "| hello" in second
        assert "| end" in second, "whole is whole"
        assert "http://api.test/three" in terminal.answer("\r")
        assert "a accept" in terminal.answer("\r"), "there is no fourth"
        terminal.answer("i")
        assert "a accept" in terminal.answer("q"), "no enter: it is a key like all others"
        terminal.type("q")
        assert terminal.end() == 0


def test_long_differences_are_cut_on_the_screen_and_whole_in_the_pager(workspace: Workspace) -> None:
    stage(workspace, ADDED, *(f"http://api.test/{number}" for number in range(60)))
    workflow.execute(project(workspace), workflow.plan(project(workspace)))
    stage(workspace, ADDED, *(f"http://other.test/{number}/new" for number in range(60)))
    pager = workspace.write("pager.py", "import sys\nprint('paged', len(sys.stdin.readlines()) > 100)\n")
    with Terminal(workspace.root, "review", PAGER=f"{sys.executable} {pager}") as terminal:
        shown = terminal.prompt()
        assert re.search(r"\.\.\. \d+ more lines: d shows all", shown)
        assert "[1/1]" in "".join(terminal.screen()[:2]), "nothing has scrolled out"
        assert "paged True" in terminal.answer("d")
        terminal.type("q")
        assert terminal.end() == 0


@pytest.mark.parametrize("places", ["", " --b={new} {old}"])
def test_the_diff_tool_gets_two_readable_files(reviewed: Workspace, places: str) -> None:
    tool = reviewed.write(
        "tool.py",
        "import sys, pathlib\nfor word in sys.argv[1:]:\n    print('got', word)\n"
        "    print(pathlib.Path(word.rpartition('=')[2]).read_text())\n",
    )
    words = json.dumps(f"{sys.executable} '{tool}'{places}")
    reviewed.write("booktest.toml", f'[storage]\nmode = "git"\n[review]\ndiff_tool = {words}\n')
    reject(reviewed, CHANGED, kind="env")
    with Terminal(reviewed.root, "review", CHANGED, columns=250) as terminal:
        terminal.prompt()
        text = terminal.answer("o")
        got = re.findall(r"got (?:--b=)?(\S+)", text)
        sides = [Path(path).parent.name for path in got]
        assert sides == (["new", "old"] if places else ["old", "new"])
        assert '"name": "ada"' in text
        assert '"name": "bob"' in text
        assert not Path(got[0]).exists(), "they are gone afterwards"
        terminal.type("q")
        assert terminal.end() == 0


def test_a_diff_tool_that_is_not_there_is_said_and_the_review_goes_on(reviewed: Workspace) -> None:
    reviewed.write("booktest.toml", '[storage]\nmode = "git"\n[review]\ndiff_tool = "no-such-tool"\n')
    with Terminal(reviewed.root, "review", ADDED) as terminal:
        terminal.prompt()
        assert "no-such-tool: No such file or directory; see review.diff_tool" in terminal.answer("o")
        terminal.answer("a")
        terminal.type("\r")
        assert terminal.end() == 0
    assert ADDED in lines(reviewed)


# -- secrets ----------------------------------------------------------------------------------------


@pytest.fixture
def leaky(workspace: Workspace) -> Workspace:
    stage(workspace, "test_it.py::test_leak", "http://api.test/", sent="ghp_" + "a1B2" * 10)
    stage(workspace, "test_it.py::test_other", "http://api.test/")
    return workspace


def test_what_looks_like_a_secret_is_accepted_by_a_typed_yes_only(leaky: Workspace) -> None:
    with Terminal(leaky.root, "review") as terminal:
        assert "looks like a secret: GitHub token" in terminal.prompt()
        assert "not accepted: it looks like a secret" in terminal.answer("a")
        assert "[1/2]" in terminal.answer("A"), "the rest is accepted, this one is not"
        terminal.type("!")
        terminal.wait_for("Type yes to accept: ")
        assert "not accepted" in terminal.answer("y\r")
        terminal.type("!")
        terminal.wait_for("Type yes to accept: ")
        assert "2 accepted" in terminal.answer("nox\x7f\x7f\x7fyes\r")
        terminal.type("\r")
        assert terminal.end() == 0
    assert lines(leaky) == {"test_it.py::test_leak": ["http"], "test_it.py::test_other": ["http"]}


def test_all_the_rest_leaves_out_what_looks_like_a_secret(leaky: Workspace) -> None:
    with Terminal(leaky.root, "review") as terminal:
        terminal.prompt()
        terminal.answer("A")
        terminal.type("q")
        assert terminal.end() == 0
    assert lines(leaky) == {"test_it.py::test_other": ["http"]}
    assert pending(leaky) == {"test_it.py::test_leak": ["http"]}


# -- other terminals, and none ----------------------------------------------------------------------


def test_a_terminal_that_becomes_small_is_filled_and_no_more(reviewed: Workspace) -> None:
    with Terminal(reviewed.root, "review") as terminal:
        terminal.prompt()
        terminal.resize(40, 10)
        shown = terminal.answer("s")
        assert all(len(line) <= 40 for line in shown.replace("\r", "").split("\n"))
        for key in "sdi?su":
            shown = terminal.answer(key)
            assert all(len(line) <= 40 for line in shown.replace("\r", "").split("\n")), key
        terminal.resize(5, 2)
        terminal.answer("d")
        terminal.type("q")
        assert terminal.end() == 0


def test_colours_are_used_where_a_terminal_has_them_and_nobody_declines(reviewed: Workspace) -> None:
    with Terminal(reviewed.root, "review", NO_COLOR="") as terminal:
        assert "\x1b[1m" in terminal.prompt()
    with Terminal(reviewed.root, "review", NO_COLOR="", TERM="dumb") as terminal:
        terminal.prompt()
        assert not terminal.has_sequences()


def test_without_a_terminal_the_differences_and_the_commands_are_printed(reviewed: Workspace) -> None:
    before = _snapshot(reviewed)
    done = reviewed.cli("review")
    assert done.code == 3
    assert re.search(r"request body \$\.name\n +- .*ada.*\n +\+ .*bob", done.text)
    for test in (ADDED, CHANGED, HOSTILE):
        assert f"  booktest-cassettes approve {test}\n  booktest-cassettes reject {test}\n" in done.text
    assert "\x1b" not in done.text
    assert _snapshot(reviewed) == before
    assert reviewed.cli("approve", "--all").code == 0
    assert reviewed.cli("review").code == 0


@pytest.mark.parametrize("variables", [{"CI": "1"}, {}])
def test_in_ci_and_when_told_so_nobody_is_asked(reviewed: Workspace, variables: dict[str, str]) -> None:
    options = [] if variables else ["--no-input"]
    with Terminal(reviewed.root, "review", *options, **variables) as terminal:
        assert terminal.end() == 3
        assert "booktest-cassettes approve" in terminal.seen()


def test_a_pattern_that_means_nothing_is_refused(reviewed: Workspace) -> None:
    done = reviewed.cli("review", "test_it.py::test_chnged")
    assert done.code == 2
    assert "nothing here matches" in done.text


def test_for_machines_the_differences_are_data(reviewed: Workspace) -> None:
    done = reviewed.cli("review", "--json", CHANGED)
    assert done.code == 3
    document = json.loads(done.text)
    assert document["conflicts"] == []
    (test,) = document["tests"]
    assert test["test"] == CHANGED
    assert [found["kind"] for found in test["snapshots"]] == ["env", "http"]
    assert json.loads(reviewed.cli("review", "--json", CHANGED).text) == document
    reject(reviewed)
    done = reviewed.cli("review", "--json")
    assert (done.code, json.loads(done.text)["tests"]) == (0, [])


# -- what happens meanwhile -------------------------------------------------------------------------


def test_what_is_decided_elsewhere_meanwhile_is_left_and_the_rest_is_done(reviewed: Workspace) -> None:
    with Terminal(reviewed.root, "review", columns=120) as terminal:
        terminal.prompt()
        reject(reviewed, ADDED)
        terminal.answer("A")
        terminal.type("\r")
        assert terminal.end() == 2
        assert (
            f"left as it is: {ADDED} http: recorded, approved or rejected anew meanwhile" in terminal.seen()
        )
    assert lines(reviewed) == {CHANGED: ["env", "http"], HOSTILE: ["http"]}


def test_a_remote_that_is_down_leaves_everything_pending_and_the_next_review_does_it(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    share = tmp_path_factory.mktemp("share")
    init_dvc(workspace.root, share)
    workspace.write("booktest.toml", '[storage]\nmode = "dvc"\n')
    stage(workspace, ADDED, "http://api.test/one")
    stage(workspace, CHANGED, "http://api.test/two")
    away = share.rename(share.with_name("away"))
    with Terminal(workspace.root, "review", columns=150) as terminal:
        terminal.type("ar\r")
        assert terminal.end() == 5
        assert "nothing was rejected, and what was not approved is pending as before" in terminal.seen()
        assert "error: " in terminal.seen()
    assert workspace.manifest == ""
    assert pending(workspace) == {ADDED: ["http"], CHANGED: ["http"]}
    away.rename(share)
    with Terminal(workspace.root, "review", columns=150) as terminal:
        terminal.type("ar\r")
        assert terminal.end() == 0
        assert re.search(r"pushed: 1 blob, .* verified", terminal.seen())
    assert lines(workspace) == {ADDED: ["http"]}
    assert pending(workspace) == {}


# -- run, then review ---------------------------------------------------------------------------------


def test_run_goes_straight_to_the_review_of_what_it_staged(reviewed: Workspace, api: Api) -> None:
    reject(reviewed, CHANGED)
    _write(reviewed, api, name="cleo")
    with Terminal(reviewed.root, "run", "-S", "-r", "--", "-q", "-k", "changed") as terminal:
        text = terminal.prompt()
        assert "1 passed" in text
        assert "[1/1]" in text, "not what waited before"
        assert "cleo" in text
        terminal.answer("a")
        terminal.type("\r")
        assert terminal.end() == 0
    assert pending(reviewed) == {ADDED: ["http"], HOSTILE: ["http"]}
    see_payloads(reviewed)


def test_run_update_approves_what_passed_just_now_and_ends_as_pytest_does(
    reviewed: Workspace, api: Api
) -> None:
    reject(reviewed, CHANGED)
    reject(reviewed, HOSTILE)
    _write(reviewed, api, name="dora")
    module = (reviewed.root / "test_it.py").read_text()
    reviewed.write("test_it.py", module + "    assert False\n")
    done = reviewed.cli("run", "-S", "-u", "--", "-q", "-k", "changed or hostile")
    assert done.code == 1, done.text
    assert "1 failed, 1 passed" in done.text
    assert "approved: 1 snapshot of 1 test" in done.text
    assert lines(reviewed) == {CHANGED: ["env", "http"]}
    assert pending(reviewed) == {ADDED: ["http"]}, "it waited before"
    see_payloads(reviewed)


def test_run_update_approves_nothing_when_pytest_did_not_get_to_its_tests(reviewed: Workspace) -> None:
    before = pending(reviewed)
    done = reviewed.cli("run", "-u", "--", "-q", "--no-such-option")
    assert done.code == 4, done.text
    assert "pytest ended with 4: nothing is reviewed or approved" in done.text
    assert pending(reviewed) == before


def test_run_without_a_terminal_prints_the_review(reviewed: Workspace, api: Api) -> None:
    _write(reviewed, api, name="fay")
    done = reviewed.cli("run", "-S", "-r", "--", "-q", "-k", "changed")
    assert done.code == 3, done.text
    assert f"booktest-cassettes approve {CHANGED}" in done.text
    assert ADDED not in done.text.partition("1 passed")[2]


@pytest.mark.parametrize("option", ["-r", "--update"])
def test_ci_and_isolation_refuse_to_review_or_update_before_anything_is_run(
    workspace: Workspace, option: str
) -> None:
    workspace.write("test_it.py", "import pathlib\n\npathlib.Path('ran').touch()\n\ndef test_it(): pass\n")
    done = workspace.cli("run", option, ci=True)
    assert done.code == 2, done.text
    assert "this is CI" in done.text
    assert workspace.cli("run", option, "--isolate").code == 2
    assert workspace.cli("run", "-r", "-u").code == 2
    assert not (workspace.root / "ran").exists()


def test_stage_is_about_drift_only(workspace: Workspace) -> None:
    done = workspace.cli("run", "--stage")
    assert done.code == 2
    assert "next: booktest-cassettes run --record verify --stage" in done.text


def test_pytest_has_its_own_options_of_these_names(workspace: Workspace) -> None:
    workspace.write("test_it.py", "def test_it(): print('printed')\n")
    done = workspace.cli("run", "--", "-s", "-rA", "-q")
    assert done.code == 0, done.text
    assert "printed" in done.text
    assert "PASSED test_it.py::test_it" in done.text


# -- merge conflicts ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def merging(recorded: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two branches have each approved another recording of the same test."""
    workspace = recorded.copy(tmp_path_factory.mktemp("merging") / "project")
    reject(workspace, ADDED, HOSTILE)
    reject(workspace, CHANGED, kind="env")
    workspace.git("checkout", "--quiet", "-b", "theirs")
    workspace.cli("approve", "--all")
    workspace.commit()
    workspace.git("checkout", "--quiet", "-")
    with running_api() as api:
        _write(workspace, api, name="gina")
        done = workspace.cli("run", "-S", "-u", "--", "-q", "-k", "changed")
        assert done.code == 0, done.text
    workspace.commit()
    merged = workspace.run("git", "merge", "theirs")
    assert merged.code == 1, merged.text
    return workspace


@pytest.fixture
def conflicted(merging: Workspace, tmp_path: Path) -> Workspace:
    return merging.copy(tmp_path / "project")


@pytest.mark.parametrize(("key", "name"), [("1", "gina"), ("t", "bob")])
def test_a_conflict_is_shown_side_by_side_and_one_side_taken(
    conflicted: Workspace, key: str, name: str
) -> None:
    status = conflicted.cli("status")
    assert status.code == 4
    assert f"merge conflicts: 1 snapshot in booktest.manifest.yaml\n  {CHANGED}  (http)\n" in status.text
    with Terminal(conflicted.root, "review", columns=100, rows=50) as terminal:
        text = terminal.prompt()
        assert "both sides changed it" in text
        assert text.index("gina") < text.index("bob")
        assert "booktest-cassettes run -S -r -- " in terminal.answer("r")
        terminal.answer("s")
        terminal.answer("u")
        terminal.answer(key)
        terminal.type("\r")
        assert terminal.end() == 0
        assert "resolved: 1 conflict" in terminal.seen()
        assert "next: git add" in terminal.seen()
    assert lines(conflicted) == {CHANGED: ["env", "http"]}
    see_payloads(conflicted)
    assert name in conflicted.cli("show", CHANGED).text


def test_conflicts_without_a_terminal_are_printed_with_the_commands_that_settle_them(
    conflicted: Workspace,
) -> None:
    done = conflicted.cli("review")
    assert done.code == 3
    assert f"booktest-cassettes review --take ours {CHANGED}" in done.text
    (found,) = json.loads(conflicted.cli("review", "--json").text)["conflicts"]
    assert (found["test"], found["kind"]) == (CHANGED, "http")
    taken = conflicted.cli("review", "--take", "theirs", CHANGED)
    assert taken.code == 0, taken.text
    assert found["theirs"] in conflicted.manifest
    assert "bob" in conflicted.cli("show", CHANGED).text
    assert conflicted.cli("review", "--take", "theirs").code == 0


def test_leaving_a_conflict_resolves_nothing(conflicted: Workspace) -> None:
    before = conflicted.manifest
    with Terminal(conflicted.root, "review") as terminal:
        terminal.prompt()
        terminal.answer("2")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert conflicted.manifest == before
