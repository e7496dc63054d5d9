"""Rows about strictness: what must be answered from the cassette, and what must be refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from clients import Ask
from columns import EXCHANGES
from rows import Row, Way, for_all
from stage import Stage

Say = Callable[[Any, Stage], Any]


def _first(column: str) -> Any:
    return next(iter(EXCHANGES[column].values()))


def _saying(say: Say) -> Callable[[str], Way]:
    return lambda column: lambda stage: say(_first(column), stage)


def _ask(path: str, method: str = "GET", **more: Any) -> Say:
    return lambda exchange, stage: _answer(exchange(stage.base, Ask(path, method, **more)))


def _answer(seen: dict[str, Any]) -> dict[str, Any]:
    return {name: seen[name] for name in ("status", "body")}


def _swallowing(say: Say) -> Say:
    def quietly(exchange: Any, stage: Stage) -> None:
        with suppress(Exception):
            say(exchange, stage)

    return quietly


def _in_a_thread(say: Say) -> Say:
    def elsewhere(exchange: Any, stage: Stage) -> None:
        _ = stage.base  # started here, not in the thread
        with ThreadPoolExecutor(1) as pool:
            pool.submit(say, exchange, stage)  # nobody asks for its result

    return elsewhere


def _twice(say: Say) -> Say:
    return lambda exchange, stage: [say(exchange, stage), say(exchange, stage)]


def _elsewhere(exchange: Any, stage: Stage) -> Any:
    return _answer(exchange(stage.base.replace("127.0.0.1", "localhost"), Ask("/echo")))


def _refused(name: str, recorded: Say, attempted: Say) -> Row:
    ways, again = for_all(_saying(recorded)), for_all(_saying(attempted))
    return Row("Refused on replay", name, ways, again=again, refused=True)


def _answered(name: str, recorded: Say, asked: Say) -> Row:
    return Row("Answered on replay", name, for_all(_saying(recorded)), again=for_all(_saying(asked)))


_GET = _ask("/echo?a=1&b=2")
_POST = _ask("/echo", "POST", json={"a": 1, "b": [2]})
_FORM = _ask("/echo", "POST", form={"a": "1", "b": "2"})
ROWS = [
    _answered("JSON with keys in another order", _POST, _ask("/echo", "POST", json={"b": [2], "a": 1})),
    _answered("a query in another order", _GET, _ask("/echo?b=2&a=1")),
    _refused("another path", _GET, _ask("/echo/2?a=1&b=2")),
    _refused("another query value", _GET, _ask("/echo?a=1&b=3")),
    _refused("one query value more", _GET, _ask("/echo?a=1&b=2&b=2")),
    _refused("another method", _GET, _ask("/echo?a=1&b=2", "DELETE")),
    _refused("another host", _ask("/echo"), _elsewhere),
    _refused("another JSON body", _POST, _ask("/echo", "POST", json={"a": 1, "b": [3]})),
    _refused("another form", _FORM, _ask("/echo", "POST", form={"a": "1", "b": "3"})),
    _refused("one repeat too many", _GET, _twice(_GET)),
    _refused("swallowed by the code under test", _GET, _swallowing(_ask("/echo?a=1"))),
    _refused("in a thread nobody asks", _GET, _in_a_thread(_ask("/echo?a=1"))),
]
