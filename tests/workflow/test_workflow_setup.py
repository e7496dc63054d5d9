"""``init``: what it finds, what it writes, and that it writes nothing twice."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dvc_share import init_dvc
from workflow_bench import USERS, Bench, http

from booktest_cassettes.config import load_config
from booktest_cassettes.project import Project
from booktest_cassettes.workflow import setup, suites

LINE = "booktest.manifest.yaml merge=booktest-manifest text eol=lf"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    return root


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def init(root: Path, **asked) -> list[str]:
    return [step.name for step in setup.execute(setup.plan(root, **asked))]


def mode_of(root: Path) -> str:
    return tomllib.loads((root / "booktest.toml").read_text())["storage"]["mode"]


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_all_of_it_is_written_once_and_never_again(root):
    done = init(root)
    assert done == ["booktest.toml", ".gitattributes", ".gitignore", "merge.booktest-manifest"]
    assert mode_of(root) == "git"
    assert (root / ".gitattributes").read_text() == f"{LINE}\n"
    assert (root / ".gitignore").read_text() == ".booktest_cache/\nbooks/_reports/\n"
    assert "merge-driver" in git(root, "config", "--local", "merge.booktest-manifest.driver")
    assert git(root, "check-attr", "merge", "eol", "--", "booktest.manifest.yaml").splitlines() == [
        "booktest.manifest.yaml: merge: booktest-manifest",
        "booktest.manifest.yaml: eol: lf",
    ]
    before = snapshot(root)
    assert init(root) == []
    assert snapshot(root) == before
    assert all(finding.ok for finding in setup.findings(Project.open(root)))


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        (b"*.pyc\r\n", b"*.pyc\r\n.booktest_cache/\r\nbooks/_reports/\r\n"),
        (b"*.pyc\r\nlast", b"*.pyc\r\nlast\r\n.booktest_cache/\r\nbooks/_reports/\r\n"),
        (b"*.pyc", b"*.pyc\n.booktest_cache/\nbooks/_reports/\n"),
        (b"\n# caf\xe9\n", b"\n# caf\xe9\n.booktest_cache/\nbooks/_reports/\n"),
        (b"/.booktest_cache\n", b"/.booktest_cache\nbooks/_reports/\n"),
        (b".booktest_*/\n/books/_*\n", b".booktest_*/\n/books/_*\n"),
    ],
)
def test_lines_are_added_as_the_file_has_them_and_only_those_that_lack(root, stored, written):
    (root / ".gitignore").write_bytes(stored)
    init(root)
    assert (root / ".gitignore").read_bytes() == written
    assert init(root) == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_attributes_of_others_stay_and_ours_are_in_force(root, end):
    (root / ".gitattributes").write_bytes(b"* text=auto" + end + b"*.yaml merge=union")
    init(root)
    assert (root / ".gitattributes").read_bytes() == end.join(
        [b"* text=auto", b"*.yaml merge=union", LINE.encode(), b""]
    )
    assert "booktest-manifest" in git(root, "check-attr", "merge", "booktest.manifest.yaml")
    assert init(root) == []


@pytest.mark.parametrize("name", ["snapshots/m.yaml", "a b/[x] é*.yaml", '!"q".yaml', "#m.yaml"])
def test_the_manifests_configured_path_is_the_one_that_merges(root, name):
    (root / ".booktest").write_text(f"storage.manifest={name}\n")
    init(root)
    assert setup.DRIVER in git(root, "check-attr", "-z", "merge", "--", name)
    assert setup.DRIVER not in git(root, "check-attr", "-z", "merge", "--", "other.yaml")
    assert init(root) == []


def test_a_configuration_that_is_there_is_left_as_it_is(root):
    (root / "booktest.toml").write_text('[storage]\nmode = "auto" # mine\n')
    plan = setup.plan(root, storage_mode="git")
    assert "booktest.toml" not in [step.name for step in setup.execute(plan)]
    assert (root / "booktest.toml").read_text() == '[storage]\nmode = "auto" # mine\n'
    assert "booktest.toml stays as it is" in plan.notes[0]


def test_a_table_in_pyproject_is_a_configuration(root):
    (root / "pyproject.toml").write_text('[tool.booktest-cassettes.storage]\nmode = "git"\n')
    init(root)
    assert not (root / "booktest.toml").exists()


def test_a_dvc_remote_is_found_and_used(root, tmp_path):
    init_dvc(root, tmp_path / "share")
    init(root)
    assert mode_of(root) == "dvc"
    assert Project.open(root).storage.mode == "dvc"


def test_a_dvc_repository_without_a_remote_is_told_and_waited_for(root):
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("['remote \"one\"']\n url = /x\n['remote \"two\"']\n url = /y\n")
    plan = setup.plan(root)
    setup.execute(plan)
    assert mode_of(root) == "auto"
    (note,) = plan.notes
    assert "there are: one, two" in note


def test_a_remote_that_was_chosen_is_written_down(root):
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("['remote \"one\"']\n url = /x\n['remote \"two\"']\n url = /y\n")
    plan = setup.plan(root, remote="two")
    setup.execute(plan)
    assert plan.notes == ()
    place = Project.open(root).place
    assert place is not None
    assert place.name == "two"


def test_recordings_that_are_in_git_already_say_where_recordings_are(root):
    path = root / "tests/books/test_api.py/test_x/_snapshots/http.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    git(root, "add", "--all")
    init(root)
    assert Project.open(root).config.snapshots_dir == root / "tests/books"


def test_outside_of_a_repository_the_configuration_is_written_and_the_rest_is_told(tmp_path):
    plan = setup.plan(tmp_path)
    assert [step.name for step in setup.execute(plan)] == ["booktest.toml"]
    assert plan.notes == ("not in a Git repository: git init, then booktest-cassettes init again",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["booktest.toml"]
    assert setup.findings(Project.open(tmp_path)) == []


def test_a_project_below_the_repositorys_top_has_its_own_files_and_the_clones_driver(root):
    below = root / "services/api"
    below.mkdir(parents=True)
    (below / "pytest.ini").write_text("[pytest]\n")
    assert setup.root_of(below) == below
    init(below)
    assert not (root / ".gitattributes").exists()
    name = "services/api/booktest.manifest.yaml"
    assert "booktest-manifest" in git(root, "check-attr", "merge", name)
    assert git(root, "config", "--local", "merge.booktest-manifest.driver")


def test_a_fresh_clone_lacks_the_driver_and_repairs_say_so_and_put_it_there(root, tmp_path):
    init(root)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=init")
    git(tmp_path, "clone", "--quiet", "project", "clone")
    project = Project.open(tmp_path / "clone")
    lacking = [finding.name for finding in setup.findings(project) if not finding.ok]
    assert lacking == ["merge.booktest-manifest"]
    setup.execute(setup.repairs(project))
    assert all(finding.ok for finding in setup.findings(project))
    assert git(tmp_path / "clone", "status", "--porcelain") == ""


def test_payload_attributes_of_an_earlier_version_are_brought_up_to_date(root):
    bench = Bench(root)
    bench.approved(USERS, http=http("one"))
    attributes = root / "books/.gitattributes"
    today = attributes.read_bytes()
    attributes.write_bytes(
        b"# made by booktest-cassettes: payloads are checked out as they are\n**/_snapshots/*.json -text\n"
    )
    assert "books/.gitattributes" in init(root)
    assert attributes.read_bytes() == today
    attributes.write_bytes(b"*.md text\r\n")
    init(root)
    assert attributes.read_bytes() == b"*.md text\r\n**/_snapshots/*.json -text -merge\r\n"
    assert init(root) == []


@pytest.mark.parametrize("name", [".gitattributes", "books/.gitattributes"])
def test_a_line_that_another_one_overrules_is_told_and_not_added_over_and_over(root, name):
    Bench(root).approved(USERS, http=http("one"))
    init(root)
    with (root / name).open("a") as stream:
        stream.write("*.yaml merge=union\n*.json merge=union\n")
    before = snapshot(root)
    assert init(root) == []
    assert snapshot(root) == before
    (told,) = (finding for finding in setup.findings(Project.open(root)) if not finding.ok)
    assert (told.name, told.is_possible) == (name, False)
    assert "overruled" in told.detail


def test_a_setting_that_is_there_twice_is_there_once_afterwards(root):
    init(root)
    git(root, "config", "--add", "merge.booktest-manifest.driver", "old")
    assert init(root) == ["merge.booktest-manifest"]
    assert "merge-driver" in git(root, "config", "--get-all", "merge.booktest-manifest.driver")
    assert init(root) == []


@pytest.mark.parametrize(
    ("files", "suite"),
    [
        ({}, ""),
        ({"pytest.ini": ""}, "pytest"),
        ({"tests/test_a.py": "import pytest\n"}, "pytest"),
        ({"tests/deep/test_a.py": "import unittest\n"}, "unittest"),
        ({"booktest.ini": ""}, "booktest"),
        ({"books/index.md": "", "test/a_book.py": "def test_a(t): ...\n"}, "booktest"),
        ({"booktest.ini": "fs_version=v2\n", "test/test_a.py": "def test_a(t): ...\n"}, "booktest"),
        ({"test/a_test.py": "import booktest as bt\n"}, "booktest"),
        ({"book/a_suite.py": "from booktest.core import x\n"}, "booktest"),
        ({"tests/test_a.py": "from booktest_cassettes import cassette\n"}, "pytest"),
        ({"booktest.ini": "storage.mode=git\n", "tests/test_a.py": "import pytest\n"}, "pytest"),
        ({"books/index.md": "", "pyproject.toml": "[tool.pytest.ini_options]\n"}, "pytest"),
    ],
)
def test_the_suite_is_found(root, files, suite):
    lay(root, files)
    assert suites.suite(root) == suite


def lay(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_a_booktest_suite_gets_its_runner_and_its_output_is_ignored(root):
    lay(root, {"test/a_test.py": "import booktest as bt\n"})
    init(root)
    assert load_config(root).runner == "booktest"
    assert (root / ".gitignore").read_text() == ".booktest_cache/\nbooks/_reports/\nbooks/.out/\n"
    assert init(root) == []


def test_output_that_is_in_git_already_is_told_with_a_command_that_takes_it_out(root):
    lay(root, {"test/a_test.py": "import booktest as bt\n", "books/.out/cases.ndjson": ""})
    assert setup.plan(root).notes == ()
    git(root, "add", "--all")
    (note,) = setup.plan(root).notes
    git(root, *note.partition(": git ")[2].partition(" && ")[0].split())
    assert setup.plan(root).notes == ()
    assert (root / "books/.out/cases.ndjson").exists()


def test_beside_a_pytest_suite_booktests_output_is_ignored_and_run_stays_pytest(root):
    lay(root, {"pytest.ini": "", "books/index.md": "", ".gitignore": "books/.out\n"})
    init(root)
    assert load_config(root).runner == "pytest"
    assert (root / ".gitignore").read_text() == "books/.out\n.booktest_cache/\nbooks/_reports/\n"


@pytest.mark.parametrize(
    ("name", "is_recorded"),
    [
        ("books/test/a_test.py/test_x.snapshots.json", True),
        ("books/test/a_test.py/test_x/_snapshots/requests.json", True),
        ("books/.out/test/a_test.py/test_x.snapshots.json", False),
        ("books/test/a_test.py/test_x/data.json", False),
    ],
)
def test_what_booktest_recorded_is_found(root, name, is_recorded):
    lay(root, {name: "{}"})
    assert suites.recorded_by_booktest(root) is is_recorded


def test_the_programs_are_ours_on_the_path_then_where_they_are_installed():
    own = Path(sys.executable).with_name("booktest-cassettes")
    assert setup.programs() == ["booktest-cassettes", *([str(own)] if own.exists() else [])]
