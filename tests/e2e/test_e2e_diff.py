"""What a reviewer reads: one line in Git, and the one field behind it."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from answering import Answering
from dvc_share import init_dvc
from e2e_workspace import Workspace


class _Shop(Answering):
    """Articles, each with a price that can be changed; every answer has headers of its own."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        shop: Shop = self.server.shop  # type: ignore[attr-defined]
        shop.hits += 1
        name = self.path.rpartition("/")[2]
        item = {
            "id": name,
            "name": f"article {name}",
            "price": {"net": shop.prices.get(name, 100), "currency": "EUR"},
        }
        data = json.dumps({"item": item, "tags": ["a", "b", name]}).encode()
        self.answer(data, ETag=f'"{shop.hits}"' if shop.volatile else '"0"')


class Shop:
    """The running server."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.prices: dict[str, int] = {}
        self.hits = 0
        self.volatile = False


@pytest.fixture
def shop() -> Iterator[Shop]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as server:
        server.shop = Shop(server)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.shop  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def suite(shop: Shop, number: int) -> str:
    return (
        "import requests\nfrom booktest_cassettes import cassette\n\n"
        "def price(name):\n"
        f"    return requests.get('{shop.url}/articles/' + name).json()['item']['price']['net']\n\n"
    ) + "".join(
        f"@cassette\ndef test_article_{n}():\n    assert price('{n}') and price('{n}-b')\n\n"
        for n in range(number)
    )


def begun(
    workspace: Workspace, shop: Shop, number: int, share: Path | None = None, mode: str = "dvc"
) -> Workspace:
    """Recorded, approved, committed on ``main``."""
    init_dvc(workspace.root, share)
    workspace.write("booktest.toml", '[storage]\nmode = "dvc"\n')
    workspace.git("checkout", "--quiet", "-b", "main")
    workspace.write("tests/test_shop.py", suite(shop, number))
    workspace.record("tests")
    workspace.commit()
    return workspace


def renewed(workspace: Workspace, *tests: str) -> None:
    done = workspace.cli("run", "-S", "--", "-q", *tests)
    assert done.code == 0, done.text


def done(workspace: Workspace, *arguments: str, code: int = 0) -> str:
    found = workspace.cli(*arguments)
    assert found.code == code, found.text
    return found.text


CHANGED = """\
tests/test_shop.py::test_article_57
  http  updated  1 changed, 1 unchanged
  ~ GET {url}/articles/57
      response body $.item.price.net
        - 100
        + 250
"""


@pytest.mark.parametrize("number", [60, pytest.param(200, marks=pytest.mark.nightly)])
def test_one_changed_field_in_many_tests_is_one_line_in_git_and_that_field_in_the_difference(
    workspace, shop, tmp_path_factory, number
):
    share = tmp_path_factory.mktemp("share")
    begun(workspace, shop, number, share)
    shop.prices["57"] = 250
    renewed(workspace, "tests")
    assert done(workspace, "diff") == CHANGED.format(url=shop.url)
    done(workspace, "approve", "--all")
    assert workspace.git("diff", "--numstat").split() == ["1", "1", "booktest.manifest.yaml"]
    assert done(workspace, "diff", "--from", "HEAD", "--exit-code", code=1) == CHANGED.format(url=shop.url)
    assert done(workspace, "diff", "--exit-code") == "nothing waits for review\n"
    # As a colleague with an empty cache: both sides come from the share.
    shutil.rmtree(workspace.root / ".booktest_cache")
    assert done(workspace, "diff", "HEAD") == CHANGED.format(url=shop.url)


def test_a_branch_that_changed_two_recordings_reads_well_as_a_comment(workspace, shop, tmp_path_factory):
    begun(workspace, shop, 6, tmp_path_factory.mktemp("share"))
    workspace.git("checkout", "--quiet", "-b", "branch")
    shop.prices |= {"2": 120, "4-b": 999}
    shop.volatile = True
    renewed(workspace, "tests/test_shop.py::test_article_2", "tests/test_shop.py::test_article_4")
    done(workspace, "approve", "--all")
    workspace.commit()
    assert workspace.git("diff", "--numstat", "main..HEAD").split() == ["2", "2", "booktest.manifest.yaml"]
    shutil.rmtree(workspace.root / ".booktest_cache")

    comment = done(workspace, "diff", "main..HEAD", "--format", "md")
    assert comment.startswith("### Recordings: 2 tests changed\n")
    assert "<code>main</code> → <code>HEAD</code>: 2 interactions changed" in comment
    block = comment.split("```diff\n")[1].split("\n```")[0]
    assert [line.split() for line in block.splitlines() if line.split()[0] in "+-"] == [
        ["-", "100"],
        ["+", "120"],
    ]
    assert "response body $.item.price.net" in block
    assert re.search(r"2 volatile differences?|1 volatile difference|header etag", block)
    assert comment.count("<details>") == 2

    document = json.loads(done(workspace, "diff", "main..HEAD", "--format", "json"))
    assert (document["version"], document["old"], document["new"]) == (1, "main", "HEAD")
    assert [test["test"] for test in document["tests"]] == [
        "tests/test_shop.py::test_article_2",
        "tests/test_shop.py::test_article_4",
    ]
    counting = [
        (item["title"], one["where"], one["old"], one["new"])
        for test in document["tests"]
        for snapshot in test["snapshots"]
        for item in snapshot["items"]
        for one in item["differences"]
        if not one["noise"]
    ]
    assert counting == [
        (f"GET {shop.url}/articles/2", "response body $.item.price.net", "100", "120"),
        (f"GET {shop.url}/articles/4-b", "response body $.item.price.net", "100", "999"),
    ]
