"""What goes on around a run of booktest: checks before it, its exit code after it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..again import WITH_BOOKTEST
from ..errors import CassetteError
from ..wording import count
from . import committing, failures, garbage, projects
from .setup import CassetteSetup, check_names, prepare

Original = Callable[..., Any]

#: For booktest, whose own storages would write our manifest.
MODE = "cassettes"
_TIP = "run: booktest "


class Runs:
    """The hooks around runs; ``storage`` says whether booktest's decorators use ours."""

    def __init__(self) -> None:
        self.storage = False

    def run_tests(self, original: Original) -> Original:
        """``run_tests``, for a run in this process."""

        def run_tests(
            exp_dir: str, out_dir: str, tests: Any, cases: Any, config: Any, cache: Any, setup: Any
        ) -> Any:
            def run(ours: Any) -> Any:
                return original(exp_dir, out_dir, tests, cases, ours, cache, self._setup(setup))

            return self._around(run, cases, config)

        return run_tests

    def parallel_run_tests(self, original: Original) -> Original:
        """``parallel_run_tests``, for a run in workers."""

        def parallel_run_tests(
            exp_dir: str, out_dir: str, tests: Any, cases: Any, config: Any, setup: Any
        ) -> Any:
            def run(ours: Any) -> Any:
                with failures.listening(out_dir):
                    return original(exp_dir, out_dir, tests, cases, ours, self._setup(setup))

            return self._around(run, cases, config, out_dir)

        return parallel_run_tests

    def exec_parsed(self, original: Original) -> Original:
        """``Tests.exec_parsed``: no name gets to a shell that means something there."""

        def exec_parsed(tests: Any, root_dir: str, parsed: Any, *args: Any, **named: Any) -> Any:
            projects.begin(Path.cwd())
            with _said():
                check_names(tests.all_names(), root_dir)
                if parsed.cmd in ("--garbage", "--clean"):
                    return garbage.without_ours(original, tests, root_dir, parsed, *args, **named)
            with _tips():
                return original(tests, root_dir, parsed, *args, **named)

        return exec_parsed

    def review(self, original: Original) -> Original:
        """``review``: what was accepted in it may have failed to be approved."""

        def review(*args: Any, **named: Any) -> Any:
            return _ended(original(*args, **named))

        return review

    def _around(
        self, run: Callable[[dict[str, Any]], Any], cases: Any, config: Any, workers: str | None = None
    ) -> Any:
        """Check, run, say what waits for review, commit what was accepted; gives the exit code."""
        with _said():
            prepare(cases, config)
            before = _marks(config)
        code: Any = 1
        try:
            code = run(self._config(config))
        finally:  # whatever the suite's own teardown raises, what tests staged waits, and so on
            told = _tell_waiting(before) if before is not None else 0
            code = _ended(code, workers)
        return max(code, told) if told else code

    def _setup(self, setup: Any) -> CassetteSetup:
        again = projects.again()
        return CassetteSetup(setup, storage=self.storage, base=Path.cwd(), again=again)

    def _config(self, config: Any) -> dict[str, Any]:
        # Said also where nothing is: tests then take Git, but what is merged after them takes "auto".
        return {**config, "storage.mode": MODE if self.storage else config.get("storage.mode", "git")}


def _marks(config: Any) -> Mapping[str, tuple[int, int]] | None:
    """What waits for review before a run that records."""
    if not (config.get("complete_snapshots", False) or config.get("refresh_snapshots", False)):
        return None
    from ..workflow import reviewed

    return reviewed.marks(projects.current())


def _tell_waiting(before: Mapping[str, tuple[int, int]]) -> int:
    """Say what waits; gives the exit code of what keeps that from being known."""
    from ..workflow import reviewed

    try:
        staged = reviewed.staged_since(projects.current(), before)
    except CassetteError as error:  # a damaged record of any test; there is more to say
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if staged:
        verb = "waits" if len(staged) == 1 else "wait"
        what = f"cassettes: {count(len(staged), 'test')} recorded, and {verb} for review"
        hint = "booktest-cassettes review, or accept the results with booktest: that approves"
        print(f"{what}: {hint}", file=sys.stderr)
    return 0


def _ended(code: Any, workers: str | None = None) -> Any:
    """Commit what was accepted, and say what could not be."""
    with _said():
        committing.commit(workers)
    return failures.ended(code)


@contextmanager
def _tips() -> Iterator[None]:
    """Have booktest's tips name the command that works here."""
    from booktest.core import tests

    command = projects.again().command
    if command == WITH_BOOKTEST.command:
        yield
        return

    def printing(*texts: Any, **how: Any) -> None:
        print(*(f"{text}".replace(_TIP, f"run: {command} -- ") for text in texts), **how)

    vars(tests)["print"] = printing  # of this module alone: it has no function for its tips
    try:
        yield
    finally:
        vars(tests).pop("print", None)  # a test may have run booktest in this very process


@contextmanager
def _said() -> Iterator[None]:
    """End the process with one message where no test can run."""
    try:
        yield
    except CassetteError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
