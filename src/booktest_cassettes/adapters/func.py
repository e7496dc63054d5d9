"""Results of named functions (kind ``func``): recorded once, then answered without calling them.

A function is replaced wherever it can be reached by name: in its module or class, and in every
module that imported it. The replacement asks the current session and is taken out again when the
last cassette that wanted it ends.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from ..active import current
from ..errors import CassetteError, UnhandledCall, UsageError
from ..recording import legacy
from ..recording.calls import Call, Raised, Returned, bind_arguments, call_key
from ..recording.values import decode, encode
from ..session import Session

_lock = threading.Lock()
_INHERITED = object()


@dataclass
class Target:
    """A function and the places its replacement stands in."""

    name: str
    owner: Any
    attribute: str
    users: int = 0
    undo: ExitStack = field(default_factory=ExitStack)


_targets: dict[str, Target] = {}


def find(function: Callable[..., Any] | str) -> Target:
    """The target for a function, or for ``"module:qualname"``.

    Raises
    ------
    UsageError
        When it cannot be reached by name, and so cannot be replaced.
    """
    name = function if isinstance(function, str) else _name_of(function)
    module, _, qualname = name.partition(":")
    *owners, attribute = qualname.split(".") if qualname else [""]
    try:
        owner: Any = importlib.import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        found = inspect.getattr_static(owner, attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise _not_found(name, str(error)) from None
    if not isinstance(function, str) and _innermost(found) is not _innermost(function):
        raise _not_found(name, "something else has this name")
    with _lock:
        return _targets.setdefault(name, Target(name, owner, attribute))


def _not_found(name: str, why: str) -> UsageError:
    return UsageError(
        f"cassette(func=...): cannot find {name!r}: {why}",
        hint='give a function of a module or class, or its "module:qualname"',
    )


def _innermost(function: Any) -> Any:
    """The function itself, without what binds it, and without the stand-in of a cassette that is active."""
    function = getattr(function, "__func__", function)
    return getattr(function, "cassette_original", function)


def _name_of(function: Callable[..., Any]) -> str:
    function = getattr(function, "__func__", function)
    module = getattr(function, "__module__", None) or getattr(type(function), "__module__", "")
    return f"{module}:{getattr(function, '__qualname__', type(function).__qualname__)}"


@contextmanager
def replaced(targets: Iterable[Target]) -> Iterator[None]:
    """Keep replacements in place for as long as any cassette needs them."""
    taken: list[Target] = []
    try:
        with _lock:
            for target in targets:
                if target.users == 0:
                    _replace(target)
                target.users += 1
                taken.append(target)
        yield
    finally:
        with _lock:
            for target in taken:
                target.users -= 1
                if target.users == 0:
                    target.undo.close()


def _replace(target: Target) -> None:
    static = inspect.getattr_static(target.owner, target.attribute)
    original = static.__func__ if isinstance(static, (staticmethod, classmethod)) else static
    if not callable(original):
        raise UsageError(f"cassette(func=...): {target.name} is not a function")
    in_class = inspect.isclass(target.owner)
    has_self = in_class and not isinstance(static, staticmethod)
    stand_in: Any = _stand_in(target.name, original, has_self=has_self)
    stand_in.cassette_original = original
    if isinstance(static, (staticmethod, classmethod)):
        stand_in = type(static)(stand_in)
    with ExitStack() as undo:  # what was replaced before one of the places refused
        for owner, attribute in [(target.owner, target.attribute)] if in_class else _places(original):
            _put(owner, attribute, stand_in, undo, target.name)
        target.undo = undo.pop_all()


def _put(owner: Any, attribute: str, stand_in: Any, undo: ExitStack, name: str) -> None:
    before = vars(owner).get(attribute, _INHERITED)
    try:
        setattr(owner, attribute, stand_in)
    except (AttributeError, TypeError) as error:
        raise UsageError(
            f"cassette(func=...): {name} cannot be replaced: {error}",
            hint="wrap it in a function of your own, call that, and name that here",
        ) from None
    if before is _INHERITED:
        undo.callback(delattr, owner, attribute)
    else:
        undo.callback(setattr, owner, attribute, before)


def _places(original: Any) -> list[tuple[Any, str]]:
    """Every module attribute that is this very function."""
    return [
        (module, attribute)
        for module in list(sys.modules.values())
        for attribute, value in list((getattr(module, "__dict__", None) or {}).items())
        if value is original
    ]


def _stand_in(name: str, original: Callable[..., Any], *, has_self: bool) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @wraps(original)
        async def async_stand_in(*args: Any, **kwargs: Any) -> Any:
            exchange = _Exchange.begin(name, original, args, kwargs, has_self=has_self)
            if exchange is None:
                return await original(*args, **kwargs)
            if exchange.answer is not None:
                return replay(exchange.answer)
            with exchange.recording() as returned:
                return returned(await original(*args, **kwargs))

        return async_stand_in

    @wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        exchange = _Exchange.begin(name, original, args, kwargs, has_self=has_self)
        if exchange is None:
            return original(*args, **kwargs)
        if exchange.answer is not None:
            return replay(exchange.answer)
        with exchange.recording() as returned:
            return returned(original(*args, **kwargs))

    return stand_in


@dataclass
class _Exchange:
    """One call that belongs to a session."""

    session: Session
    name: str
    arguments: Any
    answer: Call | None

    @classmethod
    def begin(
        cls, name: str, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, has_self: bool
    ) -> _Exchange | None:
        """Look the call up; ``None`` when no session wants it; a miss in strict replay raises."""
        session = current()
        if session is None or name not in session.functions:
            return None
        redact = session.settings.cleaner.redactor.encoded
        arguments = redact(bind_arguments(original, args, kwargs, skip_self=has_self))
        key = call_key(name, arguments)
        answer = session.calls.play(key)
        if answer is None and session.calls.has_legacy:
            answer = _legacy_answer(session, original, args[has_self:], kwargs)
        if answer is None and session.strict:
            raise session.refuse(_miss(session, name, key))
        return cls(session, name, arguments, answer)

    @contextmanager
    def recording(self) -> Iterator[Callable[[Any], Any]]:
        """Gives what records a value and passes it on; records an exception that leaves the block."""
        with self.session.calls.recording(self.name, self.arguments) as place:

            def returned(value: Any) -> Any:
                place.outcome = Returned(self._clean(value))
                return value

            try:
                yield returned
            except UsageError:  # the value has no codec: that is for the user, not for the cassette
                raise
            except Exception as error:
                place.outcome = Raised(self._clean(error))
                raise

    def _clean(self, value: Any) -> Any:
        return self.session.settings.cleaner.redactor.encoded(encode(value))


def _legacy_answer(
    session: Session, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call | None:
    """What booktest recorded: it knows a function by its own name, wherever it is found."""
    try:
        arguments = legacy.passed(args, kwargs)
    except (TypeError, ValueError):
        return None
    redact = session.settings.cleaner.redactor.encoded
    return session.calls.play_legacy(getattr(original, "__qualname__", ""), redact(arguments))


def replay(call: Call) -> Any:
    """The recorded value, or the recorded exception raised."""
    if isinstance(call.outcome, Raised):
        raise decode(call.outcome.value)
    return decode(call.outcome.value)


def _miss(session: Session, name: str, key: str) -> CassetteError:
    if not session.base:
        return session.not_recorded(f"the call of {name} has no approved func snapshot")
    known = session.calls.known_arguments(name)
    lines = [f"{session.test_id}: this call of {name} is not in its func cassette", f"made: {key}"]
    if key in known:
        lines[0] = f"{session.test_id}: {name} is called more often than recorded ({known.count(key)} times)"
    elif known:
        lines.append(f"recorded: {known[0]}" + (f" and {len(known) - 1} more" if len(known) > 1 else ""))
    return UnhandledCall("\n  ".join(lines), hint=session.command)
