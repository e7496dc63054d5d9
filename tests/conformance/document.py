"""docs/conformance.md and docs/conformance-peers.md, made from the rows, the SDKs' tests and peers.json.

``python document.py`` writes them. A test of the suite compares them with what the rows say now; each cell
that they say passes is run by the suite.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import test_adapter_sdk
from backends import CLAIMED, PEERS
from columns import COLUMNS
from matrix import ROWS
from peers import RESULTS
from rows import Row

DOCS = Path(__file__).parents[2] / "docs"
PASSES, ABSENT = "\N{CHECK MARK}", "\N{EN DASH}"
_INTRODUCTION = """\
# Conformance

Every cell is a scenario that a client plays three times: live, recorded (twice, and both recordings
have the same digest), and replayed strictly while the server's counters must not move. What the client shows
must be equal: status, reason, version, headers in their order and case, body, pieces, cookies, history,
exceptions with their text and request. Rows with threads and tasks compare answers without their order. A row
about refusals plays something that was not recorded: nothing may reach a server, and the cassette must
fail even when the code under test swallows the exception. Servers, scenarios and comparison are in
`tests/conformance`; the test suite plays every cell, and `./do conformance` writes this page.

{passes} passes; {absent} not played, and why. Played with {versions}.

The same scenarios with stock vcrpy {vcrpy} and cassetter {cassetter} are on
[a page of their own](conformance-peers.md). In short, cells in which everything is equal (=), or at least the
essentials (~: status, body, pieces, kind of exception):
"""
_BESIDE = """\
## Beside the matrix

What is about one client, or about none, has tests of its own in `tests/adapters` and `tests/e2e`:

| | |
| --- | --- |
| ASGI, WSGI, MockTransport, TestClient, fakes: untouched | `test_adapter_httpx`, `test_adapter_transports` |
| respx, pytest-httpx, responses, vcrpy of the user's own, inside and outside | `test_adapter_mocks` |
| caching and retrying transports (hishel, CacheControl, urllib3's Retry) | `test_adapter_transports` |
| unknown transports, curl and its kin: refused | `test_adapter_transports`, `test_adapter_bypassing` |
| websockets: refused | `test_adapter_websockets` |
| responses never closed, hooks, elapsed, pickles | `test_adapter_httpx`, `test_adapter_requests` |
| clients from before the cassette, nested cassettes, generators | `test_adapter_scoping` |
| fixtures of function, class, module, package and session scope | `test_e2e_fixtures` |
| 8 threads, 400 requests, 20 times | `test_adapter_concurrency` |
| 50 tasks with 50 cassettes | `test_adapter_tasks` |
| bodies of 200 MB | `test_adapter_memory` |
| hedged requests, cancellations that do not come | `test_adapter_cancelling` |
| sockets, look-ups, datagrams | `test_adapter_guard`, `test_e2e_leaks` |
| exit handlers, leftover threads, child processes | `test_e2e_leaks`, `test_e2e_isolate` |
"""
_PEERS = """\
# The conformance rows with vcrpy {vcrpy} and cassetter {cassetter}

Played by `./do conformance` with the same scenarios and the same comparison as [ours](conformance.md), each
peer with its defaults. The rows are ours, and so is what they ask for; both peers keep promises of their own,
and leave bodies out of matching unless they are told otherwise. Other than for us, a server waits 0.3
seconds instead of 3 for a client to read a piece, and 10 seconds of silence count as hanging.

- {passes} everything is equal
- ~ the essentials (status, body, pieces, kind of exception) are equal, other details differ
- R: the client sees something else while it is recorded
- P: the client sees something else on replay than in the recording
- E: recording or replaying raises
- 0: nothing is recorded
- L: the replay reaches the server
- N: what has to be refused is not
- H: it hangs
"""
_SIGNS = {
    "": PASSES,
    "essentials": "~",
    "records another answer": "R",
    "replays another answer": "P",
    "records not": "E",
    "replay fails": "E",
    "records nothing": "0",
    "leaks": "L",
    "lenient": "N",
    "hangs": "H",
}


def pages() -> dict[Path, str]:
    """The text of both pages."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {DOCS / "conformance.md": _ours(found), DOCS / "conformance-peers.md": _theirs(found)}


def _ours(found: Mapping[str, Any]) -> str:
    notes: dict[str, int] = {}
    versions = ", ".join(f"{name} {number}" for name, number in found["clients"].items())
    parts = [_INTRODUCTION.format(passes=PASSES, absent=ABSENT, versions=versions, **_versions(found))]
    parts.append(_summary(found))
    for group, rows in _groups():
        parts += [f"## {group}", _table(rows, lambda row, column: _our_cell(row, column, notes))]
    listed = "\n".join(f"{number}. {reason}" for reason, number in notes.items())
    parts += ["## Not played, and why", listed, "## LLM SDKs", _sdks(), _BESIDE]
    return _page(parts)


def _theirs(found: Mapping[str, Any]) -> str:
    parts = [_PEERS.format(passes=PASSES, **_versions(found))]
    for peer in PEERS:
        cells = found[peer]["cells"]
        parts += [f"## {peer}", _claims(peer)]
        for group, rows in _groups():
            parts += [
                f"### {peer}: {group}",
                _table(rows, lambda row, column, cells=cells: _their_cell(row, column, cells)),
            ]
    return _page(parts)


def _page(parts: list[str]) -> str:
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _versions(found: Mapping[str, Any]) -> dict[str, str]:
    return {peer: found[peer]["version"] for peer in PEERS}


def _claims(peer: str) -> str:
    others = [column for column in COLUMNS if column not in CLAIMED[peer]]
    return f"It does not claim to record {', '.join(others)}." if others else ""


def _groups() -> Iterator[tuple[str, list[Row]]]:
    for group in dict.fromkeys(row.group for row in ROWS.values()):
        yield group, [row for row in ROWS.values() if row.group == group]


def _table(rows: list[Row], cell: Callable[[Row, str], str]) -> str:
    heads = [name.replace(" ", "<br>") for name in COLUMNS]
    lines = [_line(["", *heads]), _line(["---", *[":-:"] * len(COLUMNS)])]
    lines += [
        _line([row.name.replace("|", "\\|"), *[cell(row, column) for column in COLUMNS]]) for row in rows
    ]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _our_cell(row: Row, column: str, notes: dict[str, int]) -> str:
    if column in row.ways:
        return PASSES
    number = notes.setdefault(row.absent[column], len(notes) + 1)
    return f"{ABSENT}<sup>{number}</sup>"


def _their_cell(row: Row, column: str, cells: Mapping[str, Mapping[str, str]]) -> str:
    return _SIGNS[cells[column][f"{row.group}: {row.name}"]] if column in row.ways else ABSENT


def _summary(found: Mapping[str, Any]) -> str:
    heads = ["", "cells", "booktest-cassettes =", *[f"{peer} {sign}" for peer in PEERS for sign in "=~"]]
    lines = [_line(heads), _line(["---", *["--:"] * (len(heads) - 1)])]
    for column in COLUMNS:
        names = [name for name, row in ROWS.items() if column in row.ways]
        counts = [str(len(names))] * 2
        for peer in PEERS:
            signs = [found[peer]["cells"][column][name] for name in names]
            claimed = column in CLAIMED[peer]
            counts += [str(signs.count(sign)) if claimed else "not claimed" for sign in ("", "essentials")]
        lines.append(_line([column, *counts]))
    return "\n".join(lines)


def _sdks() -> str:
    """The SDKs' tests, each with the clients that it is run with."""
    columns = list(test_adapter_sdk.SDKS)
    lines = [
        _line(["", *[name.replace("-", "<br>") for name in columns]]),
        _line(["---", *[":-:"] * len(columns)]),
    ]
    for name, test in vars(test_adapter_sdk).items():
        if name.startswith("test_") and (played := _sdks_of(test)):
            title = name.removeprefix("test_").replace("_", " ")
            lines.append(_line([title, *[PASSES if column in played else ABSENT for column in columns]]))
    lines += [
        "",
        "Each row is a test of `tests/adapters/test_adapter_sdk.py`, against a local server that speaks",
    ]
    lines += [f"the formats of both; {ABSENT} the SDK has no such call."]
    return "\n".join(lines)


def _sdks_of(test: Any) -> list[str]:
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    return [name for mark in marks if mark.args[0] == "sdk" for name in mark.kwargs["ids"]]


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
