"""A remote that is away, refuses, is full or lies stops an approval, which a second run then completes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from time import monotonic

import pytest
from e2e_remotes import (
    AREA,
    KINDS,
    PREFIX,
    TESTS,
    Desk,
    Site,
    configure,
    on_a_full_disk,
    only_readable,
    recorded,
    s3_server,
    s3_site,
    secrets_of,
    share_site,
    shared,
    site,
    ssh_server,
    ssh_site,
)
from s3_server import Keys
from s3_stub import BUCKET, Stub, running_stub
from slow_proxy import slow_proxy
from ssh_server import make_key, running_sshd

REMOTE = "booktest-remote"
STUB_KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def stopped(desk: Desk) -> str:
    """An approval that the remote stops: nothing has changed. What it said."""
    manifest, staged = desk.root / "booktest.manifest.yaml", desk.staged()
    before = manifest.read_bytes() if manifest.exists() else None
    assert staged
    said = desk.refused("approve", "--all")
    assert (manifest.read_bytes() if manifest.exists() else None) == before
    assert desk.staged() == staged
    return said


def completed(desk: Desk, there: Site) -> None:
    """The same approval, once the cause is gone."""
    assert "approved: 3 snapshots of 3 tests" in desk.done("approve", "--all")
    assert len(there.blobs()) == 3
    there.see(desk.manifest)
    assert not [name for name in desk.staged() if name.endswith(".json")]


def said_by(text: str, *words: str) -> None:
    assert f"remote '{REMOTE}'" in text
    for each in words:
        assert each in text


# --- away ---------------------------------------------------------------------------------------------


def test_a_share_that_is_not_mounted_is_not_made(tmp_path):
    there = share_site(tmp_path / "remote")
    desk = recorded(tmp_path / "ada", there)
    (there.root / AREA).rename(tmp_path / "away")
    said_by(stopped(desk), "there is no directory", "mount the share")
    assert there.everything() == {}
    (tmp_path / "away").rename(there.root / AREA)
    completed(desk, there)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("s3", ("nothing answers at http://127.0.0.1", "endpointurl")), ("ssh", ("nothing listens there",))],
)
def test_a_server_that_is_down_stops_an_approval_and_a_run_in_ci(kind, words, tmp_path):
    there = site(kind, tmp_path / "remote")
    port = ssh_server().port if kind == "ssh" else int(s3_server().endpoint.rpartition(":")[2])
    with slow_proxy(port, 0) as proxy:  # to be stopped in its place
        _behind(there, proxy.port)
        desk = recorded(tmp_path / "ada", there)
        first = desk.root / "booktest.manifest.yaml"
        proxy.process.kill()
        proxy.process.wait()
        said_by(stopped(desk), *words)
        assert not first.exists()
    with slow_proxy(port, 0, port=proxy.port):
        completed(desk, there)
    desk.commit()
    robot = desk.clone("robot")
    robot.sign_in(there.own)
    ran = robot.pytest("-q", ci=True, BOOKTEST_REQUIRE_DVC="1")
    assert ran.code == 5, ran.text
    said_by(ran.text, *words)
    assert "passed" not in ran.text, "the session ends before its first test"
    assert "failed" not in ran.text
    assert robot.git("status", "--porcelain") == ""


def _behind(there: Site, port: int) -> None:
    if "endpointurl" in there.shared:
        there.shared["endpointurl"] = f"http://127.0.0.1:{port}"
    else:
        there.url = there.url.replace(f":{there.shared['port']}/", f":{port}/")
        there.shared["port"] = port


# --- refuses --------------------------------------------------------------------------------------------


def test_a_share_that_may_not_be_written_is_said(tmp_path):
    there = share_site(tmp_path / "remote")
    desk = recorded(tmp_path / "ada", there)
    with only_readable(there.root) as desk.before:
        said_by(stopped(desk), "permission denied")
    desk.before = ()
    completed(desk, there)


def test_keys_that_s3_refuses_are_named_and_not_shown(tmp_path):
    there = s3_site(tmp_path)
    desk = recorded(tmp_path / "ada", there)
    desk.secrets += secrets_of(STUB_KEYS)
    next_command = f"dvc remote modify --local {REMOTE} access_key_id"
    desk.sign_in({"access_key_id": STUB_KEYS.access})
    said_by(stopped(desk), "does not know the access key", next_command)
    desk.sign_in({**there.own, "secret_access_key": STUB_KEYS.secret})
    said_by(stopped(desk), "secret key does not belong", next_command)
    assert there.everything() == {}
    desk.sign_in(there.own)
    completed(desk, there)


def test_a_key_that_a_server_refuses_or_that_is_missing_is_named_and_not_shown(tmp_path):
    there = ssh_site(tmp_path / "remote")
    desk = recorded(tmp_path / "ada", there)
    strange = tmp_path / "strange"
    make_key(strange)
    desk.secrets += strange.read_text().splitlines()[1:-1]
    desk.sign_in({"keyfile": str(strange)})
    said_by(stopped(desk), "does not let us in", "check user and key")
    desk.sign_in({"keyfile": str(tmp_path / "nowhere")})
    said_by(stopped(desk), "key file", "keyfile PATH")
    assert there.everything() == {}
    desk.sign_in(there.own)
    completed(desk, there)


def test_a_bucket_that_is_not_there_is_named(tmp_path):
    there = s3_site(tmp_path)
    desk = recorded(tmp_path / "ada", there)
    right = there.url
    configure(desk.root / ".dvc/config", REMOTE, {"url": f"s3://nowhere-{there.name}/x"})
    admin = s3_server().admin  # who may not look learns less
    desk.secrets += secrets_of(admin)
    desk.sign_in(admin.settings)
    said_by(stopped(desk), f"there is no bucket 'nowhere-{there.name}'", ".dvc/config")
    configure(desk.root / ".dvc/config", REMOTE, {"url": right})
    completed(desk, there)


# --- is full, or lies -------------------------------------------------------------------------------------


def test_a_share_without_space_is_said(tmp_path):
    there = share_site(tmp_path / "remote")
    desk = recorded(tmp_path / "ada", there)
    desk.before = on_a_full_disk(there.root / AREA)
    said_by(stopped(desk), "no space is left", "make space")
    desk.before = ()
    completed(desk, there)


def test_an_ssh_server_without_space_is_said(tmp_path):
    there = ssh_site(tmp_path / "remote")
    program = tmp_path / "small-disk"
    command = [*on_a_full_disk(there.root / AREA), _sftp_server()]
    program.write_text(f"#!/bin/sh\nexec {' '.join(map(_quoted, command))}\n")
    program.chmod(0o755)
    desk = recorded(tmp_path / "ada", there)
    with running_sshd(tmp_path / "sshd", f"Subsystem sftp {program}") as full:
        url = full.url(there.root / AREA)
        configure(desk.root / ".dvc/config", REMOTE, {"url": url, "port": full.port})
        desk.sign_in({"keyfile": full.keyfile})
        said_by(stopped(desk), "no space is left", "make space")
    configure(desk.root / ".dvc/config", REMOTE, {"url": there.url, **there.shared})
    desk.sign_in(there.own)
    completed(desk, there)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _sftp_server() -> str:
    places = ("/usr/lib/openssh", "/usr/libexec/openssh", "/usr/lib/ssh", "/usr/libexec")
    program = shutil.which("sftp-server", path=":".join(places))
    assert program is not None, "apt-get install openssh-sftp-server"
    return program


class Lying(Site):
    """A stub's bucket."""

    def __init__(self, stub: Stub) -> None:
        super().__init__(f"s3://{BUCKET}/{AREA}", secrets=secrets_of(STUB_KEYS), own=dict(STUB_KEYS.settings))
        self.shared = {"endpointurl": stub.endpoint, "region": "us-east-1"}
        self.stub = stub

    def everything(self) -> dict[str, bytes]:
        """See Site."""
        return {
            path.removeprefix(f"{BUCKET}/"): stored.data for path, stored in dict(self.stub.objects).items()
        }


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running_stub() as stub:
        yield stub


def test_a_bucket_without_space_is_said(stub, tmp_path):
    there = Lying(stub)
    desk = recorded(tmp_path / "ada", there)
    stub.full()
    said_by(stopped(desk), "no space is left", "make space")
    stub.refuse.clear()
    completed(desk, there)


LIES = {"drop_writes": "is not there", "truncate_writes": "reads back", "flip_writes": "reads back"}


def test_a_remote_that_lies_about_writes_is_found_out(stub, tmp_path):
    there = Lying(stub)
    desk = recorded(tmp_path / "ada", there)
    for lie, words in LIES.items():
        setattr(stub, lie, True)
        said_by(stopped(desk), words, "cannot be trusted")
        setattr(stub, lie, False)
    completed(desk, there)


def test_bytes_that_rotted_on_the_remote_are_not_replayed_and_whoever_has_them_mends_them(tmp_path):
    there = share_site(tmp_path / "remote")
    desk = shared(tmp_path / "ada", there)
    path = next(path for path in there.everything() if PREFIX in path)
    there.put(path, b"rot")
    robot = desk.clone("robot")
    ran = robot.pytest("-q", ci=True, BOOKTEST_REQUIRE_DVC="1")
    assert ran.code == 4, ran.text
    said_by(
        ran.text, "2 intact", "1 corrupt", "next: have who approved it run booktest-cassettes push --deep"
    )
    assert len(robot.kept()) == 2
    assert "pushed: 1 blob," in desk.done("push", "--deep")
    there.see(desk.manifest)
    assert "fetched 1 blob," in robot.intact(ci=True, BOOKTEST_REQUIRE_DVC="1")


# --- is killed, or not alone ----------------------------------------------------------------------------


def test_an_approval_killed_while_it_pushes_is_completed_by_the_next(stub, tmp_path):
    there = Lying(stub)
    there.shared["jobs"] = 1  # one after another: the kill is in the middle
    desk = recorded(tmp_path / "ada", there)
    staged = desk.staged()
    reached = _watch(stub, "PutObject", 2)
    stub.latency = 0.05
    with desk.start("approve", "--all") as process:
        assert reached.wait(30)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    stub.latency = 0.0
    assert desk.manifest == ""
    assert desk.staged() == staged
    assert 0 < len(there.blobs()) < 3
    completed(desk, there)


def _watch(stub: Stub, operation: str, number: int) -> threading.Event:
    """Set once a stub was asked for an operation that many times."""
    reached, answer = threading.Event(), stub.answer

    def watched(*request):
        done = answer(*request)
        if stub.asked[operation] >= number:
            reached.set()
        return done

    stub.answer = watched
    return reached


@pytest.mark.parametrize("kind", ["share", "ssh"])
def test_an_approval_killed_when_its_first_file_appears_leaves_the_old_state_or_the_new(kind, tmp_path):
    there = site(kind, tmp_path / "remote")
    desk = recorded(tmp_path / "ada", there)
    until = monotonic() + 30
    with desk.start("approve", "--all") as process:
        while not any((there.root / AREA).rglob("*")):
            assert monotonic() < until
        process.send_signal(signal.SIGKILL)
    if desk.manifest:  # a share is as fast as that at times
        there.see(desk.manifest)
    desk.done("approve", "--all")
    assert len(there.blobs()) == 3
    there.see(desk.manifest)
    assert not [name for name in desk.staged() if name.endswith(".json")]


@pytest.mark.parametrize("kind", KINDS)
def test_two_developers_who_approve_and_pull_at_the_same_time_lose_nothing(kind, tmp_path):
    there = site(kind, tmp_path / "remote")
    ada = recorded(tmp_path / "ada", there)
    bob = recorded(tmp_path / "bob", there)
    _all_end_well(ada.start("approve", *TESTS[:2]), bob.start("approve", *TESTS[1:]))
    assert len(there.blobs()) == 3
    for desk in (ada, bob):
        there.see(desk.manifest)
        desk.lose_the_cache()
    _all_end_well(*(desk.start("pull") for desk in (ada, ada, bob)))
    assert [len(desk.kept()) for desk in (ada, bob)] == [2, 2]


def _all_end_well(*started: subprocess.Popen[bytes]) -> None:
    for process in started:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
