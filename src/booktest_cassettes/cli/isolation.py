"""``run --isolate``: this process, and all it starts from now on, in a network of its own.

The kernel gives it a network namespace that holds a loopback interface and nothing else. Whoever may
(root) gets just that; everybody else gets a user namespace around it in which they remain themselves.
Unix sockets with a path are files, not network: they keep working.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from pathlib import Path

from ..errors import UsageError

# <linux/sched.h>, <linux/sockios.h>, <linux/if.h>; `os.unshare` has come with Python 3.12 only.
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
_IFREQ = struct.Struct("16sh22x")

_HINT = (
    "allow user namespaces (sysctl kernel.unprivileged_userns_clone,"
    " kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces, user.max_net_namespaces;"
    " docker run --security-opt seccomp=unconfined), or leave --isolate out: CI=1 booktest-cassettes run"
    " replays strictly, and refuses what Python opens in the tests' own process"
)


class IsolationRefused(UsageError):
    """This system gives no network namespace."""


def isolate() -> None:
    """Leave the network, for good; only loopback is left, and nobody else's.

    Raises
    ------
    IsolationRefused
        When the system does not allow it.
    """
    if not sys.platform.startswith("linux"):
        raise IsolationRefused(
            f"--isolate needs Linux, and this is {sys.platform}: nothing was run",
            hint="CI=1 booktest-cassettes run, or run it in a Linux container",
        )
    user, group = os.geteuid(), os.getegid()  # in the new namespace they have no names yet
    try:
        try:
            _unshare(_CLONE_NEWNET)
        except PermissionError:
            _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
            _stay(user, group)
        _bring_up_loopback()
    except OSError as error:
        raise IsolationRefused(
            f"--isolate: this system gives no network namespace ({error}): nothing was run", hint=_HINT
        ) from error


def _unshare(flags: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        number = ctypes.get_errno()
        # The kernel's word for its limit on namespaces is that of a full disk.
        reason = "no more namespaces allowed" if number == errno.ENOSPC else os.strerror(number)
        raise OSError(number, f"unshare: {reason}")


def _stay(user: int, group: int) -> None:
    """Be the same user and group inside; tests that check for root see what they saw."""
    Path("/proc/self/setgroups").write_text("deny")  # the kernel's condition for the next but one
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _bring_up_loopback() -> None:
    from fcntl import ioctl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        _, flags = _IFREQ.unpack(ioctl(any_socket, _SIOCGIFFLAGS, _IFREQ.pack(b"lo", 0)))
        ioctl(any_socket, _SIOCSIFFLAGS, _IFREQ.pack(b"lo", flags | _IFF_UP))
