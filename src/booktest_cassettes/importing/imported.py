"""What was read from another tool's recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..recording.calls import Call
from ..recording.model import Interaction


@dataclass(frozen=True)
class Imported:
    """The content of one foreign recording, not yet redacted or normalised.

    Attributes
    ----------
    interactions:
        In recorded order, whatever client made them; those of kind ``httpx`` apart where the format
        says which is which.
    env:
        Variables, ``None`` where one was not set.
    calls:
        Results of functions.
    notes:
        What a person should know: what could not be kept, and why. Never a value.
    """

    interactions: tuple[Interaction, ...] = ()
    httpx: tuple[Interaction, ...] = ()
    env: Mapping[str, str | None] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    notes: tuple[str, ...] = ()
