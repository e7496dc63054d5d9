"""Time and chance: other on each run. Called as `clock.today()`, so that a test can replace it."""

import datetime as dt
import random
from typing import Any


def today() -> str:
    """The date in UTC."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def lottery(count: int, *, highest: int = 99) -> list[int]:
    """Numbers that nobody can know."""
    return [random.randint(1, highest) for _ in range(count)]


def forecast(city: str) -> dict[str, Any]:
    """The weather, as far as anybody knows it."""
    return {"city": city, "rain": round(random.random(), 3), "as of": today()}


async def slow_forecast(city: str) -> dict[str, Any]:
    """The same, for those who wait."""
    return forecast(city)
