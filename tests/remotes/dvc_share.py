"""A DVC repository with a directory as its remote, written as DVC's own commands write it, without them."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

_IGNORED = "/config.local\n/tmp\n/cache\n"  # what `dvc init` has Git ignore


def init_dvc(root: Path, url: Path | str, name: str = "share", *, default: bool = True) -> Path:
    """``dvc init`` and ``dvc remote add [-d] NAME URL``; the ``.dvc`` directory."""
    dvc_dir = root / ".dvc"
    (dvc_dir / "tmp").mkdir(parents=True, exist_ok=True)
    (dvc_dir / ".gitignore").write_text(_IGNORED)
    core = f"[core]\n    remote = {name}\n" if default else ""
    (dvc_dir / "config").write_text(f"{core}['remote \"{name}\"']\n    url = {url}\n")
    (root / ".dvcignore").write_text("# Add patterns of files dvc should ignore\n")
    return dvc_dir


def blob_path(share: Path, kind: str, digest: str, prefix: str = "booktest/blobs") -> Path:
    """Where a share holds an approved blob: DESIGN section 3, spelled out once more."""
    name = digest.removeprefix("sha256:")
    return share / prefix / kind / "sha256" / name[:2] / name


def digest_of(stored: bytes) -> str:
    """The digest of what is stored, plain or compressed."""
    data = gzip.decompress(stored) if stored[:2] == b"\x1f\x8b" else stored
    return "sha256:" + hashlib.sha256(data).hexdigest()


def files_below(root: Path) -> dict[str, bytes]:
    """Every file of a share."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
