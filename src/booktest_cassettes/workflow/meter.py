"""How far a transfer is: a bar on a terminal, a line now and then elsewhere, nothing for a moment's work."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE = 0.1  # seconds between two pictures of the bar
_LINE_EVERY = 10.0  # seconds between two lines where there is no terminal
_WIDTH = 30


class Meter:
    """A Progress that people see: blobs, bytes and rate.

    Parameters
    ----------
    what:
        ``pulling``, ``pushing``...
    write:
        Takes text as it is to appear, at once.
    terminal:
        Whether a line can be drawn over.
    """

    def __init__(self, what: str, write: Callable[[str], object], *, terminal: bool) -> None:
        self.what = what
        self.write = write
        self.terminal = terminal
        self._pause = _PAUSE if terminal else _LINE_EVERY
        self._started = self._shown = time.monotonic()
        self._drawn = 0
        self._said: set[str] = set()

    def __call__(self, done: int, total: int, moved: int, /) -> None:
        """See Progress."""
        now = time.monotonic()
        if now - self._shown < self._pause:
            return
        self._shown = now
        rate = size(moved / max(now - self._started, 0.001))
        line = f"{self.what} {done:,} of {total:,} blobs, {size(moved)}, {rate}/s"
        if not self.terminal:
            self.write(f"{line}\n")
            return
        full = _WIDTH * done // max(total, 1)
        line = f"[{'#' * full}{'.' * (_WIDTH - full)}] {line}"
        self.write("\r" + line.ljust(self._drawn))
        self._drawn = len(line)

    def say(self, text: str) -> None:
        """Say why nothing moves, once."""
        if text not in self._said:
            self._said.add(text)
            self.end()
            self.write(f"{text}\n")

    def end(self) -> None:
        """Leave the line free for what comes next."""
        if self._drawn:
            self.write("\r" + " " * self._drawn + "\r")
            self._drawn = 0


def size(number: float) -> str:
    """Bytes for people: ``812 B``, ``4.1 kB``, ``12 MB``."""
    if number < 1000:
        return f"{number:.0f} B"
    for unit in ("kB", "MB"):
        number /= 1000
        if number < 1000:
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{number / 1000:.1f} GB"
