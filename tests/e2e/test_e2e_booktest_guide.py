"""The walks of the DVC production guide, with our names for its commands, against a real DVC remote.

``./do test`` of the guide is ``booktest-cassettes test --runner booktest``. Where it says ``-s`` for a test
that is new, a new result has to be accepted as well, by ``-a`` here, as booktest alone wants it too. Its
``dvc push`` stays in, though approval has pushed already.
"""

from __future__ import annotations

import re
import shutil

import pytest
from dvc_share import files_below
from e2e_booktest_team import DOT_BOOKTEST, IGNORED, MANIFEST, Member, World, reported, set_up, the_api
from e2e_workspace import passes
from terminal import Terminal

OURS = "booktest/blobs/"


@pytest.fixture
def world(tmp_path):
    """After the guide's Initial Setup."""
    return set_up(tmp_path)


@pytest.fixture
def ada(world):
    return world.ada


def intact(member: Member, *tests: str) -> None:
    """The cache is lost, and the tests are intact: nothing was asked but the remote."""
    member.lose_the_cache()
    text = member.intact_tests(*tests)
    assert text.count("(snapshots intact)") >= 1


# --- Initial Setup, Developer Machine Setup -----------------------------------------------------------------


def test_initial_setup(world):
    ada = world.ada
    assert set(reported(world.said)) == {
        f"test/api_test.py::test_{name}" for name in ("users", "orders", "plain")
    }
    assert set(ada.entries()) == {
        "test/api_test.py::test_orders env",
        "test/api_test.py::test_orders http",
        "test/api_test.py::test_users httpx",
    }
    assert "storage_mode: dvc" in ada.manifest
    assert ada.is_pushed()
    there = ada.share
    ada.dvc(["push", "-q"])
    assert ada.share == there
    assert ada.git("ls-files", "books").split() == [
        "books/index.md",
        *(f"books/test/api_test.py/test_{name}.md" for name in ("orders", "plain", "users")),
    ]

    intact(ada)  # step 6


def test_developer_machine_setup_and_a_pull_on_the_next_day(ada):
    bob = ada.joined("bob")
    assert not (bob.root / ".booktest_cache").exists()
    bob.intact_tests()  # step 3: the first run fetches
    bob.dvc(["pull", "-q"])
    bob.intact_tests("-v")  # step 4

    the_api().answers["users"] = 2
    ada.accepted("-S", "-a", "test/api_test.py::test_users")
    ada.push("Users are two")
    bob.git("pull", "--quiet")
    intact(bob)
    assert "2" in (bob.root / "books/test/api_test.py/test_users.md").read_text()


@pytest.mark.nightly
def test_a_machine_that_may_only_read_the_remote_is_enough_for_ci(ada):
    bob = ada.joined("bob")
    bob.intact_tests("-p2", ci=True)
    there = bob.share
    done = bob.test("-s", ci=True)
    assert done.code == 2, done.text
    assert bob.share == there


# --- the workflows ------------------------------------------------------------------------------------------


def test_workflow_1_a_new_test(ada):
    path = ada.feature("news")
    done = ada.test("-s", path)
    assert done.code != 0, "a new result waits to be accepted, as in booktest"
    assert "test/news_test.py::test_news httpx" not in ada.entries()
    assert ada.git("diff", "--name-only").split() == ["books/index.md"], "booktest lists every test there"
    assert "news" in (ada.root / f"books/.out/{path}/test_news.md").read_text()
    assert "test/news_test.py::test_news" in ada.cli("status").text

    passes(ada.test("-w", "-a", path))  # accepted without running it again
    assert the_api().asked == ["news"]
    assert "test/news_test.py::test_news httpx" in ada.entries()
    assert ada.is_pushed()
    ada.dvc(["push", "-q"])
    changed = ada.git("status", "--porcelain", "--untracked-files=all").split()[1::2]
    assert set(changed) == {path, MANIFEST, f"books/{path}/test_news.md", "books/index.md"}
    ada.push("Add new feature test with snapshots")
    ada.joined("bob").intact_tests()


def test_workflow_2_an_answer_that_changed_is_seen_before_it_is_accepted(ada):
    before = ada.entries()
    the_api().answers["users"] = 2
    done = ada.test("-S", "test/api_test.py::test_users")
    assert "DIFF" in reported(done.text)["test/api_test.py::test_users"], done.text
    assert "(snapshots updated)" in done.text
    assert ada.entries() == before
    shown = passes(ada.cli("diff")).text
    assert re.search(r"\$\.is\n +- 1\n +\+ 2", shown), shown

    passes(ada.test("-w", "-a", "test/api_test.py::test_users"))
    after = ada.entries()
    assert {name for name in after if after[name] != before[name]} == {"test/api_test.py::test_users httpx"}
    assert ada.is_pushed()
    ada.dvc(["push", "-q"])
    assert ada.git("diff", "--numstat", MANIFEST).split()[:2] == ["1", "1"]
    ada.push("Update snapshots after feature improvement")
    intact(ada)


@pytest.mark.nightly
def test_workflow_2_with_r_the_run_ends_in_a_review_of_what_it_recorded(ada):
    test = "test/api_test.py::test_users"
    the_api().answers["users"] = 2
    command = ["test", "--runner", "booktest", "-S", "-r", test]
    with Terminal(ada.root, *command, **ada.variables) as terminal:
        shown = terminal.prompt()
        assert "DIFF" in reported(terminal.raw.replace("\r", ""))[test]
        assert re.search(r"\$\.is\s+- 1\s+\+ 2", shown), shown
        terminal.answer("a")
        terminal.type("\r")
        assert terminal.end() == 1, "the result is not accepted yet"
    assert ada.is_pushed()
    assert ada.git("diff", "--name-only").split() == [MANIFEST]
    passes(ada.test("-w", "-a", test))
    assert len(ada.git("diff", "--name-only").split()) == 2
    intact(ada)


@pytest.mark.nightly
def test_workflow_2_code_that_asks_for_more_gets_what_is_missing_with_s(ada):
    asks = 't.h1("orders of'
    source = (ada.root / "test/api_test.py").read_text()
    ada.write("test/api_test.py", source.replace(asks, f'requests.get(URL + "/more")\n    {asks}'))
    test, before = "test/api_test.py::test_orders", ada.entries()
    done = ada.test(test)
    assert reported(done.text)[test].startswith("FAIL")
    assert (ada.entries(), the_api().asked) == (before, [])

    text = ada.accepted("-s", test)  # the result is the same: accepted with its snapshots
    assert "(snapshots updated)" in text
    assert the_api().asked == ["more"], "what is approved was replayed"
    after = ada.entries()
    assert {name for name in after if after[name] != before[name]} == {f"{test} http"}
    assert ada.is_pushed()
    ada.push("Orders ask for more")
    intact(ada)


@pytest.mark.nightly
def test_workflow_2_recording_an_unchanged_api_again_changes_no_line(ada):
    before = ada.manifest
    text = ada.accepted("-S", "-a", STAGE="trial")
    assert sorted(the_api().asked) == ["orders", "users"]
    assert text.count("(snapshots intact)") == 2, text
    assert ada.manifest == before
    assert ada.git("status", "--porcelain") == ""


def test_workflow_3_a_pull_request_is_reviewed(ada):
    ada.git("checkout", "--quiet", "-b", "pr-branch")
    the_api().answers["orders"] = {"amount": 7}
    ada.accepted("-S", "-a", "test/api_test.py::test_orders", STAGE="trial")
    ada.push("Orders have an amount")

    bob = ada.joined("bob")
    bob.git("checkout", "--quiet", "pr-branch")
    lines = [
        line for line in bob.git("diff", "main", "--", MANIFEST).splitlines() if re.match(r"[-+][^-+]", line)
    ]
    assert [line[:7] for line in lines] == ["-  http", "+  http"]
    bob.intact_tests()
    assert "+{'amount': 7}" in bob.git("diff", "main", "--", "books/")
    shown = passes(bob.cli("diff", "main..HEAD")).text
    assert "test/api_test.py::test_orders" in shown
    assert re.search(r"\$\.is\S*\n(.+\n)*? +\+ .*7", shown), shown
    assert "test_users" not in shown
    bob.git("checkout", "--quiet", "main")
    bob.intact_tests()


def two_branches(ada, record) -> None:
    """Something else is recorded on either branch, from the same commit."""
    for branch in ("feature-branch", "main"):
        ada.git("checkout", "--quiet", *(["-b"] if branch != "main" else []), branch)
        record(branch)
        ada.commit_as(f"Recorded on {branch}")


def new_tests(ada) -> None:
    """A new test on either branch: neighbours in the manifest, which lines of text cannot merge."""
    names = {"feature-branch": "gamma", "main": "beta"}
    two_branches(ada, lambda branch: ada.accepted("-s", "-a", ada.feature(names[branch])))


def merge(ada) -> str:
    """``git merge feature-branch``, whatever comes of it. booktest writes its index anew on each run."""
    said = ada.run("git", "merge", "--no-edit", "feature-branch").text
    ada.git("checkout", "--ours", "books/index.md")
    return said


def merged(ada) -> None:
    """``./do test`` on the merge, and it is committed and pushed: both tests are intact everywhere."""
    passes(ada.test())
    if ada.git("status", "--porcelain"):
        ada.commit_as("Merge snapshot updates from feature-branch")
    ada.git("push", "--quiet", "origin", "main")
    names = {name.partition(" ")[0] for name in ada.entries()}
    assert {"test/beta_test.py::test_beta", "test/gamma_test.py::test_gamma"} < names
    assert ada.is_pushed()
    ada.joined("bob").intact_tests()


@pytest.mark.nightly
def test_workflow_4_new_tests_of_two_branches_merge_by_the_driver(ada):
    passes(ada.cli("init", "--yes"))
    ada.commit_as("Set up the driver")
    new_tests(ada)
    assert f"conflict in {MANIFEST}" not in merge(ada)
    assert "<<<<<<<" not in ada.manifest
    ada.dvc(["push", "-q"])
    merged(ada)


@pytest.mark.nightly
def test_workflow_4_new_tests_of_two_branches_merge_by_hand_as_the_guide_shows(ada):
    new_tests(ada)
    assert f"CONFLICT (content): Merge conflict in {MANIFEST}" in merge(ada)
    done = ada.test()
    assert done.code != 0, "a manifest with marks in it is refused"
    assert f"{MANIFEST}:" in done.text
    assert "Traceback" not in done.text
    ada.write(MANIFEST, re.sub(r"^(<<<<<<<|=======|>>>>>>>).*\n", "", ada.manifest, flags=re.MULTILINE))
    merged(ada)


@pytest.mark.nightly
def test_workflow_4_the_same_test_changed_twice_takes_one_side_or_is_recorded_anew(ada):
    test = "test/api_test.py::test_users"

    def record(branch: str) -> None:
        the_api().answers["users"] = branch
        ada.accepted("-S", "-a", test)

    two_branches(ada, record)
    assert f"CONFLICT (content): Merge conflict in {MANIFEST}" in merge(ada)
    books = "books/test/api_test.py/test_users.md"
    ada.git("checkout", "--theirs", MANIFEST, books)
    intact(ada)
    the_api().answers["users"] = 7
    ada.accepted("-S", "-a", test)
    ada.commit_as("Merge, recorded anew")
    assert ada.is_pushed()
    intact(ada)


def test_workflow_5_dvcs_garbage_collection_leaves_the_snapshots_alone(ada):
    there = {name: data for name, data in ada.share.items() if name.startswith(OURS)}
    assert len(there) == 3
    ada.write("data.csv", "1,2")
    ada.dvc(
        ["add", "-q", "data.csv"],
        ["push", "-q"],
        ["gc", "--workspace", "--dry", "-f"],
        ["gc", "--workspace", "-f"],
        ["gc", "--workspace", "--cloud", "-f"],
    )
    assert {name: data for name, data in ada.share.items() if name.startswith(OURS)} == there
    intact(ada)


# --- Migration from Git Storage ---------------------------------------------------------------------------


@pytest.fixture
def in_git(tmp_path):
    """A project of stock booktest's, whose snapshots are in Git."""
    the_api().begin_again()
    world = World(tmp_path).begin()
    world.ada.write(".gitignore", IGNORED)
    world.ada.write(".booktest", "storage.mode=git\n")
    done = world.ada.stock("-s", "-a", STAGE="trial")
    assert done.code == 0, done.text
    world.ada.push("Tests, and what they recorded")
    assert len(list(world.ada.root.glob("books/test/**/*.snapshots.json"))) == 2
    return world


def onto_dvc(ada) -> None:
    """Steps 1 to 3 of the guide's Migration."""
    assert ada.git("status", "--porcelain") == ""
    ada.git("checkout", "--quiet", "-b", "backup-before-dvc")
    ada.git("push", "--quiet", "origin", "backup-before-dvc")
    ada.git("checkout", "--quiet", "main")
    ada.dvc(["init", "-q"], ["remote", "add", "-q", "-d", "booktest-remote", "../remote"])
    ada.write(".booktest", DOT_BOOKTEST)


def moved_in(ada) -> None:
    """Steps 6 and 7: everything is on the remote, nothing of booktest's in Git, and a colleague sees it."""
    assert ada.is_pushed()
    ada.push("Migrate to DVC storage")
    assert [name for name in ada.git("ls-files").split() if name.endswith(".json")] == []
    intact(ada)
    ada.joined("bob").intact_tests()


@pytest.mark.nightly
def test_migration_from_git_takes_what_was_recorded_along(in_git):
    ada = in_git.ada
    onto_dvc(ada)
    the_api().begin_again()
    done = ada.test()
    assert done.code != 0
    assert "booktest-cassettes migrate --from booktest" in done.text
    passes(ada.cli("migrate", "--from", "booktest", "--delete-originals"))  # steps 4 and 5
    assert the_api().asked == []
    assert len(ada.entries()) == 3
    ada.dvc(["push", "-q"])
    moved_in(ada)


@pytest.mark.nightly
def test_migration_from_git_by_recording_anew_as_the_guide_does_it(in_git):
    ada = in_git.ada
    onto_dvc(ada)
    books = files_below(ada.root / "books/test")
    ada.accepted("-S", "-a", "-u", STAGE="trial")  # step 4
    assert len(ada.entries()) == 3
    ada.dvc(["push", "-q"])
    ada.git("rm", "-r", "--quiet", "books/test/**/*.snapshots.json")  # step 5: where booktest 1.1 has them
    kept = {name: data for name, data in books.items() if name.endswith(".md")}
    assert files_below(ada.root / "books/test") == kept
    moved_in(ada)


@pytest.mark.nightly
def test_a_project_goes_back_to_its_backup_branch(in_git):
    ada = in_git.ada
    onto_dvc(ada)
    passes(ada.cli("migrate", "--from", "booktest", "--delete-originals"))
    ada.push("Migrate to DVC storage")
    ada.git("checkout", "--quiet", "backup-before-dvc")
    shutil.rmtree(ada.root / ".booktest_cache")
    asked = len(the_api().asked)
    done = ada.stock()
    assert done.code == 0, done.text
    assert len(the_api().asked) == asked
