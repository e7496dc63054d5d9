"""Puts the hooks into booktest. No file of its, and none of a suite, changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from . import asked, hooks, reporting
from .running import Runs

_runs = Runs()
_installed: list[bool] = []


def install(*, storage: bool = True) -> None:
    """Have booktest use approved snapshots; a second call adds what the first left out.

    Parameters
    ----------
    storage:
        Whether booktest's own decorators get our storage; without it, only our ``cassette`` knows of
        booktest.
    """
    if not _installed:
        _installed.append(True)
        _install_hooks()
    if storage and not _runs.storage:
        _runs.storage = True
        _install_storage()


def _install_storage() -> None:
    from booktest.core.testcaserun import TestCaseRun
    from booktest.snapshots import env, functions, httpx, requests, snapshot

    _wrap([TestCaseRun], "_init_storage", hooks.init_storage)
    _wrap([env.SnapshotEnv], "start", asked.start)
    _wrap([env.SnapshotEnv], "stop", asked.stop)
    for keys in (requests.RequestKey, httpx.RequestKey):
        _wrap([keys], "from_properties", asked.from_request)
    _wrap([functions.FunctionCall], "from_properties", asked.from_call)
    _wrap([snapshot.SnapshotCall], "_compute_hash", asked.compute_hash)


def _install_hooks() -> None:
    from booktest.core import runs, testcaserun, tests
    from booktest.core.testrun import TestRun
    from booktest.reporting import review

    from .runner import BooktestRunner

    runner = BooktestRunner()
    case = testcaserun.TestCaseRun
    _wrap([case], "__init__", hooks.initialise)
    _wrap([case], "close", hooks.close)
    _wrap([case], "start", lambda original: hooks.start(original, runner))
    _wrap([case], "end", lambda original: hooks.end(original, runner))
    _wrap([TestRun], "run_case", hooks.run_case)
    _wrap([review], "freeze_case", hooks.freeze_case)
    _wrap([review, testcaserun], "case_review", hooks.case_review)
    _wrap([review, testcaserun, runs], "report_case_result", reporting.report_case_result)
    _wrap([tests], "run_tests", _runs.run_tests)
    _wrap([tests], "parallel_run_tests", _runs.parallel_run_tests)
    _wrap([tests], "review", _runs.review)
    _wrap([tests.Tests], "exec_parsed", _runs.exec_parsed)


def _wrap(owners: list[Any], name: str, hook: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a function under every name that booktest calls it by."""
    original = getattr(owners[0], name)
    replaced = wraps(original)(hook(original))
    is_static = isinstance(vars(owners[0]).get(name), staticmethod)
    for owner in owners:
        setattr(owner, name, staticmethod(replaced) if is_static else replaced)
