"""The layout that keep, staging and remote share: ``<kind>/sha256/<ab>/<sha256>`` (DESIGN section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..digest import BlobKey, Digest, Kind

_SHARD = re.compile("[0-9a-f]{2}")
_PATH = re.compile("(env|func|http|httpx)/sha256/([0-9a-f]{2})/(\\2[0-9a-f]{62})")


#: Beside the shelves, in the same layout: marks of blobs that are to be deleted, unless somebody needs them.
TOMBSTONES = "tombstones"


def shelf(kind: Kind) -> str:
    """The directory of all blobs of a kind."""
    return f"{kind.value}/sha256"


def is_shard(name: str) -> bool:
    """Whether a name on a shelf may be that of a directory of ours; anything else is foreign."""
    return _SHARD.fullmatch(name) is not None


def keys_of(paths: Iterable[str]) -> Iterator[BlobKey]:
    """The blobs that relative paths name; foreign files are passed over."""
    for path in paths:
        if found := _PATH.fullmatch(path):
            yield BlobKey(Kind(found[1]), Digest(f"sha256:{found[3]}"))
