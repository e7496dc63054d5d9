"""What Git's merge driver is: three files in, one out (ADR-0013)."""

from __future__ import annotations

from pathlib import Path

from ..files import atomic_write
from . import git
from .merge import UNNAMED, Labels, Merged, merge, read_ancestor, read_side


def merge_files(
    base: Path, ours: Path, theirs: Path, *, size: int = 7, labels: Labels = UNNAMED, name: str = ""
) -> Merged:
    """Merge three manifest files into ``ours``; an empty one stands for none.

    Parameters
    ----------
    base, ours, theirs:
        Git's ``%O``, ``%A`` and ``%B``.
    size, labels:
        Of the markers around conflicts.
    name:
        What errors call the file.

    Raises
    ------
    ManifestError
        When a side cannot be read; nothing was written.
    StorageError
        When the disk refuses.
    """
    ancestor, unsure = read_ancestor(base.read_bytes(), name=f"{name} ({labels.base})")
    mine = read_side(ours.read_bytes(), name=f"{name} ({labels.ours})")
    others = read_side(theirs.read_bytes(), name=f"{name} ({labels.theirs})")
    merged = merge(ancestor, mine, others, unsure=unsure)
    merged = Merged(merged.manifest, merged.conflicts, merged.modes, labels)
    atomic_write(ours, merged.text(size).encode(), durable=False)
    return merged


def as_text(base: Path, ours: Path, theirs: Path, *, size: int = 7, labels: Labels = UNNAMED) -> None:
    """Merge into ``ours`` as Git merges any text: nobody's lines are lost when a side is no manifest."""
    names = [word for label in labels for word in ("-L", label)]
    files = (str(path.absolute()) for path in (ours, base, theirs))
    git.read(Path.cwd(), "merge-file", "--quiet", "--diff3", f"--marker-size={size}", *names, "--", *files)
