"""A real OpenSSH server on a free loopback port, with keys of its own."""

from __future__ import annotations

import getpass
import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from slow_proxy import SlowProxy, delayed, slow_proxy

__all__ = ["SlowProxy", "Sshd", "delayed", "running_sshd", "slow_proxy"]

_PRIVATE = Path("/run/sshd")  # where a server run by root confines what it does before a login
_START = 20.0  # seconds
_ATTEMPTS = 10  # ports


@dataclass(frozen=True)
class Sshd:
    """A running server.

    Attributes
    ----------
    keyfile:
        Of the account with full access; ``read_only_keyfile`` may read only.
    log:
        What the server said so far.
    """

    port: int
    user: str
    keyfile: Path
    read_only_keyfile: Path
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    def url(self, path: str | Path) -> str:
        """What ``dvc remote add`` takes for an absolute path on the server."""
        return f"ssh://127.0.0.1:{self.port}{path}"

    def dvc_settings(self, *, read_only: bool = False) -> dict[str, Any]:
        """The options of a DVC remote, but for its url."""
        keyfile = self.read_only_keyfile if read_only else self.keyfile
        return {"port": self.port, "user": self.user, "keyfile": str(keyfile)}

    def stop(self) -> None:
        """End the server and every session of it."""
        for pid in [self.process.pid, *_descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_sshd(directory: Path, *options: str) -> Iterator[Sshd]:
    """A server that keeps its keys and its configuration in ``directory``.

    Parameters
    ----------
    options:
        Lines of ``sshd_config`` that come before ours, and so win; ``Subsystem`` ones replace ours.
    """
    program = _program()
    directory.mkdir(parents=True, exist_ok=True)
    keys = {name: directory / name for name in ("host", "full", "read_only")}
    for path in keys.values():
        make_key(path)
    authorized = directory / "authorized_keys"
    authorized.write_text(
        f'{_public(keys["full"])}\nrestrict,command="internal-sftp -R" {_public(keys["read_only"])}\n'
    )
    if not any(line.startswith("Subsystem") for line in options):
        options = (*options, "Subsystem sftp internal-sftp")
    server = _started(program, directory, [*options, *_options(keys["host"], authorized)], keys)
    try:
        yield server
    finally:
        server.stop()


def make_key(path: Path, passphrase: str | None = None) -> None:
    """A new key pair: ``path`` and ``path.pub``."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    key.write_private_key(str(path), passphrase=passphrase)
    key.write_public_key(f"{path}.pub")


def _public(path: Path) -> str:
    return Path(f"{path}.pub").read_text().strip()


def _program() -> str:
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.fail("these tests need a real SSH server: apt-get install openssh-server")
    if os.getuid() == 0:
        _PRIVATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    return program


def _options(host_key: Path, authorized: Path) -> list[str]:
    return [
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {authorized}",
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "UseDNS no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "MaxStartups 1000",
    ]


def _descendants(pid: int) -> list[int]:
    """The processes that a process started, and they in turn: each session leaves the server's group."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def _started(program: str, directory: Path, options: Sequence[str], keys: dict[str, Path]) -> Sshd:
    config = directory / "sshd_config"
    options = [*options, *_newer(program, config, options)]
    log: list[str] = []
    for _ in range(_ATTEMPTS):  # somebody may take the port before the server does
        port = _free_port()
        _write(config, [f"ListenAddress 127.0.0.1:{port}", *options])
        process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(config)],
            stderr=subprocess.PIPE,
            text=True,
        )
        log = []
        if _listens(process, log):
            return Sshd(port, getpass.getuser(), keys["full"], keys["read_only"], process, log)
    raise AssertionError(f"sshd does not start: {''.join(log)}")


def _newer(program: str, config: Path, options: Sequence[str]) -> list[str]:
    """What only newer servers know: without it, 9.8 and later shut out who fails to log in."""
    wanted = ["PerSourcePenalties no"]
    _write(config, [*options, *wanted])
    checked = subprocess.run([program, "-t", "-f", str(config)], capture_output=True, check=False)
    return [] if checked.returncode else wanted


def _write(config: Path, lines: Sequence[str]) -> None:
    config.write_text("".join(f"{line}\n" for line in lines))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(process: subprocess.Popen[str], log: list[str]) -> bool:
    """Whether the server got as far as listening; goes on reading what it says."""
    ready: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                log.append(line)
                if line.startswith("Server listening"):
                    ready.put("yes")
        ready.put("")

    threading.Thread(target=read, daemon=True).start()
    try:
        listens = bool(ready.get(timeout=_START))
    except queue.Empty:
        listens = False
    if not listens:
        process.kill()
        process.wait()
    return listens
