"""Record modes, as vcrpy and pytest-recording define them."""

from __future__ import annotations

from enum import StrEnum


class RecordMode(StrEnum):
    """When a request is answered from the cassette, and when it is recorded.

    ``none`` replays strictly. ``once`` records a test that has no approved snapshot and replays the
    others strictly. ``new_episodes`` records what the cassette does not hold. ``all`` records
    everything and keeps what was not asked for. ``rewrite`` records into an empty cassette.
    ``verify`` asks the live service what the cassette holds and compares its answers, writing nothing.
    ``off`` leaves the test alone.
    """

    NONE = "none"
    ONCE = "once"
    NEW_EPISODES = "new_episodes"
    ALL = "all"
    REWRITE = "rewrite"
    VERIFY = "verify"
    OFF = "off"
