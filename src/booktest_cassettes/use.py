"""``cassette``: the decorator and context manager that tests use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from . import under_booktest
from .decorating import decorate
from .errors import CassetteError, UsageError
from .runner import governing, project_at, running

if TYPE_CHECKING:
    from types import TracebackType

    from .options import Options
    from .project import Project
    from .results import Writer
    from .session import Session
    from .under_booktest import TestCaseRun
    from .writing import Off

_F = TypeVar("_F", bound=Callable[..., Any])
_H = TypeVar("_H")
_LEFT_ALONE = (KeyboardInterrupt, SystemExit, GeneratorExit)


class Run:
    """One use of a cassette: begun, active while its test's own code runs, ended.

    Parameters
    ----------
    test_id:
        Id relative to the project's root.
    options:
        What the test asked for.
    """

    def __init__(self, project: Project, test_id: str, options: Options) -> None:
        self.project = project
        self.test_id = test_id
        self.options = options
        self.session: Session | None = None
        self.off: Off | None = None
        self._resources = ExitStack()

    def begin(self) -> None:
        """Open the session and intercept what it needs; raises what Session raises."""
        __tracebackhide__ = True
        from .modes import RecordMode
        from .options import resolve

        settings = resolve(self.project.config, self.options)
        if settings.mode is RecordMode.OFF:
            from .writing import Off

            owner = governing(running())
            self.off = Off(owner.no_result if owner else None)
            return
        from . import adapters, guard
        from .manifest import check_test_id
        from .session import Session

        check_test_id(self.test_id)
        try:
            session = Session(self.project, self.test_id, settings)
        except CassetteError as error:  # it says all there is to say: not where in our rooms it was raised
            raise error.with_traceback(None) from None
        runner = running()
        session.origin = runner.origin() if runner else None
        if owner := governing(runner):
            session.result_book.refuse(owner.no_result)
        adapters.install()
        if session.strict:
            guard.install()
        if settings.func:  # last: what fails after it would leave functions replaced
            from .adapters import func

            targets = [func.find(function) for function in settings.func]
            session.functions = frozenset(target.name for target in targets)
            self._resources.enter_context(func.replaced(targets))
        if self.options.custom_patches:
            from .adapters import patches

            self._resources.enter_context(patches.patched(self.options.custom_patches))
        self.session = session

    def active(self) -> ExitStack:
        """A context in which requests, calls and variables belong to this run."""
        with ExitStack() as stack:  # leaves nothing active when the second of them fails
            if self.session is not None:
                from .active import activated
                from .adapters.env import environment

                stack.enter_context(activated(self.session))
                stack.enter_context(environment(self.session.env))
            elif self.off is not None:
                stack.enter_context(self.off.active())
            return stack.pop_all()

    def judge(self, error: BaseException | None) -> None:
        """Make what the session refused fail the test, whatever became of it.

        Parameters
        ----------
        error:
            What left the test, ``None`` when it returned.

        Raises
        ------
        CassetteError
            When nothing was raised, or only a runner's signal such as a skip. Any other exception
            gets a note instead, so that a client's wrapping hides nothing.
        """
        __tracebackhide__ = True
        if self.session is not None and error is None:
            self.session.returned = True
        verdict = self._verdict(returned=error is None)
        if verdict is None or isinstance(error, (CassetteError, *_LEFT_ALONE)):
            return
        if not isinstance(error, Exception):
            raise verdict from error
        if str(verdict) not in getattr(error, "__notes__", ()):
            error.add_note(str(verdict))

    def _verdict(self, *, returned: bool) -> CassetteError | None:
        session, off = self.session, self.off
        if session is None:
            return off.result.failure(self.test_id) if off and returned else None
        session.result_book.origin = session.origin
        return session.verdict() or (session.result_book.judge() if returned else None)

    @property
    def handle(self) -> Session | Off | None:
        """What a test gets to see of its cassette."""
        return self.session or self.off

    def finish(self, *, passed: bool) -> None:
        """Undo what begin() set up, stage what a passed test recorded, and report."""
        self._resources.close()
        session = self.session
        if session is None:
            return
        passed |= bool(self.options.record_on_exception) and session.records
        session.returned |= passed
        results = session.results(passed and session.verdict() is None)
        runner = running()
        if runner is None:
            return
        try:
            runner.report(session, results)
        except CassetteError:
            if governing(runner) is None:  # else it is staged by the runner, when the test has ended
                session.project.pending.remove(session.test_id)  # what is refused is not left to be approved
            raise

    def end(self, error: BaseException | None) -> None:
        """Finish, and judge; for callers to whom the test is one call."""
        self.finish(passed=error is None)
        self.judge(error)


class Opened(Generic[_H]):
    """What ``with`` and ``async with`` open, also one inside the other: runs, ended in reverse order."""

    def __init__(self) -> None:
        self._open: list[tuple[Run, ExitStack]] = []

    def __enter__(self) -> _H:
        raise NotImplementedError

    def _enter(self, run: Run) -> None:
        self._open.append((run, run.active()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run, active = self._open.pop()
        active.close()
        run.end(error)

    async def __aenter__(self) -> _H:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class Use(Opened["Session | Off | None"]):
    """``cassette(...)``: decorates functions and classes, and works as a context manager."""

    def __init__(self, test_id: str | None, arguments: dict[str, Any], caller: str) -> None:
        from .options import make_options

        self.test_id = test_id
        self.arguments = arguments
        self._options = make_options(arguments)
        self._caller = caller
        super().__init__()

    def __call__(self, target: _F) -> _F:
        decorated: _F = decorate(target, self)
        return decorated

    def __enter__(self) -> Session | Off | None:
        run = self._begin(None, ())
        self._enter(run)
        return run.handle

    def _begin(self, function: Callable[..., Any] | None, args: tuple[Any, ...]) -> Run:
        runner = running()
        project = runner.project() if runner else project_at(_directory(self._caller))
        test_id = self.test_id
        if test_id is None and runner is not None:
            test_id = runner.test_id(function)
        if test_id is None:
            test_id = id_of(function, args, project)
        run = Run(project, test_id, self._options)
        run.begin()
        return run


class Cassette:
    """The type of :data:`cassette`; see there."""

    @overload
    def __call__(self, target: _F, /) -> _F: ...

    @overload
    def __call__(self, target: str | TestCaseRun | None = None, /, **options: Any) -> Use: ...

    def __call__(self, target: Any = None, /, **options: Any) -> Any:
        caller = sys._getframe(1).f_code.co_filename
        if callable(target) or isinstance(target, classmethod):
            return Use(None, options, caller)(target)
        return Use(under_booktest.id_of(target), options, caller)

    @property
    def result(self) -> Writer:
        """The result of the running test: what it writes for people to review (see docs/results.md).

        Raises
        ------
        UsageError
            Where no cassette is in use; in booktest's tests, which write results of their own, when
            something is written.
        """
        from .writing import result

        return result()

    def __repr__(self) -> str:
        return "<booktest_cassettes.cassette>"


#: Record what a test exchanges with the world, and replay it strictly.
#:
#: ``@cassette`` or ``@cassette(**options)`` on a function, coroutine, generator, async generator,
#: method or class; ``with cassette("path/to/file.py::name", **options):`` anywhere. The options are
#: those of :class:`booktest_cassettes.options.Options`. In a test of booktest, ``with cassette(t):``.
cassette = Cassette()
under_booktest.notice()


def _directory(file: str) -> Path:
    path = Path(file)
    return path.parent if path.is_file() else Path.cwd()


def id_of(function: Callable[..., Any] | None, args: tuple[Any, ...], project: Project) -> str:
    """``path::qualname`` for what no runner knows; the class of ``self`` for a method."""
    if function is None:
        raise UsageError(
            "cassette() as a context manager needs an id outside of a test",
            hint='with cassette("path/to/file.py::name"):',
        )
    file, qualname = function.__code__.co_filename, function.__qualname__
    owner = type(args[0]) if args else None
    if owner is not None and getattr(owner, function.__name__, None) is not None and "." in qualname:
        file = getattr(sys.modules.get(owner.__module__), "__file__", None) or file
        qualname = f"{owner.__qualname__}.{function.__name__}"
    names = [part for part in qualname.split(".") if part != "<locals>"]
    path = Path(os.path.relpath(file, project.config.root)).as_posix()
    return "::".join([path, *names])
