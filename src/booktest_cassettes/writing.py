"""Which result a test writes into: its session's, or in mode ``off`` one that nobody compares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .active import current
from .errors import UsageError
from .results import NoWriter, Writer


class Off:
    """A cassette in mode ``off``: its checks still count."""

    def __init__(self, no_result: UsageError | None = None) -> None:
        self.result = NoWriter(no_result) if no_result else Writer()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Within it, it is the one that :func:`result` finds."""
        _off.append(self)
        try:
            yield
        finally:
            _off.remove(self)


_off: list[Off] = []


def result() -> Writer:
    """What is written here and now; raises UsageError where no cassette is in use."""
    owner = current() or (_off[-1] if _off else None)
    if owner is None:
        raise UsageError(
            "cassette.result is used where no cassette is in use",
            hint="decorate the test with @cassette, or write it within: with cassette(...)",
        )
    return owner.result
