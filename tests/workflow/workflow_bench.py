"""A real project in a directory: stage recordings as a session does, and look at what became of them."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.manifest import load
from booktest_cassettes.project import Project
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.store.git import GitStore
from booktest_cassettes.store.pending import Change, Pending, ResultChange
from booktest_cassettes.workflow import approve

USERS = "tests/test_api.py::test_users"
ORDERS = "tests/test_api.py::test_orders"
LOGIN = "tests/test_login.py::test_login[a/b]"
SETTINGS = '[storage]\nmode = "git"\n'


def http(text: str, **headers: str) -> bytes:
    """The blob of one exchange whose answer has this body."""
    answer = Response(200, "OK", headers=tuple(headers.items()), body=Body(text.encode()))
    request = Request("GET", "http://api.example/users")
    return codec.dump_interactions(Kind.HTTP, [Interaction(request, answer)])


def env(**values: str) -> bytes:
    return codec.dump_env(values)


class Bench:
    """A project, opened anew for every act, as every command does."""

    def __init__(self, root: Path, settings: str = SETTINGS) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        if not (root / "booktest.toml").exists():
            (root / "booktest.toml").write_text(settings)

    def project(self) -> Project:
        return Project.open(self.root)

    def stage(self, test_id: str, *, result: str | None = "", **blobs: bytes | None) -> Pending:
        """What a session does with a passed test's recording; ``None`` for a kind or result that is gone."""
        project = self.project()
        project.prepare_cache()
        changes: dict[Kind, Change] = {}
        with project.pending.exclusive():
            for name, data in blobs.items():
                kind = Kind(name)
                digest = None if data is None else Digest.of(data)
                if data is not None and digest is not None:
                    project.staging.put(BlobKey(kind, digest), data)
                changes[kind] = Change(project.manifest.get(test_id).get(kind), digest)
            base = project.results.read(test_id)
            pending = Pending(test_id, changes, None if result == "" else ResultChange(base, result))
            project.pending.save(pending)
        return pending

    def approve(self, *patterns: str) -> list[str]:
        project = self.project()
        return approve.execute(project, approve.plan(project, patterns)).paths

    def approved(self, test_id: str, *, result: str | None = "", **blobs: bytes | None) -> None:
        """Stage and approve in one go."""
        self.stage(test_id, result=result, **blobs)
        self.approve(test_id)

    def reject(self, *patterns: str) -> list[str]:
        return [pending.test_id for pending in approve.reject(self.project(), patterns)]

    # -- what became of it -----------------------------------------------------------------------

    @property
    def manifest_path(self) -> Path:
        return self.root / "booktest.manifest.yaml"

    def manifest(self) -> str | None:
        return self.manifest_path.read_text() if self.manifest_path.exists() else None

    def lines(self) -> dict[str, dict[str, str]]:
        """The manifest, read with a pattern instead of our own reader."""
        found: dict[str, dict[str, str]] = {}
        test_id = ""
        for line in (self.manifest() or "").splitlines()[2:]:
            if match := re.fullmatch(r'  (\w+): "(sha256:[0-9a-f]{64})"', line):
                found[test_id][match[1]] = match[2]
            else:
                test_id = line.removesuffix(":").strip('"')
                found[test_id] = {}
        return found

    def payload(self, test_id: str, kind: str = "http") -> Path:
        return GitStore(self.project().config.snapshots_dir, lambda _: ()).path(test_id, Kind(kind))

    def result(self, test_id: str) -> str | None:
        """A test's approved result, as a colleague's checkout has it."""
        path = self.root / "books" / Path(*test_id.replace("::", "/").split("/")) / "result.md"
        return path.read_text(encoding="utf-8") if path.exists() else None

    def pending(self) -> list[str]:
        return [pending.test_id for pending in self.project().pending]

    def files(self) -> dict[str, bytes]:
        """Every file in the project, Git's and locks aside."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.suffix != ".lock" and ".git" not in path.relative_to(self.root).parts
        }

    def worktree(self) -> dict[str, bytes]:
        """Those of the files that Git would see."""
        return {name: data for name, data in self.files().items() if not name.startswith(".booktest_cache/")}

    def staged_files(self) -> list[str]:
        return [
            name
            for name in self.files()
            if re.match(r"\.booktest_cache/staging/\w+/sha256/../\w{64}\Z", name)
        ]

    def kept_files(self) -> list[str]:
        return [name for name in self.files() if re.match(r"\.booktest_cache/\w+/sha256/../\w{64}\Z", name)]

    def see_that_everything_named_can_be_read(self) -> None:
        """Promise 2: whatever happened, a digest in the manifest has its bytes."""
        project = self.project()
        for test_id, kinds in load(self.manifest_path).entries.items():
            for kind, digest in kinds.items():
                data = project.approved(test_id, kind, digest)
                assert "sha256:" + hashlib.sha256(data).hexdigest() == digest

    def see_that_payloads_are_what_the_manifest_says(self) -> None:
        """What a colleague's clone and ``sha256sum`` see."""
        for test_id, kinds in self.lines().items():
            for kind, digest in kinds.items():
                data = self.payload(test_id, kind).read_bytes()
                assert "sha256:" + hashlib.sha256(data).hexdigest() == digest

    # -- Git -------------------------------------------------------------------------------------

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def init_git(self) -> None:
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=start")
