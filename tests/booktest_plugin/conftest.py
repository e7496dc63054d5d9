"""Fixtures of the booktest plugin's tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from booktest_desk import ENV, Desk


@cache
def _recorded() -> Path:
    parent = Path(tempfile.mkdtemp(prefix="cassettes-"))
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    desk = Desk(parent / "work").begin()
    code, text = desk.ours("-s", "--", "-a")
    assert code == 0, text
    return desk.root


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """The suite, recorded and accepted by "ada", in Git mode."""
    root = tmp_path / "work"
    shutil.copytree(_recorded(), root)
    return Desk(root)


@cache
def _waiting() -> Path:
    parent = Path(tempfile.mkdtemp(prefix="cassettes-"))
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    desk = Desk(Path(shutil.copytree(_recorded(), parent / "work")))
    code, text = desk.ours("-S", "--", ENV, WHO="bob")
    assert code == 1, text
    return desk.root


@pytest.fixture
def waiting(tmp_path: Path) -> Desk:
    """The suite, whose ``test_env`` was recorded anew by "bob": it waits, and its result differs."""
    root = tmp_path / "work"
    shutil.copytree(_waiting(), root)
    return Desk(root)


@pytest.fixture
def fresh(tmp_path: Path) -> Desk:
    """The suite, with nothing recorded."""
    return Desk(tmp_path / "work").begin()
