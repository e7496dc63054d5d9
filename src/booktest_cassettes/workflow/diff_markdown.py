"""Differences as a comment on a pull request: whole tests, as many as fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..wording import count
from .describe import describe, headline
from .diff import TestDiff
from .lines import Line
from .show import inert

LIMIT = 60_000  # characters; GitHub takes 65,536
_ROWS = 100  # tests in the table
_RUN = re.compile("`+")
# What is markup somewhere: GitHub also makes links of www. and of what looks like an address or a mention.
_MARKUP = re.compile(r"[!\"#$%&'*<>?@\[\\\]^_`{|}~]|:(?! )|(?<=www)\.", re.IGNORECASE)
_SIGNS = {"added": "+", "removed": "-"}


def document(diffs: Sequence[TestDiff], old: str, new: str, *, full: bool = False, limit: int = LIMIT) -> str:
    """Markdown of at most ``limit`` characters; nothing recorded is markup in it.

    Parameters
    ----------
    diffs:
        By test.
    old, new:
        What was compared.
    full:
        Every difference of each test, whole.
    limit:
        What does not fit is left out by whole tests, and said to be.
    """
    parts = [_heading(diffs, old, new), *_table(diffs, limit // 2)]
    size = sum(map(len, parts))
    shown = 0
    for diff in diffs:
        part = _details(diff, full=full)
        if size + len(part) > limit - _NOTE:
            continue
        parts.append(part)
        size += len(part)
        shown += 1
    if shown < len(diffs):
        left = len(diffs) - shown
        many = "test is" if left == 1 else "tests are"
        parts.append(
            f"\n{left:,} more {many} too long to be shown here: `booktest-cassettes diff` shows all.\n"
        )
    return "".join(parts)


_NOTE = 200  # characters kept for what is said about tests that do not fit


def _heading(diffs: Sequence[TestDiff], old: str, new: str) -> str:
    where = f"<code>{_plain(_short(old))}</code> → <code>{_plain(_short(new))}</code>"
    if not diffs:
        return f"### Recordings: no change\n\n{where}\n"
    tests = f"{len(diffs):,} test{'' if len(diffs) == 1 else 's'} changed"
    totals = ", ".join(_totals(diffs))
    return f"### Recordings: {tests}\n\n{where}{f': {totals}' if totals else ''}\n"


def _totals(diffs: Iterable[TestDiff]) -> Iterable[str]:
    counts = dict.fromkeys(("new", "gone", "changed", "added", "removed"), 0)
    secrets = problems = 0
    for diff in diffs:
        secrets, problems = (
            secrets + len(diff.secrets) + len(diff.result_secrets),
            problems + len(diff.problems),
        )
        for one in diff.comparisons:
            if one.old is None or one.new is None:
                counts["new" if one.old is None else "gone"] += 1
                continue
            counts["changed"] += sum(item.what == "changed" and not item.is_noise for item in one.items)
            counts["added"] += one.count("added")
            counts["removed"] += one.count("removed")
    for what, number in counts.items():
        if number:
            noun = "recording" if what in ("new", "gone") else "interaction"
            yield f"{count(number, noun)} {what}"
    if secrets:
        yield f"**{count(secrets, 'possible secret')}**"
    if problems:
        yield f"**{problems:,} could not be read**"


def _table(diffs: Sequence[TestDiff], room: int) -> Iterable[str]:
    if not diffs:
        return
    yield "\n| test | what changed |\n|---|---|\n"
    for number, diff in enumerate(diffs):
        row = f"| <code>{_plain(_short(diff.test_id))}</code> | {_plain(headline(diff))} |\n"
        room -= len(row)
        if number == _ROWS or room < 0:
            yield f"| ... and {len(diffs) - number:,} more | |\n"
            return
        yield row


def _short(test_id: str) -> str:
    return test_id if len(test_id) <= 200 else f"{test_id[:197]}..."


def _details(diff: TestDiff, *, full: bool) -> str:
    lines = [_coloured(line) for line in list(describe(diff, full=full))[1:]]
    longest = max((len(run) for line in lines for run in _RUN.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    body = "\n".join(lines)
    title = f"<code>{_plain(_short(diff.test_id))}</code>"
    return f"\n<details><summary>{title}</summary>\n\n{fence}diff\n{body}\n{fence}\n\n</details>\n"


def _coloured(line: Line) -> str:
    """A line as the ``diff`` language takes it: its sign first."""
    text = line.text
    sign = _SIGNS.get(line.style, "!" if line.style == "warning" else " ")
    inner = text.lstrip(" ")
    if inner.startswith(f"{sign} "):
        return f"{sign}{' ' * (len(text) - len(inner))}{inner[1:]}"
    return f"{sign}{text}"


def _plain(text: str) -> str:
    """Text that is neither HTML nor Markdown: what could be is written as character references."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", inert(text).replace("\t", " "))
