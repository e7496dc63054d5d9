"""Where approved snapshots of a project live: in Git, on a DVC remote, or behind DVC's pointer files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .config import Config
from .errors import RemoteError
from .manifest import StorageMode
from .store.remote.place import Place, find_place, is_installed

Mode = Literal["git", "dvc", "dvc-pointers"]


@dataclass(frozen=True, slots=True)
class Storage:
    """The storage in force.

    Attributes
    ----------
    mode:
        Never ``auto``: that has been decided.
    place:
        The DVC remote; ``None`` in Git, or where it cannot be had (see ``lack``).
    notice:
        What to tell the user about a fallback; ``""``: nothing.
    lack:
        Why there is no remote: after a fallback, or when the ``dvc`` package is not installed.
    """

    mode: Mode
    place: Place | None = None
    notice: str = ""
    lack: RemoteError | None = None

    @property
    def header(self) -> StorageMode:
        """The manifest's word for the mode."""
        return "git" if self.mode == "git" else "dvc"

    def require(self) -> Place:
        """The remote; raises RemoteError where there is none."""
        if self.place is not None:
            return self.place
        raise self.lack or RemoteError(
            "snapshots are kept in Git, there is no remote",
            hint='dvc init, dvc remote add -d NAME URL, and storage.mode = "dvc"',
        )


def decide(config: Config) -> Storage:
    """The storage that a configuration means, on this machine.

    Raises
    ------
    RemoteError
        When a mode that was asked for has no DVC repository or no remote; for ``auto`` with
        ``fallback_mode = "none"``, and in CI with ``require_dvc_in_ci``, when anything of DVC is missing.
    """
    required = config.ci and config.require_dvc_in_ci
    if config.storage_mode == "git":
        if required:
            raise RemoteError(
                f'storage.mode is "git" ({config.sources["storage_mode"]}), and DVC is required in CI'
                f" ({config.sources['require_dvc_in_ci']})",
                hint='set storage.mode = "dvc", or leave the requirement out',
            )
        return Storage("git")
    wanted = "dvc" if config.storage_mode == "auto" else config.storage_mode
    try:
        return Storage(wanted, find_place(config.root, config.remote))
    except RemoteError as error:
        if required:
            raise _required(config, error) from None
        if config.storage_mode != "auto" and not is_installed():
            return Storage(wanted, lack=_needed(config, error))  # a full cache is enough to replay
        if config.storage_mode != "auto" or config.fallback_mode == "none":
            raise _needed(config, error) from None
        why = f'storage: Git, since {error.message} (storage.mode = "git" silences this)'
        return Storage("git", notice=why, lack=error)


def _required(config: Config, error: RemoteError) -> RemoteError:
    asker = config.sources["require_dvc_in_ci"]
    return RemoteError(f"DVC is required in CI ({asker}), but {error.message}", hint=error.hint)


def _needed(config: Config, error: RemoteError) -> RemoteError:
    source = config.sources["storage_mode"]
    return RemoteError(
        f"storage.mode = {config.storage_mode!r} ({source}) needs DVC, but {error.message}",
        hint=f'{error.hint}; or set storage.mode = "git" to keep recordings in Git',
    )
