"""Which DVC remote a project uses, read from DVC's own configuration without loading DVC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import RemoteError

_REMOTE = re.compile(r'\s*remote\s*"(?P<name>.*)"\s*')  # as DVC has it
# What comes before the last `@` of the authority, or of all where a password holds a slash; a query.
_SECRET = re.compile(r"(?<=://)[^/?]*@|(?<=://)[^/?:@]*:(?!\d+/)[^@]*@|\?.*", re.DOTALL)
_LINE = re.compile(r"at line (\d+)")


@dataclass(frozen=True, slots=True)
class Place:
    """A remote that DVC's configuration names.

    Attributes
    ----------
    dvc_dir:
        The repository's ``.dvc`` directory.
    name:
        As ``dvc remote list`` shows it.
    url:
        As configured, without user and password: fit to be shown.
    """

    dvc_dir: Path
    name: str
    url: str

    def __str__(self) -> str:
        return f"remote {self.name!r} ({self.url})"


def is_installed() -> bool:
    """Whether there is a ``dvc`` package; a directory of that name that is none does not count."""
    spec = find_spec("dvc")
    return spec is not None and spec.origin is not None


def find_place(root: Path, wanted: str | None) -> Place:
    """The remote a project uses.

    Parameters
    ----------
    root:
        The project's root; the DVC repository is there or above it, within the Git work tree.
    wanted:
        Name of the remote, ``None`` for DVC's default one.

    Raises
    ------
    RemoteError
        That says what is missing: the DVC repository, the ``dvc`` package, the remote.
    """
    dvc_dir = _dvc_dir(root)
    if dvc_dir is None:
        raise RemoteError(
            f"there is no DVC repository at {root}", hint="dvc init, then dvc remote add -d NAME URL"
        )
    if not is_installed():
        raise RemoteError(
            "the dvc package is not installed",
            hint="pip install 'booktest-cassettes[dvc]' (that is for a share; or [s3], [ssh], [gs], [azure])",
        )
    remotes: dict[str, Any] = {}
    default = None
    for read in (_light, _whole):  # a remote of the user's or the system's configuration needs DVC itself
        default, remotes = read(dvc_dir)
        name = (wanted or default or "").lower()  # as DVC compares them
        if "url" in remotes.get(name, ()):
            return Place(dvc_dir, name, _shown(str(remotes[name]["url"])))
    raise _no_remote(wanted or default, sorted(remotes))


def _shown(url: str) -> str:
    """Without what may be a credential: user, password, query."""
    return _SECRET.sub("", url) if "://" in url else url


def _dvc_dir(root: Path) -> Path | None:
    root = root.absolute()
    for directory in (root, *root.parents):
        if (directory / ".dvc").is_dir():
            return directory / ".dvc"
        if (directory / ".git").exists():
            break
    return None


def _no_remote(name: str | None, known: list[str]) -> RemoteError:
    there = f"there are: {', '.join(known)}" if known else "there is none yet"
    if name is None:
        return RemoteError(
            f"DVC has no default remote ({there})",
            hint=f"dvc remote default {known[0]!r}" if known else "dvc remote add -d NAME URL",
        )
    return RemoteError(
        f"DVC has no remote {name!r} ({there})",
        hint="set storage.remote to one of them" if known else f"dvc remote add -d {name!r} URL",
    )


def _light(dvc_dir: Path) -> tuple[str | None, dict[str, Any]]:
    """The default remote and all remotes of the repository's two files, which are nearly always all."""
    from configobj import ConfigObj, ConfigObjError  # what DVC reads them with; comes with it

    default: str | None = None
    remotes: dict[str, Any] = {}
    for file in (dvc_dir / "config", dvc_dir / "config.local"):
        try:
            sections = ConfigObj(str(file), encoding="utf-8").dict()
        except (ConfigObjError, UnicodeDecodeError, OSError) as error:
            raise _unreadable(file, error) from None
        core = sections.get("core")
        default = _lower(core).get("remote", default) if isinstance(core, dict) else default
        for name, section in _remotes(sections):
            remotes[name] = {**remotes.get(name, {}), **section}
    return default, remotes


def _unreadable(where: Path, error: Exception) -> RemoteError:
    from configobj import ConfigObjError

    why = str(error)
    if isinstance(error.__cause__ or error, ConfigObjError):  # it quotes the line, which may hold a password
        line = _LINE.search(why)
        why = f"line {line[1]} is wrong" if line else "a value of it is wrong"
    return RemoteError(
        f"{where}: DVC's configuration cannot be read: {why}", hint="mend it, then check: dvc remote list"
    )


def _remotes(sections: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for title, section in sections.items():
        if isinstance(section, dict) and (found := _REMOTE.fullmatch(title.lower())):
            yield found["name"], _lower(section)


def _lower(section: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in section.items()}


def _whole(dvc_dir: Path) -> tuple[str | None, dict[str, Any]]:
    """The same by DVC's own reading, every level of it."""
    from dvc.config import Config, ConfigError
    from voluptuous import Invalid

    try:
        config = Config(str(dvc_dir))
    except (ConfigError, Invalid, OSError) as error:
        raise _unreadable(dvc_dir, error) from None
    return config["core"].get("remote"), dict(config["remote"])
