"""The manifest: which digest is approved for which test and kind; the one file Git holds of a snapshot.

A :class:`Manifest` is a value: changing it gives another one. Its text is :mod:`.manifest_text`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import files, manifest_text
from .digest import BlobKey
from .errors import ManifestError, UsageError
from .manifest_text import StorageMode, check_test_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .digest import Digest, Kind

__all__ = ["Manifest", "StorageMode", "check_test_id", "load", "loads", "save"]

_NO_KINDS: Mapping[Kind, Digest] = {}


@dataclass(frozen=True)
class Manifest:
    """Approved digests by test id and kind.

    Parameters
    ----------
    storage_mode:
        Where approved blobs go: ``dvc`` (a DVC remote) or ``git`` (payload files beside the tests).
    entries:
        Test id to kind to digest. Not copied: do not change it afterwards.

    Raises
    ------
    UsageError
        When ``storage_mode`` is another word; no reader would accept the text.
    """

    storage_mode: StorageMode = "git"
    entries: Mapping[str, Mapping[Kind, Digest]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.storage_mode not in manifest_text.STORAGE_MODES:
            raise UsageError(f"storage_mode must be dvc or git, not {self.storage_mode!r}")

    def get(self, test_id: str) -> Mapping[Kind, Digest]:
        """The approved digests of a test by kind; empty when it has none."""
        return self.entries.get(test_id, _NO_KINDS)

    def keys(self) -> set[BlobKey]:
        """Every blob the manifest names."""
        return {BlobKey(kind, digest) for kinds in self.entries.values() for kind, digest in kinds.items()}

    def with_changes(self, changes: Mapping[str, Mapping[Kind, Digest | None]]) -> Manifest:
        """Another manifest, with other digests for some tests and kinds.

        Parameters
        ----------
        changes:
            ``None`` for a digest takes the kind out; a test without kinds is taken out too.
            What is not named stays.

        Raises
        ------
        UsageError
            When a test id is one that :func:`check_test_id` refuses.
        """
        entries = dict(self.entries)
        for test_id, kinds in changes.items():
            check_test_id(test_id)
            merged = {**self.get(test_id), **kinds}
            kept = {kind: digest for kind, digest in merged.items() if digest is not None}
            if kept:
                entries[test_id] = kept
            else:
                entries.pop(test_id, None)
        return Manifest(self.storage_mode, entries)

    def dump(self) -> str:
        """The canonical text: the same for equal manifests, on every machine (DESIGN section 3).

        Raises
        ------
        UsageError
            When a test id is one that :func:`check_test_id` refuses.
        """
        return manifest_text.write(self.storage_mode, self.entries)


def loads(text: str, *, name: str) -> Manifest:
    """Read the text of a manifest; ``loads(m.dump(), name=...) == m``.

    Parameters
    ----------
    text:
        Canonical, or any YAML that says the same.
    name:
        What errors call the text: a path, or ``<commit>:<path>``.

    Raises
    ------
    ManifestError
        ``<name>:<line>: ...`` when the text is no manifest, or not beyond doubt: duplicate or unknown
        keys, malformed digests, merge markers, YAML beyond mappings of text.
    """
    read = manifest_text.read_canonical(text) or _read_yaml(text, name)
    return Manifest(*read)


def load(path: Path, *, storage_mode: StorageMode = "git") -> Manifest:
    """Read a manifest file.

    Parameters
    ----------
    path:
        The file; it need not be there.
    storage_mode:
        That of the empty manifest which stands for an absent file.

    Raises
    ------
    ManifestError
        As :func:`loads`; also for a directory and for bytes that are not UTF-8.
    StorageError
        When the file is there but the system refuses to read it.
    """
    if path.is_dir():
        raise ManifestError(
            f"{path}: is a directory, where the manifest should be",
            hint="move it away, or name another file with `manifest` in the configuration",
        )
    data = files.read_bytes(path)
    if data is None:
        return Manifest(storage_mode)
    return loads(_decode(data, str(path)), name=str(path))


def _read_yaml(text: str, name: str) -> tuple[StorageMode, Mapping[str, Mapping[Kind, Digest]]]:
    from .manifest_yaml import read_yaml  # a manifest as we write it never gets here

    return read_yaml(text, name)


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{name}:{line}: not UTF-8 text", hint="save the file as UTF-8, or restore it from Git"
        ) from None


def save(path: Path, manifest: Manifest) -> None:
    """Write the canonical text to ``path``, whole or not at all. The caller holds :func:`files.locked`.

    Raises
    ------
    StorageError
        When the file system refuses; the old file is then unchanged.
    UsageError
        As :meth:`Manifest.dump`.
    """
    files.atomic_write(path, manifest.dump().encode("utf-8"))
