"""A project goes around all storage modes, and nobody's tests notice."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from e2e_remotes import Desk, digests, share_site
from e2e_workspace import running_api

MODULE = """
import json
import urllib.request

import pytest
from booktest_cassettes import cassette

URL = "{url}"


@cassette
@pytest.mark.parametrize("number", range({tests}))
def test_users(number):
    with urllib.request.urlopen(f"{{URL}}/users/{{number}}") as answer:
        assert json.load(answer)["path"] == f"/users/{{number}}"
"""


def _project(root: Path, tests: int) -> Desk:
    """So many tests, recorded and approved into Git; the API is gone."""
    desk = Desk(root)
    desk.root.mkdir(parents=True)
    desk.begin()
    (desk.root / "pytest.ini").unlink()
    desk.settle(share_site(root.with_name("share")))
    (desk.root / ".booktest").unlink()
    desk.write("booktest.toml", '# ours\n[storage]\nmode = "git"  # for now\n')
    with running_api() as api:
        desk.write("test_api.py", MODULE.format(url=api.url, tests=tests))
        done = desk.cli("run", "--", "-q")
    assert f"{tests} new" in done.text, done.text
    desk.done("approve", "--all")
    desk.commit()
    return desk


def _lines(desk: Desk) -> list[str]:
    """The manifest without its word for the mode."""
    return [line for line in desk.manifest.splitlines() if not line.startswith("storage_mode:")]


def _see_it_replays(desk: Desk, tests: int) -> None:
    """All of it, strictly, here and in a fresh clone; every blob is read and compared with its digest."""
    clone = desk.clone("clone")
    for each in (desk, clone):
        done = each.pytest("-q", ci=True)
        assert done.code == 0, done.text
        assert f"{tests} intact of {tests} tests" in done.text
        assert f"verified: {tests} snapshots here" in each.done("verify")
        assert each.git("status", "--porcelain") == ""
    shutil.rmtree(clone.root)


@pytest.mark.parametrize("tests", [20, pytest.param(300, marks=pytest.mark.nightly)])
def test_git_to_dvc_to_pointers_to_git_leaves_digests_and_replays_unchanged(tmp_path, tests):
    desk = _project(tmp_path / "project", tests)
    lines, files = _lines(desk), {path: path.read_bytes() for path in desk.payloads()}
    assert len(digests(desk.manifest)) == len(files) == tests
    for mode, header in (("dvc", "dvc"), ("dvc-pointers", "dvc"), ("git", "git")):
        said = desk.done("migrate", "--to", mode)
        assert f": {tests} snapshots of {tests} tests" in said
        found = re.search(r"next: (git add --all -- .*) && git commit$", said, re.MULTILINE)
        assert found, said
        done = desk.run("sh", "-c", f"{found[1]} && git commit --quiet --message {mode}")
        assert done.code == 0, done.text
        assert f"storage_mode: {header}" in desk.manifest
        assert _lines(desk) == lines
        assert (desk.root / "booktest.toml").read_text() == f'# ours\n[storage]\nmode = "{mode}"  # for now\n'
        _see_it_replays(desk, tests)
    assert {path: path.read_bytes() for path in desk.payloads()} == files
