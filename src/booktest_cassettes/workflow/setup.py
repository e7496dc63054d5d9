"""``init``: what a repository needs around the manifest; a plan first, then carried out (ADR-0013).

Nothing that is there is overwritten, and what is there already is not written again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from ..config import INI, PYPROJECT, TOML, Config, StorageMode, find_root, load_config
from ..config_sources import holds_our_table, read_text
from ..errors import RemoteError
from ..files import atomic_write, read_bytes
from ..project import Project
from ..store.git import GitStore
from ..store.remote.place import find_place
from . import git, suites

#: What the driver is called in ``.gitattributes`` and in Git's configuration.
DRIVER = "booktest-manifest"
_SECTION = f"merge.{DRIVER}"
_BOOKTEST = """
[cassettes]
runner = "booktest"  # what booktest-cassettes run and test start
"""
_SUITE_FILES = ("pytest.ini", "tox.ini", "setup.cfg", "setup.py")
_SNAPSHOTS = re.compile(
    r"((?:[^/]+/)*(?:books|snapshots|recordings|cassettes))/(?:[^/]+/)*_snapshots/[^/]+\.json"
)


class Finding(NamedTuple):
    """Whether something is as it should be, for ``doctor``, and whether ``init`` could do it."""

    name: str
    ok: bool
    detail: str
    is_possible: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a project should have.

    Attributes
    ----------
    name:
        Of the file or the setting.
    is_done:
        It is there.
    detail:
        What it is for, or where it is.
    path, data:
        The file, and all of its bytes.
    settings:
        Git settings of this clone, in place of a file.
    """

    name: str
    is_done: bool
    detail: str
    path: Path | None = None
    data: bytes = b""
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def is_possible(self) -> bool:
        """Whether there is anything to write; where not, ``detail`` says what is in the way."""
        return self.path is not None or bool(self.settings)


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``init`` will do.

    Attributes
    ----------
    root:
        Of the project.
    steps:
        In order; those that are done are left alone.
    notes:
        What is missing, and what to do about it.
    """

    root: Path
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


def root_of(start: Path) -> Path:
    """The root that a project at ``start`` has, or will have: one of its own, below the repository's top."""
    root = find_root(start)
    if any((root / name).exists() for name in (TOML, INI, PYPROJECT)):
        return root
    for directory in (start, *start.parents):
        if directory == root:
            break
        if any((directory / name).exists() for name in _SUITE_FILES):
            return directory
    return root


def has_configuration(root: Path) -> str:
    """The file that configures a project already; ``""`` without one."""
    if (root / TOML).exists():
        return TOML
    return PYPROJECT if holds_our_table(read_text(root / PYPROJECT) or "") else ""


def missing_remote(root: Path) -> RemoteError | None:
    """Why a DVC repository cannot be used yet; ``None`` where it can, or there is none."""
    top = _top(root)
    if not any((directory / ".dvc").is_dir() for directory in _up(root, top)):
        return None
    try:
        find_place(root, None)
    except RemoteError as error:
        return error
    return None


def plan(root: Path, *, storage_mode: StorageMode | None = None, remote: str | None = None) -> Plan:
    """What is there and what is to be done; changes nothing.

    Parameters
    ----------
    root:
        Of the project.
    storage_mode, remote:
        What a person asks for; else what can be found out.

    Raises
    ------
    ConfigError
        When there is a configuration that cannot be read.
    """
    steps: list[Step] = []
    notes: list[str] = []
    there = has_configuration(root)
    if there:
        mode = load_config(root).storage_mode
        steps.append(Step(there, is_done=True, detail=f"storage.mode is {mode}"))
        if storage_mode is not None and storage_mode != mode:
            notes.append(
                f'{there} stays as it is: for another mode, set storage.mode = "{storage_mode}" there'
            )
    else:
        mode = storage_mode or _mode(root, remote)
        steps.append(_configuration(root, mode, remote))
    if (error := missing_remote(root)) is not None and remote is None and mode != "git":
        notes.append(f"no DVC remote yet: {error.message}; {error.hint}")
    if _top(root) is None:
        notes.append("not in a Git repository: git init, then booktest-cassettes init again")
    else:
        steps += _git_steps(replace(load_config(root), storage_mode=mode))
        notes += _tracked_output(root)
    return Plan(root, tuple(steps), tuple(notes))


def repairs(project: Project) -> Plan:
    """The part of ``init`` that a fresh clone may lack, and that can be done without asking."""
    config = project.config
    steps = _git_steps(config) if _top(config.root) is not None else ()
    return Plan(config.root, tuple(steps))


def findings(project: Project) -> list[Finding]:
    """What ``init`` would find in place (``ok``), or not; see :func:`repairs`."""
    return [
        Finding(step.name, step.is_done, step.detail, step.is_possible) for step in repairs(project).steps
    ]


def execute(plan: Plan) -> list[Step]:
    """Carry out what is not done; these steps.

    Raises
    ------
    StorageError
        When the disk refuses.
    UsageError
        When Git does.
    """
    done = [step for step in plan.steps if not step.is_done and step.is_possible]
    for step in done:
        if step.path is not None:
            atomic_write(step.path, step.data)
        for name, value in step.settings:
            git.run(plan.root, "config", "--local", "--replace-all", name, value)
    return done


# --- booktest.toml


def _mode(root: Path, remote: str | None) -> StorageMode:
    try:
        find_place(root, remote)
    except RemoteError:
        # Where there is DVC but no remote yet, the day it has one is not the day to come back here.
        return "auto" if missing_remote(root) is not None else "git"
    return "dvc"


def _configuration(root: Path, mode: StorageMode, remote: str | None) -> Step:
    named = f'remote = "{remote}"\n' if remote else ""
    where = _snapshots_dir(root)
    paths = f'\n[paths]\nsnapshots_dir = "{where}"\n' if where else ""
    # Without it each command that a message names would run pytest.
    runner = _BOOKTEST if suites.suite(root) == "booktest" else ""
    text = f"""\
# booktest-cassettes: what tests exchange with the world, recorded, reviewed, replayed.

[storage]
mode = "{mode}"  # git: beside the tests; dvc: on a DVC remote; auto: on a DVC remote where there is one
{named}{paths}{runner}
[redact]
# Names of environment variables whose values must be in no file.
secrets = []
"""
    detail = f'written, storage.mode = "{mode}"'
    return Step(TOML, is_done=False, detail=detail, path=root / TOML, data=text.encode())


def _snapshots_dir(root: Path) -> str:
    """Where recordings are already, if that is one place, and not where they are looked for anyway."""
    listed = git.ask(root, "ls-files", "-z", "--", ":(glob)**/_snapshots/*.json") or ""
    found = {match[1] if (match := _SNAPSHOTS.fullmatch(name)) else "" for name in listed.split("\0")[:-1]}
    (only,) = found if len(found) == 1 else ("",)
    return "" if only == "books" or not re.fullmatch(r"[\w./ -]*", only) else only


# --- Git


def _git_steps(config: Config) -> Iterator[Step]:
    yield _attributes(config)
    if (payloads := _payload_attributes(config)) is not None:
        yield payloads
    yield _ignored(config)
    yield _driver(config.root)


def _attributes(config: Config) -> Step:
    manifest = config.manifest
    home = config.root if manifest.is_relative_to(config.root) else manifest.parent
    name = manifest.relative_to(home).as_posix()
    path = home / ".gitattributes"
    said = git.ask(home, "check-attr", "-z", "merge", "--", name) or ""
    line = f"{_pattern(name)} merge={DRIVER} text eol=lf"
    if said.split("\0")[2:3] == [DRIVER]:
        return _lines(config, path, [], f"{name} merges by test")
    if line.encode() in (read_bytes(path) or b"").splitlines():
        return _overruled(_from(config.root, path), line)
    return _lines(config, path, [line], f"{name} merges by test")


def _overruled(name: str, line: str) -> Step:
    """Our line is there, and another one is in force: a second of ours would not be either."""
    others = "a line below it, a .gitattributes nearer to the file, or .git/info/attributes"
    return Step(name, is_done=False, detail=f"'{line}' is there, and overruled by {others}")


def _payload_attributes(config: Config) -> Step | None:
    """Payloads are never merged line by line; a directory for them has said so since its first approval."""
    store = GitStore(config.snapshots_dir, lambda _: ())
    if config.storage_mode in ("dvc", "dvc-pointers") or not config.snapshots_dir.is_dir():
        return None
    name = f"{_from(config.root, store.attributes)}"
    probe = git.ask(store.root, "check-attr", "-z", "merge", "--", "t.py/t/_snapshots/http.json") or ""
    stored = read_bytes(store.attributes)
    if probe.split("\0")[2:3] == ["unset"]:
        return Step(name, is_done=True, detail="payloads are one side's in a merge, never a mix of both")
    data = store.attributes_with(stored)
    line = data.splitlines()[-1]
    if line in (stored or b"").splitlines():
        return _overruled(name, line.decode())
    detail = "have payloads be one side's in a merge, never a mix of both"
    return Step(name, is_done=False, detail=detail, path=store.attributes, data=data)


def _ignored(config: Config) -> Step:
    path = config.root / ".gitignore"
    stored = (read_bytes(path) or b"").decode("utf-8", "replace")
    there = {line.strip().strip("/") for line in stored.splitlines()}
    wanted = [
        f"{directory.relative_to(config.root).as_posix()}/"
        for directory in (config.cache_dir, config.report_dir)
        if directory.is_relative_to(config.root) and directory != config.root
    ]
    wanted += [suites.OUTPUT] if suites.writes_output(config.root) else []
    lacking = [line for line in wanted if line.strip("/") not in there and not _is_ignored(config.root, line)]
    named = " and ".join(", ".join(wanted).rsplit(", ", 1))
    return _lines(config, path, lacking, f"Git ignores {named}")


def _tracked_output(root: Path) -> list[str]:
    """What is in Git already is ignored in vain."""
    if not suites.writes_output(root) or not git.ask(root, "ls-files", "--", suites.OUTPUT):
        return []
    where = suites.OUTPUT
    return [f"{where} outside of Git, as each run changes it: git rm -r -q --cached {where} && git commit"]


def _is_ignored(root: Path, directory: str) -> bool:
    """Whether a rule says so that comes with a clone: the one inside of the directory does not."""
    said = git.ask(root, "check-ignore", "--verbose", "--no-index", "--", directory)
    return said is not None and not said.startswith(directory)


def _lines(config: Config, path: Path, lines: list[str], detail: str) -> Step:
    """Lines at the end of a file, in the file's own line ends."""
    stored = read_bytes(path) or b""
    end = b"\r\n" if b"\r\n" in stored else b"\n"
    joint = end if stored and not stored.endswith(b"\n") else b""
    data = stored + joint + b"".join(line.encode() + end for line in lines)
    return Step(_from(config.root, path), is_done=not lines, detail=detail, path=path, data=data)


def _driver(root: Path) -> Step:
    wanted = {
        f"{_SECTION}.name": "booktest-cassettes: manifests, by test and kind",
        f"{_SECTION}.driver": driver_command(),
    }
    is_done = all(
        git.ask(root, "config", "--local", "--get", name) == value for name, value in wanted.items()
    )
    detail = "the merge driver, in Git's configuration of this clone"
    return Step(_SECTION, is_done=is_done, detail=detail, settings=tuple(wanted.items()))


def programs() -> list[str]:
    """How a shell finds our command, quoted: on its path, else where it is installed now."""
    own = Path(sys.executable).with_name(f"booktest-cassettes{'.exe' if os.name == 'nt' else ''}")
    return ["booktest-cassettes", *([quote(own.as_posix())] if own.is_file() else [])]


def driver_command() -> str:
    """What Git runs for a merge of the manifest, in any shell.

    Where our command is not to be found, or fails before it has merged anything, the manifest is merged
    as text: Git would take our silence for "all of it is ours".
    """
    text = 'git merge-file -q --diff3 --marker-size=%L -L ours -L base -L theirs "%A" "%O" "%B"'
    found = " ".join(program.replace("%", "%%") for program in programs())
    return (
        f'for c in {found}; do if command -v "$c" >/dev/null 2>&1; then'
        ' "$c" merge-driver "%O" "%A" "%B" %L %P %S %X %Y && exit 0;'
        ' grep -q "^<<<<<<<" "%A" && exit 1;'
        f" {text}; exit 1; fi; done; {text} || exit 1"
    )


def _pattern(name: str) -> str:
    """A path as ``.gitattributes`` takes it literally."""
    literal = re.sub(r"[\\*?\[\]]|^[!#]", r"\\\g<0>", name)
    if re.search(r'[\s"]', literal) is None:
        return literal
    escaped = literal.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _from(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _top(root: Path) -> Path | None:
    top = git.ask(root, "rev-parse", "--show-toplevel")
    return Path(top) if top else None


def _up(root: Path, top: Path | None) -> Iterator[Path]:
    for directory in (root, *root.parents):
        yield directory
        if top is None or (directory / ".git").exists():
            return
