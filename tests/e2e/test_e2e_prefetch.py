"""Before the first test, what the collected tests replay is fetched in one batch; nothing else is."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from dvc_share import init_dvc
from e2e_workspace import Api, Done, Workspace, running_api

from booktest_cassettes.pytest_plugin.prefetch import _needed

TESTS = """
    import os, sys
    import pytest, requests
    from booktest_cassettes import cassette

    URL = "{url}"

    @pytest.fixture(scope="module")
    def token():
        return requests.get(URL + "/token").json()["path"]

    @cassette
    def test_one(token):
        assert token == "/token"
        assert requests.get(URL + "/one").ok

    @cassette
    def test_two():
        assert requests.get(URL + "/two").ok

    @cassette
    def test_three():
        assert requests.get(URL + "/three").ok

    def test_of_its_own():
        if os.environ.get("SHOW"):
            print("LOADED", [name for name in ("dvc", "fsspec", "dvc_objects") if name in sys.modules])
"""
OTHER = """
    import requests
    from booktest_cassettes import cassette

    @cassette("data.py::shared")
    def data():
        return requests.get("{url}/shared").json()["path"]

    @cassette
    def test_other():
        assert requests.get("{url}/other").ok

    @cassette
    def test_inner():
        assert requests.get("{url}/inner").ok
        with cassette("data.py::explicit"):
            assert requests.get("{url}/explicit").ok
        assert data() == "/shared"
"""
UNITTEST = """
    import unittest, requests
    from booktest_cassettes import cassette

    class Tests(unittest.TestCase):
        @cassette
        def test_it(self):
            self.assertEqual(requests.get("{url}/unit").json()["path"], "/unit")

    if __name__ == "__main__":
        with cassette("script.py::main"):
            print(requests.get("{url}/script").json()["path"])
"""


class Clone(Workspace):
    """A workspace with an empty cache, and the share that it fetches from."""

    def __init__(self, root: Path, share: Path) -> None:
        super().__init__(root)
        self.share = share

    def kept(self) -> list[str]:
        """The digests in the cache."""
        found = self.root.glob(".booktest_cache/*/sha256/*/*")
        return sorted(path.name for path in found)

    def digests(self, *names: str) -> list[str]:
        """Those that the manifest has for tests of these names."""
        blocks = re.findall(r"^(\S+):\n((?:  .+\n)+)", self.manifest, re.MULTILINE)
        found = {block[0].rpartition("::")[2]: re.findall(r"sha256:(\w{64})", block[1]) for block in blocks}
        return sorted(digest for name in names for digest in found[name])

    def cache(self) -> dict[str, bytes]:
        return {
            str(path): path.read_bytes() for path in self.root.glob(".booktest_cache/**/*") if path.is_file()
        }

    def pytest(self, *arguments: str, ci: bool = False, **variables: str) -> Done:
        """With the plugins that matter here: a dozen others take a second to load, in every process."""
        only = ("-p", "booktest_cassettes.pytest_plugin", "-p", "xdist.plugin")
        return super().pytest(*only, *arguments, ci=ci, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", **variables)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was recorded, approved and committed, its share beside it; the API has stopped."""
    place = tmp_path_factory.mktemp("recorded")
    (place / "share").mkdir()
    (place / "work").mkdir()
    work = Workspace(place / "work").begin()
    init_dvc(work.root, "../../share")
    work.write("booktest.toml", '[storage]\nmode = "dvc"\n')
    work.write("pytest.ini", "[pytest]\n")
    with running_api() as api:
        _write_tests(work, api)
        work.record()
        done = work.run(sys.executable, "test_unit.py")
        assert done.code == 0, done.text
        done = work.cli("approve", "--all")
        assert done.code == 0, done.text
    assert len(list((place / "share").rglob("*/sha256/??/*"))) == 10
    work.commit()
    shutil.rmtree(work.root / ".booktest_cache")
    return place


def _write_tests(work: Workspace, api: Api) -> None:
    work.write("test_it.py", TESTS.format(url=api.url))
    work.write("sub/test_other.py", OTHER.format(url=api.url))
    work.write("test_unit.py", UNITTEST.format(url=api.url))


@pytest.fixture
def clone(recorded: Path, tmp_path: Path) -> Clone:
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    return Clone(tmp_path / "work", tmp_path / "share")


def test_exactly_what_the_collected_tests_need_is_fetched_in_one_batch_before_the_first(clone):
    done = clone.pytest("-v", "test_it.py", "-k", "one or two", ci=True)
    assert done.code == 0, done.text
    assert clone.kept() == clone.digests("test_one", "test_two", "token")
    assert done.text.count("cassettes: fetched") == 1
    assert "cassettes: fetched 3 blobs" in done.text
    assert done.text.index("cassettes: fetched") < done.text.index("test_one PASSED")
    assert clone.git("status", "--short") == ""


def test_with_workers_there_is_one_fetch(clone):
    done = clone.pytest("-n", "2", "test_it.py", ci=True)
    assert done.code == 0, done.text
    assert clone.kept() == clone.digests("test_one", "test_two", "test_three", "token")
    assert done.text.count("cassettes: fetched") == 1
    assert "cassettes: fetched 4 blobs" in done.text
    assert clone.git("status", "--short") == ""


def test_only_collecting_fetches_nothing(clone):
    shutil.rmtree(clone.share)
    done = clone.pytest("--collect-only", "-q", ci=True)
    assert done.code == 0, done.text
    assert clone.kept() == []


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_ci_with_an_unreachable_remote_ends_at_once_with_5(clone, workers):
    shutil.rmtree(clone.share)
    done = clone.pytest(*workers, ci=True)
    assert done.code == 5, done.text
    assert "there is no directory" in done.text
    assert "mount the share" in done.text
    assert " passed" not in done.text
    assert not clone.share.exists()


def test_ci_needs_no_remote_for_tests_without_cassettes(clone):
    shutil.rmtree(clone.share)
    done = clone.pytest("test_it.py::test_of_its_own", ci=True)
    assert done.code == 0, done.text


COUNTING = """
    import atexit
    from booktest_cassettes.store.remote.share import ShareMedium

    asked = []
    check = ShareMedium._check_mounted
    ShareMedium._check_mounted = lambda self: (asked.append(1), check(self))
    atexit.register(lambda: open("asked", "w").write(str(len(asked))))
"""


def test_elsewhere_only_the_tests_that_need_it_fail_and_the_remote_is_asked_once(clone):
    clone.write("conftest.py", COUNTING)
    done = clone.pytest("-q", "test_it.py::test_two")
    assert done.code == 0, done.text
    shutil.rmtree(clone.share)
    done = clone.pytest("-v", "test_it.py", "sub")
    assert done.code == 5, done.text
    assert "test_two PASSED" in done.text
    assert "test_of_its_own PASSED" in done.text
    for name in ("test_one", "test_three", "test_other", "test_inner"):
        assert f"{name} PASSED" not in done.text
    assert "there is no directory" in done.text
    # The batch that failed asked for six blobs at once, and nobody asked again.
    assert int((clone.root / "asked").read_text()) <= 6


def test_a_warm_cache_needs_neither_the_remote_nor_dvc_and_changes_nothing(clone):
    assert clone.pytest("-q", "test_it.py", ci=True).code == 0
    shutil.rmtree(clone.share)
    before = clone.cache()
    done = clone.pytest("-q", "-s", "test_it.py", ci=True, SHOW="1")
    assert done.code == 0, done.text
    assert "LOADED []" in done.text
    assert "fetched" not in done.text
    assert clone.cache() == before
    assert clone.git("status", "--short") == ""


def test_what_only_the_test_knows_of_is_fetched_when_it_is_asked_for_in_the_middle_of_strict_replay(clone):
    done = clone.pytest("-v", "sub", "-k", "inner", ci=True)
    assert done.code == 0, done.text
    assert clone.kept() == clone.digests("test_inner", "shared", "explicit")


def test_a_test_with_an_id_of_its_own_is_fetched_with_the_others(clone):
    path = clone.root / "test_it.py"
    text = path.read_text()
    path.write_text(
        text.replace("@cassette\ndef test_two():", '@cassette("test_it.py::test_two")\ndef test_renamed():')
    )
    done = clone.pytest("-q", "test_it.py", ci=True)
    assert done.code == 0, done.text
    assert "cassettes: fetched 4 blobs" in done.text


def test_unittest_fetches_as_it_goes(clone):
    done = clone.run(sys.executable, "-m", "unittest", "-q", "test_unit", ci=True)
    assert done.code == 0, done.text
    assert clone.kept() == clone.digests("test_it")
    assert clone.git("status", "--short") == ""
    shutil.rmtree(clone.share)
    assert clone.run(sys.executable, "-m", "unittest", "-q", "test_unit", ci=True).code == 0


def test_a_script_fetches_as_it_goes(clone):
    done = clone.run(sys.executable, "test_unit.py", ci=True)
    assert done.code == 0, done.text
    assert done.text.strip() == "/script"
    assert clone.kept() == clone.digests("main")


def test_a_run_in_isolation_fetches_first(clone):
    done = clone.cli("run", "--isolate", "--", "-q", "test_it.py", ci=True)
    assert done.code == 0, done.text
    assert "pulled: 10 blobs" in done.text
    assert "fetched" not in done.text


def test_a_blob_that_is_lost_fails_its_test_alone_with_4(clone):
    (digest,) = clone.digests("test_two")
    (clone.share / "booktest/blobs/http/sha256" / digest[:2] / digest).write_bytes(b"garbage")
    done = clone.pytest("-v", "test_it.py", ci=True)
    assert done.code == 4, done.text
    assert "corrupt" in done.text
    assert "test_two PASSED" not in done.text
    assert "test_one PASSED" in done.text
    assert "test_three PASSED" in done.text
    assert clone.kept() == clone.digests("test_one", "test_three", "token")


def test_recording_everything_anew_fetches_nothing(clone):
    shutil.rmtree(clone.share)
    with running_api() as api:
        _write_tests(clone, api)
        done = clone.cli("run", "-S", "--", "-q", "test_it.py")
    assert done.code == 0, done.text
    assert clone.kept() == []


def test_ci_that_requires_dvc_ends_with_5_before_the_first_test_where_it_is_missing(clone):
    shutil.rmtree(clone.root / ".dvc")
    clone.write("booktest.toml", '[storage]\nmode = "auto"\n')
    done = clone.pytest(ci=True, BOOKTEST_REQUIRE_DVC="1")
    assert done.code == 5, done.text
    assert "DVC is required in CI (environment BOOKTEST_REQUIRE_DVC)" in done.text
    assert " passed" not in done.text


def test_fixtures_of_the_conftests_above_a_test_are_needed_and_those_elsewhere_are_not():
    ids = ["a/b/test_it.py::Tests::test_it[x/y]", "test_top.py::test_top"]
    needed = [
        *ids,
        "a/b/conftest.py::session",
        "a/conftest.py::session[x]",
        "conftest.py::session",
        "a/b/test_it.py::module",
        "a/b/test_it.py::Tests::setup_class",
    ]
    others = [
        "a/c/conftest.py::session",
        "a/b/c/conftest.py::session",
        "a/b/test_it.py::Others::setup_class",
        "a/b/test_it.py::test_other",
        "a/b/test_it.py::Tests::test_it[x]",
        "b/conftest.py::session",
    ]
    digest = "sha256:" + "0" * 64
    entries = {test_id: {"http": digest} for test_id in needed + others}
    project = SimpleNamespace(manifest=SimpleNamespace(entries=entries))
    assert [test_id for test_id, _ in _needed(project, ids)] == needed
