"""A suite of pytest-recording's users, over real cassettes, with ours alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import public_suite
import pytest

sys.path.append(str(Path(__file__).parents[1] / "e2e"))
from e2e_workspace import Workspace

#: As many as pytest-recording passes; see public_suite.
TESTS = 23


@pytest.fixture
def migrated(corpus, tmp_path):
    """The suite after `migrate`, its cassettes deleted."""
    public_suite.write(tmp_path / "suite")
    workspace = Workspace(tmp_path / "suite")
    workspace.git("init", "--quiet")
    workspace.write("booktest.toml", '[storage]\nmode = "git"\n')
    done = workspace.cli("migrate", "--from", "pytest-recording")
    assert done.code == 0, done.text
    shutil.rmtree(workspace.root / "tests" / "cassettes")
    return workspace


def test_after_migrate_the_suite_passes_without_cassettes_and_without_a_network(migrated):
    done = migrated.cli("run", "--isolate", "--", "-q")
    assert done.code == 0, done.text
    assert f"{TESTS} passed" in done.text
    assert f"{TESTS - 1} intact" in done.text  # one test is about block_network, and has no cassette


def test_in_ci_it_passes_too_and_changes_no_file(migrated):
    before = {path: path.read_bytes() for path in migrated.root.rglob("*") if _is_kept(path)}
    done = migrated.pytest("-q", "-n2", ci=True)
    assert done.code == 0, done.text
    assert f"{TESTS} passed" in done.text
    assert {path: path.read_bytes() for path in migrated.root.rglob("*") if _is_kept(path)} == before


def _is_kept(path: Path) -> bool:
    passing = {"__pycache__", ".pytest_cache"}
    return path.is_file() and not passing & set(path.parts)


def test_a_changed_request_fails_where_the_suite_looks_at_bodies(migrated):
    file = migrated.root / "tests" / "test_client.py"
    file.write_text(file.read_text().replace('"/search", json={}', '"/search", json={"limit": 9}'))
    file.write_text(file.read_text().replace('dev/search", json={})', 'dev/search", json={"limit": 9})'))
    done = migrated.pytest("-q", "tests/test_client.py", ci=True)
    assert done.code == 1, done.text
    assert "test_a_stricter_match: POST https://stac.eoapi.dev/search is not in its" in done.text
    assert "1 failed" in done.text
