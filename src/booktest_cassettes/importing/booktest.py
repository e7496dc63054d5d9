"""booktest's own snapshots, in every form up to 1.1.6.

One test may have several files (see `booktest_paths`); :func:`gather` makes one recording of them. Where
two say the same thing, the one that booktest reads counts: ``.snapshots.json``, then ``_snapshots/``,
then what is older.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import IntegrityError
from ..recording.calls import Call
from ..wording import count
from . import booktest_exchanges as exchanges
from .booktest_calls import Key, read_calls, read_env, read_snapshots
from .booktest_exchanges import Exchange
from .booktest_names import Name
from .booktest_paths import Part, part_of
from .imported import Imported
from .shapes import at, of
from .yaml_reading import read_json

_KINDS = ("env", "func", "http", "httpx", "snapshot")
_STORED = 2  # the rank of files that count only where there is none of a higher one


@dataclass
class _Content:
    """What the files read so far say of a test."""

    exchanges: dict[str, dict[Name, Exchange]] = field(default_factory=lambda: {"http": {}, "httpx": {}})
    env: dict[str, str | None] = field(default_factory=dict)
    calls: dict[Key, Call] = field(default_factory=dict)
    snapshots: dict[Key, Call] = field(default_factory=dict)


def read(data: bytes, name: str) -> Imported:
    """Read one file by itself.

    Parameters
    ----------
    data:
        The file.
    name:
        Its path: which form it has is in the name.

    Raises
    ------
    IntegrityError
        When it is no such snapshot; the message says where.
    """
    imported, problems = gather([(name, data)])
    if problems:
        raise problems[0]
    return imported


def gather(files: Iterable[tuple[str, bytes]]) -> tuple[Imported, list[IntegrityError]]:
    """One recording out of all files of a test, and what is wrong with those that cannot be read.

    Parameters
    ----------
    files:
        Paths and contents.
    """
    content, problems = _Content(), []
    parts = [(part_of(name) or Part("", "all", 3), name, data) for name, data in files]
    for part, name, data in sorted(parts, key=lambda item: (item[0].rank, item[1])):
        try:
            _merge(content, _kinds(part, read_json(data, name), name), part, name)
        except IntegrityError as problem:
            problems.append(problem)
    return _imported(content), problems


def _kinds(part: Part, document: Any, name: str) -> dict[str, Any]:
    """What a file holds, by kind, in the form of ``.snapshots.json``."""
    with at(name):
        if part.form == "all":
            unknown = of(dict, document, "the file").keys() - set(_KINDS)
            if unknown:
                raise ValueError(f"{min(unknown)[:40]!r} is no kind of snapshot ({', '.join(_KINDS)})")
            return dict(document)
        if not part.single:
            return {part.form: document}
        if part.form == "func":
            return {"func": [document]}
        name_of = of(dict, of(dict, document, "the file")["request"], "request")["hash"]
        return {part.form: {of(str, name_of, "hash"): document}}


def _merge(content: _Content, kinds: dict[str, Any], part: Part, name: str) -> None:
    """Take one file in; all of it is read before anything of it counts."""
    read: dict[str, Any] = {}
    with at(name):
        for kind, value in kinds.items():
            if kind == "env":
                read[kind] = read_env(of(dict, value, kind), name)
            elif kind == "func":
                read[kind] = read_calls(of(list, value, kind), name)
            elif kind == "snapshot":
                read[kind] = read_snapshots(of(list, value, kind), name)
            else:
                read[kind] = exchanges.read(of(dict, value, kind), name, is_httpx=kind == "httpx")
    content.env = read.get("env", content.env)
    content.snapshots = read.get("snapshot", content.snapshots)
    if "func" in read:
        content.calls = {**(content.calls if part.single else {}), **read["func"]}
    for kind in content.exchanges.keys() & read.keys():
        # booktest reads the older files besides the one that is stored now.
        kept = {} if part.rank > _STORED else content.exchanges[kind]
        content.exchanges[kind] = {**kept, **read[kind]}


def _imported(content: _Content) -> Imported:
    http, httpx = (content.exchanges[kind].values() for kind in ("http", "httpx"))
    notes = Counter(exchange.note for exchange in (*http, *httpx) if exchange.note)
    return Imported(
        tuple(exchanges.in_order(http)),
        tuple(exchanges.in_order(httpx)),
        content.env,
        (*content.calls.values(), *content.snapshots.values()),
        tuple(f"{count(number, 'request')} {what}" for what, number in notes.items()),
    )
