"""Files are whole or absent, whatever happens; names are legal and different; locks exclude."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from booktest_cassettes.errors import StorageError
from booktest_cassettes.files import (
    atomic_write,
    exists,
    is_hashed,
    legal_name,
    list_names,
    locked,
    read_bytes,
    remove,
    remove_empty,
    safe_name,
    sweep_temporary,
)

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX semantics")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# --- atomic write -----------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"new", b"\r\n\0", b"x" * 1_000_000])
@pytest.mark.parametrize("old", [None, b"", b"old and longer than the new one"])
def test_the_new_bytes_are_there_and_nothing_else(tmp_path, old, data):
    target = tmp_path / "file"
    if old is not None:
        target.write_bytes(old)
    atomic_write(target, data)
    assert target.read_bytes() == data
    assert names(tmp_path) == ["file"]


def test_directories_are_made(tmp_path):
    atomic_write(tmp_path / "a/b/c", b"new")
    assert (tmp_path / "a/b/c").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["x" * 250, "é" * 120, "[a]*?.json"])
def test_any_name_the_file_system_takes_will_do(tmp_path, name):
    atomic_write(tmp_path / name, b"new")
    assert names(tmp_path) == [name]


@posix_only
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o027, 0o077])
def test_the_mode_is_the_one_the_umask_asks_for(tmp_path, mask):
    before = os.umask(mask)
    try:
        atomic_write(tmp_path / "file", b"new")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask


@posix_only
def test_the_umask_is_never_changed_not_even_for_a_moment(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("other threads would see it"))
    atomic_write(tmp_path / "file", b"new")


@posix_only
def test_a_symbolic_link_is_replaced_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "real").write_bytes(b"cached")
    (tmp_path / "link").symlink_to("real")
    atomic_write(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"cached"


@posix_only
def test_a_hard_link_is_cut(tmp_path):
    (tmp_path / "cache").write_bytes(b"cached")
    os.link(tmp_path / "cache", tmp_path / "file")
    atomic_write(tmp_path / "file", b"new")
    assert (tmp_path / "cache").read_bytes() == b"cached"


def test_many_threads_writing_one_file_leave_one_of_theirs(tmp_path):
    contents = [bytes([number]) * 10_000 for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: atomic_write(tmp_path / "deep" / "file", data), contents))
    assert (tmp_path / "deep/file").read_bytes() in contents
    assert names(tmp_path / "deep") == ["file"]


# --- the disk refuses -------------------------------------------------------------------------------

ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT]


class _FullAfterHalf(io.FileIO):
    code = 0

    def write(self, data: object) -> int:
        super().write(memoryview(data)[: len(memoryview(data)) // 2])  # type: ignore[arg-type, call-overload]
        raise OSError(self.code, os.strerror(self.code))


def _failing(code: int) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise OSError(code, os.strerror(code))

    return fail


def _break(monkeypatch: pytest.MonkeyPatch, step: str, code: int) -> None:
    if step == "create":
        monkeypatch.setattr(Path, "open", _failing(code))
    elif step == "write":
        stream = type("Stream", (_FullAfterHalf,), {"code": code})
        monkeypatch.setattr(Path, "open", lambda path, _: stream(path, "x"))
    else:
        monkeypatch.setattr(os, step, _failing(code))


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", ["create", "write", "fsync", "replace"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_refusal_before_the_last_step_leaves_the_old_bytes_and_no_temporary_file(
    tmp_path, monkeypatch, step, code, old
):
    target = tmp_path / "file"
    if old is not None:
        target.write_bytes(old)
    with monkeypatch.context() as patch:
        _break(patch, step, code)
        with pytest.raises(StorageError) as caught:
            atomic_write(target, b"new" * 100)
    assert str(target) in caught.value.message
    assert os.strerror(code) in caught.value.message
    assert str(tmp_path) in caught.value.hint
    assert read_bytes(target) == old
    assert names(tmp_path) == ([] if old is None else ["file"])


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_a_directory_that_cannot_be_made_is_an_error(tmp_path, monkeypatch, code):
    monkeypatch.setattr(os, "mkdir", _failing(code))
    with pytest.raises(StorageError, match=re.escape(os.strerror(code))):
        atomic_write(tmp_path / "a/file", b"new")
    assert names(tmp_path) == []


@posix_only
def test_when_the_directory_cannot_be_flushed_it_says_so_and_the_new_bytes_are_whole(tmp_path, monkeypatch):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "open", _failing(errno.EIO))
    with pytest.raises(StorageError, match="Input/output error"):
        atomic_write(target, b"new")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


@posix_only
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES])
def test_a_file_system_that_cannot_flush_directories_will_do(tmp_path, monkeypatch, code):
    monkeypatch.setattr(os, "open", _failing(code))
    atomic_write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interruption_leaves_the_old_bytes_and_no_temporary_file(tmp_path, monkeypatch, step):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "file", b"new")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


LIMITED = """
import resource, sys
from pathlib import Path
from booktest_cassettes.errors import StorageError
from booktest_cassettes.files import atomic_write
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    atomic_write(Path(sys.argv[1]), b"new" * 10_000)
except StorageError as error:
    sys.exit(f"refused: {error.message}")
"""


@posix_only
def test_a_write_that_the_system_cuts_short_leaves_the_old_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr.startswith("refused: cannot write")
    assert "File too large" in done.stderr
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


KILLED = """
import os, signal, sys
from pathlib import Path
from booktest_cassettes.files import atomic_write
steps, left = {"before": 0, "after": 1}[sys.argv[3]], int(sys.argv[2])
def dying(real):
    def call(*arguments):
        global left
        left -= 1
        if not left and not steps:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return real(*arguments)
        finally:
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
    return call
for name in ("fsync", "replace", "open", "mkdir"):
    setattr(os, name, dying(getattr(os, name)))
atomic_write(Path(sys.argv[1]), b"new" * 1000)
print("survived")
"""


@posix_only
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_kill_at_any_step_leaves_the_old_bytes_or_the_new_ones(tmp_path, old, when):
    seen = set()
    for step in range(1, 20):
        target = tmp_path / str(step) / "file"
        if old is not None:
            atomic_write(target, old)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(target), str(step), when], capture_output=True
        )
        found = read_bytes(target)
        assert found in (old, b"new" * 1000)
        seen.add(found)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        sweep_temporary(target)
        assert not target.parent.exists() or names(target.parent) == (["file"] if found else [])
        atomic_write(target, b"again")
        assert names(target.parent) == ["file"]
    else:
        pytest.fail("it never got through")
    assert seen == {old, b"new" * 1000}
    assert step >= 4


def test_sweeping_takes_only_what_a_killed_write_of_this_file_left(tmp_path):
    target = tmp_path / "a[b].json"
    kept = [".a[b].json.tmp", ".ab.json.0123456789abcdef.tmp", "a[b].json", ".a[b].json.0123456789abcdef.txt"]
    for name in [*kept, ".a[b].json.0123456789abcdef.tmp"]:
        (tmp_path / name).write_bytes(b"")
    sweep_temporary(target)
    assert names(tmp_path) == sorted(kept)
    sweep_temporary(tmp_path / "absent" / "file")


# --- something is in the way ------------------------------------------------------------------------


@pytest.mark.parametrize("act", [lambda path: atomic_write(path, b"new"), read_bytes, remove, exists])
def test_a_file_where_a_directory_should_be_is_a_storage_error(tmp_path, act):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError) as caught:
        act(tmp_path / "file" / "sub" / "target")
    assert str(tmp_path / "file") in caught.value.message
    assert re.search(r"Not a directory|File exists", caught.value.message)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("act", [lambda path: atomic_write(path, b"new"), read_bytes, remove])
def test_a_directory_where_the_file_should_be_is_a_storage_error(tmp_path, act):
    (tmp_path / "target").mkdir()
    with pytest.raises(StorageError, match=r"Is a directory|not permitted|denied") as caught:
        act(tmp_path / "target")
    assert str(tmp_path / "target") in caught.value.message
    assert names(tmp_path) == ["target"]


def test_a_name_that_is_too_long_is_a_storage_error(tmp_path):
    for act in (lambda path: atomic_write(path, b"new"), read_bytes, exists, remove):
        with pytest.raises(StorageError, match="too long"):
            act(tmp_path / ("x" * 300))


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from booktest_cassettes.errors import StorageError
from booktest_cassettes.files import atomic_write
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    atomic_write(Path("file"), b"new")
except StorageError as error:
    sys.exit(f"refused: {error.message}")
"""


@posix_only
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_read_only_directory_is_a_storage_error(tmp_path, old):
    directory = tmp_path / "directory"
    directory.mkdir()
    if old is not None:
        (directory / "file").write_bytes(old)
    directory.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(directory)], capture_output=True, text=True
    )
    directory.chmod(0o755)
    assert done.stderr.startswith("refused: cannot write file: Permission denied")
    assert read_bytes(directory / "file") == old
    assert names(directory) == ([] if old is None else ["file"])


READ_ONLY = Path("/proc/sys/kernel/booktest")


@pytest.mark.skipif(
    not READ_ONLY.parent.is_dir(), reason="needs Linux's /proc, where even root may not write"
)
def test_a_directory_that_takes_no_files_is_a_storage_error():
    with pytest.raises(StorageError, match=re.escape(str(READ_ONLY))):
        atomic_write(READ_ONLY, b"new")


def test_absent_is_none_and_not_an_error(tmp_path):
    assert read_bytes(tmp_path / "a/b") is None
    assert not exists(tmp_path / "a/b")
    assert list_names(tmp_path / "a/b") == []
    remove(tmp_path / "a/b")
    assert names(tmp_path) == []


def test_a_directory_that_cannot_be_listed_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(StorageError, match="cannot list"):
            list_names(path)


def test_names_are_listed_in_order(tmp_path):
    for name in ("b", "a", ".c"):
        (tmp_path / name).write_bytes(b"")
    assert list_names(tmp_path) == [".c", "a", "b"]


def test_empty_directories_go_up_to_the_top_and_no_further(tmp_path):
    (tmp_path / "top/a/b/c").mkdir(parents=True)
    remove_empty(tmp_path / "top/a/b/c", top=tmp_path / "top")
    assert names(tmp_path / "top") == []
    remove_empty(tmp_path / "top", top=tmp_path / "top")
    remove_empty(tmp_path / "top", top=tmp_path / "elsewhere")
    assert names(tmp_path) == ["top"]


def test_directories_with_something_in_them_stay(tmp_path):
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/file").write_bytes(b"")
    remove_empty(tmp_path / "a/b/c", top=tmp_path)
    assert names(tmp_path / "a") == ["file"]
    remove_empty(tmp_path / "absent/sub", top=tmp_path)


# --- the lock ---------------------------------------------------------------------------------------

COUNTER = """
import sys
from pathlib import Path
from booktest_cassettes.files import atomic_write, locked
counter = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    with locked(counter):
        atomic_write(counter, b"%d" % (int(counter.read_bytes()) + 1))
"""


def test_processes_exclude_each_other(tmp_path):
    counter = tmp_path / "counter"
    counter.write_bytes(b"0")
    command = [sys.executable, "-c", COUNTER, str(counter)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate()
    assert counter.read_bytes() == b"150"


HOLDER = """
import sys
from pathlib import Path
from booktest_cassettes.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_lock_that_is_not_free_in_time_is_a_storage_error(tmp_path):
    with held_elsewhere(tmp_path / "thing"):
        with pytest.raises(StorageError) as caught:
            with locked(tmp_path / "thing", timeout=0.05):
                pytest.fail("got in")
    assert str(tmp_path / "thing.lock") in caught.value.message
    assert "0.05 s" in caught.value.message
    assert caught.value.hint


def test_a_lock_goes_with_the_process_that_held_it(tmp_path):
    with held_elsewhere(tmp_path / "thing") as holder:
        holder.kill()
        holder.wait()
        with locked(tmp_path / "thing", timeout=5):
            pass


def test_a_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "thing"):
        raise ZeroDivisionError
    with locked(tmp_path / "thing", timeout=0):
        pass


def test_what_the_body_raises_is_not_taken_for_the_lock_s_own_trouble(tmp_path):
    from filelock import Timeout

    for error in (OSError(errno.ENOSPC, "full"), Timeout("another lock")):
        with pytest.raises(type(error)) as caught, locked(tmp_path / "thing"):
            raise error
        assert caught.value is error


def test_threads_exclude_each_other(tmp_path):
    inside: list[str] = []

    def work() -> None:
        with locked(tmp_path / "thing"):
            inside.append("in")
            assert inside.count("in") - inside.count("out") == 1
            inside.append("out")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for _ in range(20)]:
            done.result()
    assert inside == ["in", "out"] * 20


def test_the_lock_makes_its_directory_and_needs_no_file(tmp_path):
    with locked(tmp_path / "a/b/thing"):
        assert names(tmp_path / "a/b") == ["thing.lock"]


def test_a_lock_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "thing.lock").mkdir()
    for path in (tmp_path / "file" / "thing", tmp_path / "file" / "sub" / "thing", tmp_path / "thing"):
        with pytest.raises(StorageError, match=re.escape(str(path))):
            with locked(path, timeout=0.05):
                pytest.fail("got in")


def test_a_file_system_without_locks_is_a_storage_error(tmp_path, monkeypatch):
    import filelock

    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(StorageError, match="no flock here"):
        with locked(tmp_path / "thing"):
            pytest.fail("got in")


# --- names ------------------------------------------------------------------------------------------

HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "...",
    "a.",
    "a ",
    " a",
    ".a",
    "a/b",
    "a\\b",
    "a:b",
    "a\0b",
    "a\nb",
    "con",
    "CON",
    "con.txt",
    "con .txt",
    "con.",
    "nul",
    "aux.tar.gz",
    "com1",
    "com0",
    "lpt9.x",
    "console",
    "é",
    "e\u0301",
    "ß",
    "SS",
    "\u0131",
    "I",
    "K",
    "\u212a",
    "👩\u200d💻",
    "\ud800",
    "a" * 119,
    "a" * 120,
    "a" * 121,
    "a" * 5000,
    "💥" * 2000,
    "a" * 119 + ".",
    "a" * 119 + " b",
    "-rf",
    "~",
    "*",
    "a-0123456789abcdef",
    "a-0123456789abcde",
    "GET",
    "get",
    "TestUsers",
]
texts = st.text() | st.sampled_from(HOSTILE) | st.text(alphabet="aA./\\ -0é", max_size=6)


@given(texts)
@settings(max_examples=300)
@pytest.mark.parametrize("name_of", [safe_name, legal_name])
def test_a_name_is_legal_on_every_system(name_of, text):
    name = name_of(text)
    assert 0 < len(name.encode("utf-8")) <= 160
    assert not re.search(r'[\x00-\x1f\x7f<>:"/\\|?*]', name)
    assert name == name.strip(" ").rstrip(".")
    assert not name.startswith(".")
    assert PureWindowsPath("C:/", name).parts == ("C:\\", name)
    assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$) *(\.|\Z)", name)


@given(texts, texts)
@settings(max_examples=300)
def test_different_texts_have_different_names_even_where_case_is_not_told_apart(one, other):
    assume(one != other)
    assert safe_name(one).casefold() != safe_name(other).casefold()


@given(texts)
@settings(max_examples=300)
@example("TestUsers")
def test_texts_that_differ_in_case_only_have_different_names(text):
    for other in {text.lower(), text.upper(), text.swapcase(), text.title(), text.casefold()} - {text}:
        assert safe_name(text).casefold() != safe_name(other).casefold()


@given(texts)
@settings(max_examples=300)
def test_a_text_that_is_the_name_of_another_has_another_name(text):
    name = safe_name(text)
    assume(name != text)
    assert safe_name(name).casefold() != name.casefold()


def test_hostile_texts_have_names_of_their_own():
    assert len({safe_name(text).casefold() for text in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize(
    "text", ["test_users", "a.b-c", "test_list[a]", "x=1,y+2@z", "a" * 120, "with space"]
)
def test_a_plain_name_is_kept(text):
    assert safe_name(text) == legal_name(text) == text


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("TestUsers", r"TestUsers-[0-9a-f]{16}"),
        ("a/b", r"a_b-[0-9a-f]{16}"),
        ("con.txt", r"_con\.txt-[0-9a-f]{16}"),
        ("..", r"_-[0-9a-f]{16}"),
    ],
)
def test_any_other_keeps_what_can_be_read_and_gets_a_hash(text, pattern):
    assert re.fullmatch(pattern, safe_name(text))
    assert is_hashed(safe_name(text))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_this_system_takes_the_name(tmp_path, text):
    atomic_write(tmp_path / f"{safe_name(text)}.json", b"new")
    assert names(tmp_path) == [f"{safe_name(text)}.json"]


def test_importing_files_is_cheap():
    heavy = "sorted({'tempfile', 'random', 'shutil', 'filelock'} & sys.modules.keys())"
    script = f"import sys; before = set(sys.modules); import booktest_cassettes.files; print({heavy})"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
