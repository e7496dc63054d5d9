"""The one room for configuration: what can be set, where it was set, and which place wins.

One table, ``config_keys.KEYS``, drives the TOML tables, the flat names of ``booktest.ini`` and
``.booktest``, the environment variables and the messages. From lowest to highest (DESIGN section 4):
defaults, ``pyproject.toml``, ``booktest.toml``, ``booktest.ini``, ``.booktest``, environment, command line.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import config_sources as read
from .config_keys import KEYS, MANIFEST, PREFIX, Key
from .config_sources import Entry
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["KEYS", "Config", "Key", "find_root", "load_config"]

PYPROJECT, TOML, INI, DOTFILE = "pyproject.toml", "booktest.toml", "booktest.ini", ".booktest"

StorageMode = Literal["auto", "dvc", "git", "dvc-pointers"]
RecordMode = Literal["none", "once", "new_episodes", "all", "rewrite", "verify", "off"]


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting, checked and resolved; built by :func:`load_config`.

    Two configurations are equal when their values are, wherever they came from.

    Parameters
    ----------
    root:
        What test ids and relative paths are relative to.
    storage_mode, fallback_mode:
        Where blobs live, and where they do when ``auto`` finds no DVC (``none``: fail).
    git_snapshot_size_limit:
        Bytes; a larger payload in Git is warned about.
    require_dvc_in_ci:
        In CI a missing DVC is an error, whatever ``fallback_mode`` says.
    manifest, snapshots_dir, cache_dir, report_dir:
        Absolute paths.
    remote, remote_prefix:
        Name of the DVC remote (``None``: its default one), and our directory on it.
    compress:
        Store blobs gzip-compressed.
    commit_on_approve, diff_tool:
        Whether approving commits to Git, and the command that shows a difference.
    runner:
        What ``booktest-cassettes run`` runs.
    record_mode:
        ``None``: ``none`` in CI, else ``once``.
    match_on:
        What must be equal for a request to be answered, in vcrpy's words.
    allow_hosts, ignore_hosts, ignore_localhost:
        Requests that bypass the cassette.
    ignore_json_paths:
        Parts of JSON bodies that matching does not look at.
    unused:
        What recorded interactions that nothing played are: ``ignore``, ``warn`` or ``error``.
    chunks:
        ``events``, or ``exact`` for the wire's own boundaries.
    stage_drift:
        In mode ``verify``, stage what a drifted test recorded.
    redact_headers, redact_query, redact_fields, redact_env, volatile_headers:
        Names in addition to the built-in lists.
    redact_secrets:
        Names of environment variables whose values are secrets.
    redact_patterns:
        Regular expressions of secrets.
    ci:
        The variable ``CI`` is set, and not to ``0`` or ``false``.
    sources:
        Where each field's value was set, by field name: ``default``, ``booktest.toml:3``,
        ``environment BOOKTEST_STORAGE_MODE``, ``command line --storage-mode``.
    """

    root: Path
    storage_mode: StorageMode
    fallback_mode: Literal["git", "none"]
    git_snapshot_size_limit: int
    require_dvc_in_ci: bool
    manifest: Path
    remote: str | None
    remote_prefix: str
    compress: bool
    snapshots_dir: Path
    cache_dir: Path
    report_dir: Path
    commit_on_approve: bool
    diff_tool: str | None
    runner: Literal["pytest", "booktest"]
    record_mode: RecordMode | None
    match_on: tuple[str, ...]
    allow_hosts: tuple[str, ...]
    ignore_hosts: tuple[str, ...]
    ignore_localhost: bool
    ignore_json_paths: tuple[str, ...]
    unused: Literal["ignore", "warn", "error"]
    chunks: Literal["events", "exact"]
    stage_drift: bool
    redact_headers: tuple[str, ...]
    redact_query: tuple[str, ...]
    redact_fields: tuple[str, ...]
    redact_env: tuple[str, ...]
    redact_secrets: tuple[str, ...]
    redact_patterns: tuple[str, ...]
    volatile_headers: tuple[str, ...]
    ci: bool
    # A plain dict, not a read-only proxy: configurations are pickled to worker processes.
    sources: Mapping[str, str] = field(compare=False, repr=False)


_SECTIONS = tuple(dict.fromkeys(key.section for key in KEYS))
_BY_NAME = {name: key for key in KEYS for name in key.dotted_names}
_BY_VARIABLE = {variable: key for key in KEYS for variable in key.variables}
_BY_FIELD = {key.field: key for key in KEYS}


def load_config(
    root: Path,
    *,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Read every source and give the settings of the project at ``root``.

    Parameters
    ----------
    root:
        The directory that holds the files, as :func:`find_root` gives it. Relative paths, whoever
        sets them, are relative to it.
    overrides:
        What the command line says, by field name; ``None`` values say nothing.
    environ:
        Environment variables, by default those of this process. An empty one says nothing.

    Raises
    ------
    ConfigError
        On the first unknown key, impossible value or unreadable file; names the place and, where
        there is one, the nearest valid word.
    """
    base = _absolute(root)
    variables = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    sources: dict[str, str] = {"ci": "environment CI" if variables.get("CI") else "default"}
    for layer in _layers(base, overrides or {}, variables):
        for name, entry in _by_field(layer).items():
            value = _value(_BY_FIELD[name].shape, entry)
            values[name] = base / value if isinstance(value, Path) else value
            sources[name] = entry.where
    ci = variables.get("CI", "").strip().lower() not in {"", "0", "false"}
    return Config(root=base, ci=ci, sources=sources, **values)


def _layers(
    root: Path, overrides: Mapping[str, object], variables: Mapping[str, str]
) -> Iterator[Iterable[Entry]]:
    yield (Entry(key.dotted, key.default, "default") for key in KEYS)
    yield read.toml_entries(root / PYPROJECT, is_shared=True)
    yield read.toml_entries(root / TOML)
    yield read.flat_entries(root / INI, _SECTIONS)
    yield read.flat_entries(root / DOTFILE, _SECTIONS)
    yield _environment_entries(variables)
    yield _override_entries(overrides)


def _by_field(layer: Iterable[Entry]) -> dict[str, Entry]:
    """The entries of one source by field; one source may not say two things about a field."""
    found: dict[str, Entry] = {}
    for entry in layer:
        if entry.value == {} and any(name.startswith(f"{entry.name}.") for name in _BY_NAME):
            continue  # a header with nothing below it
        name = _known(entry).field
        if name in found:
            other = found[name]
            raise ConfigError(
                f"{entry.where}: '{entry.name}' is set twice",
                hint=f"remove this one or '{other.name}' at {other.where}",
            )
        found[name] = entry
    return found


def _known(entry: Entry) -> Key:
    if entry.name in _SECTIONS:
        raise ConfigError(f"{entry.where}: '{entry.name}' must be a table", hint=f"write [{entry.name}]")
    if entry.name not in _BY_NAME:
        raise ConfigError(
            f"{entry.where}: unknown key '{entry.name[:80]}'",
            hint=read.did_you_mean(entry.name, (*_BY_NAME, *_SECTIONS))
            or f"sections: {', '.join(_SECTIONS)}",
        )
    return _BY_NAME[entry.name]


def _value(shape: read.Shape, entry: Entry) -> object:
    value = entry.value
    try:
        if entry.is_text and isinstance(value, str):
            value = shape.from_text(value)
        return shape.check(value)
    except ConfigError as error:
        message = f"{entry.where}: {entry.name}: {error.message}"
        raise ConfigError(message, hint=error.hint) from error.__cause__


def _environment_entries(variables: Mapping[str, str]) -> Iterator[Entry]:
    ours = tuple(f"{PREFIX}{section.upper()}_" for section in _SECTIONS)
    for variable, text in sorted(variables.items()):
        if key := _BY_VARIABLE.get(variable):
            if text.strip():
                yield Entry(key.dotted, text, f"environment {variable}", is_text=True)
        elif variable.startswith(ours):
            raise ConfigError(f"environment {variable[:80]}: no such setting", hint=_near_variable(variable))


def _near_variable(variable: str) -> str:
    # As dotted names: the prefix they all share would make any two of them look alike.
    known = {_dotted(name): name for name in _BY_VARIABLE}
    return read.did_you_mean(_dotted(variable), known, known.__getitem__)


def _dotted(variable: str) -> str:
    return variable.removeprefix(PREFIX).replace("_", ".", 1)


def _override_entries(overrides: Mapping[str, object]) -> Iterator[Entry]:
    for name, value in overrides.items():
        where = "command line --" + name.replace("_", "-")
        if name not in _BY_FIELD:
            raise ConfigError(f"{where}: no such setting", hint=read.did_you_mean(name, _BY_FIELD))
        if value is not None:
            yield Entry(_BY_FIELD[name].dotted, value, where)


def find_root(start: Path) -> Path:
    """The directory that configuration, manifest and test ids are relative to.

    The nearest directory from ``start`` upwards that holds one of our files (``booktest.toml``,
    ``booktest.ini``, ``.booktest``, the manifest, or a ``pyproject.toml`` with our table); else the
    nearest with a ``pyproject.toml`` or ``.git``; else ``start``. Never looks above a directory with
    ``.git``. A ``.booktest`` in the home directory is booktest's personal file and marks nothing.

    Parameters
    ----------
    start:
        A directory, or a file in it.

    Raises
    ------
    ConfigError
        When a ``pyproject.toml`` on the way cannot be read.
    """
    first = _absolute(start)
    if first.is_file():
        first = first.parent
    searched = list(_up_to_repository(first))
    for is_root in (_holds_our_file, _is_project):
        for directory in searched:
            if is_root(directory):
                return directory
    return first


def _absolute(path: Path) -> Path:
    """``path`` from the file system's root, without ``..``.

    Symbolic links stay: pytest keeps them too, and test ids are made relative to what it says.
    """
    return Path(os.path.abspath(path))  # noqa: PTH100 (resolve() follows links, absolute() keeps "..")


def _up_to_repository(first: Path) -> Iterator[Path]:
    for directory in (first, *first.parents):
        yield directory
        if _exists(directory / ".git"):
            return


def _holds_our_file(directory: Path) -> bool:
    if any(_exists(directory / name) for name in (TOML, MANIFEST)) or _is_a_persons(directory / INI):
        return True
    if _exists(directory / DOTFILE) and (directory / DOTFILE).is_file() and not _is_home(directory):
        return True
    pyproject = directory / PYPROJECT
    return _exists(pyproject) and read.holds_our_table(read.read_text(pyproject) or "")


def _is_a_persons(ini: Path) -> bool:
    """Whether it says more than the version of a layout, which booktest leaves wherever it is started."""
    if not _exists(ini):
        return False
    lines = [line.strip() for line in (read.read_text(ini) or "").splitlines()]
    keys = {line.partition("=")[0].strip() for line in lines if line and not line.startswith("#")}
    return keys != {"fs_version"}


def _is_project(directory: Path) -> bool:
    return _exists(directory / PYPROJECT) or _exists(directory / ".git")


def _is_home(directory: Path) -> bool:
    with suppress(RuntimeError, OSError):  # no home directory: containers with a bare user id
        return directory.samefile(Path.home())
    return False


def _exists(path: Path) -> bool:
    with suppress(OSError):  # Python 3.11 raises where a parent directory may not be searched
        return path.exists()
    return False
