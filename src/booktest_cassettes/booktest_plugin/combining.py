"""One test's recording out of the parts that several recorders made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..digest import Digest, Kind
from ..errors import UsageError
from ..recording import codec


def combined(
    test_id: str, parts: Sequence[Mapping[Kind, bytes]], approved: Mapping[Kind, Digest]
) -> dict[Kind, bytes]:
    """All kinds of a test.

    Parameters
    ----------
    test_id, approved:
        Whose, and its approved digests.
    parts:
        What each recorder has, by kind. One that leaves a kind as it is approved says nothing about it.

    Raises
    ------
    UsageError
        When two recorders took the same kind of traffic, which would be replayed twice.
    """
    kinds = sorted({kind for part in parts for kind in part})
    return {
        kind: _one(test_id, kind, [part[kind] for part in parts if kind in part], approved.get(kind))
        for kind in kinds
    }


def _one(test_id: str, kind: Kind, found: list[bytes], approved: Digest | None) -> bytes:
    distinct = list(dict.fromkeys(found))
    changed = [data for data in distinct if Digest.of(data) != approved]
    if len(changed) < 2:
        return (changed or distinct)[0]
    if kind is Kind.ENV:
        values: dict[str, str | None] = {}
        for data in changed:
            values.update(codec.load_env(data, name=test_id))
        return codec.dump_env(values)
    if kind is Kind.FUNC:
        calls = [call for data in changed for call in codec.load_func(data, name=test_id)]
        return codec.dump_func([call for n, call in enumerate(calls) if call not in calls[:n]])
    raise UsageError(
        f"{test_id}: its {kind.value} traffic was recorded twice, by cassette and by booktest's decorator",
        hint="leave one of the two out",
    )
