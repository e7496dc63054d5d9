"""Line 2 of the issue: pushes and garbage collections at once, in processes, with no grace to help them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc_share import digest_of
from gc_sweep_lab import PREFIX
from s3_server import running_s3
from ssh_server import running_sshd
from workflow_bench import Bench

HERE = Path(__file__).parent
PUSHERS = ("one", "two")
ROUNDS = {"share": 125, "s3": 25, "ssh": 50}


class Race:
    """A Git repository with linked work trees, each with a cache of its own, and one remote."""

    def __init__(self, root: Path, url: str, settings: dict[str, object]) -> None:
        self.grace = int("://" in url)  # seconds, which is as exact as their clocks are
        self.top, self.stop = root / "main", root / "stop"
        (self.top / ".dvc").mkdir(parents=True)
        lines = ["[core]", "remote = it", "['remote \"it\"']", f"url = '{url}'"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        (self.top / ".dvc/config").write_text("\n".join(lines) + "\n")
        (self.top / ".gitignore").write_text(".booktest_cache\n")
        Bench(self.top, '[storage]\nmode = "dvc"\n').init_git()
        self.trees = {name: root / name for name in (*PUSHERS, "three")}
        for name, tree in self.trees.items():
            Bench(self.top).git("worktree", "add", "--quiet", "-b", name, str(tree))

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(HERE), str(HERE.parent / "remotes"), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, str(HERE / "gc_race.py"), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )

    def run(self, rounds: int) -> tuple[int, dict[str, int]]:
        """All four, to their end: how many blobs were deleted, and how many spared, by reason."""
        collectors = [
            self.start("collect", self.top, self.stop),
            self.start("collect-blindly", self.trees["three"], self.stop, self.grace),
        ]
        pushers = [self.start("push", self.trees[name], rounds, self.stop) for name in PUSHERS]
        try:
            said = [process.communicate(timeout=500) for process in pushers]
        finally:
            self.stop.touch()
        told = [process.communicate(timeout=60) for process in collectors]
        for process, (_, errors) in zip((*pushers, *collectors), (*said, *told), strict=True):
            assert process.returncode == 0, errors
        reports = [json.loads(out) for out, _ in told]
        spared: dict[str, int] = {}
        for report in reports:
            for reason, number in report["spared"].items():
                spared[reason] = spared.get(reason, 0) + number
        return sum(report["deleted"] for report in reports), spared

    def cli(self, tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "booktest_cassettes", *arguments]
        return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)

    def see(self) -> None:
        """By the commands, after both ended: a last collection takes nothing of it, and all is there."""
        for _ in range(2):
            done = self.cli(self.top, "gc", "--remote", "--execute", "--grace", "0d", "--yes-really")
            assert done.returncode == 0, done.stdout + done.stderr
        for name in PUSHERS:
            done = self.cli(self.trees[name], "verify", "--remote", "--deep")
            assert done.returncode == 0, done.stdout + done.stderr

    def named(self) -> set[str]:
        """What the manifests name."""
        return {
            digest
            for name in PUSHERS
            for kinds in Bench(self.trees[name]).lines().values()
            for digest in kinds.values()
        }


@pytest.fixture
def kind(request) -> str:
    return str(request.param)


@pytest.fixture
def race(kind, tmp_path, monkeypatch) -> Iterator[Race]:
    for name in ("HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    remote = tmp_path / "remote"
    if kind == "share":
        remote.mkdir()
        yield Race(tmp_path, str(remote), {})
    elif kind == "s3":
        with running_s3() as server:
            yield Race(tmp_path, f"s3://{server.bucket()}/it", dict(server.settings()))
    else:
        with running_sshd(tmp_path / "sshd") as server:
            yield Race(tmp_path, server.url(remote), server.dvc_settings())


def _see(race: Race, kind: str, tmp_path: Path) -> None:
    race.see()
    if kind == "s3":
        return
    blobs = {
        path.name: path
        for path in (tmp_path / "remote" / PREFIX).rglob("*")
        if path.is_file() and len(path.name) == 64
    }
    assert {f"sha256:{name}" for name in blobs} == race.named()
    assert all(digest_of(path.read_bytes()) == f"sha256:{name}" for name, path in blobs.items())


@pytest.mark.parametrize("kind", ["share"], indirect=True)
def test_pushes_and_collections_at_once_lose_nothing_that_was_pushed(race, kind, tmp_path):
    deleted, _ = race.run(2)
    assert deleted, "they never met"
    _see(race, kind, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["share", "s3", "ssh"], indirect=True)
def test_pushes_and_collections_at_once_lose_nothing_for_long(race, kind, tmp_path):
    deleted, spared = race.run(ROUNDS[kind])
    assert deleted > 10
    assert spared, "no sweep saw a push"
    _see(race, kind, tmp_path)
