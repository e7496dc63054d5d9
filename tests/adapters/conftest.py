"""Fixtures of the adapters' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab
from loopback import Server, running_server

from booktest_cassettes import runner


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test's own."""
    with running_server() as found:
        yield found


@pytest.fixture
def lab(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A project of this test's own, which every cassette used in the test belongs to."""
    for name in ("CI", "BOOKTEST_RECORD_MODE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "booktest.toml").write_text("")
    found = Lab(tmp_path, server)
    runner.register(found.runner)
    yield found
    runner.unregister(found.runner)
