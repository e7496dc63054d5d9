"""What ``cassette`` does about booktest: nothing, unless booktest is loaded.

A test with our decorator works under the plain ``booktest`` command, where nothing else loads our
plugin. But a suite may yet ask for all of it: booktest imports ``test/__booktest__.py`` after the tests.
So what is put into booktest here waits until booktest begins to run tests, or to review them, and loads
the plugin then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Protocol

from . import runner

if TYPE_CHECKING:
    from .again import Again

_CORE = "booktest.core.tests"
_PLUGIN = "booktest_cassettes.booktest_plugin"
_waiting: list[tuple[Any, str, Any, Any]] = []
_seen: list[Any] = []


class TestCaseRun(Protocol):
    """Of booktest's ``t``, what is needed here."""

    #: The test's id.
    test_path: str


def notice() -> None:
    """See whether booktest is loaded, and prepare it if so; anything else costs a look-up in a dict."""
    core = sys.modules.get(_CORE)
    if core is None or core in _seen:
        return
    _seen.append(core)
    _match_undecorated(core)
    if _PLUGIN not in sys.modules:
        _wait(core.Tests, "exec_parsed")
        _wait(sys.modules["booktest.core.testrun"].TestRun, "run")


def id_of(target: str | TestCaseRun | None) -> str | None:
    """The id that ``cassette(target)`` names."""
    return target if target is None or isinstance(target, str) else target.test_path


# -- hooks that wait -------------------------------------------------------------------------------


def _wait(owner: Any, name: str) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def load_first(*args: Any, **kwargs: Any) -> Any:
        is_outermost = getattr(owner, name) is load_first
        _load()
        return (getattr(owner, name) if is_outermost else original)(*args, **kwargs)

    setattr(owner, name, load_first)
    _waiting.append((owner, name, load_first, original))


def _load() -> None:
    while _waiting:
        owner, name, ours, original = _waiting.pop()
        if getattr(owner, name) is ours:  # otherwise the plugin was asked for, and has wrapped it
            setattr(owner, name, original)
    load(storage=False)


def load(*, storage: bool) -> None:
    """Load the plugin, where it is not loaded yet; without ``storage``, for a decorator's sake alone."""
    runner.light = not storage
    try:
        import_module(_PLUGIN)  # by its name: it stands above us, and most processes have no booktest
    finally:
        runner.light = False


def revived(inner: Any, storage: bool, base: Path, again: Again) -> Any:
    """The plugin's set-up in a worker, which loads no more of the plugin than its parent has."""
    load(storage=storage)
    return import_module(f"{_PLUGIN}.setup").CassetteSetup(inner, storage=storage, base=base, again=again)


# -- classes ---------------------------------------------------------------------------------------


def is_test(target: type, name: str, function: Any) -> bool:
    """Whether a method called ``test...`` is a test: ``TestBook`` has others. Prepares it to be decorated."""
    owner = next((base for base in target.__mro__ if name in vars(base)), target)
    if owner.__module__.partition(".")[0] == "booktest":
        return False
    is_book = _CORE in sys.modules and issubclass(target, sys.modules["booktest"].TestBook)
    if is_book and isinstance(function, FunctionType):
        # What depends on it knows the undecorated one, and is bound to its own instance by this.
        function.__dict__.setdefault("_self_type", owner)
    return True


def mark(decorated: Any) -> None:
    """Remember that this very function, not one that wraps it and has its attributes, is ours."""
    decorated._cassette_wrapper = decorated


def _match_undecorated(core: Any) -> None:
    """A decorated class has other functions than those that its methods depend on by ``@bt.depends_on``."""
    testrun = sys.modules["booktest.core.testrun"]
    original: Callable[[Any, Any], bool] = testrun.match_method

    @wraps(original)
    def match_method(matcher: Any, method: Any) -> bool:
        return original(matcher, method) or original(matcher, _undecorated(method))

    testrun.match_method = core.match_method = match_method  # type: ignore[attr-defined]


def _undecorated(method: Any) -> Any:
    owner, function = getattr(method, "__self__", None), getattr(method, "__func__", method)
    if not _is_ours(function):
        return method
    return function.__wrapped__ if owner is None else MethodType(function.__wrapped__, owner)


def _is_ours(function: Any) -> bool:
    return getattr(function, "_cassette_wrapper", None) is function
