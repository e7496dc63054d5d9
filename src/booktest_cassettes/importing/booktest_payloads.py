"""Approved snapshots as the JSON that booktest reads, and what booktest recorded as our blobs.

What is recorded and equal to what is approved stays as it is approved, so that a recording in which nothing
changed has the digest it had, whoever made the approved one: booktest, a migration, or our own adapters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ..digest import Kind
from ..recording import codec, legacy
from ..recording.calls import Call
from ..recording.model import Interaction, Request, Response
from . import booktest_calls as calls
from . import booktest_entries as entries
from . import booktest_exchanges as exchanges
from .booktest_names import Name, named, names_of, places
from .shapes import at, of

if TYPE_CHECKING:
    from ..traffic import Cleaner

_T = TypeVar("_T")
_K = TypeVar("_K", bound=Hashable)
_HTTP = (Kind.HTTP, Kind.HTTPX)
#: booktest's types of snapshots, and where each is kept.
TYPES = {**{kind.value: kind for kind in Kind}, "snapshot": Kind.FUNC}


@dataclass(frozen=True)
class Snapshots:
    """The approved snapshots of one test.

    Attributes
    ----------
    name:
        What errors call them: the test's id.
    blobs:
        Canonical bytes by kind.
    """

    name: str
    blobs: Mapping[Kind, bytes]
    _exchanges: Mapping[Kind, Sequence[Interaction]]
    _env: Mapping[str, str | None] | None
    _calls: Sequence[Call]
    _payloads: dict[str, bytes | None] = field(default_factory=dict, compare=False)

    @classmethod
    def load(cls, blobs: Mapping[Kind, bytes], name: str) -> Snapshots:
        """Read them; raises IntegrityError."""
        called = {kind: f"{name} ({kind.value})" for kind in blobs}
        return cls(
            name,
            dict(blobs),
            {
                kind: codec.load_interactions(blobs[kind], name=called[kind])
                for kind in _HTTP
                if kind in blobs
            },
            codec.load_env(blobs[Kind.ENV], name=called[Kind.ENV]) if Kind.ENV in blobs else None,
            codec.load_func(blobs[Kind.FUNC], name=called[Kind.FUNC]) if Kind.FUNC in blobs else (),
        )

    # -- to booktest -----------------------------------------------------------------------------

    def payload(self, kind: str) -> bytes | None:
        """The JSON of one type of booktest's, ``None`` where there is nothing it could read.

        Parameters
        ----------
        kind:
            ``env``, ``http``, ``httpx``, ``func`` or ``snapshot``.
        """
        if kind not in self._payloads:  # booktest asks several times
            data = self._payload(kind)
            self._payloads[kind] = json.dumps(data, indent=2).encode() if data else None
        return self._payloads[kind]

    def _payload(self, kind: str) -> Any:
        if kind == Kind.ENV:
            return self._env
        if kind in _HTTP:
            return {str(name): said for name, said in self._entries(Kind(kind))}
        is_kind = {"func": legacy.is_call, "snapshot": legacy.is_snapshot}.get(kind)
        return [said for (function, _), said in self._written() if is_kind and is_kind(function)]

    def _entries(self, kind: Kind) -> list[tuple[Name, dict[str, Any]]]:
        items = self._answered(kind)
        found: dict[Name, dict[str, Any]] = {}
        for (name, item), place in zip(items, places([item.request for _, item in items]), strict=True):
            said = entries.entry(item, name, place, kind)
            if said is not None:
                found.setdefault(name, said)
        return list(found.items())

    def _answered(self, kind: Kind) -> list[tuple[Name, Interaction]]:
        """Approved exchanges by what booktest finds them by; one without an answer is none to it."""
        items = [item for item in self._exchanges.get(kind, ()) if isinstance(item.outcome, Response)]
        return list(zip(names_of([item.request for item in items], kind), items, strict=True))

    def _written(self) -> list[tuple[calls.Key, dict[str, Any]]]:
        found: dict[calls.Key, dict[str, Any]] = {}
        for call in self._calls:
            if (written := calls.write(call)) is not None:
                found.setdefault(*written)
        return list(found.items())

    # -- from booktest ---------------------------------------------------------------------------

    def taking(self, payloads: Mapping[str, bytes], cleaner: Cleaner) -> dict[Kind, bytes]:
        """The blobs of a recording.

        The recording is all there is of the test: what is approved and not in it is gone, but for what
        booktest could not have read, as long as all the rest is as it was.

        Parameters
        ----------
        payloads:
            booktest's JSON, by type.
        cleaner:
            Takes out what is volatile or secret, as from every recording.

        Raises
        ------
        IntegrityError
            When it is no such JSON; the message says where.
        """
        for kind in payloads:
            if kind not in TYPES:
                with at(self.name):
                    raise ValueError(f"{kind[:40]!r} is no kind of snapshot ({', '.join(sorted(TYPES))})")
        found = {kind: self._taken_exchanges(kind, payloads.get(kind.value), cleaner) for kind in _HTTP}
        found[Kind.ENV] = self._taken_env(payloads.get(Kind.ENV.value), cleaner)
        found[Kind.FUNC] = self._taken_calls(payloads, cleaner)
        return {kind: data for kind, data in found.items() if data is not None}

    def _taken_exchanges(self, kind: Kind, data: bytes | None, cleaner: Cleaner) -> bytes | None:
        recorded: dict[Name, Interaction] = {}
        for read in self._read_exchanges(kind, data).values():
            item = _clean(read.item, cleaner, kind)
            if item is not None:
                recorded[cleaner.redactor.name(read.name)] = item
        approved = self._answered(kind)
        readable = {name for name, _ in self._entries(kind)}
        merged = _merged(approved, recorded, lambda old, new: entries.same(old, new, kind))
        if _is_unchanged(approved, merged, recorded, readable):
            return self.blobs.get(kind)
        return codec.dump_interactions(kind, named(merged, kind)) if merged else None

    def _read_exchanges(self, kind: Kind, data: bytes | None) -> dict[Name, exchanges.Exchange]:
        if data is None:
            return {}
        found = of_json(dict, data, self._named(kind.value))
        return exchanges.read(found, self._named(kind.value), is_httpx=kind is Kind.HTTPX)

    def _taken_env(self, data: bytes | None, cleaner: Cleaner) -> bytes | None:
        if data is None:
            return None
        name = self._named("env")
        values = calls.read_env(of_json(dict, data, name), name)
        redact = cleaner.redactor.env_value
        clean = {key: value and redact(key, value) for key, value in values.items()}
        return codec.dump_env(clean) if clean else None

    def _taken_calls(self, payloads: Mapping[str, bytes], cleaner: Cleaner) -> bytes | None:
        recorded: dict[calls.Key, Call] = {}
        for kind, read in (("func", calls.read_calls), ("snapshot", calls.read_snapshots)):
            name = self._named(kind)
            items = of_json(list, payloads[kind], name) if kind in payloads else []
            for (_, hashed), call in read(items, name).items():
                clean = calls.clean(call, cleaner.redactor)
                recorded[clean.function, hashed] = clean
        written = [(calls.write(call), call) for call in self._calls]
        approved = [(found[0], call) for found, call in written if found is not None]
        merged = _merged(approved, recorded, calls.same)
        if _is_unchanged(approved, merged, recorded, {key for key, _ in approved}):
            return self.blobs.get(Kind.FUNC)
        return codec.dump_func([call for _, call in merged]) if merged else None

    def _named(self, kind: str) -> str:
        return f"{self.name} ({kind})"


def of_json(shape: type[_T], data: bytes, name: str) -> _T:
    """JSON of one shape; raises IntegrityError."""
    with at(name):
        return of(shape, json.loads(data), "the snapshot")


def _clean(item: Interaction, cleaner: Cleaner, kind: Kind) -> Interaction | None:
    """As a session does it with what it recorded; ``None`` where a hook leaves it out."""
    request = cleaner.request(item.request, b"" if kind is Kind.HTTPX else None)
    if type(request) is not Request:
        return None
    clean = cleaner.interaction(Interaction(request, item.outcome))
    saved = cleaner.saved([clean]) if clean is not None else []
    return saved[0] if saved else None


def _merged(
    approved: Sequence[tuple[_K, _T]], recorded: Mapping[_K, _T], same: Callable[[_T, _T], bool]
) -> list[tuple[_K, _T]]:
    """What is recorded, in the approved order; new ones behind."""
    left = dict(recorded)
    kept = [(key, old, left.pop(key)) for key, old in approved if key in left]
    return [*((key, old if same(old, new) else new) for key, old, new in kept), *left.items()]


def _is_unchanged(
    approved: Sequence[tuple[_K, _T]],
    merged: Sequence[tuple[_K, _T]],
    recorded: Mapping[_K, _T],
    readable: set[_K],
) -> bool:
    """Whether all that was recorded is approved, and all that booktest reads was recorded."""
    known = {id(item) for _, item in approved}
    return readable <= recorded.keys() and all(id(item) in known for _, item in merged)
