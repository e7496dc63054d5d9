"""The matrix of docs/conformance.md, cell by cell: see matrix.py for what a cell has to show."""

from __future__ import annotations

import pytest
from backends import Ours
from document import DOCUMENT, text
from matrix import LIMITS, Verdict, cells, judge
from peers import play_column

# httpx leaves its own generators to the collector when a body fails or is closed early; trio says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),  # aiohttp's advice
]


#: What asyncio says, live too, of bytes that were never sent.
_UNSENT = {
    ("Failures: write timeout", "aiohttp"): [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
}


@pytest.mark.parametrize(
    ("row", "column"), [pytest.param(*cell, marks=_UNSENT.get(cell, [])) for cell in cells()]
)
def test_cell(row: str, column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BOOKTEST_RECORD_MODE"):
        monkeypatch.delenv(name, raising=False)
    if (row, column) not in LIMITS:
        judge(row, column, Ours)
        return
    with pytest.raises(Verdict):
        judge(row, column, Ours)


def test_the_document_is_what_the_rows_say() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == text(), "out of date: run ./do conformance"


@pytest.mark.parametrize("peer", ["vcrpy"])
def test_a_peer_is_judged_by_the_same_rows(peer: str) -> None:
    rows = ["Bodies: JSON", "Content codings: gzip", "Refused on replay: another path"]
    rows += ["Refused on replay: another JSON body", "Refused on replay: swallowed by the code under test"]
    assert list(play_column(peer, "httpx", rows).values()) == [
        "essentials",
        "essentials",
        "",
        "lenient",
        "lenient",
    ]
