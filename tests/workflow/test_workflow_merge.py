"""Three manifests in, one out: the merge itself, the text of a conflict, and how it is resolved."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dvc_share import init_dvc
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_bench import RemoteBench
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import BlobMissing, ManifestError, UsageError
from booktest_cassettes.manifest import Manifest, loads
from booktest_cassettes.workflow import conflicts, setup, sync
from booktest_cassettes.workflow.conflicts import Conflict
from booktest_cassettes.workflow.merge import Labels, Merged, merge, read_ancestor, read_text

A, B, C = (Digest(f"sha256:{letter * 64}") for letter in "abc")
ONE, TWO, THREE = http("one"), http("two"), http("three")
HTTP, ENV = Kind.HTTP, Kind.ENV


def manifest(mode: str = "git", **rows: Digest) -> Manifest:
    """``a_http=A`` is the line of the kind http of the test ``a``."""
    entries: dict[str, dict[Kind, Digest]] = {}
    for name, digest in rows.items():
        test, _, kind = name.rpartition("_")
        entries.setdefault(f"t.py::{test}", {})[Kind(kind)] = digest
    return Manifest(mode, entries)


# --- the merge


KINDS = sorted(Kind)
TESTS = ("t.py::a", "t.py::b", "t.py::b[1]", "t.py::" + "long" * 300, "storage_mode", 'a "b": c', "é")
kinds = st.dictionaries(st.sampled_from(Kind), st.sampled_from([A, B, C]), min_size=1)
manifests = st.builds(
    Manifest, st.sampled_from(["git", "dvc"]), st.dictionaries(st.sampled_from(TESTS), kinds, max_size=5)
)
absent = st.one_of(st.none(), manifests)
rows = st.sets(st.tuples(st.sampled_from(TESTS), st.sampled_from(Kind)), max_size=4)


def lines(side: Manifest | None) -> dict[tuple[str, Kind], Digest]:
    return (
        {(test, kind): digest for test in side.entries for kind, digest in side.get(test).items()}
        if side
        else {}
    )


def see_the_merge(base: Manifest | None, ours: Manifest | None, theirs: Manifest | None) -> Merged:
    merged = merge(base, ours, theirs)
    o, a, b = map(lines, (base, ours, theirs))
    for row in {*o, *a, *b, *lines(merged.manifest)}:
        was, mine, others = o.get(row), a.get(row), b.get(row)
        conflict = [one for one in merged.conflicts if one.row == row]
        if len({was, mine, others}) == 3 or (mine != others and was not in (mine, others)):
            assert conflict == [Conflict(*row, was, mine, others)]
            assert row not in lines(merged.manifest)
        else:
            assert not conflict
            assert lines(merged.manifest).get(row) == (mine if mine != was else others)
    return merged


def some_changes(source: random.Random) -> dict[str, dict[Kind, Digest | None]]:
    return {
        test: {kind: source.choice([None, A, B, C]) for kind in source.sample(KINDS, source.randint(1, 2))}
        for test in source.sample(TESTS, source.randint(0, 4))
    }


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_no_line_is_lost_or_doubled_whatever_both_sides_changed(seed):
    source = random.Random(seed)
    for _ in range(50):  # thousands in all: drawn by hypothesis one by one, they take a minute
        base = Manifest().with_changes(some_changes(source))
        ours, theirs = (base.with_changes(some_changes(source)) for _ in range(2))
        merged = see_the_merge(base, ours, theirs)
        assert merged.modes is None
        if merged.is_clean:
            assert loads(merged.text(), name="m") == merged.manifest
        swapped = merge(base, theirs, ours)
        assert swapped.manifest == merged.manifest
        whose = [(one.theirs, one.ours) for one in merged.conflicts]
        assert [(one.ours, one.theirs) for one in swapped.conflicts] == whose


@settings(max_examples=100)
@given(absent, absent, absent)
def test_a_side_that_is_no_file_counts_as_empty(base, ours, theirs):
    see_the_merge(base, ours, theirs)


@settings(max_examples=150)
@given(absent, absent, absent, rows, st.integers(7, 12))
def test_what_was_written_with_conflicts_is_read_back(base, ours, theirs, unsure, size):
    merged = merge(base, ours, theirs, unsure=unsure)
    back = read_text(merged.text(size), name="m")
    assert lines(back.manifest) == lines(merged.manifest)
    assert back.modes == merged.modes
    whose = [(one.row, one.ours, one.theirs) for one in merged.conflicts]
    assert [(one.row, one.ours, one.theirs) for one in back.conflicts] == whose
    if not unsure:
        assert back.conflicts == merged.conflicts
    if not merged.is_clean:
        with pytest.raises(ManifestError, match=r"^m:\d+: an unresolved merge conflict"):
            loads(merged.text(size), name="m")


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "mode", "modes"),
    [
        ("git", "dvc", "git", "dvc", None),
        ("git", "git", "dvc", "dvc", None),
        ("git", "dvc", "dvc", "dvc", None),
        (None, "git", "git", "git", None),
        (None, "git", None, "git", None),
        (None, None, "dvc", "dvc", None),
        (None, "git", "dvc", "git", ("git", "dvc")),
    ],
)
def test_the_storage_mode_is_merged_like_a_line(base, ours, theirs, mode, modes):
    merged = merge(*(side and manifest(side, a_http=A) for side in (base, ours, theirs)))
    assert (merged.manifest.storage_mode, merged.modes) == (mode, modes)


def test_a_base_with_conflicts_of_its_own_decides_nothing_about_them():
    """Two branches that were merged with each other twice have a base that Git merged."""
    inner = merge(manifest(a_http=A, b_http=A), manifest(a_http=B, b_http=B), manifest(a_http=C, b_http=A))
    base, unsure = read_ancestor(inner.text(9).encode(), name="base")
    merged = merge(base, manifest(a_http=B, b_http=B), manifest(a_http=C, b_http=C), unsure=unsure)
    assert merged.conflicts == (Conflict("t.py::a", HTTP, None, B, C),)
    assert merged.manifest == manifest(b_http=C)


# --- its text


def test_a_conflict_stands_in_its_tests_entry_around_the_line_alone():
    merged = merge(
        manifest(a_env=A, a_http=A, b_http=A),
        manifest(a_env=A, a_http=B, b_http=A),
        manifest(a_env=A, a_http=C, b_http=B),
    )
    text = replace(merged, labels=Labels("HEAD", "1234567", "topic")).text()
    assert text.splitlines()[1:] == [
        "storage_mode: git",
        "t.py::a:",
        f'  env: "{A}"',
        "<<<<<<< HEAD",
        f'  http: "{B}"',
        "||||||| 1234567",
        f'  http: "{A}"',
        "=======",
        f'  http: "{C}"',
        ">>>>>>> topic",
        "t.py::b:",
        f'  http: "{B}"',
    ]
    assert read_text(text, name="m").labels == Labels("HEAD", "1234567", "topic")


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_whoever_resolves_by_hand_takes_a_sides_lines_and_it_is_a_manifest(side):
    """Also where a side is the deletion of the whole test: no empty entry is left."""
    ours, theirs = manifest(b_http=B, c_env=A), manifest(a_http=B, b_http=C, c_env=A)
    merged = merge(manifest(a_http=A, b_http=A, c_env=A), ours, theirs)
    assert len(merged.conflicts) == 2
    pattern = r"<{7} ours\n(.*?)\|{7} base\n.*?={7}\n(.*?)>{7} theirs\n"
    by_hand = re.sub(pattern, r"\1" if side == "ours" else r"\2", merged.text(), flags=re.DOTALL)
    assert loads(by_hand, name="m") == {"ours": ours, "theirs": theirs}[side]


GITS_OWN = f"""\
storage_mode: git
t.py::a:
<<<<<<< HEAD
  http: "{A}"
t.py::b:
  http: "{A}"
=======
  http: "{B}"
t.py::c:
  http: "{A}"
>>>>>>> topic
t.py::z:
  http: "{A}"
"""


def test_gits_own_conflict_without_a_base_leaves_all_that_differs_to_choose():
    found = read_text(GITS_OWN, name="m")
    assert found.conflicts == (
        Conflict("t.py::a", HTTP, None, A, B),
        Conflict("t.py::b", HTTP, None, A, None),
        Conflict("t.py::c", HTTP, None, None, A),
    )
    assert found.manifest == manifest(z_http=A)
    assert found.labels == Labels("HEAD", "base", "topic")


def test_gits_own_conflict_with_the_base_in_it_is_merged_by_test():
    base = f'||||||| 1234\n  http: "{A}"\n=======\n'
    found = read_text(GITS_OWN.replace("=======\n", base).replace("\n", "\r\n"), name="m")
    assert found.conflicts == ()
    assert found.manifest == manifest(a_http=B, b_http=A, c_http=A, z_http=A)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("storage_mode: git\n<<<<<<< a\n", 2),
        ("storage_mode: git\n=======\n", 2),
        ("<<<<<<< a\n<<<<<<< b\n", 2),
        ("<<<<<<< a\n=======\n||||||| b\n", 3),
        (">>>>>>> a\n", 1),
    ],
)
def test_markers_that_make_no_sense_are_refused_with_their_line(text, line):
    with pytest.raises(ManifestError, match=rf"^m:{line}: .*does not begin and end"):
        read_text(text, name="m")


def test_a_side_that_is_no_manifest_is_refused_and_named():
    with pytest.raises(ManifestError, match=r"m \(theirs\):3: .*\n?.*one side of a merge conflict"):
        read_text(GITS_OWN.replace(f'"{B}"', "oops"), name="m")


# --- the driver's command


def driver(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "booktest_cassettes", "merge-driver", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def put(directory: Path, *contents: Manifest | str) -> list[Path]:
    files = [directory / name for name in ("O", "A", "B")]
    for path, content in zip(files, contents, strict=True):
        path.write_text(content.dump() if isinstance(content, Manifest) else content)
    return files


def test_the_driver_ends_with_0_or_1_and_names_what_is_in_conflict(tmp_path):
    files = put(tmp_path, "", manifest(a_http=A), manifest(b_http=B))
    done = driver(*files, 7, "m.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert loads(files[1].read_text(), name="m") == manifest(a_http=A, b_http=B)
    files = put(tmp_path, manifest(a_http=A), manifest(a_http=B), manifest(a_http=C))
    done = driver(*files, 9, "a b/m.yaml", "%S", "%X", "%Y")
    assert (done.returncode, done.stderr) == (1, ""), "it is a base that Git merges: nobody is asked about it"
    assert "\n<<<<<<<<< ours\n" in files[1].read_text()
    put(tmp_path, manifest(a_http=A), manifest(a_http=B), manifest(a_http=C))
    done = driver(*files, 7, "a b/m.yaml", "%S", "%X", "%Y")
    assert done.returncode == 1
    assert "a b/m.yaml: in conflict: 1 snapshot\n  t.py::a http\n" in done.stderr
    assert "booktest-cassettes review" in done.stderr
    put(tmp_path, manifest(a_http=A), manifest(a_http=B), manifest(a_http=C))
    assert driver(*files, 7, "m.yaml", "v1", "HEAD", "topic").returncode == 1
    assert read_text(files[1].read_text(), name="m").labels == Labels("HEAD", "v1", "topic")


def test_the_driver_names_a_conflict_of_storage_modes_and_takes_no_orders_from_names(tmp_path):
    files = put(tmp_path, "", manifest("git", a_http=A), manifest("dvc", a_http=A))
    done = driver(*files, 7, "m.yaml", "", "HEAD", "1234 (\x1b[2J subject\n=======)")
    assert done.returncode == 1
    assert done.stderr.startswith("m.yaml: in conflict: storage_mode\nnext: ")
    assert files[1].read_text().splitlines()[1:7] == [
        "<<<<<<< HEAD",
        "storage_mode: git",
        "||||||| base",
        "=======",
        "storage_mode: dvc",
        ">>>>>>> 1234 ([2J subject=======)",
    ]


def test_a_side_that_cannot_be_read_is_merged_as_text_and_left_to_a_person(tmp_path):
    broken = manifest(a_http=A, b_http=A, c_http=A).dump() + "z.py::z: [\n"
    files = put(
        tmp_path, manifest(a_http=A, b_http=A, c_http=A), manifest(a_http=B, b_http=A, c_http=A), broken
    )
    done = driver(*files, 7, "m.yaml")
    assert done.returncode == 1
    assert re.search(r"m\.yaml: not merged by test, but as text: m\.yaml \(theirs\):\d+: ", done.stderr)
    assert files[1].read_text() == manifest(a_http=B, b_http=A, c_http=A).dump() + "z.py::z: [\n"
    files = put(tmp_path, "", manifest(a_http=B), broken)
    assert driver(*files, 7, "m.yaml").returncode == 1
    assert "<<<<<<< ours" in files[1].read_text()


def test_the_driver_loads_nothing_heavy(tmp_path):
    files = put(tmp_path, manifest(a_http=A), manifest(a_http=B), manifest(a_http=A, b_http=A))
    code = (
        "import sys\nfrom booktest_cassettes.cli.commands import group\n"
        f"group.main(['merge-driver', *{list(map(str, files))}], standalone_mode=False)\n"
        "heavy = {'vcr', 'dvc', 'rich', 'yaml', 'requests', 'httpx', 'asyncio', 'pytest'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# --- a project in the middle of a merge


class Fork(Bench):
    """A project with the driver; ``fork`` makes two branches out of what each of them does."""

    def begin(self) -> Fork:
        self.git("init", "--quiet", "--initial-branch=main")
        setup.execute(setup.plan(self.root))
        return self

    def commit(self, message: str = "work") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def fork(self, base: dict, ours: dict, theirs: dict) -> None:
        """Blobs by test: approved on ``main``, then on each branch; we are on ``ours`` afterwards."""
        self._approve(base)
        self.commit("base")
        for branch, recordings in (("theirs", theirs), ("ours", ours)):
            self.git("checkout", "--quiet", "-b", branch, "main")
            self._approve(recordings)
            self.commit(branch)

    def _approve(self, recordings: dict) -> None:
        for test_id, blobs in recordings.items():
            self.approved(test_id, **blobs)

    def try_git(self, *arguments: str) -> int:
        return subprocess.run(["git", *arguments], cwd=self.root, capture_output=True).returncode

    def conflicts(self) -> dict[tuple[str, str], tuple[bytes | None, ...]]:
        """What is in conflict: the bytes of base, ours and theirs."""
        project = self.project()
        found = conflicts.read(project)
        return {
            (one.test_id, one.kind.value): tuple(
                conflicts.blob(project, one, side) for side in ("base", "ours", "theirs")
            )
            for one in (found.conflicts if found else ())
        }


@pytest.fixture
def fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fork:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GIT_EDITOR", "true")
    return Fork(tmp_path / "project").begin()


BOTH = (
    {USERS: {"http": ONE}, ORDERS: {"http": ONE}},
    {USERS: {"http": TWO}, ORDERS: {"http": TWO}},
    {USERS: {"http": THREE}, ORDERS: {"http": None}, LOGIN: {"http": ONE, "env": env(A="1")}},
)


def test_what_both_changed_is_chosen_one_by_one_and_the_payload_goes_with_it(fork):
    fork.fork(*BOTH)
    assert fork.try_git("merge", "theirs") == 1
    assert fork.conflicts() == {(USERS, "http"): (ONE, TWO, THREE), (ORDERS, "http"): (ONE, TWO, None)}
    left = conflicts.resolve(fork.project(), {(USERS, HTTP): "theirs"})
    assert left is not None
    assert [one.row for one in left.conflicts] == [(ORDERS, HTTP)]
    assert fork.conflicts() == {(ORDERS, "http"): (ONE, TWO, None)}
    assert fork.payload(USERS).read_bytes() == THREE
    assert conflicts.resolve(fork.project(), {(ORDERS, HTTP): "theirs"}) is None
    assert conflicts.read(fork.project()) is None
    assert not fork.payload(ORDERS).exists()
    assert set(fork.lines()) == {USERS, LOGIN}
    fork.see_that_payloads_are_what_the_manifest_says()
    command = conflicts.next_command(fork.project())
    assert command == "git add booktest.manifest.yaml books && git commit"
    subprocess.run(f"{command} --quiet --no-edit", shell=True, cwd=fork.root, check=True)
    assert fork.git("status", "--porcelain") == ""


def test_ours_is_a_choice_as_well(fork):
    fork.fork(*BOTH)
    fork.try_git("merge", "theirs")
    choices = {(USERS, HTTP): "ours", (ORDERS, HTTP): "ours"}
    assert conflicts.resolve(fork.project(), choices) is None
    assert fork.payload(USERS).read_bytes() == fork.payload(ORDERS).read_bytes() == TWO
    fork.see_that_payloads_are_what_the_manifest_says()


@pytest.mark.parametrize(
    ("command", "rest"),
    [
        (("rebase", "theirs"), "git rebase --continue"),
        (("cherry-pick", "theirs"), "git cherry-pick --continue"),
    ],
)
def test_a_rebase_and_a_cherry_pick_are_continued_with_the_command_that_is_told(fork, command, rest):
    fork.fork(*BOTH)
    assert fork.try_git(*command) == 1
    choices = dict.fromkeys(((USERS, HTTP), (ORDERS, HTTP)), "theirs")
    assert conflicts.resolve(fork.project(), choices) is None
    told = conflicts.next_command(fork.project())
    assert told.endswith(rest)
    subprocess.run(told, shell=True, cwd=fork.root, check=True, capture_output=True)
    assert fork.git("status", "--porcelain") == ""
    fork.see_that_payloads_are_what_the_manifest_says()


def test_a_patch_is_continued_as_a_patch_and_not_as_the_rebase_that_shares_its_directory(fork):
    fork.fork({USERS: {"http": ONE}}, {USERS: {"http": TWO}}, {USERS: {"http": THREE}})
    fork.git("format-patch", "-1", "--quiet", "--output=../theirs.patch", "theirs")
    assert fork.try_git("am", "--3way", "../theirs.patch") == 128
    assert conflicts.resolve(fork.project(), {(USERS, HTTP): "theirs"}) is None
    told = conflicts.next_command(fork.project())
    assert told.endswith("git am --continue")
    subprocess.run(told, shell=True, cwd=fork.root, check=True, capture_output=True)
    fork.see_that_payloads_are_what_the_manifest_says()


def test_a_payload_is_never_a_mix_of_both_sides_lines(fork):
    """Two changes far apart in one JSON file: a text merge would find no conflict in it."""
    pretty = b'{\n "a": 1,\n' + b' "x": 0,\n' * 20 + b' "z": 1\n}\n'
    mine, others = pretty.replace(b'"a": 1', b'"a": 2'), pretty.replace(b'"z": 1', b'"z": 2')
    fork.fork({USERS: {"func": pretty}}, {USERS: {"func": mine}}, {USERS: {"func": others}})
    assert fork.try_git("merge", "theirs") == 1
    assert fork.payload(USERS, "func").read_bytes() in (mine, others)
    assert conflicts.resolve(fork.project(), {(USERS, Kind.FUNC): "theirs"}) is None
    assert fork.payload(USERS, "func").read_bytes() == others


def test_a_payload_that_git_took_for_a_renamed_one_gets_its_bytes_back(fork):
    """We rename the test, they record it anew: Git merges their payload into ours."""
    new = "tests/test_api.py::test_members"
    long = http("long" * 500)
    fork.fork(
        {USERS: {"http": long}},
        {new: {"http": long}, USERS: {"http": None}},
        {USERS: {"http": http("long" * 500 + "er")}},
    )
    assert fork.try_git("merge", "theirs") == 1
    assert list(fork.conflicts()) == [(USERS, "http")]
    assert conflicts.resolve(fork.project(), {(USERS, HTTP): "ours"}) is None
    assert list(fork.lines()) == [new]
    fork.see_that_payloads_are_what_the_manifest_says()


def test_without_the_driver_the_versions_in_the_index_are_merged(fork):
    fork.git("config", "--remove-section", "merge.booktest-manifest")
    fork.fork(
        {ORDERS: {"http": ONE}}, {USERS: {"http": TWO}}, {LOGIN: {"http": ONE}, "a.py::a": {"http": ONE}}
    )
    fork.git("config", "merge.conflictStyle", "merge")
    (fork.root / ".gitattributes").write_text("")
    fork.commit()
    assert fork.try_git("merge", "theirs") == 1
    assert "<<<<<<< " in (fork.manifest() or "")
    found = conflicts.read(fork.project())
    assert found is not None
    assert found.conflicts == ()
    assert conflicts.resolve(fork.project(), {}) is None
    assert set(fork.lines()) == {ORDERS, USERS, LOGIN, "a.py::a"}


def test_where_our_command_is_not_to_be_found_the_driver_merges_as_text(fork, monkeypatch, tmp_path):
    """A shell without our environment, after the environment itself has gone."""
    monkeypatch.setattr(setup, "programs", lambda: ["no-such-program", "/nowhere/bin/booktest-cassettes"])
    setup.execute(setup.plan(fork.root))
    fork.fork(*BOTH)
    assert fork.try_git("merge", "theirs") == 1
    text = fork.manifest() or ""
    assert "<<<<<<< ours" in text
    assert "||||||| base" in text
    for data in (ONE, TWO, THREE):
        assert Digest.of(data) in text
    assert fork.conflicts() == {(USERS, "http"): (ONE, TWO, THREE), (ORDERS, "http"): (ONE, TWO, None)}


@pytest.mark.parametrize("failure", ["exit 1", "exit 2", "exit 137", "kill -9 $$"])
def test_a_command_that_dies_before_it_merged_does_not_make_all_of_it_ours(
    fork, monkeypatch, tmp_path, failure
):
    program = tmp_path / "broken it's 100% [x]"
    program.write_text(f"#!/bin/sh\n{failure}\n")
    program.chmod(0o755)
    monkeypatch.setattr(setup, "programs", lambda: [setup.quote(str(program))])
    setup.execute(setup.plan(fork.root))
    fork.fork(*BOTH)
    assert fork.try_git("merge", "theirs") == 1
    assert Digest.of(THREE) in (fork.manifest() or "")
    assert set(fork.conflicts()) == {(USERS, "http"), (ORDERS, "http")}


def test_markers_that_were_added_to_git_are_still_resolved(fork):
    fork.fork(*BOTH)
    fork.try_git("merge", "theirs")
    fork.commit("by mistake")
    assert list(fork.conflicts()) == [(ORDERS, "http"), (USERS, "http")]
    choices = {(USERS, HTTP): "ours", (ORDERS, HTTP): "ours"}
    assert conflicts.resolve(fork.project(), choices) is None
    fork.see_that_payloads_are_what_the_manifest_says()


def test_stashed_approvals_come_back_as_conflicts_too(fork):
    fork.fork({USERS: {"http": ONE}}, {USERS: {"http": TWO}}, {})
    fork.approved(USERS, http=THREE)
    fork.git("stash", "--quiet")
    fork.git("checkout", "--quiet", "theirs")
    assert fork.try_git("stash", "pop") == 1
    assert fork.conflicts() == {(USERS, "http"): (TWO, ONE, THREE)}
    assert conflicts.resolve(fork.project(), {(USERS, HTTP): "theirs"}) is None
    assert fork.payload(USERS).read_bytes() == THREE
    assert conflicts.next_command(fork.project()) == "git add booktest.manifest.yaml books"


def test_a_choice_about_what_is_in_no_conflict_is_refused_and_changes_nothing(fork):
    fork.fork(*BOTH)
    with pytest.raises(UsageError, match="in no merge conflict"):
        conflicts.resolve(fork.project(), {(USERS, HTTP): "ours"})
    fork.try_git("merge", "theirs")
    before = fork.worktree()
    with pytest.raises(UsageError, match="in no merge conflict"):
        conflicts.resolve(fork.project(), {(USERS, HTTP): "ours", (USERS, ENV): "ours"})
    assert fork.worktree() == before


def test_a_payload_that_is_nowhere_leaves_the_conflict_as_it_is(fork):
    fork.fork(*BOTH)
    fork.try_git("merge", "theirs")
    text = re.sub(Digest.of(THREE), "sha256:" + "0" * 64, fork.manifest() or "")
    fork.git("add", "booktest.manifest.yaml")
    fork.manifest_path.write_text(text)
    with pytest.raises(BlobMissing, match="chosen is nowhere"):
        conflicts.resolve(fork.project(), {(USERS, HTTP): "theirs"})
    assert fork.manifest() == text


def test_two_storage_modes_are_settled_by_the_configuration(bench):
    merged = merge(None, manifest("dvc", a_http=A), manifest("git", a_http=A))
    bench.manifest_path.write_text(merged.text())
    assert bench.project().storage.mode == "git"
    assert conflicts.resolve(bench.project(), {}) is None
    assert loads(bench.manifest() or "", name="m") == manifest("git", a_http=A)


def test_no_manifest_and_one_without_markers_have_no_conflicts(bench):
    assert conflicts.read(bench.project()) is None
    bench.approved(USERS, http=ONE)
    assert conflicts.read(bench.project()) is None
    assert conflicts.resolve(bench.project(), {}) is None


def test_on_a_remote_both_sides_are_fetched_to_be_looked_at(tmp_path):
    bench = RemoteBench(tmp_path / "project", tmp_path / "share")
    for data in (ONE, TWO):
        bench.stage(USERS, http=data)
        bench.approve()
    text = merge(None, *(Manifest("dvc", {USERS: {HTTP: Digest.of(data)}}) for data in (ONE, TWO))).text()
    bench.manifest_path.write_text(text)
    shutil.rmtree(bench.root / ".booktest_cache")
    project = bench.project()
    (conflict,) = (conflicts.read(project) or Merged(Manifest())).conflicts
    assert [conflicts.blob(project, conflict, side) for side in ("base", "ours", "theirs")] == [
        None,
        ONE,
        TWO,
    ]
    assert conflicts.resolve(bench.project(), {(USERS, HTTP): "theirs"}) is None
    assert bench.project().approved(USERS, HTTP, BlobKey(HTTP, Digest.of(TWO)).digest) == TWO
    assert not bench.payload(USERS).exists()


@pytest.fixture
def pointed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fork:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    share = tmp_path / "share"
    share.mkdir()
    fork = Fork(tmp_path / "project", '[storage]\nmode = "dvc-pointers"\n')
    init_dvc(fork.root, share)
    return fork.begin()


def test_a_pointer_that_git_took_for_a_renamed_one_is_put_right(pointed):
    """One side records a test anew, the other one renames it."""
    pointed.fork(
        {USERS: {"http": ONE}}, {USERS: {"http": TWO}}, {USERS: {"http": None}, ORDERS: {"http": ONE}}
    )
    assert pointed.try_git("merge", "theirs") == 1
    pointer = pointed.payload(ORDERS).with_name("http.json.dvc")
    assert Digest.of(TWO).hex in pointer.read_text()
    assert conflicts.resolve(pointed.project(), {(USERS, HTTP): "theirs"}) is None
    assert Digest.of(ONE).hex in pointer.read_text()


def test_with_pointers_the_chosen_sides_pointer_is_put_in_place(pointed):
    fork = pointed
    fork.fork({USERS: {"http": ONE}}, {USERS: {"http": TWO}}, {USERS: {"http": THREE}})
    assert fork.try_git("merge", "theirs") == 1
    assert fork.payload(USERS).read_bytes() == TWO
    assert fork.conflicts() == {(USERS, "http"): (ONE, TWO, THREE)}
    assert conflicts.resolve(fork.project(), {(USERS, HTTP): "theirs"}) is None
    pointer = fork.payload(USERS).with_name("http.json.dvc")
    assert Digest.of(THREE).hex in pointer.read_text()
    assert not fork.payload(USERS).exists()  # no other bytes than the pointer's
    sync.pull(fork.project())
    assert fork.payload(USERS).read_bytes() == THREE
    subprocess.run(
        f"{conflicts.next_command(fork.project())} --quiet --no-edit", shell=True, cwd=fork.root, check=True
    )
    assert fork.git("status", "--porcelain") == ""
