"""Tests against real recordings of public projects, which are not part of this repository.

They are looked for in ``../shared/corpus`` beside the checkout; ``BOOKTEST_CORPUS`` names another place
that has to be there. Without either these tests are deselected, and the end of the run says so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_NAMED = os.environ.get("BOOKTEST_CORPUS")
CORPUS = Path(_NAMED) if _NAMED else _HERE.parent.parent.parent / "shared" / "corpus"
_DESELECTED = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _NAMED or CORPUS.is_dir():
        return
    ours = [item for item in items if _HERE in item.path.parents]
    items[:] = [item for item in items if item not in ours]
    config.stash[_DESELECTED] = len(ours)
    config.hook.pytest_deselected(items=ours)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash.get(_DESELECTED, 0):
        terminalreporter.write_line(
            f"{count} tests of real recordings left out: {CORPUS} is not there, BOOKTEST_CORPUS is not set"
        )


@pytest.fixture(scope="session")
def corpus() -> Path:
    assert CORPUS.is_dir(), f"BOOKTEST_CORPUS names {CORPUS}, which is not there"
    return CORPUS


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name == "CI" or (name.startswith("BOOKTEST_") and name != "BOOKTEST_CORPUS"):
            monkeypatch.delenv(name)
