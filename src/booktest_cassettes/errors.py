"""The error tree.

Every error says what happened, where, why, and (in ``hint``) the next command. ``exit_code`` is
what a command ends with when the error reaches it (DESIGN, promise 13)::

    CassetteError                         1
    ├── UsageError                        2   the caller asked for something that cannot be
    │   ├── ConfigError                       a key or value in a configuration file
    │   └── RecordingRefused                  recording was asked for where it is forbidden (CI)
    ├── SnapshotMissing                   3   the manifest has no line for this test and kind
    ├── SnapshotPending                   3   recorded, but no person has approved it yet
    ├── IntegrityError                    4   what is stored is not what was approved
    │   ├── ManifestError                     the manifest cannot be read as written
    │   ├── BlobCorrupt                       bytes do not have the digest they are named by
    │   ├── BlobMissing                       the manifest names a digest that is in no store
    │   └── SecretFound                       a blob still looks like it holds a credential
    ├── StorageError                      4   the disk refused (permission, space, not a directory)
    ├── RemoteError                       5   the remote is unreachable or refused us
    ├── CheckFailed                       1   a check that the test wrote into its result is not ok
    ├── SnapshotDrift                     1   the live service no longer answers as approved (``verify``)
    └── ReplayError                       1   the test did something its cassette does not hold
        ├── UnhandledRequest                  a request that was never recorded, or one too many
        ├── NetworkRefused                    a socket to somewhere else, in strict replay
        ├── UnhandledCall                     a snapshotted function called with unrecorded arguments
        ├── UnusedInteractions                recorded, never played (``unused = "error"``)
        └── ResultDiffers                     the result that the test wrote is not the approved one
"""

from __future__ import annotations


class CassetteError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    message:
        What happened, where and why, in words a person can act on. Never holds a secret.
    hint:
        The next command or the edit to make; empty when the message already says it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders (xdist, multiprocessing): keep the keyword-only data.
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(cls: type[CassetteError], message: str, hint: str) -> CassetteError:
    return cls(message, hint=hint)


class UsageError(CassetteError):
    """The caller asked for something that cannot be."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or variable holds an unknown key or an impossible value."""


class RecordingRefused(UsageError):
    """Recording was asked for in CI, where only approved snapshots may be replayed."""


class SnapshotMissing(CassetteError):
    """No approved snapshot for a test and kind, and recording is off."""

    exit_code = 3


class SnapshotPending(CassetteError):
    """A snapshot was recorded and waits for a person's review."""

    exit_code = 3


class IntegrityError(CassetteError):
    """What is stored is not what was approved."""

    exit_code = 4


class ManifestError(IntegrityError):
    """The manifest cannot be read as written (duplicate keys, merge markers, bad digests...)."""


class BlobCorrupt(IntegrityError):
    """Stored bytes do not have the digest they are stored under."""


class BlobMissing(IntegrityError):
    """A digest of the manifest is in none of the stores that were asked."""


class SecretFound(IntegrityError):
    """A blob still looks like it holds a credential after redaction."""


class StorageError(CassetteError):
    """The file system refused: permission, space, a file where a directory should be."""

    exit_code = 4


class RemoteError(CassetteError):
    """The remote is unreachable, or refused us."""

    exit_code = 5


class SnapshotDrift(CassetteError):
    """The live service no longer answers as it did when the snapshot was approved (mode ``verify``)."""


class CheckFailed(CassetteError):
    """A check that the test wrote into its result is not ok."""


class ReplayError(CassetteError):
    """The test did something its approved cassette does not hold."""


class UnhandledRequest(ReplayError):
    """A request that the cassette does not hold, or one repeat too many."""


class NetworkRefused(ReplayError):
    """A socket or look-up to an address off this machine, in strict replay."""


class UnhandledCall(ReplayError):
    """A snapshotted function was called with arguments the cassette does not hold."""


class UnusedInteractions(ReplayError):
    """Recorded interactions that the test no longer plays, with ``unused = "error"``."""


class ResultDiffers(ReplayError):
    """The result that a test wrote is not the one that a person approved."""
