"""Differences as data, in a schema that stays: docs/diff.md describes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..recording.comparison import Comparison, Difference, Item
from .describe import state
from .diff import TestDiff

SCHEMA = 1


def document(diffs: Iterable[TestDiff], old: str, new: str) -> dict[str, Any]:
    """All of it, for ``json.dumps``; recorded text is in it as it was recorded.

    Parameters
    ----------
    diffs:
        By test.
    old, new:
        What was compared: ``approved`` and ``pending``, or two revisions.
    """
    return {"version": SCHEMA, "old": old, "new": new, "tests": [_test(diff) for diff in diffs]}


def _test(diff: TestDiff) -> dict[str, Any]:
    return {
        "test": diff.test_id,
        "snapshots": [_comparison(comparison) for comparison in diff.comparisons],
        "result": [_difference(difference) for difference in diff.result],
        "secrets": [
            {"kind": kind.value, "label": finding.label, "line": finding.line}
            for kind, finding in diff.secrets
        ]
        + [
            {"kind": "result", "label": finding.label, "line": finding.line}
            for finding in diff.result_secrets
        ],
        "problems": [
            {"error": type(problem).__name__, "message": problem.message, "next": problem.hint}
            for problem in diff.problems
        ],
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "kind": comparison.kind.value,
        "state": state(comparison),
        "old": comparison.old,
        "new": comparison.new,
        "unchanged": comparison.same,
        "items": [_item(item) for item in comparison.items],
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "what": item.what,
        "title": item.title,
        "outcome": item.outcome,
        "old": item.old,
        "new": item.new,
        "differences": [_difference(difference) for difference in item.differences],
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "where": difference.where,
        "old": difference.old,
        "new": difference.new,
        "noise": difference.noise,
    }
