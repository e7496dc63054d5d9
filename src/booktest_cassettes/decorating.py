"""The shapes of what ``cassette`` decorates: functions, coroutines, generators of both sorts, classes."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import TYPE_CHECKING, Any, Self

from . import under_booktest
from .runner import running

if TYPE_CHECKING:
    from .use import Run, Use


def decorate(target: Any, use: Use) -> Any:
    """``target`` with a cassette around what its code does; a class has one around each of its tests."""
    under_booktest.notice()
    return _decorate_class(target, use) if inspect.isclass(target) else _decorate(target, use)


def _decorate(function: Any, use: Use) -> Any:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_decorate(function.__func__, use))
    decorated = _decorator_for(function)(function, use)
    decorated._cassette = use
    under_booktest.mark(decorated)
    return decorated


def _decorator_for(function: Any) -> Callable[[Any, Use], Any]:
    if inspect.isasyncgenfunction(function):
        return _decorate_async_generator
    if inspect.isgeneratorfunction(function):
        return _decorate_generator
    if inspect.iscoroutinefunction(function):
        return _decorate_coroutine
    return _decorate_function


def _decorate_class(target: Any, use: Use) -> Any:
    for name in dir(target):
        value = inspect.getattr_static(target, name)
        is_test = callable(value) or isinstance(value, classmethod)
        if not name.startswith("test") or not is_test or _has_cassette(value):
            continue
        if under_booktest.is_test(target, name, value):
            setattr(target, name, _decorate(value, use))
    return target


def _has_cassette(function: Any) -> bool:
    """Whether it is decorated already: its own options count, then."""
    return hasattr(getattr(function, "__func__", function), "_cassette")


def _is_covered(function: Any) -> bool:
    """Whether the runner opened this test's cassette before its fixtures; see the pytest plugin."""
    runner = running()
    return runner is not None and runner.covers(function)


def _decorate_function(function: Any, use: Use) -> Any:
    @wraps(function)
    def with_cassette(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if _is_covered(function):
            return function(*args, **kwargs)
        run = use._begin(function, args)
        with _ending(run), run.active():
            return function(*args, **kwargs)

    return with_cassette


def _decorate_coroutine(function: Any, use: Use) -> Any:
    @wraps(function)
    async def with_cassette(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if _is_covered(function):
            return await function(*args, **kwargs)
        run = use._begin(function, args)
        with _ending(run), run.active():
            return await function(*args, **kwargs)

    return with_cassette


def _decorate_generator(function: Any, use: Use) -> Any:
    # Active only while the generator's own code runs: what happens at a yield (a test using the
    # fixture) belongs to somebody else.
    @wraps(function)
    def with_cassette(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        run = use._begin(function, args)
        with _ending(run):
            generator = function(*args, **kwargs)
            step, said = generator.send, None
            while True:
                try:
                    with run.active():
                        value = step(said)
                except StopIteration as stop:
                    return stop.value
                try:
                    step, said = generator.send, (yield value)
                except GeneratorExit:
                    with run.active():
                        generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                    step, said = generator.throw, error

    return with_cassette


def _decorate_async_generator(function: Any, use: Use) -> Any:
    @wraps(function)
    async def with_cassette(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        run = use._begin(function, args)
        with _ending(run):
            generator = function(*args, **kwargs)
            step, said = generator.asend, None
            while True:
                try:
                    with run.active():
                        value = await step(said)
                except StopAsyncIteration:
                    return
                try:
                    step, said = generator.asend, (yield value)
                except GeneratorExit:
                    with run.active():
                        await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                    step, said = generator.athrow, error

    return with_cassette


class _ending:  # noqa: N801 - reads as a context, like contextlib's own
    """Ends a run with whatever leaves the block."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        __tracebackhide__ = True
        self._run.end(None if isinstance(error, GeneratorExit) else error)
