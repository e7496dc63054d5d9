"""What the checks look at: as much of a project as can be opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...config import Config, find_root, load_config
from ...errors import CassetteError, ConfigError
from ...project import Project


@dataclass(frozen=True)
class Patient:
    """A project, broken or not.

    Attributes
    ----------
    root:
        Its root directory, or where the command runs when that cannot be told.
    environ:
        The environment variables.
    config:
        ``None`` when it cannot be read: ``trouble`` says why then.
    project:
        Its files on this machine; ``None`` without a configuration.
    trouble:
        Why there is no configuration, or none of the remote that it asks for.
    offline, deep:
        Ask no remote; verify every byte.
    """

    root: Path
    environ: Mapping[str, str]
    config: Config | None = None
    project: Project | None = None
    trouble: CassetteError | None = None
    offline: bool = False
    deep: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether this user may look into the root directory."""
        return os.access(self.root, os.R_OK | os.X_OK)

    def relative(self, path: Path) -> str:
        """A path as a person would type it from the root."""
        try:
            return path.relative_to(self.root).as_posix() or "."
        except ValueError:
            return str(path)


def admit(
    start: Path,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    offline: bool = False,
    deep: bool = False,
) -> Patient:
    """The project that ``start`` lies in, whatever is wrong with it; never raises one of our errors.

    Parameters
    ----------
    start:
        A directory.
    overrides, environ:
        See :func:`load_config`.
    offline, deep:
        See :class:`Patient`.
    """
    variables = dict(os.environ if environ is None else environ)
    plain = Patient(start, variables, offline=offline, deep=deep)
    try:
        root = find_root(start)
    except ConfigError as error:  # a pyproject.toml on the way that cannot be read
        return replace(plain, trouble=error)
    plain = replace(plain, root=root)
    try:
        config = load_config(root, overrides=overrides or {}, environ=variables)
    except ConfigError as error:
        return replace(plain, trouble=error)
    try:
        return replace(plain, config=config, project=Project(config))
    except CassetteError as error:
        # What is on this machine can be looked at all the same: for that, Git asks for nothing.
        local = replace(config, storage_mode="git", require_dvc_in_ci=False)
        return replace(plain, config=config, project=Project(local), trouble=error)
