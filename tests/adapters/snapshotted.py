"""Functions for the tests of ``func``: each counts how often it is really called."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

calls: list[str] = []


@dataclass
class Point:
    x: int
    y: float


def plain(a: int, b: int = 2, *rest: int, key: str = "k", **more: Any) -> dict[str, Any]:
    calls.append("plain")
    return {"sum": a + b + sum(rest), "key": key, "more": more, "n": len(calls)}


def counted() -> int:
    calls.append("counted")
    return len(calls)


def failing(text: str) -> None:
    calls.append("failing")
    raise KeyError(text, len(calls))


def rich(token: str = "") -> tuple[Any, ...]:
    calls.append("rich")
    return (b"\0\xff", {1, 2}, Point(1, 2.5), None)


def unencodable() -> object:
    calls.append("unencodable")
    return object()


async def asynchronous(delay: float, value: int) -> int:
    calls.append("asynchronous")
    await asyncio.sleep(delay)
    return value


def generator() -> Any:
    yield 1


@lru_cache
def cached(n: int) -> int:
    calls.append("cached")
    return n + len(calls)


def outer(n: int) -> int:
    calls.append("outer")
    return counted() if n == 0 else outer(n - 1) + 1


class Base:
    def __init__(self, name: str) -> None:
        self.name = name

    def method(self, a: int) -> str:
        calls.append("method")
        return f"{self.name}{a}{len(calls)}"

    @classmethod
    def of_class(cls, a: int) -> str:
        calls.append("of_class")
        return f"{cls.__name__}{a}{len(calls)}"

    @staticmethod
    def static(a: int) -> int:
        calls.append("static")
        return a + len(calls)

    async def async_method(self) -> int:
        calls.append("async_method")
        return len(calls)


class Child(Base):
    pass
