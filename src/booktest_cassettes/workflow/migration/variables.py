"""Secret variables of a recording: their values are secrets wherever else they show up in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...config import Config
from ...digest import Kind
from ...importing.booktest_names import asked_without, called_without
from ...importing.imported import Imported
from ...options import Options, resolve
from ...recording.declared import REDACTED, Declared
from ...recording.model import Interaction
from ...traffic import Cleaner


def without_secrets(imported: Imported, config: Config, cleaner: Cleaner) -> tuple[Imported, Cleaner]:
    """What takes a recording's secrets out, and the recording by the names that are left then.

    A replay has the variables redacted, so it asks with that: booktest's hashes are those of that, too.

    Parameters
    ----------
    imported:
        What was read.
    config, cleaner:
        The project's configuration, and what that takes out of every recording.
    """
    redact = cleaner.redactor.env_value
    values = imported.env.items()
    secrets = [value for name, value in values if value and redact(name, value) == REDACTED != value]
    declared = Declared(secrets)
    if not declared:
        return imported, cleaner
    calls = (called_without(call, declared) if call.booktest_hash else call for call in imported.calls)
    named = replace(
        imported,
        interactions=_asked(imported.interactions, Kind.HTTP, declared),
        httpx=_asked(imported.httpx, Kind.HTTPX, declared),
        calls=tuple(calls),
    )
    return named, resolve(config, Options(secrets=secrets)).cleaner


def _asked(items: Sequence[Interaction], kind: Kind, declared: Declared) -> tuple[Interaction, ...]:
    requests = asked_without([item.request for item in items], kind, declared)
    return tuple(
        item if item.request.booktest_hash == request.booktest_hash else replace(item, request=request)
        for item, request in zip(items, requests, strict=True)
    )
