"""A team whose tests are booktest's: a bare origin, a directory as the DVC remote, clones, and an API."""

from __future__ import annotations

import atexit
import json
import re
import shutil
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from http.server import ThreadingHTTPServer
from pathlib import Path

from answering import Answering
from dvc_share import digest_of, files_below
from e2e_remotes import Desk
from e2e_workspace import Done

MANIFEST = "booktest.manifest.yaml"
#: The guide's own configuration and ignore lines; ours alone are what is above the first blank line.
DOT_BOOKTEST = """\
storage.mode=dvc
storage.dvc.remote=booktest-remote
storage.dvc.manifest_path=booktest.manifest.yaml
"""
IGNORED = """\
.booktest_cache/
.booktest.dvc
books/.out/
__pycache__/
"""
HEADER = """\
import os

import booktest as bt
import httpx
import requests

URL = "{url}"
"""
USERS = (
    HEADER
    + """

@bt.snapshot_httpx()
def test_users(t: bt.TestCaseRun):
    t.h1("users")
    t.tln(str(httpx.get(URL + "/users").json()["is"]))


@bt.snapshot_requests()
@bt.snapshot_env("STAGE")
def test_orders(t: bt.TestCaseRun):
    t.h1("orders of " + os.environ["STAGE"])
    t.tln(str(requests.get(URL + "/orders").json()["is"]))


def test_plain(t: bt.TestCaseRun):
    t.h1("nothing of the world")
"""
)
FEATURE = (
    HEADER
    + """

@bt.snapshot_httpx()
def test_{name}(t: bt.TestCaseRun):
    t.h1("{name}")
    t.tln(str(httpx.get(URL + "/{name}").json()["is"]))
"""
)
#: The line of a test: ``  test/... - 46 ms``, with ``-v`` ``test/... ok 46 ms.``
_REPORTED = re.compile(r"^(?:  (?=test/\S+ - ))?(test/\S+) (?:- )?(.*\d+ ms.*)$", re.MULTILINE)
_servers = ExitStack()
atexit.register(_servers.close)


class _Handler(Answering):
    protocol_version = "HTTP/1.1"
    server: Api

    def do_GET(self) -> None:
        path = self.path.removeprefix("/")
        self.server.asked.append(path)
        data = json.dumps({"path": path, "is": self.server.answers.get(path, 1)}).encode()
        self.answer(data)


class Api(ThreadingHTTPServer):
    """Answers every path with 1, or with what a test says; one per process of tests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, object] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def begin_again(self) -> Api:
        self.answers.clear()
        self.asked.clear()
        return self


@cache
def the_api() -> Api:
    server = Api()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    _servers.callback(server.server_close)
    _servers.callback(server.shutdown)
    return server


class Member(Desk):
    """One person's clone. What the guide calls ``./do test`` is :meth:`test`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        del self.variables["PYTEST_PLUGINS"], self.variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]

    def stock(self, *arguments: str, **variables: str) -> Done:
        """booktest alone."""
        return self.run(sys.executable, "-m", "booktest", *arguments, **variables)

    def test(self, *arguments: str, ci: bool = False, **variables: str) -> Done:
        """booktest with our storage behind it."""
        return self.cli("test", "--runner", "booktest", *arguments, ci=ci, **variables)

    def intact_tests(self, *arguments: str, ci: bool = False) -> str:
        """A run without one request, whose snapshots are intact, and that changes nothing in Git."""
        before, asked = self.git("status", "--porcelain"), len(the_api().asked)
        done = self.test(*arguments, ci=ci)
        assert done.code == 0, done.text
        told = reported(done.text)
        assert told, done.text
        for name, line in told.items():
            words = "" if name.endswith("test_plain") else r" \(snapshots intact\)"
            assert re.fullmatch(rf"(\d+ ms|ok \d+ ms\.){words}", line), done.text
        assert the_api().asked[asked:] == []
        assert self.git("status", "--porcelain") == before
        return done.text

    def accepted(self, *arguments: str, **variables: str) -> str:
        """A run that ends well."""
        done = self.test(*arguments, **variables)
        assert done.code == 0, done.text
        return done.text

    def feature(self, name: str) -> str:
        """A new test of a new answer; its file."""
        path = f"test/{name}_test.py"
        self.write(path, FEATURE.format(url=the_api().url, name=name))
        return path

    def push(self, message: str) -> None:
        self.commit_as(message)
        self.git("push", "--quiet", "origin", "HEAD")

    def commit_as(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def joined(self, name: str) -> Member:
        """Another member: the guide's Developer Machine Setup."""
        other = Member(self.root.with_name(name))
        done = self.run("git", "clone", "--quiet", "../origin.git", str(other.root))
        assert done.code == 0, done.text
        other.git("config", "user.email", f"{name}@example.test")
        other.git("config", "user.name", name)
        return other

    @property
    def share(self) -> dict[str, bytes]:
        """All that is on the DVC remote."""
        return files_below(self.root.with_name("remote"))

    def entries(self) -> dict[str, str]:
        """The manifest: test and kind to digest."""
        import yaml

        read = yaml.safe_load(self.manifest) or {}
        read.pop("storage_mode", None)
        return {f"{test} {kind}": digest for test, kinds in read.items() for kind, digest in kinds.items()}

    def waiting(self) -> list[str]:
        """What is staged."""
        return [name for name in self.staged() if not name.endswith(".lock")]

    def is_pushed(self) -> bool:
        """Every digest of the manifest is on the remote, with its bytes."""
        there = {digest_of(data) for name, data in self.share.items() if "/staging/" not in name}
        return set(self.entries().values()) <= there


def reported(text: str) -> dict[str, str]:
    """The line of each test, by its name."""
    return dict(_REPORTED.findall(re.sub(r"\x1b\[[0-9;]*m", "", text)))


@dataclass
class World:
    """An origin, a remote and their first member, below one directory; paths in it are relative."""

    root: Path
    ada: Member = field(init=False)
    #: What the first run said, where there was one.
    said: str = ""

    def __post_init__(self) -> None:
        self.ada = Member(self.root / "ada")

    def begin(self) -> World:
        """Repositories with the tests, and nothing else."""
        (self.root / "remote").mkdir(parents=True)
        ada = self.ada
        ada.root.mkdir()
        ada.git("init", "--quiet", "--bare", "--initial-branch=main", "../origin.git")
        ada.git("init", "--quiet", "--initial-branch=main")
        ada.git("config", "user.email", "ada@example.test")
        ada.git("config", "user.name", "ada")
        ada.git("remote", "add", "origin", "../origin.git")
        ada.write("test/__init__.py", "")
        ada.write("test/api_test.py", USERS.format(url=the_api().url))
        return self

    def with_dvc(self) -> World:
        """Steps 1 to 4 of the guide's Initial Setup."""
        self.ada.dvc(["init", "-q"], ["remote", "add", "-q", "-d", "booktest-remote", "../remote"])
        self.ada.write(".booktest", DOT_BOOKTEST)
        self.ada.write(".gitignore", IGNORED)
        return self

    def copy(self, root: Path) -> World:
        shutil.copytree(self.root, root, dirs_exist_ok=True, symlinks=True)
        return World(root, said=self.said)


@cache
def _set_up() -> World:
    """A project after the guide's Initial Setup: recorded, approved, committed, pushed."""
    root = Path(_servers.enter_context(tempfile.TemporaryDirectory(prefix="cassettes-")))
    world = World(root).begin().with_dvc()
    world.said = world.ada.accepted("-s", "-a", STAGE="trial")
    world.ada.push("Add initial test snapshots")
    return world


def set_up(root: Path) -> World:
    """A copy of it at ``root``."""
    world = _set_up().copy(root)
    the_api().begin_again()
    return world
