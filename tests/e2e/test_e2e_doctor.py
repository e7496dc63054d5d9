"""The doctor as people call it: in the middle of nowhere, without DVC, on remotes that refuse."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import s3_stub
from e2e_remotes import (
    Desk,
    only_readable,
    powerless,
    s3_server,
    s3_site,
    secrets_of,
    share_site,
    shared,
    site,
)
from e2e_workspace import Done, Workspace
from s3_stub import BUCKET, running_stub

KEYS = {
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


def examined(desk: Workspace, *arguments: str, **variables: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what was found by the name of its check; what is as it should be counts least."""
    done = desk.cli("doctor", "--json", *arguments, **variables)
    said = json.loads(done.text)
    assert said["exit_code"] == done.code
    findings = [finding for group in said["groups"] for finding in group["findings"]]
    findings.sort(key=lambda finding: finding["level"] != "ok")
    return done.code, {finding["check"]: finding for finding in findings}


def shown(desk: Workspace, *arguments: str, **variables: str) -> Done:
    done = desk.cli("doctor", *arguments, **variables)
    assert "Traceback" not in done.text
    assert "\x1b" not in done.text
    return done


# --- anywhere -----------------------------------------------------------------------------------------


def test_an_empty_directory_has_notes_only_and_stays_empty(tmp_path):
    desk = Workspace(tmp_path)
    done = shown(desk)
    assert done.code == 0, done.text
    assert "Manifest: ok" in done.text
    assert "in no Git repository" in " ".join(done.text.split())
    assert "dvc init" in done.text
    assert list(tmp_path.iterdir()) == []


def test_everything_broken_at_once_is_told_in_one_go(workspace):
    workspace.write("booktest.toml", "[storage")
    workspace.write(".booktest", "storage.mode dvc\n")
    workspace.write("booktest.manifest.yaml", "<<<<<<< ours\n")
    workspace.write(".booktest_cache", "a file")
    shutil.rmtree(workspace.root / ".git")
    done = shown(workspace, BOOKTEST_RECORD_MOD="all")
    assert done.code == 4
    for words in ("booktest.toml:1", ".booktest:1", "merge conflict", "BOOKTEST_RECORD_MODE", "git init"):
        assert words in done.text
    assert "Cache: not looked at" in done.text


def test_a_directory_that_is_gone_is_said(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"rmdir {gone}; exec {sys.executable} -m booktest_cassettes doctor"
    done = Workspace(gone).run("sh", "-c", command)
    assert done.code == 2
    assert "is gone" in done.text
    assert "Traceback" not in done.text


def test_a_cache_that_this_user_may_not_read_is_said_and_the_rest_is_looked_at(tmp_path):
    desk = shared(tmp_path / "ada", share_site(tmp_path / "remote"))
    desk.before = powerless()
    cache = desk.root / ".booktest_cache"
    cache.chmod(0)
    try:
        code, found = examined(desk)
    finally:
        cache.chmod(0o755)
    assert code == 4
    assert found["rights"]["where"] == ".booktest_cache"
    assert "internal" not in found
    desk.before = ()
    assert examined(desk)[0] == 0


def test_a_directory_that_this_user_may_not_read_is_one_problem(tmp_path):
    desk = Desk(tmp_path / "closed")
    desk.root.mkdir()
    desk.before = powerless()
    desk.root.chmod(0o300 if os.getuid() else 0)
    try:
        done = desk.run("sh", "-c", f"exec {sys.executable} -m booktest_cassettes doctor --json")
    finally:
        desk.root.chmod(0o755)
    said = json.loads(done.text)
    found = [one for group in said["groups"] for one in group["findings"] if one["level"] != "ok"]
    assert [(one["check"], one["exit_code"]) for one in found] == [("root", 2)]


def test_without_the_dvc_package_it_says_what_to_install(tmp_path):
    desk = shared(tmp_path / "ada", share_site(tmp_path / "remote"))
    (tmp_path / "without").mkdir()
    (tmp_path / "without/sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "real = PathFinder.find_spec\n"
        "def find_spec(name, path=None, target=None):\n"
        "    return None if name.partition('.')[0] == 'dvc' else real(name, path, target)\n"
        "PathFinder.find_spec = staticmethod(find_spec)\n"
    )
    code, found = examined(desk, PYTHONPATH=str(tmp_path / "without"))
    assert code == 5
    assert "not installed" in found["storage"]["what"]
    assert "pip install 'booktest-cassettes[dvc]'" in found["storage"]["fix"]
    assert "internal" not in found


# --- remotes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["s3", "ssh"])
def test_a_remote_that_is_well_has_nothing_wrong_and_keeps_no_probe(kind, tmp_path):
    there = site(kind, tmp_path / "remote")
    desk = shared(tmp_path / "ada", there)
    desk.done("init", "--yes")
    desk.done("install-hooks")
    desk.commit()
    before = there.everything()
    done = shown(desk, "--all", "--deep")
    assert done.code == 0, done.text
    assert "nothing to do" in done.text
    for words in (
        "a probe was written, read back and deleted",
        "its clock and ours differ by",
        "credentials",
    ):
        assert words in done.text
    assert there.everything() == before
    assert desk.git("status", "--porcelain") == ""


def test_keys_that_may_only_read_are_told_as_not_writable_and_never_shown(tmp_path):
    there = s3_site(tmp_path)
    desk = shared(tmp_path / "ada", there)
    reader = s3_server().read_only_user(there.name)
    desk.secrets += secrets_of(reader)
    (desk.root / ".dvc/config.local").unlink()
    desk.variables |= {"AWS_ACCESS_KEY_ID": reader.access, "AWS_SECRET_ACCESS_KEY": reader.secret}
    code, found = examined(desk)
    assert code == 0
    assert found["writable"]["level"] == "warning"
    assert "not writable" in found["writable"]["what"]
    assert found["credentials"]["what"] == "credentials: from environment (AWS_ACCESS_KEY_ID)"


def test_a_share_that_may_only_be_read_is_told_as_not_writable(tmp_path):
    there = share_site(tmp_path / "remote")
    desk = shared(tmp_path / "ada", there)
    with only_readable(there.root) as desk.before:
        code, found = examined(desk)
        in_ci = examined(desk, CI="1")[1]
    assert code == 0
    assert "permission denied" in found["writable"]["what"]
    assert (found["writable"]["level"], in_ci["writable"]["level"]) == ("warning", "note")
    desk.before = ()
    assert examined(desk)[1]["writable"]["level"] == "ok"


def test_keys_that_s3_refuses_are_a_problem_and_the_fix_is_a_command(tmp_path):
    there = s3_site(tmp_path)
    desk = shared(tmp_path / "ada", there)
    desk.secrets += KEYS.values()
    desk.sign_in(KEYS)
    code, found = examined(desk)
    assert code == 5
    assert "does not know the access key" in found["reachable"]["what"]
    assert "dvc remote modify --local booktest-remote access_key_id" in found["reachable"]["fix"]
    desk.sign_in(there.own)
    assert shown(desk).code == 0


def test_the_clock_of_a_bucket_is_measured_and_a_bucket_that_may_not_delete_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(s3_stub, "time", lambda: 1_000_000_000.0)
    with running_stub() as stub:
        desk = stubbed(tmp_path / "ada", stub.endpoint)
        stub.deny("DeleteObject", "DeleteObjects")
        desk.secrets += KEYS.values()
        found = examined(desk)[1]
        assert found["credentials-committed"]["where"] == ".dvc/config"
        assert "behind this machine's" in found["clock"]["what"]
        assert found["deletable"]["fix"].endswith("there")
        assert [key.rpartition("/")[0] for key in stub.keys(BUCKET)] == ["there/booktest/blobs/probe"]
        stub.refuse.clear()
        shown(desk)
        assert stub.keys(BUCKET) == [], "what was left a day ago and more is swept"


def stubbed(root: Path, endpoint: str) -> Desk:
    """A project whose remote is a stub that takes any key, and whose keys were committed."""
    desk = Desk(root)
    root.mkdir()
    desk.begin()
    (root / "booktest.toml").unlink()
    there = share_site(root / "unused")
    there.url = f"s3://{BUCKET}/there"
    there.shared = {"endpointurl": endpoint, "region": "us-east-1", **KEYS}
    desk.settle(there)
    shutil.rmtree(root / "unused")
    return desk


# --- mending ------------------------------------------------------------------------------------------


def test_fix_mends_what_is_safe_says_so_and_has_nothing_to_do_the_second_time(tmp_path):
    desk = shared(tmp_path / "ada", share_site(tmp_path / "remote"))
    blob = next(path for path in (desk.root / ".booktest_cache").glob("*/sha256/*/*"))
    blob.write_bytes(b"rotten")
    code, found = examined(desk, "--deep")
    assert code == 4
    assert found["blob"]["fixable"] is True
    first = shown(desk, "--deep", "--fix")
    assert first.code == 0, first.text
    assert "fixed: set the corrupt" in first.text
    assert "fixed: merge.booktest-manifest" in first.text
    second = shown(desk, "--deep", "--fix")
    assert "fixed:" not in second.text
    assert desk.cli("verify").code == 0
    desk.done("pull")
    assert blob.exists()


def test_the_screen_of_a_terminal_and_of_a_pipe_say_the_same(workspace):
    main, side = pty.openpty()
    workspace.write("booktest.toml", "[storage")
    environ = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "booktest_cassettes", "doctor"],
        cwd=workspace.root,
        stdout=side,
        env={**environ, "TERM": "xterm"},
    )
    os.close(side)
    text = b""
    with suppress(OSError):  # how a terminal says that nobody is at its other end
        while piece := os.read(main, 65_536):
            text += piece
    os.close(main)
    assert process.wait() == 2
    coloured = text.decode().replace("\r\n", "\n")
    assert "\x1b[31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(workspace).text
