"""Payloads that pointers of any commit lead to: from DVC's cache, else from the remote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..digest import BlobKey
from ..errors import IntegrityError
from .dvc_repository import open_repository
from .pointer_files import Pointer
from .pointer_objects import Stored, look, matches
from .remote.place import Place
from .remote.remote import Remote

_OBJECTS = "files/md5"  # DVC's own tree on a remote


def payloads_of(place: Place, pointers: Mapping[BlobKey, bytes]) -> Iterator[tuple[BlobKey, bytes]]:
    """Verified payloads, of those pointers that lead to one; no file is written.

    Parameters
    ----------
    place:
        The remote.
    pointers:
        Pointer files by the key of the snapshot they should lead to; what is no pointer is passed over.

    Raises
    ------
    RemoteError
        When the remote has to be asked, and cannot be.
    StorageError
        When another process does not let go of DVC.
    """
    objects = [Stored(pointer, key, []) for key, data in pointers.items() if (pointer := _pointer(data, key))]
    if not objects:
        return
    rest: list[Stored] = []
    with open_repository(place) as dvc:
        for one in objects:
            data = dvc.cached(one.pointer.md5)
            if data is not None and matches(one.key, data):
                yield one.key, data
            else:
                rest.append(one)
    if rest:
        for one, found in Remote(place, _OBJECTS).each(rest, look, weight=lambda pair: len(pair[1] or b"")):
            if found is not None and matches(one.key, found):
                yield one.key, found


def _pointer(data: bytes, key: BlobKey) -> Pointer | None:
    try:
        pointer = Pointer.load(data, "")
    except IntegrityError:
        return None
    return pointer if pointer.digest in (None, key.digest) else None
