"""The one artefact of CI: collected once as plain data, written as HTML, Markdown or JSON."""

from __future__ import annotations

from pathlib import Path

from ...errors import UsageError
from ...files import atomic_write
from .data import Report

#: How a report is written, by the suffix of its file.
FORMATS = {".html": "html", ".htm": "html", ".md": "md", ".json": "json"}


def format_of(path: str) -> str:
    """What a file of this name is written as; raises UsageError."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise UsageError(
            f"{path}: a report is a file that ends in one of {known}, not in {suffix or 'nothing'}",
            hint="name a file that ends in .html, .md or .json",
        )
    return FORMATS[suffix]


def render(report: Report, form: str) -> str:
    """The text of a report as ``html``, ``md`` or ``json``."""
    if form == "json":
        import json

        from .data import plain

        return json.dumps(plain(report), ensure_ascii=False, indent=1) + "\n"
    if form == "md":
        from . import markdown

        return markdown.render(report)
    from . import html

    return html.render(report)


def write(report: Report, path: Path, form: str) -> None:
    """Write a report, whole or not at all; raises StorageError."""
    atomic_write(path, render(report, form).encode("utf-8"))
