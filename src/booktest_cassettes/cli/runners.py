"""What ``run`` starts: pytest, or booktest with our plugin in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..again import WITH_BOOKTEST_IN_US, WITH_PYTEST, Again
from ..config import find_root, load_config
from ..errors import UsageError
from ..modes import RecordMode

NAMES = ("pytest", "booktest")
_BOOKTEST_FLAGS = {None: [], "none": [], "new_episodes": ["-s"], "rewrite": ["-S"]}


def chosen(asked: str | None) -> str:
    """The runner that the command line, or else the configuration, asks for.

    Raises
    ------
    UsageError
        When booktest is not installed.
    """
    runner = asked or load_config(find_root(Path.cwd())).runner
    if runner == "booktest" and find_spec("booktest") is None:
        raise UsageError("booktest is not installed", hint="pip install 'booktest-cassettes[booktest]'")
    return runner


def command(runner: str, mode: str | None, arguments: Sequence[str], *, update: bool = False) -> list[str]:
    """The command line of a run.

    Parameters
    ----------
    runner:
        ``pytest`` or ``booktest``.
    mode:
        The record mode; to pytest the environment tells it.
    arguments:
        The runner's own.
    update:
        With booktest: freeze what is OK (its ``-u``).
    """
    if runner == "pytest":
        return [sys.executable, "-m", "pytest", *arguments]
    flags = [*_BOOKTEST_FLAGS[mode], *(["-u"] if update else [])]
    return [sys.executable, "-m", "booktest_cassettes.booktest_plugin", *flags, *arguments]


def check_booktest(mode: str | None, arguments: Sequence[str], *, review: bool, isolated: bool) -> None:
    """Refuse what booktest does not do; raises UsageError."""
    if mode not in _BOOKTEST_FLAGS:
        raise UsageError(
            f"booktest does not record with mode {mode}",
            hint="-s records what is missing, -S everything anew",
        )
    if isolated and (flags := {*_BOOKTEST_FLAGS[mode], *arguments} & {"-s", "-S"}):
        mode = next(mode for mode, said in _BOOKTEST_FLAGS.items() if flags & {*said})
        recording_isolated(mode, WITH_BOOKTEST_IN_US)
    if (review or isolated) and ("--context" in arguments or os.environ.get("BOOKTEST_CONTEXT")):
        option = "--review" if review else "--isolate"
        raise UsageError(
            f"{option} is for the project here, and booktest's context is another",
            hint="change to that directory, and leave the context out",
        )


def recording_isolated(mode: str | None, again: Again) -> None:
    """Refuse a mode that wants the network; raises UsageError."""
    record = " ".join(filter(None, (again.command, again.once)))
    raise UsageError(
        f"mode {mode} records, which needs the network that --isolate takes away",
        hint=f"{record} to record, then booktest-cassettes approve --all, then {again.command} --isolate",
    )


def replaying(mode: str | None, arguments: Sequence[str]) -> str:
    """The mode of a pytest run without a network; refuses those that record."""
    names = [argument.partition("=") for argument in arguments]
    asked = [mode] if mode else []
    for index, (name, _, value) in enumerate(names):
        if name == "--cassettes":
            asked.append(value or "".join(arguments[index + 1 : index + 2]))
    recording = next((name for name in asked if name not in (RecordMode.NONE, RecordMode.OFF)), None)
    if recording:
        recording_isolated(recording, WITH_PYTEST)
    return asked[-1] if asked else RecordMode.NONE.value


def with_mode(mode: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """As the last option, which wins over addopts, PYTEST_ADDOPTS and what an @file holds."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return (*arguments[:end], f"--cassettes={mode}", *arguments[end:])
