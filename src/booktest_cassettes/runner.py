"""What a test runner tells cassettes, and what it hears from them.

The pytest plugin registers itself here; without a runner, a cassette finds its project and its id by
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from .errors import UsageError
    from .project import Project
    from .session import Result, Session


class Runner(Protocol):
    """A test runner's side."""

    def project(self) -> Project:
        """The project of this run."""
        ...

    def test_id(self, function: Callable[..., Any] | None) -> str | None:
        """The id of the running test, if ``function`` (``None``: whatever) is its body."""
        ...

    def covers(self, function: Callable[..., Any]) -> bool:
        """Whether ``function`` is the running test's body, and the test's cassette is open already."""
        ...

    def origin(self) -> str:
        """What to pass to the runner to run the current test again, ``""`` outside of one."""
        ...

    def report(self, session: Session, results: Sequence[Result]) -> None:
        """A cassette ended; raises UsageError when that cannot be right."""
        ...


class Governing(Runner, Protocol):
    """A runner whose tests write results of their own, and end after their functions."""

    #: Why a cassette of its tests has no result.
    no_result: UsageError


def governing(runner: Runner | None) -> Governing | None:
    """``runner``, if it is such a one."""
    return cast("Governing", runner) if hasattr(runner, "no_result") else None


_runners: list[Runner] = []
#: Whether the booktest plugin is loaded for a decorator's sake alone, see under_booktest.
light = False


def register(runner: Runner) -> None:
    """Make ``runner`` the one that cassettes ask (the innermost, if several nest)."""
    _runners.append(runner)


def unregister(runner: Runner) -> None:
    """Take it back."""
    _runners.remove(runner)


def running() -> Runner | None:
    """The innermost runner, or ``None`` outside of any."""
    return _runners[-1] if _runners else None


_projects: dict[tuple[Any, ...], Project] = {}


def project_at(directory: Path) -> Project:
    """The project a directory lies in; opened again when its manifest or the environment changed."""
    import os

    from .config import find_root
    from .project import Project

    root = find_root(directory)
    said = tuple(
        sorted(item for item in os.environ.items() if item[0] == "CI" or item[0].startswith("BOOKTEST_"))
    )
    key = (root, said)
    project = _projects.get(key)
    if project is None or project.is_stale():
        project = _projects[key] = Project.open(directory)
    return project
