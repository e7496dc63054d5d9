"""The findings, as lines for a person: headings, one line each, the fix below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ...wording import count
from ..lines import Line, Style
from ..show import inert
from .findings import Diagnosis, Finding, Group, Level

WIDTH = 80
_LEVELS: tuple[Level, ...] = ("problem", "warning", "note")
_STYLES: dict[Level, Style] = {"problem": "removed", "warning": "warning", "note": "", "ok": "dim"}


def render(diagnosis: Diagnosis, *, everything: bool = False) -> Iterator[Line]:
    """What to show.

    Parameters
    ----------
    diagnosis:
        What was found.
    everything:
        Also what is as it should be, which is one word per group else.
    """
    yield Line(inert(f"doctor: {diagnosis.root}"))
    for done in diagnosis.fixed:
        yield from _wrapped("fixed: ", done, "added")
    yield Line("")
    for group in diagnosis.groups:
        yield from _group(group, f"{diagnosis.root.rstrip('/')}/", everything=everything)
    yield Line("")
    yield Line(_sum(diagnosis), "title")


def _group(group: Group, root: str, *, everything: bool) -> Iterator[Line]:
    shown = [finding for finding in group.findings if everything or finding.level != "ok"]
    good = sum(finding.level == "ok" for finding in group.findings)
    if not group.findings:
        yield Line(f"{group.name}: not looked at, for want of a configuration that can be read", "title")
        return
    if not shown:
        yield Line(f"{group.name}: ok ({good})", "title")
        return
    folded = "" if everything or not good else f" ({good} ok)"
    yield Line(f"{group.name}{folded}", "title")
    for finding in shown:
        yield from _finding(finding, root)


def _finding(finding: Finding, root: str) -> Iterator[Line]:
    text = f"{finding.where}: {finding.what}" if finding.where else finding.what
    text = text.replace(root, "")  # it is in the first line
    yield from _wrapped(f"  {finding.level}: ", text, _STYLES[finding.level])
    if finding.fix:
        first, *more = finding.fix.splitlines()  # whole, however long: they are there to be copied
        yield Line(inert(f"    fix: {first}"))
        yield from (Line(inert(f"         {line.strip()}")) for line in more)


def _wrapped(start: str, text: str, style: Style) -> Iterator[Line]:
    lines = textwrap.wrap(
        inert(text),
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * (6 if start.startswith(" ") else len(start)),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        yield Line(line, style)


def _sum(diagnosis: Diagnosis) -> str:
    counts = [(level, diagnosis.count(level)) for level in _LEVELS]
    said = ", ".join(f"{count(number, level)}" for level, number in counts if number)
    fixable = sum(f.mend is not None and f.level != "ok" for f in diagnosis.findings)
    more = f"; --fix mends {fixable} of them" if fixable else ""
    return f"{said}{more}" if said else "nothing to do"
