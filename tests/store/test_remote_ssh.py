"""Blobs over SSH, against a real OpenSSH server."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncssh
import pytest
from ssh_server import Sshd, make_key, running_sshd, slow_proxy
from store_shelves import key_of

from booktest_cassettes.digest import BlobKey, Kind
from booktest_cassettes.errors import RemoteError
from booktest_cassettes.store.packing import pack
from booktest_cassettes.store.remote import engine, ssh
from booktest_cassettes.store.remote.place import Place
from booktest_cassettes.store.remote.remote import Remote
from booktest_cassettes.store.remote.ssh_words import explain
from booktest_cassettes.store.remote.store import RemoteStore

DATA = b'{"version": 1}\n'
KEY = key_of(DATA)
PREFIX = "booktest/blobs"
CHILD = """
import os, signal, sys
from pathlib import Path
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.store.remote.place import find_place
from booktest_cassettes.store.remote.remote import Remote
from booktest_cassettes.store.remote.store import RemoteStore
store = RemoteStore(Remote(find_place(Path(sys.argv[1]), None), "booktest/blobs"), compress=False)
blobs = [(b"%d " % number) * 20_000 for number in range(int(sys.argv[2]))]
pairs = [(BlobKey(Kind.HTTP, Digest.of(blob)), lambda blob=blob: blob) for blob in blobs]
"""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(autouse=True)
def _nobody_at_home(tmp_path, monkeypatch):
    """Neither the user's keys and settings, nor an agent, nor a terminal."""
    for name in ("HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(ssh, "_has_terminal", lambda: False)


@pytest.fixture
def root(tmp_path) -> Path:
    """The remote's directory on the server; nothing made it yet."""
    return tmp_path / "remote"


@pytest.fixture
def project(tmp_path) -> Path:
    return tmp_path / "project"


def configured(project: Path, url: str, **settings: object) -> Place:
    """A project whose remote is at ``url``."""
    lines = ["[core]", "remote = it", "['remote \"it\"']", f"url = '{url}'"]
    lines += [f"{name} = {value}" for name, value in settings.items()]
    (project / ".dvc").mkdir(parents=True, exist_ok=True)
    (project / ".dvc" / "config").write_text("\n".join(lines) + "\n")
    return Place(project / ".dvc", "it", url)


def store_at(project: Path, sshd: Sshd, root: Path, **settings: object) -> RemoteStore:
    place = configured(project, sshd.url(root), **{**sshd.dvc_settings(), **settings})
    return RemoteStore(Remote(place, PREFIX))


def deliver(store: RemoteStore, *blobs: bytes) -> list[BlobKey]:
    return [done.key for done in store.deliver((key_of(blob), partial(bytes, blob)) for blob in blobs)]


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def refusal(store: RemoteStore) -> str:
    """What is said when a blob is fetched in vain."""
    with pytest.raises(RemoteError) as caught:
        list(store.fetch([KEY]))
    assert caught.value.exit_code == 5
    assert caught.value.hint
    return str(caught.value)


# --- what it is for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4096, 32_767, 32_768, 32_769, 300_000, 3_000_000])
def test_what_is_delivered_is_fetched(sshd, project, root, size):
    data = os.urandom(size)
    store = store_at(project, sshd, root)
    store.compress = False
    assert deliver(store, data) == [key_of(data)]
    [fetched] = store.fetch([key_of(data)])
    assert (fetched.data, fetched.size) == (data, size)
    assert (root / PREFIX / key_of(data).path).read_bytes() == data


def test_the_stored_file_has_the_layout_and_nothing_else_is_left(sshd, project, root):
    store_at(project, sshd, root).put(KEY, DATA)
    assert files(root) == [f"{PREFIX}/{KEY.path}"]
    assert (root / PREFIX / KEY.path).read_bytes() == pack(DATA)


def test_the_absent_is_absent_with_and_without_a_directory(sshd, project, root):
    store = store_at(project, sshd, root)
    for _ in range(2):
        [fetched] = store.fetch([KEY])
        assert (fetched.data, fetched.corrupt) == (None, None)
        assert not store.has(KEY)
        assert list(store.keys()) == []
        store.delete(KEY)
        root.mkdir(exist_ok=True)


def test_reading_makes_no_directory(sshd, project, root):
    list(store_at(project, sshd, root).fetch([KEY]))
    assert not root.exists()


def test_what_was_deleted_is_gone(sshd, project, root):
    store = store_at(project, sshd, root)
    deliver(store, DATA, b"other")
    store.delete(KEY)
    assert list(store.keys()) == [key_of(b"other")]


def test_a_corrupt_blob_is_mended_by_delivering_it_again(sshd, project, root):
    store = store_at(project, sshd, root)
    deliver(store, DATA)
    (root / PREFIX / KEY.path).write_bytes(b"something else")
    [fetched] = store.fetch([KEY])
    assert fetched.data is None
    assert fetched.corrupt is not None
    deliver(store, DATA)
    assert store.get(KEY) == DATA


@pytest.mark.parametrize("kind", list(Kind))
def test_an_empty_file_is_not_a_blob(sshd, project, root, kind):
    key = key_of(DATA, kind)
    path = root / PREFIX / key.path
    path.parent.mkdir(parents=True)
    path.touch()
    assert not store_at(project, sshd, root).has(key)


def test_hundreds_at_once_are_all_there_and_found_by_listing(sshd, project, root):
    blobs = [b"%d" % number for number in range(700)]
    keys = {key_of(blob) for blob in blobs}
    store = store_at(project, sshd, root)
    assert set(deliver(store, *blobs)) == keys
    assert {fetched.key for fetched in store.fetch(keys) if fetched.data is not None} == keys
    assert set(store.keys()) == keys
    assert store.present([*keys, KEY]) == keys
    assert len(files(root)) == 700


def test_foreign_files_are_neither_touched_nor_seen(sshd, project, root):
    shard = root / PREFIX / Path(KEY.path).parent
    foreign = [
        root / "files/md5/ab/cdef",
        root / "booktest/other",
        root / PREFIX / "README",
        shard / "notes.txt",
        shard / f".{KEY.digest.hex[:50]}.0123456789abcdef.tmp",
        shard / "deep/er",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"foreign")
    (shard / "dangling").symlink_to("nowhere")
    store = store_at(project, sshd, root)
    deliver(store, DATA)
    assert list(store.keys()) == [KEY]
    seen = {Path(entry.path).name for entry in store.remote.list(["http"])}
    assert seen == {KEY.digest.hex, "notes.txt", "er"}
    store.delete(KEY)
    assert list(store.keys()) == []
    assert all(path.read_bytes() == b"foreign" for path in foreign)
    assert len(files(root)) == len(foreign)


@pytest.mark.parametrize("name", ["a b", "päth ✓ 漢", "back\\slash", "100%20 'quoted'", "#hash [x]"])
def test_any_path_works(sshd, project, tmp_path, name):
    root = tmp_path / name
    place = configured(project, "ssh://replaced", **sshd.dvc_settings())
    config = place.dvc_dir / "config"
    config.write_text(config.read_text().replace("'ssh://replaced'", f'"{sshd.url(root)}"'))
    deliver(RemoteStore(Remote(place, PREFIX)), DATA)
    assert files(root) == [f"{PREFIX}/{KEY.path}"]


def test_a_remote_given_by_user_in_the_url_works(sshd, project, root):
    settings = sshd.dvc_settings()
    url = sshd.url(root).replace("ssh://", f"ssh://{settings.pop('user')}@")
    store = RemoteStore(Remote(configured(project, url, **settings), PREFIX))
    deliver(store, DATA)
    assert store.get(KEY) == DATA


@pytest.mark.parametrize(
    ("path", "base"), [("", PREFIX), ("/", f"/{PREFIX}"), ("/a/b", f"/a/b/{PREFIX}"), ("/a/", f"/a/{PREFIX}")]
)
def test_a_url_without_a_path_means_the_home_of_the_user(project, path, base):
    medium = Remote(configured(project, f"ssh://127.0.0.1{path}"), PREFIX).medium
    assert isinstance(medium, ssh.SshMedium)
    assert medium._base == base


def test_a_server_without_the_posix_rename_serves_as_well(sshd, project, root, monkeypatch):
    async def unknown(*_: object) -> None:
        raise asyncssh.SFTPOpUnsupported("no such extension")

    monkeypatch.setattr(asyncssh.SFTPClient, "posix_rename", unknown)
    store = store_at(project, sshd, root)
    for _ in range(2):
        deliver(store, DATA)
    assert files(root) == [f"{PREFIX}/{KEY.path}"]


def test_a_server_that_allows_one_session_serves_as_well(tmp_path, project, root):
    with running_sshd(tmp_path / "sshd", "MaxSessions 1") as server:
        store = store_at(project, server, root)
        assert len(deliver(store, *(b"%d" % number for number in range(300)))) == 300


def test_the_jobs_of_the_remote_are_respected(sshd, project, root):
    assert store_at(project, sshd, root, jobs=3).remote.medium.jobs == 3


# --- several at once, and killed ones ---------------------------------------------------------------


def child(project: Path, count: int, code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD + code, str(project), str(count)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_two_processes_that_deliver_the_same_lose_nothing(sshd, project, root):
    store = store_at(project, sshd, root)
    both = [child(project, 100, "assert len(list(store.deliver(pairs))) == 100") for _ in range(2)]
    for process in both:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert len(files(root)) == 100
    assert all(fetched.data is not None for fetched in store.fetch(list(store.keys())))


@pytest.mark.parametrize(
    "moment",
    [
        "asyncssh.SFTPClient.posix_rename",
        "asyncssh.SFTPClientFile.write",
        "asyncssh.SFTPClientFile.fsync",
    ],
)
def test_a_kill_in_mid_write_leaves_nothing_under_the_final_name(sshd, project, root, moment):
    store = store_at(project, sshd, root)
    code = f"import asyncssh; {moment} = lambda *_: os.kill(os.getpid(), 9); list(store.deliver(pairs))"
    process = child(project, 1, code)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert all(name.endswith(".tmp") for name in files(root))
    assert list(store.keys()) == []
    process = child(project, 1, "assert len(list(store.deliver(pairs))) == 1")
    assert process.communicate()[1] == ""
    assert len(list(store.keys())) == 1


def test_a_forked_process_connects_anew(sshd, project, root):
    code = """
if os.name == "posix":
    list(store.deliver(pairs))
    pid = os.fork()
    data = store.get(pairs[0][0])
    assert data == blobs[0]
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        assert store.get(pairs[0][0]) == data
    else:
        os._exit(0)
"""
    store_at(project, sshd, root)
    process = child(project, 1, code)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


# --- what goes wrong --------------------------------------------------------------------------------


def test_an_account_that_may_only_read_fetches_and_is_told_so_when_it_delivers(sshd, project, root):
    deliver(store_at(project, sshd, root), DATA)
    reader = store_at(project, sshd, root, **sshd.dvc_settings(read_only=True))
    assert reader.get(KEY) == DATA
    assert reader.present([KEY]) == {KEY}
    assert list(reader.keys()) == [KEY]
    for blob in (DATA, b"in a directory that is not there"):
        with pytest.raises(RemoteError, match=r"remote 'it' .*permission denied.*may not") as caught:
            deliver(reader, blob)
        assert caught.value.exit_code == 5
        assert "to push, use an account that may write" in caught.value.hint
    with pytest.raises(RemoteError, match="permission denied"):
        reader.delete(KEY)
    assert files(root) == [f"{PREFIX}/{KEY.path}"]


def test_a_port_where_nobody_listens(sshd, project, root):
    with socket.socket() as taken:  # bound, but it does not listen
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        place = configured(project, f"ssh://127.0.0.1{root}", **{**sshd.dvc_settings(), "port": port})
        said = refusal(RemoteStore(Remote(place, PREFIX)))
    assert "the connection was refused" in said
    assert "port" in said.partition("next:")[2]


def test_a_host_that_is_not_known(sshd, project, root, monkeypatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    place = configured(project, f"ssh://blobs.invalid{root}", **sshd.dvc_settings())
    assert "host name is not known" in refusal(RemoteStore(Remote(place, PREFIX)))


def test_a_host_key_that_is_not_trusted(sshd, project, root, monkeypatch, tmp_path):
    (tmp_path / "known_hosts").write_text("")
    monkeypatch.setattr(ssh, "_connect", _trusting(tmp_path / "known_hosts"))
    assert "host key is not trusted" in refusal(store_at(project, sshd, root))


def _trusting(known: Path):
    connect = ssh._connect
    return lambda settings, *rest: connect({**settings, "known_hosts": str(known)}, *rest)


def test_a_key_that_is_refused(sshd, project, root, tmp_path):
    make_key(tmp_path / "other")
    said = refusal(store_at(project, sshd, root, keyfile=tmp_path / "other"))
    assert "does not let us in" in said
    assert "keyfile" in said.partition("next:")[2]


def test_a_key_file_that_is_missing(sshd, project, root, tmp_path):
    said = refusal(store_at(project, sshd, root, keyfile=tmp_path / "absent"))
    assert f"the key file {tmp_path / 'absent'} cannot be used: No such file" in said


def test_a_key_file_that_holds_something_else(sshd, project, root, tmp_path):
    (tmp_path / "letter").write_text("Dear key,")
    assert "the key file is none" in refusal(store_at(project, sshd, root, keyfile=tmp_path / "letter"))


@pytest.mark.parametrize("asks", [{}, {"ask_passphrase": True}])
def test_a_passphrase_is_not_asked_for_without_a_terminal(sshd, project, root, tmp_path, monkeypatch, asks):
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: pytest.fail("it prompts"))
    make_key(tmp_path / "locked", "opensesame")
    said = refusal(store_at(project, sshd, root, keyfile=tmp_path / "locked", **asks))
    assert "protected by a passphrase" in said


def test_a_key_of_the_home_with_a_passphrase_is_not_asked_for_either(
    sshd, project, root, tmp_path, monkeypatch
):
    monkeypatch.setattr("dvc_ssh.client.getpass", lambda *_, **__: pytest.fail("it prompts"))
    (tmp_path / "home/.ssh").mkdir(parents=True)
    make_key(tmp_path / "home/.ssh/id_ed25519", "opensesame")
    settings = {name: value for name, value in sshd.dvc_settings().items() if name != "keyfile"}
    place = configured(project, sshd.url(root), **settings)
    assert "does not let us in" in refusal(RemoteStore(Remote(place, PREFIX)))


def test_a_password_is_not_asked_for_without_a_terminal(tmp_path, project, root, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: pytest.fail("it prompts"))
    monkeypatch.setattr("dvc_ssh.client.getpass", lambda *_, **__: pytest.fail("it prompts"))
    with running_sshd(tmp_path / "sshd", "PasswordAuthentication yes") as server:
        place = configured(project, server.url(root), user=server.user, ask_password=True)
        assert "does not let us in" in refusal(RemoteStore(Remote(place, PREFIX)))


def test_a_wrong_passphrase_is_named_but_not_shown(sshd, project, root, tmp_path):
    make_key(tmp_path / "locked", "opensesame")
    said = refusal(store_at(project, sshd, root, keyfile=tmp_path / "locked", passphrase="closesesame"))
    assert "passphrase of the key file is wrong" in said
    assert "sesame" not in said


def test_the_right_passphrase_opens(sshd, project, root, tmp_path):
    key = asyncssh.read_private_key(str(sshd.keyfile))
    key.write_private_key(str(tmp_path / "locked"), passphrase="opensesame")
    store = store_at(project, sshd, root, keyfile=tmp_path / "locked", passphrase="opensesame")
    deliver(store, DATA)
    assert store.get(KEY) == DATA


def test_a_password_is_not_shown(tmp_path, project, root):
    with running_sshd(tmp_path / "sshd", "PasswordAuthentication yes") as server:
        place = configured(project, server.url(root), user=server.user, password="hunter2hunter2")
        said = refusal(RemoteStore(Remote(place, PREFIX)))
    assert "does not let us in" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("subsystem", ["other internal-sftp", "sftp /bin/false", "sftp /nowhere/sftp"])
def test_a_server_without_sftp(tmp_path, project, root, subsystem):
    options = [f"Subsystem {subsystem}"]
    with running_sshd(tmp_path / "sshd", *options) as server:
        place = configured(project, server.url(root), **server.dvc_settings())
        assert "does not serve files (SFTP)" in refusal(RemoteStore(Remote(place, PREFIX)))


def test_no_space_left_is_said_and_leaves_no_file(tmp_path, project, root):
    root.mkdir()
    program = tmp_path / "small-disk"
    mounted = (
        f"mount -t tmpfs -o size=128k tmpfs '{root}' && mkdir -p '{root / PREFIX}' && exec {_sftp_server()}"
    )
    program.write_text(f'#!/bin/sh\nexec unshare -rm sh -c "{mounted}"\n')
    program.chmod(0o755)
    with running_sshd(tmp_path / "sshd", f"Subsystem sftp {program}") as server:
        store = store_at(project, server, root, max_sessions=1, jobs=1)
        store.compress = False
        deliver(store, b"fits")
        for size in (20_000, 400_000):
            blobs = [bytes([number]) * size for number in range(1, 10)]
            with pytest.raises(RemoteError, match="no space is left"):
                deliver(store, *blobs)
        assert store.get(key_of(b"fits")) == b"fits"


def _sftp_server() -> str:
    places = ("/usr/lib/openssh", "/usr/libexec/openssh", "/usr/lib/ssh", "/usr/libexec")
    program = shutil.which("sftp-server", path=":".join(places))
    assert program is not None, "apt-get install openssh-sftp-server"
    return program


@pytest.mark.parametrize("blocked", ["", "booktest", f"{PREFIX}/http/sha256/{KEY.digest.hex[:2]}"])
def test_a_file_in_place_of_a_directory(sshd, project, root, blocked):
    (root / blocked).parent.mkdir(parents=True, exist_ok=True)
    (root / blocked).write_text("in the way")
    with pytest.raises(RemoteError, match="a file is where a directory should be") as caught:
        deliver(store_at(project, sshd, root), DATA)
    assert str(root / blocked) in str(caught.value)


def test_a_directory_in_place_of_a_blob(sshd, project, root):
    (root / PREFIX / KEY.path / "inside").mkdir(parents=True)
    store = store_at(project, sshd, root, max_sessions=1)  # which answers in turn
    assert not store.has(KEY)
    assert "failed without a reason" in refusal(store)
    with pytest.raises(RemoteError, match="failed without a reason"):
        deliver(store, DATA)
    assert not store.has(KEY)
    assert files(root) == []


def test_a_lost_connection_is_said_and_the_next_operation_connects_again(tmp_path, project, root):
    with running_sshd(tmp_path / "sshd") as server, slow_proxy(server.port, 0) as proxy:
        store = store_at(project, server, root)
        config = project / ".dvc" / "config"
        text = config.read_text()
        config.write_text(text.replace(str(server.port), str(proxy.port)))
        deliver(store, DATA)
        proxy.process.kill()
        proxy.process.wait()
        refusal(store)
        with slow_proxy(server.port, 0, port=proxy.port):
            assert store.get(KEY) == DATA


def test_a_connection_that_breaks_in_the_middle_is_said(tmp_path, project, root):
    with running_sshd(tmp_path / "sshd") as server:
        store = store_at(project, server, root)

        def blobs() -> Iterator[tuple[BlobKey, object]]:
            for number in range(500):
                if number == 300:
                    server.stop()
                data = b"%d" % number
                yield key_of(data), partial(bytes, data)

        with pytest.raises(RemoteError, match="ended the connection") as caught:
            list(store.deliver(blobs()))
    assert "run the command again" in caught.value.hint


def test_a_server_that_falls_silent_is_noticed(tmp_path, sshd, project, root):
    with slow_proxy(sshd.port, 0) as proxy:
        store = store_at(project, sshd, root, timeout=1)
        config = project / ".dvc" / "config"
        config.write_text(config.read_text().replace(str(sshd.port), str(proxy.port)))
        deliver(store, DATA)
        proxy.process.send_signal(signal.SIGSTOP)
        assert "ended the connection: Server not responding to keepalive" in refusal(store)


def test_a_server_that_never_says_a_word_is_given_up(sshd, project, root):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {**sshd.dvc_settings(), "port": silent.getsockname()[1], "timeout": 1}
        place = configured(project, f"ssh://127.0.0.1{root}", **settings)
        assert "no connection within 1 seconds" in refusal(RemoteStore(Remote(place, PREFIX)))


def test_a_server_that_speaks_something_else(sshd, project, root):
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = {**sshd.dvc_settings(), "port": other.getsockname()[1]}
        place = configured(project, f"ssh://127.0.0.1{root}", **settings)

        async def answer() -> None:
            peer, _ = await asyncio.to_thread(other.accept)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.close()

        future = asyncio.run_coroutine_threadsafe(answer(), engine.loop())
        said = refusal(RemoteStore(Remote(place, PREFIX)))
        future.result()
    assert "ended the connection" in said or "no common language" in said


def test_without_a_timeout_of_dvc_ours_hold(sshd, project, root):
    medium = store_at(project, sshd, root).remote.medium
    assert isinstance(medium, ssh.SshMedium)
    settings = medium._settings
    assert settings["connect_timeout"] == settings["login_timeout"] == 15
    assert settings["keepalive_interval"] * (settings["keepalive_count_max"] + 1) <= 60


def test_an_error_of_ours_is_left_alone():
    assert explain(ValueError("a mistake of ours")) is None
