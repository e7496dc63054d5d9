"""The command that runs a test again, in the words of its runner."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from .modes import RecordMode


@dataclass(frozen=True, slots=True)
class Again:
    """How one runner is told to run, or to record, one test.

    Parameters
    ----------
    command:
        What it starts with.
    once:
        What makes it record a test that has no approved snapshot.
    """

    command: str
    once: str

    def __call__(self, test: str, mode: RecordMode = RecordMode.ONCE) -> str:
        """The command for a test, recording as ``mode`` does."""
        flags = {RecordMode.NEW_EPISODES: "-s", RecordMode.REWRITE: "-S"}.get(mode, self.once)
        rest = f"-- {quote(test)}" if self.command.startswith(OURS) else quote(test)
        return " ".join(part for part in (self.command, flags, rest) if part)


OURS = "booktest-cassettes run"
#: For tests of pytest and of unittest, and for scripts.
WITH_PYTEST = Again(OURS, "")
#: For the same, where the configuration says that we run booktest.
WITH_PYTEST_TOO = Again(f"{OURS} --runner pytest", "")
#: For tests of booktest, which records nothing unless it is asked to.
WITH_BOOKTEST = Again("booktest", "-s")
#: For the same, where we run booktest: without us it may know of none of our snapshots.
WITH_BOOKTEST_IN_US = Again(f"{OURS} --runner booktest", "-s")
