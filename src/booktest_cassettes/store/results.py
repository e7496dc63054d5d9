"""Approved results as files that Git tracks, in every storage mode: ``<snapshots_dir>/<test>/result.md``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..files import atomic_write, exists, read_bytes, remove, remove_empty, storage_errors
from .git import RESULT, id_of_parts, payload_parts


class ResultFiles:
    """The result files below one directory.

    Parameters
    ----------
    root:
        The snapshots directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, test_id: str) -> Path:
        """Where a test's result is, or would be; no two tests share one."""
        return self.root.joinpath(*payload_parts(test_id), RESULT)

    def exists(self, test_id: str) -> bool:
        """Whether a test has an approved result; raises StorageError."""
        return exists(self.path(test_id))

    def read(self, test_id: str) -> str | None:
        """A test's approved result, ``None`` without one; raises StorageError.

        It may be checked out with other line ends; what is no UTF-8 was not written by us, and differs.
        """
        data = read_bytes(self.path(test_id))
        return None if data is None else decoded(data)

    def write(self, test_id: str, text: str | None) -> None:
        """Make this a test's approved result; ``None`` deletes it, with the directories left empty."""
        path = self.path(test_id)
        if text is None:
            remove(path)
            remove_empty(path.parent, top=self.root)
        elif self.read(test_id) != text:
            atomic_write(path, text.encode())

    def ids(self) -> Iterator[str]:
        """The tests that have one, as far as an id can be read back from its path; raises StorageError."""
        for parts in self._found():
            if (test_id := id_of_parts(parts)) is not None:
                yield test_id

    def _found(self) -> Iterator[list[str]]:
        def fail(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise error

        with storage_errors("list", self.root):
            for directory, _, names in os.walk(self.root, onerror=fail):
                if RESULT in names:
                    yield list(Path(directory).relative_to(self.root).parts)


def decoded(data: bytes) -> str:
    """The text of a result file, however Git checked it out."""
    return data.decode("utf-8", "replace").replace("\r\n", "\n")
