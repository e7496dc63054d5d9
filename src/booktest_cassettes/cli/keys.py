"""Single keys from a terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import Protocol, Self

#: What Ctrl-C and Ctrl-D are where the terminal passes them on.
_INTERRUPT, _END = "\x03", "\x04"
_ESCAPE = "\x1b"
_REST_OF_SEQUENCE = 0.05  # seconds


class Left(Exception):
    """Whoever typed is gone: Ctrl-C, Ctrl-D, or no terminal any more."""


class Keyboard(Protocol):
    """Where keys come from."""

    def key(self) -> str:
        """The next character typed; ``""`` for arrows and the like. Raises Left."""
        ...

    def released(self) -> AbstractContextManager[None]:
        """While other programs use the terminal."""
        ...


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """The keyboard, for as long as keys are read one by one; the terminal is then as it was."""
    if sys.platform == "win32":
        yield _Console()
        return
    with ExitStack() as stack:
        for number in (signal.SIGHUP, signal.SIGTERM):
            before = signal.signal(number, _leave)
            stack.callback(signal.signal, number, before)
        yield stack.enter_context(_Terminal(sys.stdin.fileno()))


def line(keys: Keyboard, echo: Callable[[str], object], *, at_once: str = "") -> str:
    """A line that is typed, without its end; a key of ``at_once`` that comes first needs none."""
    typed = ""
    while (char := keys.key()) not in ("\r", "\n"):
        if not typed and char and char in at_once:
            typed = char
            echo(char)
            break
        if char in ("\x7f", "\b"):
            if typed:
                typed = typed[:-1]
                echo("\b \b")
        elif char.isprintable() and char.isascii():
            typed += char
            echo(char)
    echo("\n")
    return typed


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise Left


class _Console:
    """Windows: what is typed is handed over key by key anyway."""

    def key(self) -> str:
        """See Keyboard."""
        import click

        try:
            char = click.getchar()
        except (KeyboardInterrupt, EOFError):
            raise Left from None
        return _plain(char)

    @contextmanager
    def released(self) -> Iterator[None]:
        """See Keyboard."""
        yield


if sys.platform != "win32":
    import select
    import termios
    import tty

    class _Terminal:
        """A terminal that passes keys on at once, and does not show them.

        It stays so between two keys: what is typed ahead is neither lost nor shown.
        """

        def __init__(self, descriptor: int) -> None:
            self.descriptor = descriptor
            self._before = termios.tcgetattr(descriptor)

        def __enter__(self) -> Self:
            self._grab()
            return self

        def __exit__(self, *_: object) -> None:
            self._restore()

        def key(self) -> str:
            """See Keyboard."""
            try:
                data = os.read(self.descriptor, 1)
                if data == b"\x1b":
                    self._pass_over_sequence()
                    return ""
                for _ in range(_continuations(data)):
                    data += os.read(self.descriptor, 1)
            except (KeyboardInterrupt, OSError):  # the latter: the terminal is gone
                raise Left from None
            if not data:
                raise Left
            return _plain(data.decode("utf-8", "replace"))

        @contextmanager
        def released(self) -> Iterator[None]:
            """See Keyboard."""
            self._restore()
            try:
                yield
            finally:
                self._grab()

        def _grab(self) -> None:
            try:  # not with TCSAFLUSH, as is usual: it would throw away what is typed ahead
                tty.setcbreak(self.descriptor, termios.TCSADRAIN)
            except termios.error:  # it is gone
                raise Left from None

        def _restore(self) -> None:
            try:
                termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self._before)
            except termios.error:  # it is gone
                return

        def _pass_over_sequence(self) -> None:
            """Arrows and function keys send an escape and more; a lone escape comes alone."""
            if not self._has_more() or os.read(self.descriptor, 1) not in (b"[", b"O"):
                return
            while self._has_more() and not b"\x40" <= os.read(self.descriptor, 1) <= b"\x7e":
                continue

        def _has_more(self) -> bool:
            return bool(select.select([self.descriptor], [], [], _REST_OF_SEQUENCE)[0])


def _continuations(first: bytes) -> int:
    """How many bytes of UTF-8 follow this one."""
    value = first[0] if first else 0
    return 3 if value >= 0xF0 else 2 if value >= 0xE0 else 1 if value >= 0xC0 else 0


def _plain(char: str) -> str:
    if char in (_INTERRUPT, _END):
        raise Left
    return char if len(char) == 1 and char != _ESCAPE else ""
