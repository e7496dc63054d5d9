"""Random histories in real repositories, whose blobs are on a share; and time that passes on demand.

A world has a bare origin, two clones of it and a share. Many histories live in it side by side, each with
branches of its own: what is cheap goes through ``git fast-import``, many commits at once, and what people do
in a work tree through Git's commands and ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

from dvc_share import digest_of, files_below, init_dvc
from e2e_gc_eyes import CACHE, MANIFEST, PATHS, PROJECTS, Needs, git, path_of

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import CassetteError, RemoteError
from booktest_cassettes.project import Project
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.workflow import approve, transfer
from booktest_cassettes.workflow.gc import collection, places
from booktest_cassettes.workflow.gc.marking import Wanted
from booktest_cassettes.workflow.gc.planning import Action, Options

DAY = 86_400.0
GRACE, STAGING = 14, 7
PREFIX = "booktest/blobs"
FOREIGN = {
    "notes.txt": b"beside everything",
    "files/md5/ab/cdef": b"DVC's own",
    "booktest/notes.txt": b"beside our prefix",
    f"booktest/blobs-of-others/http/sha256/ab/{'ab' * 32}": b"begins like our prefix",
    f"{PREFIX}/notes.txt": b"below our prefix",
    f"{PREFIX}/http/sha256/ab/{'cd' * 32}": b"in the wrong directory",
    f"{PREFIX}/http/sha256/ab/notes.txt": b"among our blobs",
    f"{PREFIX}/tombstones/http/sha256/ab/notes.txt": b"among our tombstones",
    f"{PREFIX}/staging/notes.txt": b"among what is staged",
}
_TIME = "Test <test@example.invalid> 1700000000 +0000"
_NOBODY = "0" * 40
_SETTINGS = {
    "gc.auto": "0",
    "maintenance.auto": "false",
    "user.name": "Test",
    "user.email": "t@example.invalid",
    "fetch.writeCommitGraph": "false",
}


@lru_cache(maxsize=4096)
def recording(word: str) -> tuple[Kind, bytes]:
    """What a word stands for: the blob of a kind."""
    if word.endswith("e"):
        return Kind.ENV, codec.dump_env({"WORD": word})
    answer = Response(200, "OK", headers=(), body=Body(word.encode()))
    return Kind.HTTP, codec.dump_interactions(
        Kind.HTTP, [Interaction(Request("GET", "http://api.example/"), answer)]
    )


@lru_cache(maxsize=4096)
def key_of(word: str) -> BlobKey:
    kind, data = recording(word)
    return BlobKey(kind, Digest.of(data))


def blob_of(word: str) -> str:
    """The path of its blob."""
    return path_of(key_of(word).kind.value, key_of(word).digest)


def manifest(words: Collection[str]) -> bytes:
    lines = ["# booktest.manifest.yaml", "storage_mode: dvc"]
    for word in sorted(words):
        lines += [f"t.py::test_{word}:", f'  {key_of(word).kind.value}: "{key_of(word).digest}"']
    return "\n".join([*lines, ""]).encode()


class Stream:
    """Commits, tags and deletions of one repository, that ``git fast-import`` makes all at once."""

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir
        self.words: set[str] = set()
        self.commits = 0
        self._lines: list[bytes] = []
        self._new: dict[str, str] = {}  # branches of this stream, by the commit at their tip
        self.made: list[str] = []  # every commit so far, reachable or not

    def _say(self, *lines: str) -> None:
        self._lines += [line.encode() + b"\n" for line in lines]

    def _at(self, name: str) -> str:
        """A commit, for Git: branches of this stream it knows by their marks alone."""
        return self._new.get(name) or (f"{name}^0" if name.startswith("refs/") else name)

    def commit(self, ref: str, words: Collection[str], path: str, parents: Sequence[str]) -> None:
        self.commits += 1
        self._say(f"commit {ref}", f"mark :{self.commits}", f"committer {_TIME}", "data 4", "work")
        for which, parent in zip(["from", *["merge"] * len(parents)], parents, strict=False):
            self._say(f"{which} {self._at(parent)}")
        data = manifest(words)
        self._say(f"M 100644 inline {path}", f"data {len(data)}")
        self._lines += [data, b"\n"]
        self._new[ref] = f":{self.commits}"
        self.words.update(words)

    def tag(self, name: str, tip: str, *, annotated: bool) -> None:
        if annotated:
            self._say(f"tag {name}", f"from {self._at(tip)}", f"tagger {_TIME}", "data 4", "work")
        else:
            self.reset(f"refs/tags/{name}", tip)

    def reset(self, ref: str, commit: str) -> None:
        commit = self._at(commit)
        self._say(f"reset {ref}", f"from {commit}", "")
        self._new[ref] = commit

    def delete(self, ref: str) -> None:
        self.reset(ref, _NOBODY)

    def flush(self) -> None:
        if self._lines:
            marks = self.git_dir / "marks"
            options = ["--quiet", "--force", f"--export-marks={marks}", f"--import-marks-if-exists={marks}"]
            git(self.git_dir, "fast-import", *options, given=b"".join(self._lines))
            self.made = [line.split()[1] for line in marks.read_text().splitlines()]
            self._lines, self._new = [], {}


class Clone:
    """One person's: two projects in one repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stream = Stream(root / ".git")

    def project(self, below: str = "") -> Project:
        return Project.open(self.root / below)

    def git(self, *arguments: str, at: Path | None = None) -> bool:
        """Whether Git did it: in the middle of a merge it refuses much."""
        done = subprocess.run(["git", *arguments], cwd=at or self.root, capture_output=True)
        return done.returncode == 0

    @property
    def is_torn(self) -> bool:
        """Whether a manifest has merge markers: nobody commits those."""
        files = [self.root / path for path in PATHS]
        return any(b"<<<<<<<" in file.read_bytes() for file in files if file.exists())

    def linked(self) -> list[Path]:
        return sorted(path for path in self.root.parent.glob(f"{self.root.name}-tree-*") if path.exists())


class World:
    """All of it.

    Parameters
    ----------
    root, template:
        Where to make it; :func:`make_template`'s.
    seen:
        Counts what happens.
    """

    def __init__(self, root: Path, template: Path, seen: Counter[str]) -> None:
        shutil.copytree(template, root, symlinks=True)
        self.root, self.share, self.seen = root, root / "share", seen
        self.origin = Stream(root / "origin.git")
        self.clones = [Clone(root / "ada"), Clone(root / "bob")]
        self.words: dict[str, str] = {}  # by the path of the blob
        self.refs: set[tuple[str, str]] = set()  # branches that histories made, by repository
        self.day = 0
        self.needed: dict[str, int] = {}  # blob: the last day that somebody pushed it, or a gc saw it needed
        self.dead: dict[str, int] = {}  # blob: the day since which it has its tombstone
        self.shared: dict[str, int] = {}  # staged blob: the last day that somebody shared it

    # -- what is there -----------------------------------------------------------------------------

    def on_share(self, area: str = "") -> set[str]:
        return _blobs(self.share / PREFIX / area)

    def buried(self) -> list[str]:
        return sorted(self.on_share("tombstones"))

    def use(self, words: Collection[str]) -> None:
        self.words.update({blob_of(word): word for word in words})

    # -- time, and what comes with it --------------------------------------------------------------

    def flush(self) -> None:
        """Have what was written to the streams done, and its blobs pushed by our own push."""
        words = self.origin.words.union(*(clone.stream.words for clone in self.clones))
        for stream in (self.origin, *(clone.stream for clone in self.clones)):
            stream.flush()
            stream.words = set()
        self.use(words)
        if words:
            project = self.clones[len(words) % 2].project()
            project.prepare_cache()
            for word in words:
                project.keep.put(key_of(word), recording(word)[1])
            transfer.deliver(project, [key_of(word) for word in words])
            self.pushed(map(blob_of, words))

    def pushed(self, blobs: Collection[str] | Iterator[str]) -> None:
        blobs = set(blobs)
        assert blobs <= self.on_share(), "a push did not push"
        self.needed.update(dict.fromkeys(blobs, self.day))
        for blob in blobs:
            self.dead.pop(blob, None)

    def pass_days(self, days: int) -> None:
        """Everything that is there becomes older."""
        self.day += days
        caches = [clone.root / below / CACHE for clone in self.clones for below in PROJECTS]
        for directory in (self.share, *caches):
            for folder, _, names in os.walk(directory):
                for path in (Path(folder, name) for name in names):
                    then = path.stat().st_mtime - days * DAY
                    os.utime(path, (then, then))

    # -- garbage collections -----------------------------------------------------------------------

    def collect(
        self,
        clone: Clone,
        below: str = "",
        *,
        has_requests: bool = False,
        between: Callable[[], object] = lambda: None,
        during: Callable[[set[str]], object] = lambda _: None,
    ) -> None:
        """Plan, then ``between``, then do it, with ``during`` once it is said what goes; and look."""
        self.flush()
        project = clone.project(below)
        at = [places.remote(project)]
        at += [places.local(project)] if (clone.root / below / CACHE).is_dir() else []
        has_requests = has_requests and bool(git(clone.root, "for-each-ref", "refs/pull"))
        wanted = Wanted(pr_refs=("refs/pull/*/head",) if has_requests else ())
        at_plan = Needs(clone.root, below, has_requests=has_requests)
        found = collection.look(project, at, wanted, Options(), dry=False)
        between()
        self.flush()
        cache = clone.root / below / CACHE
        before = self.on_share(), _blobs(cache), self.on_share("staging")
        doomed = {
            step.item.path for _, plan in found.plans for step in plan.of(Action.DELETE) if step.item.key
        }
        real = collection.marking.mark

        def mark(*arguments: object, **named: object) -> object:
            during(doomed)
            return real(*arguments, **named)  # type: ignore[arg-type]

        with patch.object(collection.marking, "mark", mark):
            done = collection.execute(found)
        assert [outcome.error for _, outcome in done] == [None] * len(at)
        needs = Needs(clone.root, below, has_requests=has_requests)
        self._see_what_is_needed(needs, cache, before)
        self._see_the_rest(needs, before)
        self.needed.update(dict.fromkeys(at_plan.all & before[0], self.day))
        for place, outcome in done:
            for name in ("tombstoned", "untombstoned"):
                self.seen[f"{name} {place.name}"] += getattr(outcome, name)
            self.seen[f"deleted {place.name}"] += outcome.deleted.number
            self.seen["staged deleted"] += outcome.staged.number
            self.seen["spared"] += len(outcome.spared)
            saved = {item.path for item, why in outcome.spared if why.startswith("reachable")}
            self.needed.update(dict.fromkeys(saved if place.name == "remote" else (), self.day))

    def _see_what_is_needed(self, needs: Needs, cache: Path, before: tuple[set[str], ...]) -> None:
        there, kept, _ = before
        for blob in (needs.all & there) - self.on_share():
            raise AssertionError(
                f"{self.words.get(blob)} is gone from the remote, and {needs.by[blob]} need it"
            )
        for blob in (needs.all & kept) - _blobs(cache):
            raise AssertionError(
                f"{self.words.get(blob)} is gone from the cache, and {needs.by[blob]} need it"
            )
        young = {blob for blob, day in self.needed.items() if self.day - day < GRACE}
        for blob in (young & there) - self.on_share():
            raise AssertionError(f"{self.words.get(blob)} is gone, and was pushed on day {self.needed[blob]}")
        self.seen["reachable blobs seen"] += len(needs.all & there)

    def _see_the_rest(self, needs: Needs, before: tuple[set[str], ...]) -> None:
        there, _, staged = before
        for blob in there - self.on_share():
            waited = self.day - self.dead.get(blob, self.day)
            assert waited >= GRACE, f"{self.words.get(blob)} was dead for {waited} days"
        self.dead = {blob: self.dead.get(blob, self.day) for blob in self.buried()}
        young = {blob for blob, day in self.shared.items() if self.day - day < STAGING}
        lost = ((young | needs.staged) & staged) - self.on_share("staging")
        assert not lost, [self.words.get(blob) for blob in lost]
        for path, data in FOREIGN.items():
            assert (self.share / path).read_bytes() == data, path
        for path, data in files_below(self.share / PREFIX).items():
            if len(path.rpartition("/")[2]) == 64 and f"{PREFIX}/{path}" not in FOREIGN:
                is_tombstone = path.startswith("tombstones/")
                assert is_tombstone or digest_of(data)[7:] == path.rpartition("/")[2], path
        for area in ("leases", "probe"):
            assert not list((self.share / PREFIX / area).glob("*")), area

    def settle(self, has_requests: bool) -> None:
        """Two runs in the first clone, a grace apart: what nothing needs is gone, and nothing else."""
        ada = self.clones[0]
        self.flush()
        ada.git("fetch", "--quiet", "--prune", "--tags", "--force", "origin")
        ada.git("fetch", "--quiet", "origin", "main")  # FETCH_HEAD, which counts, too, has this one alone
        self.pass_days(GRACE + 1)
        before = self.on_share()
        self.collect(ada, has_requests=has_requests)
        self.pass_days(GRACE + 1)
        self.collect(ada, has_requests=has_requests)
        has_requests = has_requests and bool(git(ada.root, "for-each-ref", "refs/pull"))
        needs = Needs(ada.root, has_requests=has_requests)
        assert self.on_share() == needs.all & before
        assert _blobs(ada.root / CACHE) <= needs.all
        assert not self.buried()
        assert self.on_share("staging") <= needs.staged
        self.seen["gone in the end"] += len(before - needs.all)
        for place in needs.alone():
            self.seen[f"only {place}"] += 1


def approving(world: World, clone: Clone, below: str, words: Collection[str], *, push: bool) -> bool:
    """Record and approve, as our commands do; whether anything was: merge markers are refused."""
    try:
        tests = staging(world, clone, below, words)
        project = clone.project(below)
        plan = approve.plan(project, tests) if tests else approve.Plan((), {})
        approve.execute(project, plan, push=push)
    except RemoteError:
        raise
    except CassetteError:
        return False
    if push:
        world.pushed(key.path for key in plan.blobs)
    return bool(plan.blobs)


def staging(world: World, clone: Clone, below: str, words: Collection[str]) -> list[str]:
    """Record; a test is called like its words up to the point. Those of which something changed."""
    world.use(words)
    blobs: dict[str, dict[Kind, bytes]] = {}
    for word in words:
        blobs.setdefault(f"t.py::test_{word.partition('.')[0]}", {}).update([recording(word)])
    project = clone.project(below)
    return [test for test, those in blobs.items() if project.stage(test, those)]


def _blobs(directory: Path) -> set[str]:
    found = {path.relative_to(directory).as_posix() for path in directory.glob("*/sha256/??/" + "?" * 64)}
    return {path for path in found if path.split("/")[-1].startswith(path.split("/")[-2])}


def make_template(root: Path) -> Path:
    """An origin, two clones with a commit each, and a share with things of others; all of it movable."""
    root.mkdir()
    git(root, "init", "--quiet", "--bare", "--initial-branch=main", "--template=", "origin.git")
    git(root, "init", "--quiet", "--initial-branch=main", "--template=", "ada")
    ada = root / "ada"
    init_dvc(ada, "../../share")
    for below in PROJECTS:
        (ada / below).mkdir(exist_ok=True)
        (ada / below / "booktest.toml").write_text('[storage]\nmode = "dvc"\n')
        (ada / below / MANIFEST).write_bytes(manifest([]))
    for where in (root / "origin.git", ada):
        for name, value in _SETTINGS.items():
            git(where, "config", name, value)
    git(ada, "add", "--all")
    git(ada, "commit", "--quiet", "--message=start")
    git(ada, "remote", "add", "origin", "../origin.git")
    git(ada, "push", "--quiet", "--set-upstream", "origin", "main")
    git(ada, "fetch", "--quiet")
    shutil.copytree(ada, root / "bob", symlinks=True)
    for path, data in FOREIGN.items():
        (root / "share" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "share" / path).write_bytes(data)
    then = time.time() - 400 * DAY
    for path in (root / "share").rglob("*"):
        os.utime(path, (then, then))
    return root
