"""What the doctor finds: one thing broken at a time, and mended by what it says."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dvc_share import init_dvc
from workflow_bench import ORDERS, SETTINGS, USERS, Bench, http

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.store.remote.medium import Entry
from booktest_cassettes.store.remote.share import ShareMedium
from booktest_cassettes.workflow import doctor
from booktest_cassettes.workflow.doctor import cache, packages, remote
from booktest_cassettes.workflow.doctor.findings import Diagnosis, Finding
from booktest_cassettes.workflow.doctor.patient import admit
from booktest_cassettes.workflow.doctor.screen import render

CACHE = ".booktest_cache"
AGED = time.time() - 2 * 86_400


class Clinic(Bench):
    """A project that is well, and what is new since.

    Attributes
    ----------
    usual:
        What is found although it is well.
    """

    usual: frozenset[tuple[str, str]] = frozenset()

    def settle(self) -> None:
        self.write("tests/test_api.py", "")
        self.approved(USERS, http=http("users"))
        self.approved(ORDERS, http=http("orders"))
        self.init_git()
        self.mend()
        self.type("git add --all && git commit --quiet --message=set-up")
        self.usual = frozenset((one.check, one.where) for one in self.found())

    def write(self, name: str, data: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def diagnose(self, *, deep: bool = False, offline: bool = False, **environ: str) -> Diagnosis:
        return doctor.diagnose(admit(self.root, environ=environ, deep=deep, offline=offline))

    def found(self, *, deep: bool = False, **environ: str) -> list[Finding]:
        """All that is not as it should be, but for what the bench itself is."""
        findings = self.diagnose(deep=deep, **environ).findings
        return [one for one in findings if one.level != "ok" and (one.check, one.where) not in self.usual]

    def only(self, check: str, level: str, code: int = 0, *, deep: bool = False, **environ: str) -> Finding:
        """The one thing that is wrong."""
        found = self.found(deep=deep, **environ)
        assert [one.check for one in found] == [check]
        assert (found[0].level, found[0].exit_code) == (level, code)
        assert found[0].fix
        assert self.diagnose(deep=deep, **environ).exit_code == code
        return found[0]

    def mend(self, *, deep: bool = False) -> tuple[str, ...]:
        return doctor.mend(self.diagnose(deep=deep))

    def type(self, command: str) -> None:
        """A fix, as a person types it."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.root,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def ignore(self, lines: str) -> None:
        with (self.root / ".gitignore").open("a") as stream:
            stream.write(lines)

    def keep(self, text: str = "kept") -> Path:
        """A blob in the cache, as a pull brings it."""
        project, data = self.project(), http(text)
        key = BlobKey(Kind.HTTP, Digest.of(data))
        project.keep.put(key, data)
        return project.keep.path(key)


_built: dict[str, Clinic] = {}


def copied(settings: str, root: Path, factory: pytest.TempPathFactory) -> Clinic:
    """A settled project; the first of its kind is built, the others are copies of it."""
    if settings not in _built:
        _built[settings] = Clinic(factory.mktemp("clinic") / "project", settings)
        if "dvc" in settings:
            init_dvc(_built[settings].root, _built[settings].root.with_name("share"))
            _built[settings].root.with_name("share").mkdir()
        _built[settings].settle()
    shutil.copytree(_built[settings].root, root)
    clinic = Clinic(root)
    clinic.usual = _built[settings].usual
    return clinic


@pytest.fixture
def clinic(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    return copied(SETTINGS, tmp_path / "project", tmp_path_factory)


@pytest.fixture
def machine() -> None:
    """For tests that look at Python's packages: the others do without, which is much faster."""


@pytest.fixture(autouse=True)
def _project_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "machine" not in request.fixturenames:
        named = ("Python and packages", "pytest plugins")
        monkeypatch.setattr(doctor, "GROUPS", [group for group in doctor.GROUPS if group[0] not in named])


def aged(path: Path) -> Path:
    os.utime(path, (AGED, AGED))
    return path


def text_of(diagnosis: Diagnosis) -> str:
    return "\n".join(line.text for line in render(diagnosis))


def test_a_project_that_is_well_has_nothing_wrong(machine, clinic):
    assert clinic.found() == []
    assert clinic.found(deep=True) == []
    assert clinic.diagnose().exit_code == 0


def test_looking_changes_nothing(clinic):
    clinic.write(f"{CACHE}/staging/pending/x.json", "{")
    aged(clinic.write(f"{CACHE}/.a.{'0' * 16}.tmp", "x"))
    clinic.keep().write_bytes(b"")
    before = clinic.files()
    clinic.diagnose(deep=True)
    assert clinic.files() == before


# --- configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("booktest.toml", "[storage", "booktest.toml:1: not valid TOML"),
        ("booktest.toml", '[storage]\nmod = "git"\n', "booktest.toml:2: unknown key 'storage.mod'"),
        (".booktest", "storage.mode dvc\n", ".booktest:1: no '='"),
        ("booktest.ini", "storage.compress=perhaps\n", "booktest.ini:1: storage.compress"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_a_finding_with_its_line(clinic, name, text, words):
    clinic.write(name, text)
    found = clinic.found()
    assert len(found) == 1
    assert found[0].level == "problem"
    assert words in found[0].what
    assert clinic.diagnose().exit_code == 2


def test_a_directory_in_place_of_a_file_is_a_finding(clinic):
    (clinic.root / "booktest.toml").unlink()
    (clinic.root / "booktest.toml").mkdir()
    assert "booktest.toml: cannot be read" in clinic.only("configuration-file", "problem", 2).what


def test_two_broken_files_and_a_broken_manifest_are_three_findings(clinic):
    clinic.write("booktest.toml", "[storage")
    clinic.write(".booktest", "storage.mode dvc\n")
    clinic.write("booktest.manifest.yaml", "<<<<<<< ours\n")
    assert [one.check for one in clinic.found()] == ["configuration-file", "configuration-file", "manifest"]
    assert clinic.diagnose().exit_code == 4
    assert "Cache: not looked at" in text_of(clinic.diagnose())


def test_each_setting_is_told_with_its_source(clinic):
    clinic.write("booktest.toml", '[storage]\nmode = "git"\n[redact]\npatterns = ["s3cr3t-[0-9]+"]\n')
    diagnosis = clinic.diagnose(BOOKTEST_STORAGE_COMPRESS="0")
    settings = {one.where: one.what for one in diagnosis.findings if one.check == "setting"}
    assert settings == {
        "storage.mode": "git (booktest.toml:2)",
        "storage.compress": "no (environment BOOKTEST_STORAGE_COMPRESS)",
        "redact.patterns": "1 pattern (booktest.toml:4)",
    }
    assert "s3cr3t" not in json.dumps(diagnosis.as_json())


def test_a_variable_that_nobody_reads_and_that_looks_like_ours_is_named_without_its_value(clinic):
    found = clinic.only("variable", "warning", BOOKTEST_RECORD_MOD="hunter2")
    assert found.where == "BOOKTEST_RECORD_MOD"
    assert "BOOKTEST_RECORD_MODE" in found.fix
    assert "hunter2" not in json.dumps(clinic.diagnose(BOOKTEST_RECORD_MOD="hunter2").as_json())
    assert clinic.found(BOOKTEST_HOME="/books", BOOKTEST_RECORD_MODE="none") == []


def test_a_typo_within_our_sections_is_the_problem_that_every_command_has(clinic):
    found = clinic.only("configuration", "problem", 2, BOOKTEST_STORAGE_MOD="git")
    assert "BOOKTEST_STORAGE_MODE" in found.fix


# --- the manifest -------------------------------------------------------------------------------------


def test_a_merge_conflict_is_counted_and_review_is_named(clinic):
    clinic.git("switch", "--quiet", "--create", "other")
    clinic.approved(USERS, http=http("theirs"))
    clinic.git("commit", "--quiet", "--all", "--message=theirs")
    clinic.git("switch", "--quiet", "main")
    clinic.approved(USERS, http=http("ours"))
    clinic.git("commit", "--quiet", "--all", "--message=ours")
    merged = subprocess.run(["git", "merge", "--quiet", "other"], cwd=clinic.root, capture_output=True)
    assert merged.returncode == 1
    found = [one for one in clinic.found() if one.check.startswith("manifest")]
    assert [(one.check, one.exit_code) for one in found] == [("manifest-conflict", 4)]
    assert "1 conflict" in found[0].what
    assert found[0].fix == "booktest-cassettes review"
    assert clinic.diagnose().exit_code == 4
    assert len([one for one in clinic.found() if one.level == "problem"]) == 1, "said once"


def test_a_manifest_that_does_not_parse_says_the_line(clinic):
    clinic.write("booktest.manifest.yaml", 'storage_mode: git\na.py::t:\n  http: "sha256:1"\n')
    found = [one for one in clinic.found() if one.check == "manifest"]
    assert [one.exit_code for one in found] == [4]
    assert "booktest.manifest.yaml:3" in found[0].what
    assert [one.check for one in clinic.found() if one.level == "problem"] == ["manifest"]  # said once


def test_a_manifest_edited_by_hand_is_a_note_until_the_next_approval(clinic):
    clinic.manifest_path.write_text(f"# mine\n{clinic.manifest()}")
    clinic.git("commit", "--quiet", "--all", "--message=mine")
    clinic.only("manifest-form", "note")
    clinic.approved(USERS, http=http("new"))
    clinic.git("commit", "--quiet", "--all", "--message=approved")
    assert clinic.found() == []


def test_a_test_file_that_is_gone_is_forgotten_by_its_fix(clinic):
    (clinic.root / "tests/test_api.py").unlink()
    found = clinic.only("test-gone", "note")
    assert "2 tests" in found.what
    clinic.type(found.fix)
    clinic.git("add", "--all")
    clinic.git("commit", "--quiet", "--message=forgotten")
    assert clinic.found() == []
    assert clinic.lines() == {}


def test_names_that_are_no_files_are_not_missed(clinic):
    clinic.approved("a name of mine", http=http("mine"))
    clinic.approved("cassettes/users.yaml", http=http("theirs"))
    clinic.git("add", "--all")
    clinic.git("commit", "--quiet", "--message=more")
    assert clinic.found() == []


def test_a_payload_that_is_gone_comes_back_by_its_fix(clinic):
    clinic.payload(USERS).unlink()
    found = clinic.only("blob-lost", "problem", 4)
    assert USERS in found.what
    first, *others = found.fix.splitlines()
    shown = text_of(clinic.diagnose())
    assert all(f"\n         {other.strip()}\n" in shown for other in others), shown
    clinic.type(first)
    assert clinic.found() == []


def test_a_payload_that_was_changed_is_found_by_a_deep_look_and_comes_back_by_its_fix(clinic):
    clinic.payload(USERS).write_bytes(b"{}")
    assert clinic.found() == []
    found = clinic.only("payload-corrupt", "problem", 4, deep=True)
    clinic.type(found.fix.partition(", or ")[0])
    assert clinic.found(deep=True) == []


# --- Git ----------------------------------------------------------------------------------------------


def test_outside_of_a_repository_there_is_one_note(tmp_path):
    clinic = Clinic(tmp_path / "project")
    clinic.write("tests/test_api.py", "")
    clinic.approved(USERS, http=http("users"))
    clinic.type(clinic.only("git", "note").fix)
    assert "git" not in [one.check for one in clinic.found()]


def test_a_manifest_that_is_not_in_git_is_committed_by_its_fix(clinic):
    clinic.git("rm", "--cached", "--quiet", "booktest.manifest.yaml")
    clinic.git("commit", "--quiet", "--message=oops")
    clinic.type(clinic.only("manifest-untracked", "warning").fix + " --quiet --message=back")
    assert clinic.found() == []


def test_a_manifest_that_git_ignores_is_named_with_the_rule(clinic):
    clinic.git("rm", "--cached", "--quiet", "booktest.manifest.yaml")
    clinic.ignore("*.yaml\n")
    clinic.git("add", "--all")
    clinic.git("commit", "--quiet", "--message=oops")
    found = clinic.only("manifest-ignored", "problem", 2)
    line = (clinic.root / ".gitignore").read_text().count("\n")
    assert found.fix == f"take *.yaml out of .gitignore:{line}"
    clinic.ignore("!booktest.manifest.yaml\n")
    assert [one.check for one in clinic.found()] == ["manifest-untracked"]


def test_a_tracked_manifest_may_match_an_ignore_rule(clinic):
    clinic.ignore("*.yaml\n")
    clinic.git("commit", "--quiet", "--all", "--message=rule")
    assert clinic.found() == []


def test_changes_that_are_not_committed_are_a_note(clinic):
    clinic.approved(USERS, http=http("new"))
    clinic.only("manifest-uncommitted", "note")


def test_payloads_that_nobody_added_are_added_by_the_fix(clinic):
    clinic.approved("tests/test_api.py::test_more", http=http("more"))
    clinic.git("add", "booktest.manifest.yaml")
    clinic.git("commit", "--quiet", "--message=half")
    found = clinic.only("payload-untracked", "warning")
    assert "test_more" in found.what
    clinic.type(found.fix + " --quiet --message=whole")
    assert clinic.found() == []


def test_payloads_that_git_ignores_are_named_with_the_rule(clinic):
    clinic.ignore("*.json\n")
    clinic.approved("tests/test_api.py::test_more", http=http("more"))
    clinic.git("add", "--all")
    clinic.git("commit", "--quiet", "--message=half")
    found = clinic.only("payload-ignored", "problem", 2)
    assert "*.json" in found.fix
    clinic.type(found.fix.partition("; or ")[2])
    assert clinic.found() == []


def test_a_cache_that_git_sees_is_ignored_by_the_fix(clinic):
    (clinic.root / CACHE / ".gitignore").unlink()
    clinic.write(".gitignore", "books/_reports/\n")
    assert "cache-ignored" in [one.check for one in clinic.found() if one.level == "warning"]
    assert f"wrote {CACHE}/.gitignore" in clinic.mend()
    assert clinic.found() == []


def test_a_cache_in_git_is_taken_out_by_the_fix(clinic):
    clinic.keep()
    clinic.git("add", "--force", CACHE)
    clinic.git("commit", "--quiet", "--message=oops")
    clinic.type(clinic.only("cache-tracked", "warning").fix + " --quiet --message=out")
    assert clinic.found() == []


# --- the cache ----------------------------------------------------------------------------------------


def test_temporary_files_of_killed_processes_are_swept_once_they_are_a_day_old(clinic):
    name = f".x.{'0a' * 8}.tmp"
    ours = [
        aged(clinic.write(f"{CACHE}/http/sha256/ab/{name}", "x")),
        aged(clinic.write(f"{CACHE}/staging/pending/{name}", "x")),
        aged(clinic.write(f"books/tests/test_api.py/test_users/_snapshots/{name}", "x")),
        aged(clinic.write(f".booktest.manifest.yaml.{'0a' * 8}.tmp", "x")),
    ]
    others = [
        clinic.write(f"{CACHE}/http/sha256/ac/{name}", "young"),
        aged(clinic.write(f"books/{name}", "not ours")),
        aged(clinic.write(f"tests/{name}", "not ours")),
        aged(clinic.write(f"{CACHE}/notes.tmp", "not ours")),
    ]
    assert "4 temporary files" in clinic.only("temporary", "note").what
    assert clinic.mend() == ("deleted 4 temporary files of killed processes",)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in others)
    assert clinic.found() == []


def test_staged_blobs_that_no_record_names_are_dropped_and_those_it_names_stay(clinic):
    clinic.stage(USERS, http=http("pending"))
    project, data = clinic.project(), http("orphan")
    project.staging.put(BlobKey(Kind.HTTP, Digest.of(data)), data)
    assert [one.check for one in clinic.found()] == ["staged-orphan", "pending"]
    assert clinic.mend() == ("deleted 1 staged blobs that no pending record names",)
    assert len(clinic.staged_files()) == 1
    clinic.only("pending", "note")
    clinic.approve(USERS)


def test_a_damaged_record_is_a_problem_and_nothing_that_it_may_name_is_dropped(clinic):
    clinic.stage(USERS, http=http("pending"))
    record = clinic.project().pending.path(USERS)
    record.write_text("{")
    found = clinic.only("pending-damaged", "problem", 4)
    assert clinic.mend() == ()
    assert len(clinic.staged_files()) == 1
    clinic.type("rm " + shlex.quote(found.fix.removeprefix("delete ").partition(" and ")[0]))
    clinic.only("staged-orphan", "note")


def test_a_staged_blob_that_is_gone_is_a_problem(clinic):
    clinic.stage(USERS, http=http("pending"))
    (clinic.root / clinic.staged_files()[0]).unlink()
    found = [one for one in clinic.found() if one.check != "pending"]
    assert [(one.check, one.exit_code) for one in found] == [("staged-lost", 4)]
    assert f"booktest-cassettes run -- {USERS}" in found[0].fix


def test_an_empty_blob_is_found_by_a_quick_look_and_set_aside(clinic):
    path = clinic.keep()
    path.write_bytes(b"")
    assert clinic.only("blob", "problem", 4).where == str(path.relative_to(clinic.root))
    (said,) = clinic.mend()
    assert "set the corrupt http" in said
    assert not path.exists()
    found = clinic.only("quarantine", "note")
    clinic.type(found.fix.rpartition("then ")[2])
    assert clinic.found() == []


def test_a_changed_byte_is_found_by_a_deep_look_and_kept_in_quarantine(clinic):
    path = clinic.keep()
    whole = clinic.keep("another")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert clinic.found() == []
    assert clinic.only("blob", "problem", 4, deep=True).fix == "booktest-cassettes doctor --fix --deep"
    assert clinic.mend() == ()
    assert len(clinic.mend(deep=True)) == 1
    assert [aside.read_bytes() for aside in (clinic.root / CACHE / "quarantine").iterdir()] == [bytes(data)]
    assert whole.exists()
    clinic.only("quarantine", "note", deep=True)


def test_a_file_in_place_of_the_cache_is_a_problem(clinic):
    shutil.rmtree(clinic.root / CACHE)
    clinic.write(CACHE, "x")
    found = [one for one in clinic.found() if one.level == "problem"]
    assert [(one.check, one.where, one.exit_code) for one in found] == [("cache", CACHE, 4)]


def test_a_file_in_place_of_a_shelf_is_a_problem_and_the_rest_is_looked_at(clinic):
    clinic.write(f"{CACHE}/http/sha256", "x")
    clinic.stage(USERS, http=http("pending"))
    found = clinic.found()
    assert [one.exit_code for one in found if one.level == "problem"] == [4]
    assert "pending" in [one.check for one in found]


def test_a_damaged_list_of_unpushed_blobs_is_deleted_by_its_fix(clinic):
    clinic.write(f"{CACHE}/unpushed", "what?\n")
    found = clinic.only("unpushed", "problem", 4)
    clinic.type("rm " + found.fix.removeprefix("delete ").partition(", then ")[0])
    assert clinic.found() == []


def test_blobs_that_wait_to_be_pushed_are_counted(clinic):
    clinic.project().unpushed.add([BlobKey(Kind.HTTP, Digest.of(b"x"))])
    found = clinic.only("unpushed", "note")
    assert "1 approved blob " in found.what
    assert "booktest-cassettes push" in found.fix


def test_a_disk_that_is_nearly_full_is_a_warning(clinic, monkeypatch):
    usage = shutil.disk_usage(clinic.root)._replace(free=5_000_000)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage)
    assert "5.0 MB" in clinic.only("space", "warning").what


def test_a_process_that_is_at_work_is_named_by_its_lock_and_one_that_ended_is_not(clinic):
    with clinic.project().pending.exclusive():
        assert clinic.only("lock", "note").where.endswith("pending.lock")
    assert clinic.found() == []


def test_copies_of_shared_recordings_are_kept_until_they_are_settled(clinic):
    from booktest_cassettes.store.pending import PendingRecords

    pending = clinic.stage(USERS, http=http("shared"))
    copies = PendingRecords(clinic.root / CACHE / "staging/shared")
    copies.save(pending)
    assert [one.check for one in clinic.found()] == ["pending"]
    clinic.approve(USERS)
    clinic.git("commit", "--quiet", "--all", "--message=approved")
    clinic.only("shared", "note")
    clinic.write(f"{CACHE}/staging/shared/bad.json", "{")
    assert clinic.mend() == ("deleted 2 copies of shared recordings, settled or damaged",)
    assert clinic.found() == []


def test_mending_twice_is_mending_once(clinic):
    aged(clinic.write(f"{CACHE}/.x.{'0a' * 8}.tmp", "x"))
    clinic.keep().write_bytes(b"")
    project, data = clinic.project(), http("orphan")
    project.staging.put(BlobKey(Kind.HTTP, Digest.of(data)), data)
    empty = clinic.root / CACHE / "env/sha256/ab"
    empty.mkdir(parents=True)
    aged(empty)
    assert len(clinic.mend()) == 4
    assert not empty.exists()
    after = clinic.files()
    assert clinic.mend() == ()
    assert clinic.files() == after


# --- packages and plugins -----------------------------------------------------------------------------


@pytest.fixture
def installed(machine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a distribution where Python looks first."""

    def act(name: str, version: str, points: str = "") -> Path:
        site = tmp_path / f"site-{name}"
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (folder / "entry_points.txt").write_text(points)
        monkeypatch.syspath_prepend(str(site))
        return folder

    return act


@pytest.mark.parametrize(
    "name", ["pytest-recording", "pytest-vcr", "cassetter", "pytest-network", "pytest-socket"]
)
def test_a_plugin_that_clashes_is_a_warning_that_says_what_to_uninstall(clinic, installed, name):
    folder = installed(name, "1.0", "[pytest11]\nrival = rival.plugin\n")
    found = clinic.only("plugin-clash", "warning")
    assert found.where == name
    assert found.fix.startswith(f"pip uninstall {name}")
    assert "-p no:rival" in found.fix
    shutil.rmtree(folder)
    assert clinic.found() == []


def test_a_plugin_of_another_kind_is_fine(clinic, installed):
    installed("pytest-benchmark", "5.0", "[pytest11]\nbenchmark = pytest_benchmark.plugin\n")
    assert clinic.found() == []


def test_without_autoload_our_plugin_has_to_be_named(machine, clinic):
    off = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    assert "-p booktest_cassettes.pytest_plugin" in clinic.only("plugin-autoload", "note", **off).fix
    assert clinic.found(**off, PYTEST_PLUGINS="booktest_cassettes.pytest_plugin") == []


def test_a_second_installation_is_named_with_both_places(clinic, installed):
    folder = installed("PyYAML", "6.0.2")
    found = clinic.only("several-installs", "warning")
    assert str(folder.parent) in found.what
    assert "pip uninstall" in found.fix


def test_a_version_outside_of_our_range_is_named_with_the_command(machine, clinic, monkeypatch):
    real = packages._version
    monkeypatch.setattr(packages, "_version", lambda name: "0.24.1" if name == "respx" else real(name))
    found = clinic.only("package", "warning")
    assert "0.24.1" in found.what
    assert found.fix == "pip install 'respx<0.24,>=0.22'"


def test_a_package_that_is_missing_is_a_problem_and_an_optional_one_is_not(machine, clinic, monkeypatch):
    real = packages._version
    monkeypatch.setattr(packages, "_version", lambda name: None if name in ("vcrpy", "dvc") else real(name))
    assert clinic.only("package", "problem", 2).where == "vcrpy"


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [
        ("0.23.1", ">=0.22,<0.24", True),
        ("0.24", ">=0.22,<0.24", False),
        ("0.24.0", "<0.24", False),
        ("3.60", "<4,>=3.60", True),
        ("3.6", "<4,>=3.60", False),
        ("10.0", "<10,>=9.3", False),
        ("9.4.2.dev1", ">=9.3,<10", True),
        ("2.31", "~=2.31", True),
        ("2.99", "~=2.31", True),
        ("3.0", "~=2.31", False),
        ("1.0", "!=1.0.0", False),
        ("1.0", "==1.0.*", True),
        ("anything", "", True),
    ],
)
def test_ranges_are_compared_by_numbers(version, bounds, fits):
    assert packages._fits(version, bounds) is fits


# --- the remote ---------------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """A project whose remote is a share."""
    clinic = copied('[storage]\nmode = "dvc"\n', tmp_path / "project", tmp_path_factory)
    shutil.copytree(_built['[storage]\nmode = "dvc"\n'].root.with_name("share"), tmp_path / "share")
    init_dvc(clinic.root, tmp_path / "share")
    return clinic


def test_a_share_is_probed_and_no_probe_stays(shared, tmp_path):
    assert shared.found() == []
    said = [one.what for one in shared.diagnose().findings if one.check == "writable"]
    assert said == ["writable: a probe was written, read back and deleted"]
    assert list((tmp_path / "share/booktest/blobs/probe").iterdir()) == []


def test_offline_nothing_is_asked(shared, tmp_path):
    shutil.rmtree(tmp_path / "share")
    assert shared.diagnose(offline=True).exit_code == 0
    shared.only("reachable", "problem", 5)


def test_a_share_that_is_away_is_a_problem_of_the_remote(shared, tmp_path):
    (tmp_path / "share").rename(tmp_path / "away")
    found = shared.only("reachable", "problem", 5)
    assert f"mkdir -p {str(tmp_path / 'share')!r}" in found.fix
    (tmp_path / "away").rename(tmp_path / "share")
    assert shared.found() == []


def test_a_remote_that_does_not_answer_is_not_waited_for_as_long_as_by_a_push(shared, monkeypatch):
    async def never(self: ShareMedium, _: str) -> AsyncIterator[Entry]:
        await asyncio.sleep(60)
        yield Entry("x", 0, 0.0)

    monkeypatch.setattr(ShareMedium, "list", never)
    monkeypatch.setattr(remote, "_PATIENCE", 0.05)
    assert "no answer within 0.05 seconds" in shared.only("reachable", "problem", 5).what


@pytest.mark.parametrize(("seconds", "word"), [(300, "ahead of"), (-300, "behind")])
def test_the_clock_of_a_share_is_measured(shared, monkeypatch, seconds, word):
    _skew(monkeypatch, seconds)
    found = shared.only("clock", "warning")
    assert f"300 s {word}" in found.what


def test_a_clock_within_a_minute_is_fine(shared, monkeypatch):
    _skew(monkeypatch, 50)
    assert shared.found() == []


def _skew(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    write = ShareMedium._write

    def skewed(self: ShareMedium, path: str, data: bytes) -> None:
        write(self, path, data)
        there = time.time() + seconds
        os.utime(self._root / path, (there, there))

    monkeypatch.setattr(ShareMedium, "_write", skewed)


def test_a_share_that_lies_is_a_problem(shared, monkeypatch):
    monkeypatch.setattr(ShareMedium, "_write", lambda *_: None)
    assert "does not give it back" in shared.only("writable", "problem", 5).what


def test_a_probe_that_cannot_be_deleted_is_named(shared, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ShareMedium, "_delete", refuse)
    found = shared.only("deletable", "warning")
    assert "booktest/blobs/probe/" in found.fix


def test_probes_of_killed_doctors_are_deleted_once_they_are_old(shared, tmp_path):
    area = tmp_path / "share/booktest/blobs/probe"
    area.mkdir(parents=True, exist_ok=True)
    for name in ("old", "young"):
        (area / name).write_text("x")
    aged(area / "old")
    shared.diagnose()
    assert [path.name for path in area.iterdir()] == ["young"]


def test_a_lock_of_dvc_is_told_while_it_is_held(shared):
    import zc.lockfile

    lock = zc.lockfile.LockFile(str(shared.root / ".dvc/tmp/lock"))
    try:
        assert shared.only("dvc-lock", "note").where == ".dvc/tmp/lock"
    finally:
        lock.close()
    assert shared.found() == []


@pytest.mark.parametrize("write", [True, False])
def test_what_a_dvc_command_that_is_gone_holds_is_released_by_the_fix(shared, write):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    user = {"pid": int(ended.stdout), "cmd": "dvc pull"}
    held = {"/books": {"write": user} if write else {"read": [user]}}
    shared.write(".dvc/tmp/rwlock", json.dumps(held))
    found = shared.only("dvc-lock", "warning")
    assert str(user["pid"]) in found.what
    shared.type(found.fix.partition(",")[0])
    assert shared.found() == []


def test_a_running_dvc_command_may_hold_what_it_wants(shared):
    shared.write(".dvc/tmp/rwlock", json.dumps({"/books": {"read": [{"pid": os.getpid(), "cmd": "x"}]}}))
    assert shared.found() == []


def test_a_list_of_locks_that_cannot_be_read_is_told(shared):
    shared.write(".dvc/tmp/rwlock", "{")
    assert "cannot read" in shared.only("dvc-lock", "warning").what


def test_a_mode_without_its_remote_is_a_problem_and_the_cache_is_looked_at_all_the_same(shared):
    shared.keep().write_bytes(b"")
    shared.write(".dvc/config", "")
    found = shared.found()
    assert {(one.check, one.exit_code) for one in found if one.level == "problem"} == {
        ("blob", 4),
        ("storage", 5),
    }


def test_without_the_plugin_of_dvc_the_package_is_named_and_nothing_is_asked(machine, shared, monkeypatch):
    init_dvc(shared.root, "gs://bucket/there")
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    found = shared.only("dvc-plugin", "problem", 5)
    assert found.fix == "pip install 'booktest-cassettes[gs]'"


SOURCES = [
    ({}, "", "credentials are configured"),
    ({"AWS_ACCESS_KEY_ID": "hunter2"}, "", "environment (AWS_ACCESS_KEY_ID)"),
    ({"AWS_PROFILE": "hunter2"}, "", "environment (AWS_PROFILE)"),
    ({}, "    access_key_id = hunter2\n", ".dvc/config.local"),
    ({}, "    profile = hunter2\n", ".dvc/config.local"),
]


@pytest.mark.parametrize(("environ", "option", "source"), SOURCES)
def test_where_credentials_come_from_is_said_and_they_are_not(shared, tmp_path, environ, option, source):
    init_dvc(shared.root, "s3://bucket/there")
    if option:
        shared.write(".dvc/config.local", f"['remote \"share\"']\n{option}")
    diagnosis = shared.diagnose(offline=True, HOME=str(tmp_path), **environ)
    assert [source in one.what for one in diagnosis.findings if one.check == "credentials"] == [True]
    assert "hunter2" not in json.dumps(diagnosis.as_json())


def test_a_profile_in_the_home_directory_is_a_source(shared, tmp_path):
    init_dvc(shared.root, "s3://bucket/there")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]\naws_secret_access_key = hunter2\n")
    diagnosis = shared.diagnose(offline=True, HOME=str(tmp_path))
    said = [one.what for one in diagnosis.findings if one.check == "credentials"]
    assert said == ["credentials: from ~/.aws/credentials"]


def test_a_secret_in_the_file_that_git_holds_is_a_warning_without_it(shared, tmp_path):
    init_dvc(shared.root, "s3://bucket/there")
    with (shared.root / ".dvc/config").open("a") as config:
        config.write("    secret_access_key = hunter2\n")
    diagnosis = shared.diagnose(offline=True, HOME=str(tmp_path))
    assert "credentials-committed" in [one.check for one in diagnosis.findings if one.level == "warning"]
    assert "hunter2" not in json.dumps(diagnosis.as_json())


# --- whatever happens ---------------------------------------------------------------------------------


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Iterator[None]:
    def check(_: object) -> Iterator[Finding]:
        yield Finding("before", "note", "", "said before it fails", "wait")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(doctor, "GROUPS", (("First", (check,)), *doctor.GROUPS))
        yield


def test_a_check_that_fails_is_a_finding_and_stops_nothing(clinic, monkeypatch):
    with failing(monkeypatch, ZeroDivisionError("hunter2")):
        found = clinic.found()
        diagnosis = clinic.diagnose()
    assert [one.check for one in found] == ["before", "internal"]
    assert "ZeroDivisionError at test_workflow_doctor.py:" in found[1].what
    assert diagnosis.exit_code == 1
    assert len(diagnosis.groups) == len(doctor.GROUPS) + 1
    assert "hunter2" not in json.dumps(diagnosis.as_json())


def test_a_machine_without_a_home_directory_is_fine(shared, monkeypatch):
    init_dvc(shared.root, "s3://bucket/there")
    monkeypatch.delenv("HOME", raising=False)

    def nobody(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert "internal" not in [one.check for one in shared.diagnose(offline=True).findings]


def test_a_machine_without_git_is_a_warning(clinic, monkeypatch):
    monkeypatch.setenv("PATH", str(clinic.root))
    assert clinic.only("git", "warning").where == "git"


def test_hostile_names_are_inert_on_the_screen(clinic):
    clinic.approved("tests/red\u202e.py::test_x", http=http("x"))
    text = text_of(clinic.diagnose(BOOKTEST_RECORD_MODE_="x", **{"BOOKTEST_RECORD_\x1b[31mMODE": "x"}))
    assert text.count("nobody reads it") == 2
    assert "tests/red\\u202e.py" in text
    assert text.replace("\n", "").isprintable()


def test_the_screen_fits_eighty_columns_but_for_fixes(clinic):
    clinic.approved(f"tests/{'word ' * 30}.py::test_x", http=http("x"))
    clinic.write(f"{CACHE}/staging/pending/x.json", "{")
    aged(clinic.write(f"{CACHE}/.x.{'0a' * 8}.tmp", "x"))
    lines = text_of(clinic.diagnose()).splitlines()[1:]
    wide = [line for line in lines if len(line) > 80 and not line.startswith("    fix: ")]
    assert [line for line in wide if len(line.split()) > 1] == []
    assert lines[-1].endswith("; --fix mends 1 of them")


# --- what init installs -------------------------------------------------------------------------------


def test_a_clone_without_the_merge_driver_gets_it_by_the_fix(clinic, tmp_path):
    clinic.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Clinic(tmp_path / "clone")
    found = {one.where: one for one in clone.found()}
    assert {one.check for one in found.values()} == {"setup"}
    clone.type(found["merge.booktest-manifest"].fix)
    assert clone.found() == []


def test_attributes_that_are_gone_are_written_by_a_mend_once(clinic):
    clinic.git("rm", "--quiet", ".gitattributes")
    clinic.git("commit", "--quiet", "--message=oops")
    assert clinic.only("setup", "warning").where == ".gitattributes"
    assert len(clinic.mend()) == 1
    assert clinic.mend() == ()
    assert clinic.found() == []


def test_attributes_that_another_line_overrules_are_told_and_there_is_no_mend(clinic):
    with (clinic.root / ".gitattributes").open("a") as stream:
        stream.write("*.yaml merge=union\n")
    clinic.git("commit", "--quiet", "--all", "--message=union")
    found = clinic.only("setup", "warning")
    assert (found.where, found.mend) == (".gitattributes", None)
    assert "overruled" in found.what


def test_a_hook_that_is_not_installed_is_a_note_where_there_is_a_remote(shared):
    shared.usual = frozenset()
    shared.type(shared.only("hook", "note").fix)
    assert shared.found() == []
