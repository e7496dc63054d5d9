"""Payload files: named by the test, different for different tests, legal on every system."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import BlobCorrupt, UsageError
from booktest_cassettes.store.git import GitStore, payload_parts

DATA = b'{"version": 1}\n'
KEY = BlobKey(Kind.HTTP, Digest.of(DATA))

HOSTILE = [
    "t.py::t[a/b]",
    "t.py::t[a_b]",
    "t.py::t[x::y]",
    "t.py::t[../z]",
    "t.py::t[é]",
    "t.py::t[e\u0301]",
    "t.py::t[👩\u200d💻]",
    "t.py::t[" + "x" * 4096 + "]",
    "t.py::t[" + "x" * 4095 + "y]",
    "t.py::t[" + "💥" * 1024 + "]",
    "/".join(["deep"] * 1000) + "/t.py::t",
    "/".join(["deep"] * 1001) + "/t.py::t",
    "t.py::" + "::".join(["Nest"] * 1000),
    "t.py::t",
    "t.py/t",
    "t.py::T",
    "t.py::A::b",
    "t.py::A/b",
    "t.py::a::b",
    "t.py::t[GET]",
    "t.py::t[get]",
    "t.py::t[]",
    "t.py::t[",
    "t.py::t ",
    "t.py::t.",
    "t.py::t:",
    "t.py::",
    "::",
    "[",
    "/",
    "//",
    "/etc/passwd",
    "../../etc/passwd",
    "..",
    ".",
    "./t.py::t",
    "a/../t.py::t",
    "C:\\windows\\t.py::t",
    "C:/windows/t.py::t",
    "\\\\host\\share",
    "con",
    "con/t.py::t",
    "nul.py::aux",
    "con.txt/t.py::t",
    "t.py::t[con]",
    ".git/config",
    ".gitattributes",
    "_snapshots/http.json",
    "_SNAPSHOTS/http.json",
    "t.py::t::_snapshots",
    "t.py/t/_snapshots/http.json/t.py::t",
    "a\0b",
    "a\nb",
    "a_b",
    "\ud800",
    '"',
    "'",
    "$(rm -rf /)",
    "-rf",
    "~/t.py::t",
    "t.py::t*",
    "t.py::t?",
    "t.py::t<b>|",
    "test/a_book.py::Book/test_m",
    "test/a_book.py::test_x",
    "cassettes/users.yaml",
    "t.py::t-0123456789abcdef",
]
ids = st.text(min_size=1) | st.text(alphabet="aA./:[]-_\\ é", min_size=1, max_size=12)
readable = st.from_regex(
    r"([a-z]{1,3}/){0,2}[a-z]{1,3}\.py(::[a-z_]{1,4}){1,3}(\[[a-z/:.,=]{0,5}\])?", fullmatch=True
)


def folded(parts: list[str]) -> list[str]:
    """Names as macOS and Windows tell them apart."""
    return [part.casefold() for part in parts]


def is_same_file(one: str, other: str) -> bool:
    """Whether two ids differ in the case of their test file only: then no such system can hold both files."""
    file = re.compile(r"(?:[^\[:]*?\.py)(?=::|/|\Z)")
    mine, theirs = file.match(one), file.match(other)
    if not (mine and theirs):
        return False
    return mine[0].casefold() == theirs[0].casefold() and one[mine.end() :] == other[theirs.end() :]


def test_hostile_ids_have_paths_of_their_own():
    paths = {tuple(folded(payload_parts(test_id))): test_id for test_id in HOSTILE}
    assert len(paths) == len(HOSTILE)


@given(ids | readable | st.sampled_from(HOSTILE), ids | readable | st.sampled_from(HOSTILE))
@settings(max_examples=300)
@example("t.py::test_A", "t.py::test_a")
@example("t.py::Users::t", "t.py::users::t")
def test_different_ids_never_share_a_path_even_where_case_is_not_told_apart(one, other):
    assume(one != other and not is_same_file(one, other))
    assert folded(payload_parts(one)) != folded(payload_parts(other))


@given(readable, st.integers(0, 2**64))
def test_ids_that_differ_in_case_only_do_not_share_a_path(test_id, mask):
    file, mark, rest = test_id.partition("::")
    changed = "".join(char.upper() if mask >> number & 1 else char for number, char in enumerate(rest))
    assume(changed != rest)
    assert folded(payload_parts(test_id)) != folded(payload_parts(file + mark + changed))


@given(ids | st.sampled_from(HOSTILE))
@settings(max_examples=300)
def test_an_id_that_looks_like_the_path_of_another_has_another_path(test_id):
    parts = payload_parts(test_id)
    for forged in ("/".join(parts), "::".join(parts), "/".join(parts[:-1]) + "::" + parts[-1]):
        assume(forged != test_id)
        assert folded(payload_parts(forged)) != folded(parts)


@given(ids | st.sampled_from(HOSTILE))
@settings(max_examples=300)
def test_a_path_stays_inside_and_is_legal_everywhere(test_id):
    parts = payload_parts(test_id)
    path = PurePosixPath("/root").joinpath(*parts)
    assert path.parts == ("/", "root", *parts)
    assert PureWindowsPath("C:/root").joinpath(*parts).parts == ("C:\\", "root", *parts)
    for part in parts:
        assert 0 < len(part.encode()) <= 160
        assert part not in (".", "..")
        assert part.lower() not in ("_snapshots", ".gitattributes", ".git")
        assert not re.search(r'[\x00-\x1f\x7f<>:"/\\|?*]', part)
        assert not part.endswith((".", " "))
    assert sum(map(len, parts)) <= 800


@pytest.mark.parametrize(
    ("test_id", "path"),
    [
        ("tests/test_api.py::test_users", "tests/test_api.py/test_users"),
        ("tests/test_api.py::test_list[a]", "tests/test_api.py/test_list[a]"),
        ("tests/test_api.py::test_list[1-2.5, x=y]", "tests/test_api.py/test_list[1-2.5, x=y]"),
        ("tests/test_api.py::users::test_list", "tests/test_api.py/users/test_list"),
        ("Tests/test_API.py::test_list", "Tests/test_API.py/test_list"),
        ("test/a_book.py::test_x", "test/a_book.py/test_x"),
        ("cassettes/users.yaml", "cassettes/users.yaml"),
    ],
)
def test_an_everyday_id_is_its_own_path(test_id, path):
    assert "/".join(payload_parts(test_id)) == path


@pytest.mark.parametrize(
    ("test_id", "pattern"),
    [
        ("tests/test_api.py::TestUsers::test_list", r"tests/test_api\.py/TestUsers/test_list-[0-9a-f]{16}"),
        ("tests/test_api.py::test_list[a/b]", r"tests/test_api\.py/test_list\[a_b\]-[0-9a-f]{16}"),
        ("tests/test_api.py::test_list[GET]", r"tests/test_api\.py/test_list\[GET\]-[0-9a-f]{16}"),
        ("test/a_book.py::Book/test_m", r"test/a_book\.py/Book/test_m-[0-9a-f]{16}"),
        ("../x.py::t", r"_/x\.py/t-[0-9a-f]{16}"),
    ],
)
def test_any_other_id_keeps_what_can_be_read_and_gets_a_hash(test_id, pattern):
    assert re.fullmatch(pattern, "/".join(payload_parts(test_id)))


@pytest.mark.parametrize("test_id", HOSTILE, ids=lambda test_id: ascii(test_id[:20]))
def test_every_id_can_be_stored_on_this_system(test_id, tmp_path):
    store = GitStore(tmp_path / "books", lambda _: (test_id,))
    store.put(KEY, DATA)
    assert store.get(KEY) == DATA
    (path,) = _files(tmp_path)
    assert path.is_relative_to(tmp_path / "books")
    assert path.read_bytes() == DATA


def test_all_hostile_ids_can_be_stored_side_by_side(tmp_path):
    store = GitStore(tmp_path, lambda _: HOSTILE)
    store.put(KEY, DATA)
    assert len(list(_files(tmp_path))) == len(HOSTILE)
    store.delete(KEY)
    assert list(tmp_path.iterdir()) == []


def _files(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


# --- owners -----------------------------------------------------------------------------------------


def test_a_payload_is_the_very_bytes_and_lies_where_the_readme_says(tmp_path):
    GitStore(tmp_path, lambda _: ("tests/test_api.py::test_users",)).put(KEY, DATA)
    assert (tmp_path / "tests/test_api.py/test_users/_snapshots/http.json").read_bytes() == DATA


def test_a_blob_that_no_test_has_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no test has"):
        GitStore(tmp_path, lambda _: ()).put(KEY, DATA)
    assert list(tmp_path.iterdir()) == []


def test_deleting_takes_empty_directories_along_and_stops_at_others(tmp_path):
    store = GitStore(tmp_path / "books", lambda _: ("a/b.py::c",))
    store.put(KEY, DATA)
    (tmp_path / "books/a/notes.md").write_text("mine")
    store.delete(KEY)
    assert [path.name for path in _files(tmp_path)] == ["notes.md"]
    assert [path.name for path in (tmp_path / "books/a").iterdir()] == ["notes.md"]


def test_deleting_the_last_payload_leaves_the_snapshots_directory(tmp_path):
    store = GitStore(tmp_path / "books", lambda _: ("a/b.py::c",))
    store.put(KEY, DATA)
    store.delete(KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["books"]


def test_deleting_is_all_or_nothing_where_one_of_the_payloads_is_not_what_it_should_be(tmp_path):
    store = GitStore(tmp_path, lambda _: ("a.py::one", "a.py::two"))
    store.put(KEY, DATA)
    store.path("a.py::two", Kind.HTTP).write_bytes(b"mine")
    with pytest.raises(BlobCorrupt):
        store.delete(KEY)
    assert len(list(_files(tmp_path))) == 2


def test_it_is_whole_only_when_every_owner_has_its_payload(tmp_path):
    store = GitStore(tmp_path, lambda _: ("a.py::one", "a.py::two"))
    assert not store.is_whole(KEY)
    store.put_for("a.py::one", KEY, DATA)
    assert store.has(KEY)
    assert not store.is_whole(KEY)
    store.put_for("a.py::two", KEY, DATA)
    assert store.is_whole(KEY)
    store.path("a.py::two", Kind.HTTP).write_bytes(b"torn")
    assert not store.is_whole(KEY)


# --- attributes -------------------------------------------------------------------------------------


def test_git_is_told_to_leave_payloads_alone(tmp_path):
    store = GitStore(tmp_path / "books", lambda _: ("a.py::t[x y]",))
    assert store.prepare()
    assert store.prepare()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    path = store.path("a.py::t[x y]", Kind.HTTP).relative_to(tmp_path).as_posix()
    for name, value in ((path, "unset"), ("books/a.py/notes.json", "unspecified")):
        done = subprocess.run(
            ["git", "check-attr", "text", "--", name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip().endswith(f"text: {value}")


def test_somebody_elses_attributes_stay(tmp_path):
    (tmp_path / ".gitattributes").write_text("* text\n")
    assert not GitStore(tmp_path, lambda _: ()).prepare()
    assert (tmp_path / ".gitattributes").read_text() == "* text\n"
