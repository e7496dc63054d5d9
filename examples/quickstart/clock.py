"""What time it is: one small function, so that a cassette can record it."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(tz=UTC)
