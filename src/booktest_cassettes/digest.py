"""Content addresses: the only room that knows how bytes become names.

A blob is addressed by the sha256 of its *uncompressed* canonical bytes, so ``sha256sum`` of a plain
payload file is its digest (DESIGN section 3).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from .errors import IntegrityError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class Kind(StrEnum):
    """What a snapshot holds; also the first directory of a blob's path."""

    ENV = "env"
    FUNC = "func"
    HTTP = "http"
    HTTPX = "httpx"


class Digest(str):
    """``sha256:<64 lower-case hex digits>``; compares, hashes and prints as that string."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Check and wrap a written digest.

        Raises
        ------
        IntegrityError
            When the text has another form.
        """
        if not _DIGEST.match(text):
            raise IntegrityError(f"not a digest: {text[:80]!r} (expected sha256:<64 hex digits>)")
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Address of ``data``."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def hex(self) -> str:
        """The 64 hex digits alone."""
        return self[7:]

    @property
    def short(self) -> str:
        """The first 12 hex digits, for people."""
        return self[7:19]


@dataclass(frozen=True, slots=True, order=True)
class BlobKey:
    """A digest with the kind it is filed under."""

    kind: Kind
    digest: Digest

    @property
    def path(self) -> str:
        """Relative POSIX path, ``<kind>/sha256/<ab>/<sha256>``, in every store (DESIGN section 3)."""
        hexadecimal = self.digest.hex
        return f"{self.kind.value}/sha256/{hexadecimal[:2]}/{hexadecimal}"

    def __str__(self) -> str:
        return f"{self.kind.value} {self.digest.short}"


def short_hash(text: str, length: int = 10) -> str:
    """A short stable suffix that keeps two shortened names apart; not a content address."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def sha1_hex(data: bytes) -> str:
    """40 hex digits that booktest names a request by, and Git a file; addresses nothing of ours."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def md5_hex(text: str) -> str:
    """32 hex digits that pytest-recording shortens the names of cassettes by; addresses nothing of ours."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
