"""Mode ``verify``: what the live service answers now, against what was approved.

Why it sends what it sends, and what counts, is in ``docs/drift.md``.
"""

from __future__ import annotations

from collections.abc import Mapping

from .callbook import CallBook
from .digest import Kind
from .recording import codec
from .recording.drift import Drift, find
from .traffic import LiveTraffic


class Verification:
    """One test's live traffic and calls beside its approved snapshots.

    Parameters
    ----------
    approved:
        Canonical bytes of the approved snapshots.
    traffic, calls:
        What the session fills while the test runs.
    """

    def __init__(
        self, approved: Mapping[Kind, bytes], traffic: Mapping[Kind, LiveTraffic], calls: CallBook
    ) -> None:
        self.approved = approved
        self.traffic = traffic
        self.calls = calls
        #: Whether the test is over, its fixtures too: an answer that was not read by now never will be.
        self.ended = False
        self._found: tuple[object, Drift] | None = None

    @property
    def is_answered(self) -> bool:
        """Whether something live has reached the test, which later requests may follow from."""
        return any(traffic.is_answered for traffic in self.traffic.values()) or self.calls.is_answered

    def drift(self) -> Drift:
        """What is not as approved, as far as the test has come."""
        progress = self._progress()
        if self._found is None or self._found[0] != progress:
            drift = find(self.approved, self._made())
            for kind, traffic in self.traffic.items():
                traffic.not_made = drift.not_made(kind)
            self._found = progress, drift
        return self._found[1]

    def recording(self) -> dict[Kind, bytes]:
        """All there is to stage: what was live, and the variables as they are approved."""
        blobs = self._made()
        if Kind.ENV in self.approved:
            blobs[Kind.ENV] = self.approved[Kind.ENV]
        return blobs

    def _progress(self) -> object:
        """Equal as long as nothing was asked or answered."""
        calls = len(self.calls.calls(keep_loaded=False))
        return self.ended, calls, [traffic.progress() for traffic in self.traffic.values()]

    def _made(self) -> dict[Kind, bytes]:
        blobs: dict[Kind, bytes] = {}
        for kind, traffic in self.traffic.items():
            if items := traffic.made(unfinished=self.ended):
                blobs[kind] = codec.dump_interactions(kind, items)
        if calls := self.calls.calls(keep_loaded=False):
            blobs[Kind.FUNC] = codec.dump_func(calls)
        return blobs
