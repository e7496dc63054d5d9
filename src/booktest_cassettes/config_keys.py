"""The table of everything that can be set, see ``config``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import config_sources as read

MANIFEST = "booktest.manifest.yaml"
PREFIX = "BOOKTEST_"


@dataclass(frozen=True, slots=True)
class Key:
    """One row of the table.

    Parameters
    ----------
    section, name:
        ``[section]`` and ``name`` in TOML, ``section.name`` in flat files.
    field:
        The field of :class:`Config`, and the name in ``overrides``.
    shape:
        How its values are read.
    default:
        As it would be written in TOML; ``None`` for unset.
    aliases:
        Other dotted names, booktest's own among them.
    short_variables:
        Environment variables besides those made from the dotted names.
    """

    section: str
    name: str
    field: str
    shape: read.Shape
    default: object
    aliases: tuple[str, ...] = ()
    short_variables: tuple[str, ...] = ()

    @property
    def dotted(self) -> str:
        """``section.name``."""
        return f"{self.section}.{self.name}"

    @property
    def dotted_names(self) -> tuple[str, ...]:
        """Every dotted name, the main one first."""
        return (self.dotted, *self.aliases)

    @property
    def variables(self) -> tuple[str, ...]:
        """Every environment variable that sets it."""
        made = (PREFIX + name.replace(".", "_").upper() for name in self.dotted_names)
        return (*made, *self.short_variables)


TEXT = read.optional(read.STRING)
MODE = read.one_of("auto", "dvc", "git", "dvc-pointers", renamed={"dvc-manifest": "dvc"})
RECORD_MODE = read.optional(read.one_of("none", "once", "new_episodes", "all", "rewrite", "verify", "off"))
REQUEST_PARTS = read.some_of(
    "method", "uri", "url", "scheme", "host", "port", "path", "query", "headers", "body", "raw_body"
)

KEYS: Final[tuple[Key, ...]] = (
    Key("storage", "mode", "storage_mode", MODE, "auto"),
    Key("storage", "fallback_mode", "fallback_mode", read.one_of("git", "none"), "git"),
    Key("storage", "git_snapshot_size_limit", "git_snapshot_size_limit", read.SIZE, "100KB"),
    Key("storage", "require_dvc_in_ci", "require_dvc_in_ci", read.FLAG, default=False,
        short_variables=("BOOKTEST_REQUIRE_DVC",)),
    Key("storage", "manifest", "manifest", read.PATH, MANIFEST, ("storage.dvc.manifest_path",)),
    Key("storage", "remote", "remote", TEXT, None, ("storage.dvc.remote",)),
    Key("storage", "remote_prefix", "remote_prefix", read.PREFIX, "booktest/blobs",
        ("storage.dvc.remote_prefix",)),
    Key("storage", "compress", "compress", read.FLAG, default=True),
    Key("paths", "snapshots_dir", "snapshots_dir", read.PATH, "books"),
    Key("paths", "cache_dir", "cache_dir", read.PATH, ".booktest_cache"),
    Key("paths", "report_dir", "report_dir", read.PATH, "books/_reports", ("review.report_dir",)),
    Key("review", "commit_on_approve", "commit_on_approve", read.FLAG, default=False),
    Key("review", "diff_tool", "diff_tool", TEXT, None),
    Key("cassettes", "runner", "runner", read.one_of("pytest", "booktest"), "pytest"),
    Key("cassettes", "record_mode", "record_mode", RECORD_MODE, None,
        short_variables=("BOOKTEST_RECORD_MODE",)),
    Key("cassettes", "match_on", "match_on", REQUEST_PARTS, ("method", "uri", "body")),
    Key("cassettes", "allow_hosts", "allow_hosts", read.NAMES, ()),
    Key("cassettes", "ignore_hosts", "ignore_hosts", read.NAMES, ()),
    Key("cassettes", "ignore_localhost", "ignore_localhost", read.FLAG, default=False),
    Key("cassettes", "ignore_json_paths", "ignore_json_paths", read.NAMES, ()),
    Key("cassettes", "unused", "unused", read.one_of("ignore", "warn", "error"), "warn"),
    Key("cassettes", "chunks", "chunks", read.one_of("events", "exact"), "events"),
    Key("cassettes", "stage_drift", "stage_drift", read.FLAG, default=False),
    Key("redact", "headers", "redact_headers", read.NAMES, ()),
    Key("redact", "query", "redact_query", read.NAMES, ()),
    Key("redact", "fields", "redact_fields", read.NAMES, ()),
    Key("redact", "env", "redact_env", read.NAMES, ()),
    Key("redact", "secrets", "redact_secrets", read.VARIABLES, ()),
    Key("redact", "patterns", "redact_patterns", read.PATTERNS, ()),
    Key("redact", "volatile_headers", "volatile_headers", read.NAMES, ()),
)  # fmt: skip
