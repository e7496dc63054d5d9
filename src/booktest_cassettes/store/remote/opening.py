"""From a remote's name to its medium, through DVC: its configuration, credentials and file systems."""

from __future__ import annotations

import logging
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ...errors import RemoteError
from .engine import loop
from .medium import Medium

if TYPE_CHECKING:
    from .place import Place


# Libraries that log what credential programs print; without a handler Python shows it on standard error.
_TALKATIVE = ("aiobotocore", "botocore", "s3fs", "asyncssh", "fsspec")


def open_medium(place: Place, prefix: str, jobs: int | None = None) -> Medium:
    """The medium of a remote, ready to be used; blocks while it connects.

    Parameters
    ----------
    place:
        Which remote.
    prefix:
        Our directory on it, relative.
    jobs:
        Operations at once; ``None``: the remote's own ``jobs`` setting, else what suits its kind.

    Raises
    ------
    RemoteError
        When the configuration is unusable or a package is missing.
    """
    try:
        from dvc.config import Config
        from dvc.fs import get_cloud_fs
    except ImportError as error:
        raise RemoteError(f"{place}: DVC cannot be loaded: {error}", hint=_install(place)) from error
    try:
        cls, settings, root = get_cloud_fs(Config(str(place.dvc_dir)), name=place.name)
        filesystem = cls(**settings)
    except ImportError as error:
        raise RemoteError(f"{place}: {error}", hint=_install(place)) from error
    except RemoteError:
        raise
    except Exception as error:  # noqa: BLE001 - DVC's, or a library's below it, about a url or an option
        name = quote(place.name)
        raise RemoteError(
            f"{place}: DVC's configuration of it cannot be used ({type(error).__name__})",
            hint=f"dvc remote list shows what DVC makes of it; dvc remote modify {name} OPTION VALUE",
        ) from None  # its text may hold a password of the url
    for library in _TALKATIVE:
        logging.getLogger(library).addHandler(logging.NullHandler())
    jobs = jobs or settings.get("jobs")
    return _medium(filesystem, root, prefix, jobs)


def _medium(filesystem: Any, root: str, prefix: str, jobs: int | None) -> Medium:
    if filesystem.protocol == "local":
        from .share import ShareMedium

        return ShareMedium(Path(root), prefix, jobs)
    base = f"{root.rstrip('/')}/{prefix}" if root else prefix  # ssh://host is the user's home
    if filesystem.protocol == "s3":
        from .s3 import S3Medium

        return S3Medium(filesystem, base, jobs, loop())
    if filesystem.protocol == "ssh":
        from .ssh import SshMedium

        return SshMedium(filesystem, base, jobs, loop())
    from .other import OtherMedium

    return OtherMedium(filesystem, base, jobs)


def _install(place: Place) -> str:
    scheme = place.url.partition("://")[0]
    extra = {"s3": "s3", "ssh": "ssh", "gs": "gs", "azure": "azure"}.get(scheme)
    return f"pip install 'booktest-cassettes[{extra}]'" if extra else f"pip install 'dvc[{scheme}]'"
