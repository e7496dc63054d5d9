"""What a ``git push`` is about to publish: is every recording that it names where others find it?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from ..digest import BlobKey
from ..errors import BlobMissing, CassetteError, IntegrityError, RemoteError
from ..manifest import Manifest, loads
from ..project import Project
from ..store.base import is_intact
from ..wording import count
from . import git
from .homes import pointer_of
from .merge import decode

_NOTHING = "0"
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Ref:
    """One line of what Git tells the hook: what is pushed, and what is there; ``""``: nothing."""

    name: str
    local: str
    remote: str


@dataclass(frozen=True, slots=True)
class Lacking:
    """A snapshot that nobody will find. ``is_here``: it is on this machine, and can be brought there."""

    test_id: str
    key: BlobKey
    is_here: bool


def parse(lines: str) -> list[Ref]:
    """The refs of a push, as Git hands them to the hook; those that are deleted publish nothing."""
    words = (line.split() for line in lines.splitlines())
    refs = (Ref(word[2], _revision(word[1]), _revision(word[3])) for word in words if len(word) == 4)
    return [ref for ref in refs if ref.local]


def _revision(sha: str) -> str:
    return sha if sha.strip(_NOTHING) else ""


def check(project: Project, refs: Iterable[Ref]) -> int:
    """Look for every snapshot that these refs' manifests name and the remote's did not; how many there are.

    Raises
    ------
    ManifestError
        When a manifest that is about to be pushed cannot be read.
    BlobMissing
        When a snapshot is nowhere.
    RemoteError
        When one is on this machine only, or the remote cannot be asked.
    """
    seen: set[tuple[str, str]] = set()
    number = 0
    for ref in refs:
        if (ref.local, ref.remote) in seen:
            continue
        seen.add((ref.local, ref.remote))
        wanted = _news(project, ref)
        number += len(wanted)
        if lacking := _lacking(project, ref, wanted):
            raise _refusal(project, ref, lacking)
    return number


def _news(project: Project, ref: Ref) -> list[tuple[str, BlobKey]]:
    """What the pushed manifest names, and the one that is there does not."""
    after = _manifest(project, ref.local)
    before = _manifest(project, ref.remote) if ref.remote and _is_here(project, ref.remote) else None
    there = before.entries if before is not None else {}
    return [
        (test_id, BlobKey(kind, digest))
        for test_id, kinds in (after.entries if after else {}).items()
        for kind, digest in kinds.items()
        if there.get(test_id, {}).get(kind) != digest
    ]


def _is_here(project: Project, sha: str) -> bool:
    """Whether this clone has a commit: somebody else's push is not fetched yet."""
    return git.ask(project.config.root, "cat-file", "-e", f"{sha}^{{commit}}") is not None


def _manifest(project: Project, sha: str) -> Manifest | None:
    name = _relative(project, project.config.manifest)
    data = git.read(project.config.root, "cat-file", "blob", f"{sha}:./{name}")
    if data is None:
        return None
    try:
        return loads(decode(data, f"{sha[:10]}:{name}"), name=f"{sha[:10]}:{name}")
    except IntegrityError as error:
        error.hint = "correct it in a new commit; git push --no-verify goes round this"
        raise


def _lacking(project: Project, ref: Ref, wanted: list[tuple[str, BlobKey]]) -> list[Lacking]:
    if not wanted:
        return []
    tree = _Tree(project, ref.local)
    if project.storage.mode == "dvc-pointers":
        wanted = _without_pointed(project, tree, wanted)
    elsewhere = tree.without(wanted)
    if elsewhere and project.place is not None:
        there = project.remote().present({key for _, key in elsewhere})
        elsewhere = [(test_id, key) for test_id, key in elsewhere if key not in there]
    away = set(project.absent(elsewhere))
    return [Lacking(test_id, key, (test_id, key) not in away) for test_id, key in elsewhere]


class _Tree:
    """The payloads and pointers of a pushed commit."""

    def __init__(self, project: Project, sha: str) -> None:
        self.project = project
        self._root = project.config.root
        where = _relative(project, project.config.snapshots_dir)
        listed = git.read(self._root, "ls-tree", "-r", "-z", "--full-tree", f"{sha}:./{where}") or b""
        rows = (row.split(b"\t", 1) for row in listed.split(b"\0") if row)
        self._ids = {os.fsdecode(name): about.split()[2] for about, name in rows}

    def read(self, paths: Iterable[Path]) -> Mapping[Path, bytes]:
        """The content of those that the commit has."""
        base = self.project.config.snapshots_dir
        ids = {path: self._ids.get(path.relative_to(base).as_posix()) for path in paths}
        there = {path: sha for path, sha in ids.items() if sha is not None}
        given = b"".join(sha + b"\n" for sha in there.values())
        answer = git.read(self._root, "cat-file", "--batch", given=given) if there else b""
        found, position, answer = {}, 0, answer or b""
        for path in there:  # "<sha> blob <size>\n<content>\n"
            end = answer.index(b"\n", position)
            size = int(answer[position:end].split()[2])
            found[path] = answer[end + 1 : end + 1 + size]
            position = end + 2 + size
        return found

    def without(self, wanted: list[tuple[str, BlobKey]]) -> list[tuple[str, BlobKey]]:
        """Those whose payload is not in the commit, or is another one."""
        paths = {row: self.project.payloads(row[0]).path(row[0], row[1].kind) for row in wanted}
        found = self.read(paths.values())
        return [row for row in wanted if not is_intact(row[1], found.get(paths[row]))]


def _without_pointed(
    project: Project, tree: _Tree, wanted: list[tuple[str, BlobKey]]
) -> list[tuple[str, BlobKey]]:
    """Those of which the commit has no pointer, or the remote not what it points to."""
    from ..store.pointer_files import Pointer
    from ..store.pointer_objects import Stored, present_of
    from ..store.remote.remote import Remote

    paths = {row: pointer_of(project.payloads(row[0]).path(row[0], row[1].kind)) for row in wanted}
    objects: list[Stored] = []
    found = tree.read(paths.values())
    for row, path in paths.items():
        if (data := found.get(path)) is not None:
            pointer = Pointer.load(data, _relative(project, path))
            if pointer.digest == row[1].digest:
                objects.append(Stored(pointer, row[1], [path]))
    there = present_of(Remote(project.storage.require(), "files/md5"), objects) if objects else set()
    pointed = {path for one in objects if one.address in there for path in one.payloads}
    return [row for row in wanted if paths[row] not in pointed]


def _refusal(project: Project, ref: Ref, lacking: list[Lacking]) -> CassetteError:
    from .show import inert  # much is loaded for it, and most pushes go through

    gone = [one for one in lacking if not one.is_here]
    named = [
        f"{inert(one.test_id)}: {one.key}{'' if one.is_here else ', which is nowhere on this machine either'}"
        for one in (gone + [one for one in lacking if one.is_here])[:_SHOWN]
    ]
    rest = [f"... and {len(lacking) - _SHOWN:,} more"] if len(lacking) > _SHOWN else []
    is_git = project.place is None
    where = "in the commits that are pushed" if is_git else f"on {project.place}"
    number = f"{count(len(lacking), 'recording')}"
    message = "\n  ".join([f"not pushed: {ref.name} names {number} not {where}:", *named, *rest])
    round_it = "git push --no-verify goes round this"
    if gone:
        hint = (
            f"have who approved them push them, or record them again: booktest-cassettes run -S; {round_it}"
        )
        return BlobMissing(message, hint=hint)
    put = f"{_add(project, lacking[0])} && git commit" if is_git else "booktest-cassettes push"
    return RemoteError(message, hint=f"{put}, then git push again; {round_it}")


def _add(project: Project, lacking: Lacking) -> str:
    """By force where Git was told to ignore payloads, and then those alone: reports are ignored as well."""
    books = _relative(project, project.config.snapshots_dir)
    path = _relative(project, project.payloads(lacking.test_id).path(lacking.test_id, lacking.key.kind))
    if git.ask(project.config.root, "check-ignore", "--quiet", "--", path) is None:
        return f"git add {quote(books)}"
    return f"git add --force {quote(f'{books}/*/_snapshots/*.json')}"


def _relative(project: Project, path: Path) -> str:
    return Path(os.path.relpath(path, project.config.root)).as_posix()
