"""What asyncssh and the system say when something is wrong with an SSH remote, in words for a person."""

from __future__ import annotations

import socket
from collections.abc import Callable

import asyncssh
from asyncssh.misc import ChannelOpenError

from .medium import Trouble

_SET = "dvc remote modify --local NAME"
_AGAIN = "run the command again: what was done stays done"
_PORT = "check the port: dvc remote modify NAME port PORT"


def explain(error: BaseException) -> Trouble | None:
    """What an error means; ``None`` for one it does not know."""
    for kinds, say in _WORDS:
        if isinstance(error, kinds):
            return say(error)
    return None


def _always(what: str, hint: str) -> Callable[[BaseException], Trouble]:
    return lambda _: Trouble(what, hint)


def _key_file(error: BaseException) -> Trouble:
    name = getattr(error, "filename", None)
    why = getattr(error, "strerror", None) or "it cannot be read"
    return Trouble(f"the key file {name or ''} cannot be used: {why}", f"{_SET} keyfile PATH")


def _bad_key(error: BaseException) -> Trouble:
    if str(error).startswith("Passphrase"):
        what = "the key file is protected by a passphrase, and none is configured"
        return Trouble(what, f"ssh-add the key, or {_SET} passphrase ...")
    if "passphrase" in str(error).lower():
        return Trouble("the passphrase of the key file is wrong", f"{_SET} passphrase ...")
    return Trouble(f"the key file is none that can be read: {error}", f"{_SET} keyfile PATH")


def _refused(error: BaseException) -> Trouble:
    what = f"it does not let us in: {getattr(error, 'reason', error)}"
    return Trouble(what, f"check user and key: {_SET} user USER, and the same with keyfile PATH")


def _ended(error: BaseException) -> Trouble:
    return Trouble(f"it ended the connection: {getattr(error, 'reason', '') or error}", _AGAIN)


def _out_of_reach(error: BaseException) -> Trouble:
    return Trouble(f"it cannot be reached: {error}", f"check host, port and network; {_PORT}")


def _without_reason(error: BaseException) -> Trouble:
    said = getattr(error, "reason", "") or "Failure"
    return Trouble(
        f"it failed without a reason ({said})", "look at space, quota and permissions on the server"
    )


_Kinds = type[BaseException] | tuple[type[BaseException], ...]

#: The first that fits is used.
_WORDS: tuple[tuple[_Kinds, Callable[[BaseException], Trouble]], ...] = (
    (asyncssh.PermissionDenied, _refused),
    (
        asyncssh.HostKeyNotVerifiable,
        _always("its host key is not trusted", "ssh to it once, and check the key that it shows"),
    ),
    (
        (asyncssh.KeyExchangeFailed, asyncssh.ProtocolError, asyncssh.ProtocolNotSupported),
        lambda error: Trouble(f"no common language with it: {error}", f"is this an SSH server? {_PORT}"),
    ),
    (asyncssh.KeyImportError, _bad_key),
    (asyncssh.KeyEncryptionError, _bad_key),
    ((asyncssh.ConnectionLost, asyncssh.DisconnectError), _ended),
    (
        ChannelOpenError,
        _always("it does not serve files (SFTP)", "enable its SFTP subsystem, or use another account"),
    ),
    (
        (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect),
        _always(
            "permission denied: this account may not do that here",
            "to push, use an account that may write to it; check owner and mode of its directory",
        ),
    ),
    (
        (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded),
        _always("no space is left on it", "make space, then run the command again"),
    ),
    ((asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection), _ended),
    (
        (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath),
        _always("its directory is not there and cannot be made", "check the path in the remote's url"),
    ),
    (asyncssh.SFTPError, _without_reason),
    (
        NotADirectoryError,
        lambda error: Trouble(
            f"a file is where a directory should be: {getattr(error, 'filename', '')}",
            "look at it, and move it away",
        ),
    ),
    (
        socket.gaierror,
        _always("its host name is not known", "check the url: dvc remote modify NAME url ssh://HOST/PATH"),
    ),
    (
        ConnectionRefusedError,
        _always("nothing listens there: the connection was refused", f"is the server up? {_PORT}"),
    ),
    ((ConnectionError, EOFError), _ended),
    (TimeoutError, _out_of_reach),
    ((FileNotFoundError, PermissionError, IsADirectoryError), _key_file),
    (OSError, _out_of_reach),
)
