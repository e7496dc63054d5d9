"""What goes wrong in a booktest suite: nothing is lost, nothing is changed, nothing is executed."""

from __future__ import annotations

import pytest
from dvc_share import files_below
from e2e_booktest_team import MANIFEST, World, reported, set_up, the_api

ORDERS, USERS = "test/api_test.py::test_orders", "test/api_test.py::test_users"
IN_WORKERS = pytest.mark.parametrize(
    "parallel",
    [pytest.param(["-p2"], id="p2"), pytest.param([], id="serial", marks=pytest.mark.nightly)],
)
#: ``import dvc`` fails, as where it is not installed; in workers, too.
WITHOUT = """
from importlib.machinery import PathFinder

real = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] == "dvc" else real(name, path, target)

PathFinder.find_spec = staticmethod(find_spec)
"""


@pytest.fixture
def ada(tmp_path):
    return set_up(tmp_path).ada


def change(ada, old: str, new: str) -> None:
    """The tests' code is edited."""
    source = (ada.root / "test/api_test.py").read_text()
    assert old in source
    ada.write("test/api_test.py", source.replace(old, new))


def everything(ada) -> dict[str, bytes]:
    """What no failure may change: the manifest, the approved blobs, the remote, the results."""
    books = {name: data for name, data in files_below(ada.root / "books").items() if name[:5] != ".out/"}
    return {MANIFEST: ada.manifest.encode(), **ada.kept(), **ada.share, **books}


# --- replays that fail --------------------------------------------------------------------------------------


@IN_WORKERS
def test_a_failing_replay_changes_nothing(ada, parallel):
    before = everything(ada)
    change(ada, 'URL + "/users"', 'URL + "/customers"')
    done = ada.test(*parallel)
    assert done.code != 0
    lines = reported(done.text)
    assert lines[USERS].startswith("FAIL"), done.text
    assert lines[ORDERS].endswith("(snapshots intact)"), done.text
    assert "-s" in done.text, "it says how to record what is missing"
    assert everything(ada) == before
    assert the_api().asked == []


SOME = [["-s", "-a"], ["-S", "-a"]]


@pytest.mark.parametrize(
    ("parallel", "runs"),
    [
        pytest.param([], SOME, id="serial"),
        pytest.param([], [[], ["-s"], ["-S"], ["-u"]], id="others", marks=pytest.mark.nightly),
        pytest.param(["-p2"], SOME, id="p2", marks=pytest.mark.nightly),
    ],
)
def test_a_test_that_raises_midway_loses_no_entry(ada, parallel, runs):
    before = everything(ada)
    change(ada, "    t.h1(", '    httpx.get(URL + "/users")\n    raise RuntimeError("midway")\n    t.h1(')
    for arguments in runs:
        done = ada.test(*parallel, *arguments, STAGE="trial")
        assert done.code != 0
        assert "midway" in done.text
        assert reported(done.text)[USERS].startswith("FAIL")
        assert everything(ada) == before, arguments
    assert ada.waiting() == [], "a test that failed stages nothing"
    ada.git("checkout", "--quiet", "test")
    ada.intact_tests(*parallel)


def test_a_new_test_that_raises_midway_stages_nothing_and_the_others_are_recorded(ada):
    path = ada.feature("news")
    ada.write(path, (ada.root / path).read_text() + '    raise RuntimeError("midway")\n')
    other = ada.feature("other")
    done = ada.test("-s", "-a", path, other)
    assert done.code == 1, done.text
    assert set(ada.entries()) == {
        f"{ORDERS} env", f"{ORDERS} http", f"{USERS} httpx", "test/other_test.py::test_other httpx"
    }  # fmt: skip
    assert ada.is_pushed()


@IN_WORKERS
def test_a_lost_cache_is_fetched_again_and_everything_is_intact(ada, parallel):
    before = everything(ada)
    ada.lose_the_cache()
    ada.intact_tests(*parallel)
    assert everything(ada) == before


@pytest.mark.nightly
def test_a_blob_that_was_changed_on_the_disk_is_not_replayed(ada):
    (blob,) = (ada.root / ".booktest_cache/httpx").rglob("*/??/*")
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes().replace(b"1", b"2"))
    before = ada.manifest
    done = ada.test(USERS)
    told = done.text
    assert ada.manifest == before
    assert done.code in (0, 4), told  # fetched again from the remote, or refused: never replayed
    assert the_api().asked == []
    ada.lose_the_cache()
    ada.intact_tests()


@pytest.mark.parametrize(
    "ci", [pytest.param(True, id="ci"), pytest.param(False, id="here", marks=pytest.mark.nightly)]
)
def test_without_the_remote_and_without_a_cache_the_run_ends_with_5(ada, ci):
    before = ada.manifest
    ada.lose_the_cache()
    ada.root.with_name("remote").rename(ada.root.with_name("away"))
    done = ada.test("-p2", ci=ci)
    assert done.code == 5, done.text
    assert "next: " in done.text
    lines = reported(done.text)
    if ci:
        assert lines == {}, "no test is run for nothing"
        assert "Traceback" not in done.text
    else:
        assert lines[USERS].startswith("FAIL")
        assert "FAIL" not in lines["test/api_test.py::test_plain"], "what needs nothing runs"
    assert ada.manifest == before
    assert ada.git("status", "--porcelain") == ""
    assert the_api().asked == []


def test_an_approval_that_the_remote_refuses_accepts_nothing(ada):
    before = everything(ada)
    the_api().answers["users"] = 2
    remote = ada.root.with_name("remote")
    remote.rename(ada.root.with_name("away"))
    done = ada.test("-S", "-a", USERS)
    assert done.code == 5, done.text
    ada.root.with_name("away").rename(remote)
    assert {name: data for name, data in everything(ada).items() if name in before} == before
    assert ada.git("status", "--porcelain") == ""
    assert ada.test("-w", "-a", USERS).code == 0, "what was recorded waited"
    assert ada.is_pushed()
    assert ada.git("diff", "--numstat", MANIFEST).split()[:2] == ["1", "1"]


# --- DVC is not there ---------------------------------------------------------------------------------------


@pytest.fixture
def no_dvc(tmp_path):
    """What makes ``import dvc`` fail."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without/sitecustomize.py").write_text(WITHOUT)
    return {"PYTHONPATH": str(tmp_path / "without")}


@IN_WORKERS
def test_dvc_missing_falls_back_to_git_with_one_warning(tmp_path, no_dvc, parallel):
    the_api().begin_again()
    ada = World(tmp_path).begin().with_dvc().ada
    ada.write(".booktest", "storage.mode=auto\n")
    done = ada.test(*parallel, "-s", "-a", STAGE="trial", **no_dvc)
    assert done.code == 0, done.text
    assert done.text.count("storage: Git, since ") == 1, done.text
    assert "storage_mode: git" in ada.manifest
    assert len(list(ada.root.glob("books/test/**/_snapshots/*.json"))) == 3
    assert ada.share == {}
    done = ada.test(*parallel, **no_dvc)
    assert done.code == 0, done.text
    assert done.text.count("storage: Git, since ") == 1, done.text
    assert done.text.count("(snapshots intact)") == 2, done.text


@pytest.mark.nightly
def test_a_full_cache_needs_no_dvc(ada, no_dvc):
    done = ada.test(**no_dvc)
    assert done.code == 0, done.text
    assert done.text.count("(snapshots intact)") == 2, done.text
    assert ada.git("status", "--porcelain") == ""


def test_with_no_fallback_a_missing_dvc_is_an_error_before_the_first_test(ada, no_dvc):
    ada.write(".booktest", "storage.mode=auto\nstorage.fallback_mode=none\n")
    ada.lose_the_cache()
    done = ada.test(**no_dvc)
    assert done.code == 5, done.text
    assert reported(done.text) == {}
    assert "pip install" in done.text


# --- names that a shell would take for more than names ------------------------------------------------------

NIGHTLY = ["a b", "`touch pwned`", "x;touch pwned", "x|touch pwned", "x&touch pwned", "q'q", 'q"q']
EVIL = ["$(touch pwned)", *(pytest.param(name, marks=pytest.mark.nightly) for name in NIGHTLY)]


def evil_file(ada, name: str) -> str:
    path = f"test/{name}_test.py"
    ada.write(path, (ada.root / "test/api_test.py").read_text())
    return path


def is_clean(ada) -> bool:
    """Nothing was executed, and no directory of half a name was made."""
    top = {path.name for path in ada.root.iterdir()}
    return not list(ada.root.parent.rglob("pwned")) and top <= {
        *(".git", ".dvc", ".dvcignore", ".booktest", ".booktest_cache", ".gitignore", ".gitattributes"),
        *("books", "booktest.ini", MANIFEST, "test"),
    }  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_a_file_name_that_a_shell_would_read_is_refused_before_the_first_test(ada, name):
    path = evil_file(ada, name)
    before = everything(ada)
    for arguments in (["-s", "-a"], ["-p2"]):
        done = ada.test(*arguments, STAGE="trial")
        assert done.code == 2, done.text
        assert reported(done.text) == {}
        assert path in done.text.replace("\\", "")
        assert "Traceback" not in done.text
        assert is_clean(ada)
    assert everything(ada) == before
    assert the_api().asked == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["b;touch pwned", "$(touch pwned)", "b ooks"])
def test_a_books_path_that_a_shell_would_read_is_refused(ada, name):
    ada.write("booktest.ini", f"fs_version=v2\nbooks_path={name}\n")
    for arguments in ([], ["-p2"]):
        done = ada.test(*arguments)
        assert done.code == 2, done.text
        assert "books_path" in done.text
        assert is_clean(ada)


@pytest.mark.nightly
def test_a_project_below_a_directory_with_such_a_name_works(tmp_path):
    odd = tmp_path / "a $(touch pwned) 'b'; touch pwned"
    ada = set_up(odd).ada
    ada.lose_the_cache()
    ada.intact_tests("-p2")
    the_api().answers["users"] = 2
    ada.accepted("-S", "-a", USERS)
    assert ada.is_pushed()
    assert not list(tmp_path.rglob("pwned"))
