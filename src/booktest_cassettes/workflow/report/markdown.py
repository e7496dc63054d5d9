"""The report for a pull request's comment and a CI job's summary: short, and nothing in it acts.

Everything recorded stands in code spans and fences, where no renderer sees links, mentions or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ...wording import count
from .data import FINE, STATES, Diff, Report, Test

LONGEST = 60_000  # characters; GitHub takes 65,536 for a comment
_TAIL = 2_000  # characters kept free for the end
_ROWS, _UNUSED = 100, 50
_OPEN = 3  # tests; more than that are folded
_LONG_NAME = 300  # characters
_SIGNED = re.compile(r"( +)([+\-!])( .*)", re.S)


def render(report: Report) -> str:
    """The report as Markdown, shorter than :data:`LONGEST`."""
    page = _Page()
    page.add(*_head(report))
    page.table(report)
    page.unused(report)
    page.diffs(report)
    page.tail(_tail(report))
    return page.text


class _Page:
    """Blocks of text, as many as fit."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._free, self._kept = LONGEST - _TAIL, _TAIL

    @property
    def text(self) -> str:
        return "\n\n".join(self._blocks) + "\n"

    def add(self, *blocks: str) -> bool:
        """Add all of these, or none, where they do not fit."""
        needed = sum(len(block) + 2 for block in blocks)
        if needed > self._free:
            return False
        self._free -= needed
        self._blocks += blocks
        return True

    def tail(self, blocks: Iterable[str]) -> None:
        """Add what has its place kept free: short, and last."""
        self._free, self._kept = self._free + self._kept, 0
        for block in blocks:
            self.add(block)

    def table(self, report: Report) -> None:
        urgent = report.urgent
        if not urgent:
            return
        rows = ["| state | test | what |", "|---|---|---|"]
        room = self._free // 2
        for test in urgent[:_ROWS]:
            row = f"| {test.state} | {_span(test.id, cell=True)} | {_what(test)} |"
            room -= len(row) + 1
            if room < 0:
                break
            rows.append(row)
        self.add("\n".join(rows))
        if len(urgent) > len(rows) - 2:
            self.add(f"... and {len(urgent) - len(rows) + 2:,} more tests.")

    def unused(self, report: Report) -> None:
        lines = [
            f"- {_span(test.id)}: {_span(line)}" for test in report.tests for line in report.unused(test)
        ]
        if not lines:
            return
        room = self._free - 100
        shown = []
        for line in lines[:_UNUSED]:
            room -= len(line) + 1
            if room < 0:
                break
            shown.append(line)
        rest = [f"- ... and {len(lines) - len(shown):,} more"] if len(lines) > len(shown) else []
        self.add("### Recorded and not played", "\n".join([*shown, *rest]))

    def diffs(self, report: Report) -> None:
        for against, title in (
            (report.base, f"### What changed against {_span(report.base)}"),
            ("approved", "### What waits for review"),
        ):
            found = [
                (test, diff)
                for test in report.tests
                for diff in test.diffs
                if diff.against == against and (diff.text or diff.warnings)
            ]
            if not found or not self.add(f"{title}: {count(len(found), 'test')}"):
                continue
            for number, (test, diff) in enumerate(found):
                if not self.add(_diff(test, diff, folded=len(found) > _OPEN)):
                    rest = count(len(found) - number, "more test")
                    self.tail([f"... and {rest}: {_command(report, against)}"])
                    return


def _head(report: Report) -> Iterator[str]:
    counts = ", ".join(f"{number:,} {state.lower()}" for state, number in report.counts.items())
    sign = "✅" if all(state in FINE for state in report.counts) else "❌" if report.mode else "📝"
    yield f"## {sign} Recordings: {counts or 'no test has any'}"
    shown = [snapshot.digest for test in report.tests for snapshot in test.snapshots]
    exchanges = sum(len(report.contents[digest].exchanges) for digest in shown if digest in report.contents)
    told = [count(len(report.tests), "test"), count(exchanges, "interaction"), f"storage {report.storage}"]
    told += [f"remote {_span(report.remote.removeprefix('remote '))}"] if report.remote else []
    told += [f"commit {_span(report.revision)}"] if report.revision else []
    told += [f"mode {report.mode}"] if report.mode else []
    told += [f"compared with {_span(report.base)}"] if report.base else []
    yield " · ".join(told)
    for note in report.notes[:5]:
        yield f"> {_span(note)}"


def _what(test: Test) -> str:
    if test.problems:
        return _span(test.problems[0].message.split("\n")[0], cell=True)
    if test.diffs and test.diffs[0].headline:
        return _span(test.diffs[0].headline, cell=True)
    return STATES.get(test.state, "")


def _diff(test: Test, diff: Diff, *, folded: bool) -> str:
    lines = [_SIGNED.sub(r"\2\1\3", line, count=1) if _SIGNED.match(line) else line for line in diff.text[1:]]
    text = "\n".join(lines or diff.warnings)
    fence = "`" * max(3, _longest_run(text) + 1)
    summary = f"<summary><code>{_entities(_cut(test.id))}</code></summary>"
    opening = "<details>" if folded else "<details open>"
    return f"{opening}{summary}\n\n{fence}diff\n{text}\n{fence}\n\n</details>"


def _entities(text: str) -> str:
    """Text in HTML: what could be markup of any kind is written as a character reference."""
    return "".join(char if char.isalnum() or char in " /.-" else f"&#{ord(char)};" for char in text)


def _command(report: Report, against: str) -> str:
    return _span("booktest-cassettes diff" + ("" if against == "approved" else f" --from {report.base}"))


def _tail(report: Report) -> Iterator[str]:
    unpushed = sum(blob.unpushed for blob in report.blobs)
    if unpushed:
        yield f"{count(unpushed, 'blob')} not pushed yet: `booktest-cassettes push`"
    if report.next:
        yield f"next: {_span(report.next)}"


def _span(text: str, *, cell: bool = False) -> str:
    """Text as it is, in a code span: nothing in it is a link, a mention, HTML or the end of a cell."""
    text = _cut(" ".join(text.split()))
    if cell:  # after a backslash, readers disagree about which of the two is escaped
        text = text.replace("\\|", "\\¦").replace("|", "\\|")
    ticks = "`" * (_longest_run(text) + 1)
    gap = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{ticks}{gap}{text}{gap}{ticks}" if text else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONG_NAME else text[: _LONG_NAME - 3] + "..."


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
