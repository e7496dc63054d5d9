"""Configuration: which files are in force, what they set, and what nobody reads."""

from __future__ import annotations

import difflib
from pathlib import Path
from shlex import quote
from typing import Any

from ...config import DOTFILE, INI, PYPROJECT, TOML, Config
from ...config_keys import KEYS, Key
from ...config_sources import flat_entries, read_text, toml_entries
from ...errors import ConfigError
from ...wording import count
from .findings import USAGE, Finding, Findings, of_error, ok, problem
from .patient import Patient

_FILES = (PYPROJECT, TOML, INI, DOTFILE)
_SECTIONS = tuple(dict.fromkeys(key.section for key in KEYS))
_ALIKE = 0.85  # difflib's ratio; the shared prefix makes any two of our variables look like 0.6


def check(patient: Patient) -> Findings:
    """Files, values with their sources, and variables that look like a typo."""
    if not patient.is_readable:  # all else would say so once more, file by file
        fix = f"chmod u+rx {quote(str(patient.root))}, or run it as who owns it"
        yield problem("root", str(patient.root), "this user may not read the directory", fix, USAGE)
        return
    yield ok("root", "", f"the project is {patient.root}")
    said: list[str] = []
    for name in _FILES:
        for finding in _file(patient.root / name):
            said.append(finding.what)
            yield finding
    trouble = patient.trouble
    if isinstance(trouble, ConfigError) and trouble.message not in said:
        yield of_error("configuration", trouble)
    if patient.config is not None:
        yield from _values(patient.config)
    yield from _variables(patient)


def _file(path: Path) -> Findings:
    try:
        if read_text(path) is None:
            return
        if path.name in (PYPROJECT, TOML):
            entries = toml_entries(path, is_shared=path.name == PYPROJECT)
        else:
            entries = list(flat_entries(path, _SECTIONS))
    except ConfigError as error:
        yield of_error("configuration-file", error)
        return
    number = len(entries)
    if number or path.name != PYPROJECT:
        yield ok("configuration-file", path.name, f"read, {count(number, 'setting')} of ours")


def _values(config: Config) -> Findings:
    for key in KEYS:
        source = config.sources.get(key.field, "default")
        if source != "default":
            yield ok("setting", key.dotted, f"{_shown(key, getattr(config, key.field))} ({source})")
    yield ok("ci", "", "CI is set: nothing is recorded here" if config.ci else "CI is not set")


def _shown(key: Key, value: Any) -> str:
    if key.field == "redact_patterns":  # somebody may have written a secret itself
        return f"{count(len(value), 'pattern')}"
    if isinstance(value, tuple):
        return ", ".join(value) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _variables(patient: Patient) -> Findings:
    known = sorted({variable for key in KEYS for variable in key.variables})
    ours = tuple(f"BOOKTEST_{section.upper()}_" for section in _SECTIONS)  # a typo in those is an error
    for variable in sorted(patient.environ):
        if not variable.startswith("BOOKTEST") or variable in known or variable.startswith(ours):
            continue
        meant = difflib.get_close_matches(variable[:80], known, 1, cutoff=_ALIKE)
        if meant:
            what = f"is set, and nobody reads it: did you mean {meant[0]}?"
            yield Finding("variable", "warning", variable[:80], what, f"rename it to {meant[0]}, or unset it")
