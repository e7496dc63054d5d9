"""``(snapshots intact)``: booktest says what happened to snapshots, but not that nothing did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from booktest.config.naming import to_filesystem_path
from booktest.reporting.reports import SnapshotState, SuccessState, TestResult, TwoDimensionalTestResult

from . import hooks

_WORDS = " (snapshots intact)"


def report_case_result(original: Callable[..., Any]) -> Callable[..., Any]:
    """``report_case_result``: the line of a test."""

    def report_case_result(
        printer: Any, case_name: str, result: Any, took_ms: Any, verbose: Any, *args: Any, **named: Any
    ) -> None:
        out_dir = args[0] if args else named.get("out_dir")
        if not _is_intact(case_name, result, out_dir):
            original(printer, case_name, result, took_ms, verbose, *args, **named)
            return

        def printing(text: str = "", *rest: Any, **how: Any) -> None:
            is_result = " ms" in text
            printer(f"{text}{_WORDS}" if is_result else text, *rest, **how)

        original(printing, case_name, result, took_ms, verbose, *args, **named)

    return report_case_result


def _is_intact(case_name: str, result: Any, out_dir: str | None) -> bool:
    if isinstance(result, TwoDimensionalTestResult):
        t = hooks.ending()
        is_used = t is not None and bool(t.snapshot_usage)
        return is_used and result.success != SuccessState.FAIL and result.snapshotting == SnapshotState.INTACT
    return result != TestResult.FAIL and out_dir is not None and _was_intact(case_name, out_dir)


def _was_intact(case_name: str, out_dir: str) -> bool:
    """What the run that made this result noted."""
    notes = Path(out_dir, to_filesystem_path(case_name), "_snapshots", "metadata.json")
    try:
        return bool(json.loads(notes.read_bytes())["result"]["snapshotting"] == SnapshotState.INTACT.value)
    except (OSError, ValueError, KeyError, TypeError):
        return False
