"""The configured storage mode: changed where it is written, or said where a person has to change it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..config import DOTFILE, INI, PYPROJECT, TOML, load_config
from ..config_sources import holds_our_table, read_text
from ..files import atomic_write, read_bytes
from ..storage import Mode

_PLACE = re.compile(r"(?P<file>[^:]+):(?P<line>\d+)")
_VALUE = re.compile(
    rb"(?P<before>[^=#;]*\bmode[\"']?\s*=\s*(?P<quote>[\"']?))"
    rb"(?:auto|git|dvc|dvc-manifest|dvc-pointers)(?P<after>(?P=quote)(?:[\s,}#].*)?)",
    re.DOTALL,
)
_OURS = (TOML, INI, DOTFILE)


@dataclass(frozen=True, slots=True)
class Setting:
    """What becomes of ``storage.mode``.

    Attributes
    ----------
    mode:
        What it is to be.
    path, data:
        The file that is written, and all of its bytes; ``None``: none is.
    where:
        The file and line that says it, or will.
    by_hand:
        What a person has to set, since it is said where we do not write; ``""``: nothing.
    """

    mode: Mode
    path: Path | None = None
    data: bytes = b""
    where: str = ""
    by_hand: str = ""

    def lines(self, verb: str = "set") -> list[str]:
        """For people."""
        told = [f'{verb} storage.mode = "{self.mode}" in {self.where}'] if self.path else []
        return [*told, *([f"set by hand: {self.by_hand}"] if self.by_hand else [])]

    def write(self) -> None:
        """Change the file; raises StorageError."""
        if self.path is not None:
            atomic_write(self.path, self.data)


def setting(root: Path, mode: Mode) -> Setting:
    """How the configuration of a project comes to say ``mode``; changes nothing.

    Raises
    ------
    ConfigError
        When it cannot be read.
    """
    in_files, in_all = load_config(root, environ={}), load_config(root)
    by_hand = ""
    if in_all.storage_mode != mode and (said := in_all.sources["storage_mode"]).startswith("environment"):
        variable = said.removeprefix("environment ")
        by_hand = f"{variable}={mode} in the environment, or unset it (it says {in_all.storage_mode} now)"
    if in_files.storage_mode == mode:
        return Setting(mode, by_hand=by_hand)
    where = in_files.sources["storage_mode"]
    changed = _first(root, mode) if where == "default" else _changed(root, mode, where)
    return Setting(mode, changed.path, changed.data, changed.where, by_hand or changed.by_hand)


def _changed(root: Path, mode: Mode, where: str) -> Setting:
    """With another value where one is; a line that says it in a way of its own is left to a person."""
    found = _PLACE.fullmatch(where)
    hand = Setting(mode, by_hand=f'storage.mode = "{mode}" in {where}')
    if found is None or found["file"] not in _OURS:
        return hand
    path = root / found["file"]
    lines = (read_bytes(path) or b"").split(b"\n")
    number = int(found["line"]) - 1
    value = _VALUE.fullmatch(lines[number])
    if value is None:
        return hand
    lines[number] = value["before"] + mode.encode() + value["after"]
    return Setting(mode, path, b"\n".join(lines), where)


def _first(root: Path, mode: Mode) -> Setting:
    """Where nothing says it yet: in the file that configures the project, which may be none."""
    path = root / TOML
    if not path.exists() and holds_our_table(read_text(root / PYPROJECT) or ""):
        return Setting(mode, by_hand=f'mode = "{mode}" in {PYPROJECT}, in [tool.booktest-cassettes.storage]')
    stored = read_bytes(path) or b""
    line = f'mode = "{mode}"'
    end = b"\r\n" if b"\r\n" in stored else b"\n"
    table = re.search(rb"(?m)^[ \t]*\[[ \t]*storage[ \t]*\][ \t]*(?:#[^\n]*)?(?:\n|\Z)", stored)
    if table is not None:
        head = stored[: table.end()]
        head += b"" if head.endswith(b"\n") else end
        data = head + line.encode() + end + stored[table.end() :]
    elif not re.search(rb"(?m)^[ \t]*[\"']?storage\b", stored):
        joint = b"" if not stored else end if stored.endswith(b"\n") else end * 2
        data = stored + joint + b"[storage]" + end + line.encode() + end
    else:
        return Setting(mode, by_hand=f'storage.mode = "{mode}" in {TOML}')
    return Setting(mode, path, data, TOML)
