"""The matrix of docs/conformance.md, cell by cell: see matrix.py for what a cell has to show."""

from __future__ import annotations

import gc
import warnings

import pytest
from backends import Ours
from document import pages
from matrix import cells, judge
from peers import play_column

# httpx leaves its own generators to the collector when a body fails or is closed early; trio says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),  # aiohttp's advice
]


#: A cell after which asyncio warns of bytes that were never sent, live too.
_UNSENT = ("Failures: write timeout", "aiohttp")


@pytest.mark.parametrize(("row", "column"), cells())
def test_cell(row: str, column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BOOKTEST_RECORD_MODE"):
        monkeypatch.delenv(name, raising=False)
    with warnings.catch_warnings():
        if (row, column) == _UNSENT:
            warnings.simplefilter("ignore", ResourceWarning)
        judge(row, column, Ours)
        if (row, column) == _UNSENT:
            gc.collect()


def test_the_pages_are_what_the_rows_say() -> None:
    for page, text in pages().items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name} is out of date: run ./do conformance"


def test_a_peer_is_judged_by_the_same_rows() -> None:
    rows = ["Bodies: JSON", "Content codings: gzip", "Refused on replay: another path"]
    rows += ["Refused on replay: another JSON body", "Refused on replay: swallowed by the code under test"]
    found = list(play_column("vcrpy", "httpx", rows).values())
    assert found == ["essentials", "essentials", "", "lenient", "lenient"]
