"""kill -9, a full disk and a broken one at every step of a sweep: nothing is lost, the next does the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dvc_share import digest_of, init_dvc
from gc_sweep_lab import DAY, PREFIX, Disk, Lab, key_of
from workflow_bench import http

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.workflow.gc import places
from booktest_cassettes.workflow.gc.places import Place

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs fork and SIGKILL")

# What a killed sweep may leave, for a while: what it said, a probe, half a file.
_IN_PASSING = ("leases/", "probe/")


@dataclass
class Scene:
    """A project with its share in it; either it or its cache holds blobs in every state.

    Attributes
    ----------
    where:
        ``remote`` or ``local``.
    """

    root: Path
    where: str

    @property
    def disk(self) -> Disk:
        return Disk(self.root / ("share" if self.where == "remote" else ".booktest_cache"))

    @property
    def prefix(self) -> str:
        return f"{PREFIX}/" if self.where == "remote" else ""

    def make(self) -> None:
        """Needed, young, to be buried, waiting, due, back again, staged; what others left."""
        self.root.mkdir(parents=True)
        (self.root / "booktest.toml").write_text('[storage]\nmode = "dvc"\n')
        init_dvc(self.root, "../share")
        (self.root / "share").mkdir()
        self.lab().project().prepare_cache()
        needed = [self.lay("needed", 99), self.lay("back", 99, 99)]
        (self.root / "reachable").write_text("".join(f"{key.digest}\n" for key in needed))
        self.lay("young", 1)
        self.lay("waits", 99, 1)
        self.lay("written anew", 1, 99)
        for number in range(2):
            self.lay(f"unneeded {number}", 99)
            self.lay(f"due {number}", 99, 99)
        self.disk.put(f"{self.prefix}staging/{key_of(http('staged')).path}", http("staged"), 99 * DAY)
        digest = "a" * 64
        self.disk.put(f"{self.prefix}tombstones/http/sha256/aa/{digest}", b"dead\n", DAY)
        self.disk.put(f"{self.prefix}http/sha256/aa/.{digest[:50]}.{'0' * 16}.tmp", b"half", 2 * DAY)
        self.disk.put(f"{self.prefix}mine", b"mine", 99 * DAY)

    def lay(self, text: str, days: float, tombstone: float | None = None) -> BlobKey:
        key = key_of(http(text))
        self.disk.put(f"{self.prefix}{key.path}", http(text), days * DAY)
        if tombstone is not None:
            self.disk.put(f"{self.prefix}tombstones/{key.path}", b"dead\n", tombstone * DAY)
        return key

    def lab(self) -> Lab:
        lab = Lab.__new__(Lab)
        lab.root, lab.ground = self.root, self.disk
        return lab

    def place(self) -> Place:
        project = self.lab().project()
        return places.local(project) if self.where == "local" else places.remote(project)

    def reachable(self) -> list[BlobKey]:
        lines = (self.root / "reachable").read_text().splitlines()
        return [BlobKey(Kind.HTTP, Digest(line)) for line in lines]

    def collect(self) -> None:
        swept = self.lab().gc(*self.reachable(), place=self.place())
        assert swept.error is None, swept.error

    def files(self, *, all_of_them: bool = False) -> set[str]:
        found = {path.removeprefix(self.prefix) for path in self.disk.files()}
        if all_of_them:
            return found
        return {path for path in found if not path.startswith(_IN_PASSING) and not path.endswith(".tmp")}

    def older(self, days: float) -> None:
        for path in self.disk.files():
            then = (self.disk.root / path).stat().st_mtime - days * DAY
            os.utime(self.disk.root / path, (then, then))

    def see_nothing_reachable_lost(self) -> None:
        files = self.disk.files()
        for key in self.reachable():
            assert digest_of(files[f"{self.prefix}{key.path}"]) == key.digest
        assert files[f"{self.prefix}mine"] == b"mine"


def _runs(scene: Scene, mode: str, copies: Path) -> Iterator[tuple[Scene, dict[str, Any]]]:
    faults = Path(__file__).with_name("faults.py")
    command = [sys.executable, str(faults), f"collect-{scene.where}", mode, str(scene.root), str(copies)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert reports[-1]["code"] == 100, reports[-1]
    for number, report in enumerate(reports, 1):
        yield Scene(copies / f"{number:03}", scene.where), report


@pytest.mark.parametrize("where", ["remote", "local"])
def test_after_a_kill_at_any_step_the_next_sweep_does_the_rest(where, tmp_path):
    """Line 3 of the issue."""
    before, after = Scene(tmp_path / "before", where), Scene(tmp_path / "after", where)
    for scene in (before, after):
        scene.make()
    after.collect()
    assert len(before.files() - after.files()) >= 5
    states = set()
    for scene, report in _runs(before, "kill", tmp_path / "killed"):
        scene.see_nothing_reachable_lost()
        states.add(frozenset(scene.files()))
        scene.collect()
        assert scene.files() == after.files(), report["struck"]
        scene.see_nothing_reachable_lost()
        for days in (15, 15):  # it is buried, and what killed ones left goes; then it goes
            scene.older(days)
            scene.collect()
        left = {path for path in scene.files(all_of_them=True) if not path.endswith(".lock")}
        ours = {key.path for key in scene.reachable()}
        assert left - {".gitignore", "mine"} == ours, report["struck"]
    assert len(states) > 5


@pytest.mark.parametrize(
    ("where", "mode"),
    [
        ("local", "disk-full"),
        pytest.param("remote", "disk-full", marks=pytest.mark.nightly),
        pytest.param("local", "input-output-error", marks=pytest.mark.nightly),
        pytest.param("remote", "input-output-error", marks=pytest.mark.nightly),
    ],
)
def test_a_disk_that_refuses_any_step_is_a_clear_error_and_the_next_sweep_does_the_rest(
    where, mode, tmp_path
):
    before, after = Scene(tmp_path / "before", where), Scene(tmp_path / "after", where)
    for scene in (before, after):
        scene.make()
    after.collect()
    codes = set()
    for scene, report in _runs(before, mode, tmp_path / mode):
        codes.add(report["code"])
        if report["code"] not in (0, 100):
            assert report["code"] == (5 if where == "remote" else 4), report
            assert "next: " in report["message"], report
        scene.see_nothing_reachable_lost()
        scene.collect()
        assert scene.files() == after.files(), report
    assert len(codes) >= 2
