"""The function calls of one session: replayed by function and arguments, in recorded order."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .recording import legacy
from .recording.calls import Call, Outcome, call_key
from .recording.values import JSON


class Place:
    """The place of one call that is really made, taken when it began."""

    __slots__ = ("arguments", "function", "outcome")

    def __init__(self, function: str, arguments: JSON) -> None:
        self.function = function
        self.arguments = arguments
        self.outcome: Outcome | None = None


class CallBook:
    """Plays and records calls of snapshotted functions.

    Parameters
    ----------
    loaded:
        The approved calls.
    """

    def __init__(self, loaded: Sequence[Call]) -> None:
        self.loaded = loaded
        self._lock = threading.Lock()
        self._thread = threading.get_ident()
        self._running = 0
        self._concurrent = False
        self._places: list[Place] = []
        self._waiting: dict[str, deque[Call]] = defaultdict(deque)
        # booktest keeps equal calls once, however often they were made.
        self._legacy: dict[str, Call] = {}
        self._legacy_played: set[str] = set()
        for call in loaded:
            key = call_key(call.function, call.arguments)
            if legacy.is_call(call.function):
                self._legacy[key] = call
            elif not legacy.is_snapshot(call.function):
                self._waiting[key].append(call)

    def play(self, key: str) -> Call | None:
        """The next unplayed call with this key (see :func:`recording.calls.call_key`)."""
        with self._lock:
            waiting = self._waiting.get(key)
            return waiting.popleft() if waiting else None

    @property
    def has_legacy(self) -> bool:
        """Whether there are calls that :meth:`play_legacy` may answer with."""
        return bool(self._legacy)

    def play_legacy(self, qualname: str, arguments: JSON) -> Call | None:
        """The call of a function that booktest recorded, as often as it is asked for.

        Parameters
        ----------
        qualname:
            The function's name without its module.
        arguments:
            See :func:`recording.legacy.passed`.
        """
        key = call_key(legacy.function_name(qualname), arguments)
        with self._lock:
            found = self._legacy.get(key)
            if found is not None:
                self._legacy_played.add(key)
            return found

    @contextmanager
    def recording(self, function: str, arguments: JSON) -> Iterator[Place]:
        """The place of a call while it runs; one that gets no outcome is forgotten."""
        place = Place(function, arguments)
        with self._lock:
            other_thread = threading.get_ident() != self._thread
            self._concurrent = self._concurrent or self._running > 0 or other_thread
            self._running += 1
            self._places.append(place)
        try:
            yield place
        finally:
            with self._lock:
                self._running -= 1

    def calls(self, *, keep_loaded: bool) -> list[Call]:
        """What a recording amounts to; concurrent calls are sorted, so that their order is no accident."""
        fresh = [
            Call(place.function, place.arguments, place.outcome) for place in self._places if place.outcome
        ]
        if self._concurrent:
            fresh.sort(key=lambda call: call_key(call.function, call.arguments))
        return [*self.loaded, *fresh] if keep_loaded else fresh

    @property
    def is_answered(self) -> bool:
        """Whether a function was really called, and came back."""
        with self._lock:
            return any(place.outcome for place in self._places)

    @property
    def has_unplayed(self) -> bool:
        """Whether approved calls are left that nothing made."""
        with self._lock:
            return any(self._waiting.values()) or len(self._legacy_played) < len(self._legacy)

    def known_arguments(self, function: str) -> list[str]:
        """Keys of the approved calls of a function, for messages."""
        names = (function, legacy.function_name(function.partition(":")[2]))
        return [call_key(call.function, call.arguments) for call in self.loaded if call.function in names]
