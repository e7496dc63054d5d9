"""Blobs as plain files that Git tracks: ``<snapshots_dir>/<test>/_snapshots/<kind>.json``.

A payload is named by its test, so the store asks which tests own a digest. Payloads are never
compressed: ``sha256sum`` of the file is the digest, and Git shows a readable diff.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..digest import BlobKey, Kind
from ..errors import UsageError
from ..files import atomic_write, exists, hashed_name, is_hashed, legal_name, read_bytes, remove, remove_empty
from .base import check_put, is_intact, unpack_verified

_PAYLOADS = "_snapshots"
#: The file beside them that holds what the test wrote for people (ADR-0014).
RESULT = "result.md"
_PATH_LIMIT = 600  # bytes; macOS allows 1,024 for the whole path
# Git on Windows writes CRLF into text files it checks out: their digest would be another one. So would be
# that of two recordings which Git merged line by line: a payload is one side's (ADR-0013).
_ATTRIBUTES = f"""\
# made by booktest-cassettes: payloads are checked out as they are
**/{_PAYLOADS}/*.json -text -merge
**/{RESULT} text eol=lf
""".encode()
_EARLIER = f"""\
# made by booktest-cassettes: payloads are checked out as they are
**/{_PAYLOADS}/*.json -text
""".encode()

#: The tests whose snapshot of this kind has this digest.
Owners = Callable[[BlobKey], Iterable[str]]


class GitStore:
    """A BlobStore over payload files.

    Parameters
    ----------
    root:
        The snapshots directory.
    owners:
        Tells which test ids a key belongs to; each gets its own payload file.
    known:
        Every key the store may hold, for :meth:`keys`.
    """

    def __init__(self, root: Path, owners: Owners, known: Callable[[], Iterable[BlobKey]] = tuple) -> None:
        self.root = root
        self._owners = owners
        self._known = known

    @property
    def attributes(self) -> Path:
        """The file that tells Git to leave payloads as they are."""
        return self.root / ".gitattributes"

    def prepare(self) -> bool:
        """Write :attr:`attributes` unless there is such a file; whether it is ours, not somebody's own.

        That of an earlier version is brought up to date.
        """
        stored = read_bytes(self.attributes)
        if stored in (None, _EARLIER):
            atomic_write(self.attributes, _ATTRIBUTES)
        return stored in (None, _EARLIER, _ATTRIBUTES)

    @staticmethod
    def attributes_with(stored: bytes | None) -> bytes:
        """What :attr:`attributes` should hold, where it holds this: somebody's own lines stay."""
        if stored is None or stored == _EARLIER:
            return _ATTRIBUTES
        end = b"\r\n" if b"\r\n" in stored else b"\n"
        joint = end if stored and not stored.endswith(b"\n") else b""
        return stored + joint + f"**/{_PAYLOADS}/*.json -text -merge".encode() + end

    def path(self, test_id: str, kind: Kind) -> Path:
        """Where a test's payload of a kind is, or would be."""
        return self.root.joinpath(*payload_parts(test_id), _PAYLOADS, f"{kind.value}.json")

    def get(self, key: BlobKey) -> bytes | None:
        """See BlobStore. The first owner's payload that there is."""
        found = (self.get_for(test_id, key) for test_id in self._owners(key))
        return next((data for data in found if data is not None), None)

    def get_for(self, test_id: str, key: BlobKey) -> bytes | None:
        """The verified bytes of one test's payload, ``None`` when absent; raises BlobCorrupt."""
        path = self.path(test_id, key.kind)
        stored = read_bytes(path)
        return None if stored is None else unpack_verified(key, stored, str(path))

    def has(self, key: BlobKey) -> bool:
        """See BlobStore."""
        return any(exists(path) for path in self._paths(key))

    def is_whole(self, key: BlobKey) -> bool:
        """Whether every owner has an intact payload."""
        return all(is_intact(key, read_bytes(path)) for path in self._paths(key))

    def put(self, key: BlobKey, data: bytes) -> None:
        """See BlobStore. Every owner gets its payload; raises UsageError when there is none."""
        check_put(key, data, str(self.root))
        owners = list(self._owners(key))
        if not owners:
            raise UsageError(f"no test has the {key.kind.value} snapshot {key.digest}")
        for test_id in owners:
            self.put_for(test_id, key, data)

    def put_for(self, test_id: str, key: BlobKey, data: bytes) -> None:
        """Write one test's payload, in place of whatever it is now; raises BlobCorrupt, StorageError."""
        path = self.path(test_id, key.kind)
        check_put(key, data, str(path))
        if read_bytes(path) != data:
            atomic_write(path, data)

    def delete(self, key: BlobKey) -> None:
        """See BlobStore. Only payloads with these very bytes go; empty directories go with them."""
        found = [test_id for test_id in self._owners(key) if self.get_for(test_id, key) is not None]
        for test_id in found:
            self.remove(test_id, key.kind)

    def remove(self, test_id: str, kind: Kind) -> None:
        """Delete a test's payload, whatever is in it, and the directories that it leaves empty."""
        path = self.path(test_id, kind)
        remove(path)
        remove_empty(path.parent, top=self.root)

    def keys(self) -> Iterator[BlobKey]:
        """See BlobStore."""
        for key in self._known():
            if self.has(key):
                yield key

    def _paths(self, key: BlobKey) -> list[Path]:
        return [self.path(test_id, key.kind) for test_id in self._owners(key)]


def payload_parts(test_id: str) -> list[str]:
    """A test id as path components: different ids never give the same path.

    ``tests/test_api.py::test_list[a]`` becomes ``tests / test_api.py / test_list[a]``. Where the id cannot
    be read back from that (``test_list[a/b]``), the last component gets a hash of the whole id:
    ``test_list[a_b]-<hash>``. So it does where there is an upper-case letter after the test file's name
    (``TestUsers / test_list-<hash>``): macOS and Windows do not tell ``[GET]`` from ``[get]``. Directories
    and the file itself keep their case: where it makes no difference, they are the same file.
    """
    head, bracket, parameters = test_id.partition("[")
    names = re.split(r"/|::", head)
    names[-1] += bracket + parameters
    parts = [_component(name) for name in names]
    if len("/".join(parts)) > _PATH_LIMIT:
        parts = parts[-1:]
    if not _is_readable_back(parts, test_id):
        parts[-1] = hashed_name(parts[-1], test_id)
    return parts


def _component(name: str) -> str:
    legal = legal_name(name)
    # A directory of this name would lie among, or be in the way of, another test's payloads.
    return f"_{legal}" if legal.lower() in (_PAYLOADS, RESULT) else legal


def id_of_parts(parts: Sequence[str]) -> str | None:
    """The id of which :func:`payload_parts` makes these, ``None`` where it cannot be read back."""
    test_id = _read_back(parts)
    return test_id if parts and payload_parts(test_id) == list(parts) else None


def _is_readable_back(parts: Sequence[str], test_id: str) -> bool:
    is_lower = all(part == part.lower() for part in parts[_inside(parts) :])
    return _read_back(parts) == test_id and is_lower and not is_hashed(parts[-1])


def _read_back(parts: Sequence[str]) -> str:
    file = _inside(parts)
    return "::".join(["/".join(parts[:file]), *parts[file:]]) if file else "/".join(parts)


def _inside(parts: Sequence[str]) -> int:
    """Where what is inside of the test file begins; 0 where no part is a file."""
    return next((number for number, part in enumerate(parts, 1) if part.endswith(".py")), 0)
