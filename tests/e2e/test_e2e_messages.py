"""docs/messages.md shows common failures as they are printed: here each is provoked, and mended as it says.

``./do messages`` writes what is printed into the page. What stands around it is written by hand, the
commands that mend a failure among it: they are run from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from answering import Answering
from e2e_workspace import Done, Workspace

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"
WRITES = bool(os.environ.get("WRITE_MESSAGES"))
TEST = "tests/test_api.py::test_users"
PAYLOAD = "books/tests/test_api.py/test_users/_snapshots/http.json"
WIDTH = 80
# No plugins but ours: what others print is not ours to show.
VARIABLES = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "booktest_cassettes.pytest_plugin",
    "COLUMNS": str(WIDTH),
    "LC_ALL": "C.UTF-8",
    "GIT_EDITOR": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


# -- the page --------------------------------------------------------------------------------------------

_PRINTED = r"(?s)(<!-- printed: {name} -->\n```text\n)(.*?)(```\n)"
_COMMANDS = r"(?s)<!-- run: {name} -->\n```bash\n(.*?)```\n"


def see(name: str, shown: str) -> None:
    """Compare what was printed with the page's block of that name, or write it there."""
    text = PAGE.read_text(encoding="utf-8")
    (found,) = re.finditer(_PRINTED.format(name=name), text)
    if WRITES:
        PAGE.write_text(text[: found.start(2)] + shown + text[found.end(2) :], encoding="utf-8")
    else:
        assert found[2] == shown, "docs/messages.md is out of date: run ./do messages"


def commands(name: str) -> list[str]:
    """What the page says mends a failure, without remarks."""
    (found,) = re.findall(_COMMANDS.format(name=name), PAGE.read_text(encoding="utf-8"))
    return [line.partition("  #")[0].rstrip() for line in found.splitlines()]


# -- the project -----------------------------------------------------------------------------------------


class _Handler(Answering):
    server: _Server

    def do_GET(self) -> None:
        data = json.dumps({"name": self.server.name}).encode()
        self.answer(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    name = "Ada"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture(scope="module")
def running() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def service(running: _Server) -> _Server:
    running.name = "Ada"
    return running


class Shop(Workspace):
    """Ada's clone of a project, or CI's, with what is printed there made the same everywhere."""

    def __init__(self, root: Path, home: str = "/home/ada/shop") -> None:
        super().__init__(root)
        self.home = home

    def sh(self, command: str, *, ci: bool = False) -> Done:
        return self.run("sh", "-c", command, ci=ci, **VARIABLES)

    def ci(self) -> Done:
        return self.sh("pytest", ci=True)

    def clone(self) -> Shop:
        """What CI begins with."""
        there = self.root.with_name("ci")
        self.git("clone", "--quiet", str(self.root), str(there))
        return Shop(there, "/home/ci/shop")

    def is_mended(self) -> bool:
        """Whether CI is content with what is committed now."""
        done = self.sh("git pull --quiet && pytest", ci=True)
        return done.code == 0 and "snapshots: 1 intact of 1 test" in done.text

    def is_whole(self) -> bool:
        """Whether every byte here is what was approved, and nothing is left to decide."""
        done = self.sh("booktest-cassettes status --ci")
        return done.code == 0 and "approved: 1 snapshot of 1 test" in done.text

    def mend(self, name: str, failed: Done) -> None:
        """Do what the page says, which the message says as well; an approval is what the review offers."""
        said = re.findall(r"\n  (?:next|then|or record it again|not in Git): (.*)", failed.text)
        for command in commands(name):
            if command.startswith("booktest-cassettes approve"):
                offered = self.sh(command.replace("approve", "review"))
                assert offered.code == 3, offered.text
                assert f"\n  {command}\n" in offered.text
            elif not command.startswith("git add"):
                asked = command.partition(" --take")[0]
                assert any(asked == one.partition(",")[0].partition("  (")[0] for one in said), said
            done = self.sh(command)
            assert done.code == 0, f"{command}\n{done.text}"

    def shown(self, command: str, done: Done, since: str = "") -> str:
        """A command, what it printed from the line that ``since`` is in, and its exit code."""
        lines = [self._same(line) for line in done.text.rstrip("\n").splitlines()]
        start = next(number for number, line in enumerate(lines) if since in line)
        assert not any("Traceback" in line for line in lines[start:])
        kept = ["..."] * bool(start) + lines[start:]
        return "\n".join([f"$ {command}", *kept, "$ echo $?", str(done.code), ""])

    def _same(self, line: str) -> str:
        """A line with stand-ins for what is another one in each run."""
        line = line.replace(str(self.root), self.home)
        line = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", line)
        line = re.sub(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b", lambda found: _stand_in(found[0]), line)
        if rule := re.fullmatch(r"=+ (.* in )\d+\.\d\ds(?: \(.*\))? =+", line):
            title = f" {rule[1]}0.12s "
            side = "=" * ((WIDTH - len(title)) // 2)
            line = f"{side}{title}{side}".ljust(WIDTH, "=")
        return line


_DIGESTS: dict[str, int] = {}


def _stand_in(digest: str) -> str:
    """The same for the same, whatever port was recorded; in the order in which a test shows them."""
    number = _DIGESTS.setdefault(digest[:12], len(_DIGESTS))
    return hashlib.sha256(f"digest {number}".encode()).hexdigest()[: len(digest)]


@pytest.fixture(autouse=True)
def digests() -> None:
    _DIGESTS.clear()


def source(url: str, query: str = "") -> str:
    return f"""\
        import requests
        from booktest_cassettes import cassette

        @cassette
        def test_users():
            assert requests.get("{url}/users{query}").json()["name"]
        """


@dataclass(frozen=True)
class Made:
    """Projects to copy, each made once."""

    bare: Shop
    recorded: Shop
    branches: Shop


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, running: _Server) -> Made:
    home = tmp_path_factory.mktemp("messages")
    running.name = "Ada"
    bare = Shop(home / "bare")
    bare.root.mkdir()
    bare.begin()
    bare.write("pytest.ini", "[pytest]\n")
    bare.write("tests/test_api.py", source(running.url))
    bare.commit()
    recorded = copied(bare, home / "recorded")
    record(recorded, "run")
    branches = copied(recorded, home / "branches")
    assert branches.sh("booktest-cassettes init --yes").code == 0
    branches.commit()
    branches.git("checkout", "--quiet", "-b", "topic")
    running.name = "Grace"
    record(branches, "run -S")
    branches.git("checkout", "--quiet", "-")
    running.name = "Edsger"
    record(branches, "run -S")
    return Made(bare, recorded, branches)


def copied(shop: Shop, root: Path) -> Shop:
    return Shop(shop.copy(root).root)


def record(shop: Shop, run: str) -> None:
    for command in (f"booktest-cassettes {run}", "booktest-cassettes approve --all"):
        done = shop.sh(command)
        assert done.code == 0, done.text
    shop.commit()


@pytest.fixture
def bare(made: Made, tmp_path: Path, service: _Server) -> Shop:
    """A test that was committed and never recorded."""
    return copied(made.bare, tmp_path / "shop")


@pytest.fixture
def shop(made: Made, tmp_path: Path, service: _Server) -> Shop:
    """The same, recorded, approved and committed."""
    return copied(made.recorded, tmp_path / "shop")


@pytest.fixture
def branches(made: Made, tmp_path: Path) -> Shop:
    """On the main branch; `topic` has recorded the same test, with another answer."""
    return copied(made.branches, tmp_path / "shop")


# -- the failures ----------------------------------------------------------------------------------------

SUMMARY = " cassettes ="


def test_the_page_begins_with_the_test_that_it_is_about():
    text = re.sub(r"(?m)^ {8}", "", source("http://127.0.0.1:8000"))
    assert f"```python\n# tests/test_api.py\n{text}```\n" in PAGE.read_text(encoding="utf-8")


def test_missing_in_ci(bare):
    ci = bare.clone()
    done = ci.ci()
    see("missing", ci.shown("CI=1 pytest", done, SUMMARY))
    assert done.code == 3
    bare.mend("missing", done)
    assert ci.is_mended()


def test_request_not_recorded(shop, service):
    shop.write("tests/test_api.py", source(service.url, "?active=yes"))
    shop.commit()
    ci = shop.clone()
    done = ci.ci()
    see("unrecorded", ci.shown("CI=1 pytest", done, SUMMARY))
    assert done.code == 1
    shop.mend("unrecorded", done)
    assert ci.is_mended()
    assert re.findall(r"/users[^\"]*", (ci.root / PAYLOAD).read_text()) == ["/users?active=yes"]


def test_blob_missing(shop):
    shop.git("rm", "--quiet", "-r", "--cached", "books")
    shop.git("commit", "--quiet", "-m", "Without books")
    ci = shop.clone()
    done = ci.ci()
    see("lost", ci.shown("CI=1 pytest", done, SUMMARY))
    assert done.code == 4
    assert f"not in Git: have who approved it run {commands('lost')[0].partition(' &&')[0]}" in done.text
    shop.mend("lost", done)
    ci.git("pull", "--quiet")
    assert ci.is_whole()


def test_a_payload_that_was_deleted_comes_from_git(shop):
    (shop.root / PAYLOAD).unlink()
    shop.sh("rm -r .booktest_cache")
    done = shop.sh("booktest-cassettes status --ci")
    see("lost-status", shop.shown("booktest-cassettes status --ci", done))
    assert done.code == 4
    shop.mend("lost-deleted", done)
    assert shop.is_whole()


def test_a_blob_that_nobody_has_any_more_is_recorded_again(shop):
    shop.git("rm", "--quiet", "-r", "books")
    shop.git("commit", "--quiet", "-m", "Without books")
    shop.sh("rm -r .booktest_cache")
    done = shop.sh("booktest-cassettes status --ci")
    assert done.code == 4
    shop.mend("lost-again", done)
    assert shop.clone().is_whole()


def test_blob_corrupt(shop):
    ci = shop.clone()
    payload = ci.root / PAYLOAD
    payload.write_bytes(payload.read_bytes().replace(b"Ada", b"Eve"))
    done = ci.ci()
    see("corrupt", ci.shown("CI=1 pytest", done, SUMMARY))
    assert done.code == 4
    ci.mend("corrupt", done)
    assert ci.is_whole()


def test_pending_in_ci(bare):
    assert bare.sh("booktest-cassettes run").code == 0
    done = bare.ci()
    see("pending", bare.shown("CI=1 pytest", done, SUMMARY))
    assert done.code == 3
    status = bare.sh("booktest-cassettes status --ci")
    see("pending-status", bare.shown("booktest-cassettes status --ci", status))
    assert status.code == 3
    bare.mend("pending", done)
    assert bare.clone().is_whole()


def merge(shop: Shop) -> Done:
    """``git merge``, without what Git says about everything else."""
    done = shop.sh("git merge topic")
    lines = done.text.splitlines()
    ours = [line for line in lines if not re.match(r"(?:Auto-merging|warning:|CONFLICT|Automatic)", line)]
    git = [line for line in lines if re.match(r"CONFLICT.* booktest\.manifest\.yaml", line)]
    return Done(done.code, "\n".join([*ours, *git]))


def resolve(shop: Shop, refused: Done) -> None:
    shop.mend("merge", refused)
    assert shop.git("show", "HEAD:booktest.manifest.yaml") == shop.git("show", "topic:booktest.manifest.yaml")


def test_merge_conflict(branches):
    done = merge(branches)
    see("merge", branches.shown("git merge topic", done))
    assert done.code == 1
    refused = branches.ci()
    see("merge-pytest", branches.shown("CI=1 pytest", refused, " no tests ran"))
    assert refused.code == 4
    status = branches.sh("booktest-cassettes status")
    see("merge-status", branches.shown("booktest-cassettes status", status))
    assert status.code == 4
    review = branches.sh("booktest-cassettes review")
    see("merge-review", branches.shown("booktest-cassettes review", review))
    assert review.code == 3
    assert branches.sh("booktest-cassettes approve --all").code == 4
    resolve(branches, refused)
    assert branches.clone().is_whole()


def test_merge_conflict_without_the_driver(branches):
    """In a clone in which nobody ran ``init``, Git merges lines, and what we say is the same."""
    branches.git("config", "--remove-section", "merge.booktest-manifest")
    done = merge(branches)
    assert done.code == 1
    assert done.text == "CONFLICT (content): Merge conflict in booktest.manifest.yaml"
    refused = branches.sh("booktest-cassettes approve --all")
    assert "booktest.manifest.yaml:4: an unresolved merge conflict" in refused.text
    assert "booktest-cassettes review --take ours" in branches.sh("booktest-cassettes review").text
    resolve(branches, refused)
    assert branches.clone().is_whole()


def test_every_printed_block_of_the_page_is_compared():
    there = re.findall(r"<!-- printed: (\S+) -->", PAGE.read_text(encoding="utf-8"))
    compared = re.findall(r'\n +see\("([^"]+)"', Path(__file__).read_text(encoding="utf-8"))
    assert sorted(there) == sorted(compared)
