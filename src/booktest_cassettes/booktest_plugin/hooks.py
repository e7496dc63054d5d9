"""What goes on around one booktest test: its storage, its recording, its reported line, its acceptance.

Each function takes booktest's own and gives what stands in its place.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from booktest.reporting.reports import (
    SnapshotState,
    SuccessState,
    TestResult,
    TwoDimensionalTestResult,
    UserRequest,
)
from booktest.utils.coroutines import maybe_async_call

from ..digest import Digest, Kind
from ..errors import CassetteError, UsageError
from ..store.pending import Change
from . import accepting, committing, failures, projects, streams
from .runner import has_failed
from .storage import KINDS, CassetteStorage

Original = Callable[..., Any]

#: booktest's names of flags with which a test may change more than its output.
_WRITING = (
    "complete_snapshots",
    "refresh_snapshots",
    "accept",
    "update",
    "interactive",
    "always_interactive",
)

#: The test that is ending, for what booktest calls without saying whose it is.
_ending: list[Any] = []


def ending() -> Any:
    """The test that is ending, or ``None``."""
    return _ending[-1] if _ending else None


def init_storage(original: Original) -> Original:  # noqa: ARG001 - it would make booktest's own
    """``TestCaseRun._init_storage``: approved blobs."""

    def _init_storage(t: Any) -> CassetteStorage:
        return CassetteStorage(
            t.test_path,
            t.exp_dir_name,
            completes=t.config.get("complete_snapshots", False),
            refreshes=t.config.get("refresh_snapshots", False),
        )

    return _init_storage


def initialise(original: Original) -> Original:
    """``TestCaseRun.__init__``: takes standard error away."""

    def __init__(t: Any, *args: Any, **named: Any) -> None:  # noqa: N807 - booktest's own
        streams.save()
        original(t, *args, **named)

    return __init__


def close(original: Original) -> Original:
    """``TestCaseRun.close``: should give it back."""

    def close(t: Any) -> None:
        original(t)
        streams.restore()

    return close


def start(original: Original, runner: Any) -> Original:
    """``TestCaseRun.start``: from here on this test records."""

    def start(t: Any, title: Any = None) -> None:
        original(t, title)
        with streams.shown():
            t._cassettes_mark = accepting.mark(Path(t.out_dir_name))
            t._cassettes_held = projects.hold(t)
            runner.enter(t)

    return start


def end(original: Original, runner: Any) -> Original:
    """``TestCaseRun.end``: what a test recorded is staged, unless it failed; a failure to do so fails it."""

    def end(t: Any) -> Any:
        try:
            _finish_line(t)
            runner.leave(t)
            _save(t)
            _settle(t)
        except CassetteError as error:
            _fail(t, error, "its snapshots are not kept:")
        except Exception:  # noqa: BLE001 - booktest has taken standard error: nobody would see it
            _fail_by(t, "its snapshots are not kept:", traceback.format_exc())
        finally:
            projects.release()
        _ending.append(t)
        try:
            return original(t)
        finally:
            _ending.remove(t)

    return end


def _finish_line(t: Any) -> None:
    """Have a failure in a line that nobody ended count: its snapshots would not be kept, its result would."""
    records = t.config.get("complete_snapshots", False) or t.config.get("refresh_snapshots", False)
    if records and t.snapshot_usage and not t.errors and has_failed(t):
        t.iln()


def _save(t: Any) -> None:
    """Have what ``t.snapshot()`` kept handed over now: booktest would do it too late."""
    manager, t._snapshot_manager = t._snapshot_manager, None
    try:
        if manager is not None:
            manager.save()
    except (TypeError, ValueError) as error:  # to booktest, the end of the whole run
        raise UsageError(
            f"{t.test_path}: a result of t.snapshot() is no JSON: {error}",
            hint="return text, numbers, lists and dictionaries",
        ) from None


def _settle(t: Any) -> None:
    held = t._cassettes_held
    if has_failed(t):
        _point_to_review(t)
        return
    project = projects.current()
    if isinstance(t.storage, CassetteStorage) and (recording := t.storage.recording()):
        held.parts.append(recording)
    records = {each.test_id: project.settle(each) for each in projects.all_held()}
    changes: dict[Kind, Change] = {}
    for record in reversed(records.values()):  # the test's own last; other cassettes that it uses changed too
        changes.update(record.changes if record else {})
    base = project.manifest.get(held.test_id)
    _tell_usage(t, changes, base)
    used = {kind.value: base[kind] for kind in _used(t) if kind in base and kind not in changes}
    t.out.flush()
    t._cassettes_mark = accepting.mark(
        Path(t.out_dir_name), filter(None, records.values()), {held.test_id: used} if used else None
    )


def _tell_usage(t: Any, changes: Mapping[Kind, Change], base: Mapping[Kind, Digest]) -> None:
    """What becomes of each kind; booktest says nothing of one that the test ceased to use."""
    for name, usage in t.snapshot_usage.items():
        if (kind := KINDS.get(name)) is None:  # the test's own
            continue
        if kind in changes:
            usage.update(state=SnapshotState.UPDATED.value, hash=changes[kind].staged)
        elif kind in base:
            usage.update(state=SnapshotState.INTACT.value, hash=base[kind])
    for kind in changes.keys() - _used(t):
        t.report_snapshot_usage(kind.value, changes[kind].staged, SnapshotState.UPDATED)


def _used(t: Any) -> set[Kind]:
    return {KINDS[name] for name in t.snapshot_usage if name in KINDS}


def _point_to_review(t: Any) -> None:
    """A test that lacks what was recorded, and waits: say so."""
    held = t._cassettes_held
    project = projects.current()
    if not project.manifest.get(held.test_id) and project.pending.path(held.test_id).is_file():
        t.report(f"  its snapshots wait for review: booktest-cassettes review {quote(held.test_id)}")


def _fail(t: Any, error: CassetteError, what: str) -> None:
    _fail_by(t, what, str(error))
    failures.remember(error, t.run.batch_dir)


def _fail_by(t: Any, what: str, text: str) -> None:
    t.iln().fail().iln(what)
    for line in text.rstrip().split("\n"):  # to whom it reads the report; the output would compare it
        t.report(f"  {line}")


def run_case(original: Original) -> Original:
    """``TestRun.run_case``: a test whose approved snapshots cannot be had fails before it runs."""

    async def run_case(run: Any, case_path: str, case: Any, title: Any = None) -> Any:
        writes = any(run.config.get(flag, False) for flag in _WRITING)
        with accepting.alone(run.out_dir, case_path) if writes else nullcontext():
            return await original(run, case_path, partial(_judged, run, case), title)

    return run_case


async def _judged(run: Any, case: Any, t: Any) -> Any:
    try:
        if isinstance(t.storage, CassetteStorage):
            t.storage.check()
    except CassetteError as error:
        _fail(t, error, "its snapshots cannot be replayed:")
        return None
    try:
        return await maybe_async_call(case, [t], {})
    except CassetteError as error:
        failures.remember(error, run.batch_dir)
        t.iln().fail().iln(f"test raised {type(error).__name__}:")
        t.iln(traceback.format_exc().rstrip())
        return None


def freeze_case(original: Original) -> Original:  # noqa: ARG001 - it would delete payloads
    """``freeze_case``: every way to accept a result comes here."""

    def freeze_case(exp_dir: str, out_dir: str, case_name: str) -> None:
        if (t := ending()) is None:
            with accepting.alone(out_dir, case_name):
                committing.note(accepting.accept(exp_dir, out_dir, case_name), None)
            return
        accepting.check_mark(Path(t.out_dir_name), t._cassettes_mark)
        committing.note(accepting.accept(exp_dir, out_dir, case_name), t.run.batch_dir)

    return freeze_case


def case_review(original: Original) -> Original:
    """``case_review``: what cannot be approved is not accepted; it differs still, for another try."""

    def case_review(exp_dir: str, out_dir: str, case_name: str, test_result: Any, config: Any) -> Any:
        t = ending()
        test = t.test_path if t else case_name
        if failures.was_refused(test):
            config = {**config, **dict.fromkeys(("accept", "update", "complete_snapshots"), False)}
        try:
            return original(exp_dir, out_dir, case_name, test_result, config)
        except CassetteError as error:
            failures.remember(error, t.run.batch_dir if t else None, refused=test)
            return _differing(test_result), UserRequest.NONE, None

    return case_review


def _differing(result: Any) -> Any:
    if isinstance(result, TwoDimensionalTestResult):
        return TwoDimensionalTestResult(SuccessState.DIFF, SnapshotState.UPDATED)
    return TestResult.DIFF
