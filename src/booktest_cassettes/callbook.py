"""The function calls of one session: replayed by function and arguments, in recorded order."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Sequence

from .recording.calls import Call, call_key


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
        self._threads: set[int] = set()
        self._fresh: list[Call] = []
        self._waiting: dict[str, deque[Call]] = defaultdict(deque)
        for call in loaded:
            self._waiting[call_key(call.function, call.arguments)].append(call)

    def play(self, key: str) -> Call | None:
        """The next unplayed call with this key (see :func:`recording.calls.call_key`)."""
        with self._lock:
            waiting = self._waiting.get(key)
            return waiting.popleft() if waiting else None

    def record(self, call: Call) -> None:
        """Keep a call that was really made."""
        with self._lock:
            self._threads.add(threading.get_ident())
            self._fresh.append(call)

    def calls(self, *, keep_loaded: bool) -> list[Call]:
        """What a recording amounts to; calls from several threads are sorted, so order is no accident."""
        fresh = list(self._fresh)
        if len(self._threads) > 1:
            fresh.sort(key=lambda call: call_key(call.function, call.arguments))
        return [*self.loaded, *fresh] if keep_loaded else fresh

    def known_arguments(self, function: str) -> list[str]:
        """Keys of the approved calls of a function, for messages."""
        return [call_key(call.function, call.arguments) for call in self.loaded if call.function == function]
