"""A project: its stores, its manifest, and the errors that name what is missing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import BlobCorrupt, BlobMissing, ManifestError, RemoteError, StorageError
from booktest_cassettes.manifest import Manifest, save
from booktest_cassettes.project import Project

DATA, OTHER = b'{"version": 1}\n', b'{"version": 1, "other": 1}\n'
USERS = "tests/test_api.py::test_users"
KEY = BlobKey(Kind.HTTP, Digest.of(DATA))
GIT = '[storage]\nmode = "git"\n'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name == "CI" or name.startswith("BOOKTEST_")]:
        monkeypatch.delenv(name)
    (tmp_path / "booktest.toml").write_text(GIT)
    return tmp_path


def approve(root: Path, *test_ids: str, payload: bool = True) -> None:
    save(
        root / "booktest.manifest.yaml", Manifest("git", {name: {Kind.HTTP: KEY.digest} for name in test_ids})
    )
    if payload:
        Project.open(root).git_store().put(KEY, DATA)


def test_it_is_found_from_any_directory_below(root):
    (root / "a/b").mkdir(parents=True)
    assert Project.open(root / "a/b").config.root == root


def test_opening_and_reading_write_nothing(root):
    approve(root, USERS)
    before = sorted(root.rglob("*"))
    project = Project.open(root)
    assert project.approved(USERS, Kind.HTTP, KEY.digest) == DATA
    assert list(project.pending) == []
    assert sorted(root.rglob("*")) == before


# --- looking a digest up ----------------------------------------------------------------------------


def test_keep_is_asked_before_the_payload(root):
    approve(root, USERS, payload=False)
    project = Project.open(root)
    project.keep.put(KEY, DATA)
    assert project.approved(USERS, Kind.HTTP, KEY.digest) == DATA


def test_the_payload_is_that_of_the_test_that_asks(root):
    approve(root, USERS)
    with pytest.raises(BlobMissing):
        Project.open(root).approved("tests/test_api.py::test_other", Kind.HTTP, KEY.digest)


def test_a_blob_that_is_nowhere_is_missed_by_its_places_and_a_command(root):
    approve(root, USERS, payload=False)
    project = Project.open(root)
    with pytest.raises(BlobMissing) as caught:
        project.approved(USERS, Kind.HTTP, KEY.digest)
    for part in (USERS, KEY.digest.short, ".booktest_cache", "test_users/_snapshots/http.json"):
        assert part in caught.value.message
    assert "git checkout -- books/tests/test_api.py/test_users/_snapshots/http.json" in caught.value.hint


@pytest.mark.parametrize("store", ["keep", "payload"])
def test_a_blob_that_changed_is_corrupt_and_stays(root, store):
    approve(root, USERS)
    project = Project.open(root)
    if store == "keep":
        project.keep.put(KEY, DATA)
    path = project.keep.path(KEY) if store == "keep" else project.git_store().path(USERS, Kind.HTTP)
    path.write_bytes(OTHER)
    with pytest.raises(BlobCorrupt) as caught:
        project.approved(USERS, Kind.HTTP, KEY.digest)
    assert f"{USERS}: {project.relative(path)}: corrupt" in caught.value.message
    assert path.read_bytes() == OTHER


@pytest.mark.parametrize("place", ["books", ".booktest_cache"])
def test_a_place_that_cannot_be_read_is_neither_missing_nor_corrupt(root, place):
    approve(root, USERS, payload=False)
    (root / place).write_text("in the way")
    with pytest.raises(StorageError, match=place):
        Project.open(root).approved(USERS, Kind.HTTP, KEY.digest)


def test_the_git_store_gives_every_owner_its_payload(root):
    approve(root, USERS, "tests/test_api.py::test_other")
    store = Project.open(root).git_store()
    assert store.is_whole(KEY)
    assert list(store.keys()) == [KEY]
    assert len(list((root / "books").rglob("http.json"))) == 2


# --- the manifest -----------------------------------------------------------------------------------


def test_the_manifest_is_read_once(root):
    approve(root, USERS)
    project = Project.open(root)
    assert project.manifest is project.manifest
    (root / "booktest.manifest.yaml").unlink()
    assert list(project.manifest.entries) == [USERS]


def test_it_is_stale_once_another_manifest_is_on_disk(root):
    project = Project.open(root)
    assert not project.is_stale()
    assert not project.manifest.entries
    assert not project.is_stale()
    approve(root, USERS, payload=False)
    assert project.is_stale()


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n", "a.py::t: 3\n", "storage_mode: git\nstorage_mode: git\n"])
def test_a_broken_manifest_is_refused(root, text):
    (root / "booktest.manifest.yaml").write_text(text)
    with pytest.raises(ManifestError, match=r"booktest\.manifest\.yaml:\d"):
        _ = Project.open(root).manifest


# --- the cache --------------------------------------------------------------------------------------


def test_the_cache_is_ignored_by_git_from_its_first_moment_on(root):
    project = Project.open(root)
    project.prepare_cache()
    project.staging.put(KEY, DATA)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    done = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "?? booktest.toml\n"


def test_somebody_elses_ignore_file_stays(root):
    (root / ".booktest_cache").mkdir()
    (root / ".booktest_cache/.gitignore").write_text("staging\n")
    Project.open(root).prepare_cache()
    assert (root / ".booktest_cache/.gitignore").read_text() == "staging\n"


def test_staging_is_no_part_of_keep(root):
    project = Project.open(root)
    project.staging.put(KEY, DATA)
    assert list(project.staging.keys()) == [KEY]
    assert list(project.keep.keys()) == []


def test_a_cache_that_is_a_file_is_a_storage_error(root):
    (root / ".booktest_cache").write_text("in the way")
    project = Project.open(root)
    for act in (project.prepare_cache, lambda: list(project.pending), lambda: list(project.keep.keys())):
        with pytest.raises(StorageError, match=r"\.booktest_cache"):
            act()


# --- ids and paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "given", "test_id"),
    [
        (".", "tests/test_api.py::test_users", "tests/test_api.py::test_users"),
        ("tests", "test_api.py::test_users", "tests/test_api.py::test_users"),
        (".", "t.py::t[a/b::c/../d]", "t.py::t[a/b::c/../d]"),
        ("..", "t.py::t", "../t.py::t"),
        (".", "t.py", "t.py"),
    ],
)
def test_an_id_is_relative_to_the_root(root, base, given, test_id):
    assert Project.open(root).test_id(root / base, given) == test_id


def test_a_path_is_told_as_a_person_would_type_it(root):
    project = Project.open(root)
    assert project.relative(root / "books/a b/x.json") == "books/a b/x.json"
    assert project.relative(root.parent / "elsewhere") == str(root.parent / "elsewhere")


# --- where recordings live --------------------------------------------------------------------------


def test_git_is_git_and_says_nothing(root):
    project = Project.open(root)
    assert (project.storage.mode, project.storage.notice) == ("git", "")


def test_auto_without_dvc_is_git_and_says_what_is_missing(root):
    (root / "booktest.toml").write_text('[storage]\nmode = "auto"\n')
    project = Project.open(root)
    assert project.storage.mode == "git"
    assert "DVC" in project.storage.notice


@pytest.mark.parametrize(
    "settings",
    [
        'mode = "dvc"',
        'mode = "dvc-pointers"',
        'mode = "auto"\nfallback_mode = "none"',
    ],
)
def test_dvc_that_is_asked_for_and_not_there_is_a_remote_error(root, settings):
    (root / "booktest.toml").write_text(f"[storage]\n{settings}\n")
    with pytest.raises(RemoteError) as caught:
        Project.open(root)
    assert caught.value.exit_code == 5


def test_dvc_that_ci_requires_is_a_remote_error_there_only(root, monkeypatch):
    (root / "booktest.toml").write_text('[storage]\nmode = "auto"\nrequire_dvc_in_ci = true\n')
    assert Project.open(root).storage.mode == "git"
    monkeypatch.setenv("CI", "1")
    with pytest.raises(RemoteError):
        Project.open(root)
