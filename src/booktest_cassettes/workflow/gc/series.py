"""Many versions of a manifest, read one after another, in the time that what differs between them takes.

Two thousand versions of ten thousand tests are four gigabytes of text, nearly all of it the same lines.
Each version is compared with the one before: what is equal was found canonical then, test by test, and
only the tests that differ are parsed. A version that differs by too much, or is not as we write it,
goes through the whole parser, which also words what is wrong. Both ways find the same.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from operator import sub

from ...digest import BlobKey
from ...manifest import Manifest, loads
from ...manifest_text import read_canonical, write
from ..merge import decode

_HEADERS = tuple(write(mode, {}) for mode in ("dvc", "git"))
# Where a test begins: its lines are indented, and the `:` of a long key stands alone.
_START = re.compile(r"^[^ :]", re.MULTILINE)
_FIRST_PIECE, _MOST_PIECE = 4_096, 1 << 18
#: So many tests parsed one by one take as long as the whole parser for all of them.
_MOST_CHANGES = 2_000


@dataclass(frozen=True, slots=True)
class _Text:
    """A canonical text, cut into its tests: ``ids`` in order, ``starts`` with the end of the text."""

    text: str = ""
    header: str = ""
    ids: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])


class Series:
    """Reads one manifest after another; the nearer two in a row are, the faster."""

    def __init__(self) -> None:
        self._last = _Text()

    def read(self, data: bytes, name: str) -> set[BlobKey]:
        """The digests of a version that the one before did not already name; maybe some that it did.

        Parameters
        ----------
        data:
            The whole version.
        name:
            What errors call it.

        Raises
        ------
        ManifestError
            When it is no manifest.
        """
        text = decode(data, name)
        changed = _Walk(self._last, text).changed() if self._last.ids else None
        if changed is not None:
            self._last, found = changed
            return found
        return self._whole(text, name)

    def _whole(self, text: str, name: str) -> set[BlobKey]:
        manifest = loads(text, name=name)
        header = next((header for header in _HEADERS if text.startswith(header)), "")
        if header and read_canonical(text) is not None:
            starts = [found.start() for found in _START.finditer(text, len(header))]
            self._last = _Text(text, header, list(manifest.entries), [*starts, len(text)])
        return manifest.keys()


class _Walk:
    """From one canonical text to the next one, test by test where they differ."""

    def __init__(self, old: _Text, text: str) -> None:
        self._old = old
        self._text = text
        self._at = len(old.header)  # in the new text
        self._next = 0  # the old test that may stand there
        self._found: set[BlobKey] = set()
        self._ids: list[str] = []
        self._lengths: list[int] = []

    def changed(self) -> tuple[_Text, set[BlobKey]] | None:
        """The new text, cut, and what its changed tests name; ``None``: the whole parser is to look."""
        header = self._old.header
        if not self._text.startswith(header):
            return None
        for _ in range(_MOST_CHANGES):
            self._skip_equal()
            if self._at == len(self._text):
                starts = list(accumulate(self._lengths, initial=len(header)))
                return _Text(self._text, header, self._ids, starts), self._found
            if not self._read_test():
                return None
        return None

    def _skip_equal(self) -> None:
        """Go past the tests that both have here; they come after what was read, see `_read_test`."""
        old, first = self._old, self._next
        start = old.starts[first]
        reached = start + _equal(old.text, start, self._text, self._at)
        whole = reached == len(old.text) and self._at + reached - start == len(self._text)
        # The last one that is equal may go on in the new text, with a line for another kind.
        after = len(old.ids) if whole else max(bisect_left(old.starts, reached) - 1, first)
        self._ids += old.ids[first:after]
        self._lengths += map(sub, old.starts[first + 1 : after + 1], old.starts[first:after])
        self._at += old.starts[after] - start
        self._next = after

    def _read_test(self) -> bool:
        """Parse the one test that stands here; False where it is not one, or not in its place."""
        found = _START.search(self._text, self._at + 1)
        end = found.start() if found else len(self._text)
        read = read_canonical(self._old.header + self._text[self._at : end])
        if read is None or len(read[1]) != 1:
            return False
        test_id = next(iter(read[1]))
        if self._ids and self._ids[-1] >= test_id:
            return False
        self._found |= Manifest(*read).keys()
        self._ids.append(test_id)
        self._lengths.append(end - self._at)
        self._at = end
        self._next = bisect_right(self._old.ids, test_id)
        return True


def _equal(one: str, at: int, other: str, there: int) -> int:
    """How many characters are the same in both from there on."""
    begin, piece = at, _FIRST_PIECE
    while at < len(one):
        mine, its = one[at : at + piece], other[there : there + piece]
        if mine != its:
            return at - begin + _prefix(mine, its)
        at, there = at + len(mine), there + len(its)
        piece = min(2 * piece, _MOST_PIECE)
    return at - begin


def _prefix(one: str, other: str) -> int:
    """The length of what two different texts begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
