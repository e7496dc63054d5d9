"""What may happen in a history: steps by name, each told by three numbers what exactly."""

from __future__ import annotations

from e2e_gc import Clone, Stream, World, approving, blob_of, manifest, staging
from e2e_gc_eyes import MANIFEST, PATHS, PROJECTS, git

from booktest_cassettes.errors import CassetteError
from booktest_cassettes.workflow import approve, forget, sharing, sync
from booktest_cassettes.workflow.staging import staged_keys

MAIN = "refs/heads/main"


class History:
    """One of a world's.

    Parameters
    ----------
    world, number:
        Where, and which; two neighbours know the same recordings.
    """

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.tips: dict[str, list[str]] = {}  # branch of a repository, with its commits' parents' names
        self.tags: list[tuple[Stream, str]] = []
        self.made = 0

    def step(self, name: str, a: int, b: int, c: int) -> None:
        """Do it, where it can be done."""
        self.world.seen[f"step {name}"] += 1
        getattr(self, f"_{name}")(a, b, c)

    # -- what the numbers mean ---------------------------------------------------------------------

    def _stream(self, a: int) -> Stream:
        return (self.world.clones[0].stream, self.world.clones[1].stream, self.world.origin)[a % 3]

    def _clone(self, a: int) -> Clone:
        """Where somebody is at work; what was to be committed is."""
        self.world.flush()
        return self.world.clones[a % 3 // 2]

    def _words(self, a: int, b: int) -> set[str]:
        words = {f"{self.number // 2}.{a % 16}", f"{self.number // 2}.{b % 16}e"}
        return {sorted(words)[a % 2]} if b % 3 else words

    def _branch(self, stream: Stream, b: int) -> str:
        return f"refs/heads/h{self.number}-{b % 3}"

    def _is_there(self, stream: Stream, ref: str) -> bool:
        return (str(stream.git_dir), ref) in self._refs

    @property
    def _refs(self) -> set[tuple[str, str]]:
        return self.world.refs

    def _new_name(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}{self.number}-{self.made}"

    # -- many at once ------------------------------------------------------------------------------

    def _commit(self, a: int, b: int, c: int) -> None:
        stream = self._stream(a)
        ref = self._branch(stream, b)
        parent = ref if self._is_there(stream, ref) else MAIN
        stream.commit(ref, self._words(c, a + b), PATHS[c % 5 == 0], [parent])
        self._refs.add((str(stream.git_dir), ref))

    def _merge(self, a: int, b: int, c: int) -> None:
        stream = self._stream(a)
        one, two = self._branch(stream, b), self._branch(stream, b + 1)
        if self._is_there(stream, one) and self._is_there(stream, two):
            stream.commit(one, self._words(c, b), PATHS[0], [one, two])

    def _amend(self, a: int, b: int, c: int) -> None:
        """Nothing but a reflog knows the commit that stood there before."""
        stream = self._stream(a)
        if self._is_there(stream, ref := self._branch(stream, b)):
            stream.commit(ref, self._words(c, b), PATHS[0], [MAIN])

    def _delete(self, a: int, b: int, c: int) -> None:
        stream = self._stream(a)
        if c % 3 == 0 and self.tags:
            stream, tag = self.tags.pop(b % len(self.tags))
            stream.delete(tag)
        elif self._is_there(stream, ref := self._branch(stream, b)):
            self._refs.discard((str(stream.git_dir), ref))
            stream.delete(ref)

    def _tag(self, a: int, b: int, c: int) -> None:
        """Of a release; its branch mostly ends there."""
        stream, name = self._stream(a), self._new_name("t")
        ref = f"refs/heads/{name}"
        stream.commit(ref, self._words(b, c), PATHS[c % 5 == 0], [MAIN])
        stream.tag(name, ref, annotated=bool(b % 2))
        self.tags.append((stream, f"refs/tags/{name}"))
        if c % 4:
            stream.delete(ref)

    def _request(self, a: int, b: int, c: int) -> None:
        """A pull request, fetched: a ref beside the branches."""
        stream = self.world.clones[a % 2].stream
        stream.commit(f"refs/pull/{self.number}{b % 2}/head", self._words(b, c), PATHS[0], [MAIN])

    def _revert(self, a: int, b: int, c: int) -> None:
        """A branch at a commit of long ago, which perhaps nothing reached any more."""
        stream = self._stream(a)
        if made := stream.made:
            ref = self._branch(stream, b)
            stream.reset(ref, made[(b * 256 + c) % len(made)])
            self._refs.add((str(stream.git_dir), ref))

    # -- recordings --------------------------------------------------------------------------------

    def _approve(self, a: int, b: int, c: int) -> None:
        approving(self.world, self._clone(a), PROJECTS[b % 4 == 3], self._words(b, c), push=True)

    def _approve_here(self, a: int, b: int, c: int) -> None:
        approving(self.world, self._clone(a), PROJECTS[b % 4 == 3], self._words(b, c), push=False)

    def _stage(self, a: int, b: int, c: int) -> None:
        try:
            staging(self.world, self._clone(a), PROJECTS[b % 4 == 3], self._words(b, c))
        except CassetteError:  # merge markers
            return

    def _share(self, a: int, b: int, c: int) -> None:
        """For a colleague to review."""
        clone = self._clone(a)
        self._stage(a, b, c)
        project = clone.project()
        if records := list(project.pending):
            sharing.push(project)
            staged = {key.path for record in records for key in staged_keys(record)}
            self.world.shared.update(dict.fromkeys(staged, self.world.day))

    def _reject(self, a: int, b: int, _c: int) -> None:
        project = self._clone(a).project()
        if records := list(project.pending):
            try:
                approve.reject(project, [records[b % len(records)].test_id])
            except CassetteError:
                return

    def _forget(self, a: int, b: int, _c: int) -> None:
        project = self._clone(a).project()
        try:
            if tests := sorted(project.manifest.entries):
                forget.forget(project, [tests[b % len(tests)]])
        except CassetteError:
            return

    def _push(self, a: int, b: int, _c: int) -> None:
        """Whatever this clone's manifest names, and it has."""
        project = self._clone(a).project(PROJECTS[b % 4 == 3])
        try:
            wanted = {key.path for _, key in sync.wanted(project)}
        except CassetteError:
            return
        sync.push(project)
        self.world.pushed(wanted & self.world.on_share())

    def _revive(self, a: int, b: int, c: int) -> None:
        """What has a tombstone, or only is there still, is recorded again."""
        clone = self._clone(a)
        dead = self.world.buried()
        if there := [blob for blob in dead or sorted(self.world.on_share()) if blob in self.world.words]:
            word = self.world.words[there[(b * 256 + c) % len(there)]]
            if approving(self.world, clone, "", {word}, push=True):
                self.world.seen["revived"] += bool(dead)
                assert blob_of(word) not in self.world.buried()

    # -- work trees --------------------------------------------------------------------------------

    def _save(self, a: int, b: int, c: int) -> None:
        """A commit as people make it."""
        clone = self._clone(a)
        if not clone.is_torn:
            clone.git("add", "--all")
            clone.git("commit", "--quiet", "--message=work", *(["--amend"] if c % 3 == 0 else []))

    def _stash(self, a: int, b: int, c: int) -> None:
        """Of what is approved and of what lies there, now with another file in the index."""
        clone = self._clone(a)
        if clone.is_torn:
            return
        (clone.root / MANIFEST).write_bytes(manifest(words := self._words(b, c)))
        if c % 3 == 0:
            clone.git("add", "--all")
            (clone.root / MANIFEST).write_bytes(manifest(more := self._words(c, b)))
            words = words | more
        if c % 2:
            (clone.root / f"new{self.number}").mkdir(exist_ok=True)
            (clone.root / f"new{self.number}" / "notes").write_text("untracked")
        self._have(clone, words)
        clone.git("stash", "push", "--quiet", *(["--include-untracked"] if c % 2 else []))

    def _unstash(self, a: int, b: int, c: int) -> None:
        clone = self._clone(a)
        entries = git(clone.root, "stash", "list").count(b"\n")
        if entries:
            clone.git("stash", "pop" if c % 3 == 0 else "drop", "--quiet", f"stash@{{{b % entries}}}")

    def _index(self, a: int, b: int, c: int) -> None:
        """The index alone names it."""
        clone = self._clone(a)
        if clone.is_torn:
            return
        file = clone.root / PATHS[c % 2]
        before = file.read_bytes() if file.exists() else b""
        file.write_bytes(manifest(words := self._words(b, c)))
        self._have(clone, words)
        clone.git("add", "--", PATHS[c % 2])
        if before:
            file.write_bytes(before)

    def _conflict(self, a: int, b: int, c: int) -> None:
        """A merge, a pick or a rebase that stops halfway; sometimes given up."""
        clone = self._clone(a)
        if clone.is_torn:
            return
        clone.git("checkout", "--quiet", "--force", "--detach", "main")
        clone.git("clean", "--quiet", "-d", "--force")
        sides = [self._words(b, c), self._words(b + 1, c + 2)]
        for side, words in enumerate(sides):
            clone.git("checkout", "--quiet", "--force", "-B", f"side{side}", "main")
            (clone.root / MANIFEST).write_bytes(manifest(words))
            self._have(clone, words)
            clone.git("commit", "--quiet", "--all", "--message=work")
        how = (["merge", "--quiet"], ["cherry-pick"], ["rebase", "--quiet"])[c % 3]
        clone.git(*how, "side0")
        if b % 2:
            clone.git("branch", "--quiet", "-D", "side0")  # what is halfway alone holds on to it
        if b % 4 == 3:
            clone.git(how[0], "--abort")

    def _detach(self, a: int, b: int, c: int) -> None:
        """No branch has the commit that is checked out."""
        clone = self._clone(a)
        clone.git("checkout", "--quiet", "--force", "--detach", "main")
        (clone.root / MANIFEST).write_bytes(manifest(words := self._words(b, c)))
        self._have(clone, words)
        clone.git("commit", "--quiet", "--all", "--message=work")
        if c % 2:
            (clone.root / MANIFEST).write_bytes(manifest([]))
            clone.git("add", MANIFEST)

    def _checkout(self, a: int, b: int, c: int) -> None:
        clone = self._clone(a)
        for what in ("merge", "rebase", "cherry-pick"):
            clone.git(what, "--abort")
        branch = self._branch(clone.stream, b).removeprefix("refs/heads/")
        clone.git("checkout", "--quiet", "--force", branch if c % 2 else "main", "--")

    def _reset(self, a: int, _b: int, c: int) -> None:
        self._clone(a).git("reset", "--quiet", "--hard", "HEAD~1" if c % 2 else "HEAD")

    def _tree(self, a: int, b: int, c: int) -> None:
        """A linked work tree: its HEAD, its index and its file each name something."""
        clone = self._clone(a)
        linked = clone.linked()
        if len(linked) > 1:
            clone.git("worktree", "remove", "--force", str(linked[c % 2]))
            return
        name = self._new_name(f"{clone.root.name}-tree-")
        tree = clone.root.parent / name
        clone.git("worktree", "add", "--quiet", "--detach", str(tree), "main")
        for turn, act in enumerate((["commit", "--quiet", "--all", "--message=work"], ["add", "--all"], [])):
            (tree / MANIFEST).write_bytes(manifest(words := self._words(b + turn, c + turn)))
            self._have(clone, words)
            if act:
                clone.git(*act, at=tree)

    def _have(self, clone: Clone, words: set[str]) -> None:
        """Approved some time ago: they are on the remote."""
        clone.stream.words.update(words)

    # -- colleagues --------------------------------------------------------------------------------

    def _publish(self, a: int, b: int, _c: int) -> None:
        clone = self._clone(a)
        clone.git("push", "--quiet", *(["--tags"] if b % 3 == 0 else ["--all"]), "origin", "--force")
        for ref in git(self.world.origin.git_dir, "for-each-ref", "--format=%(refname)").decode().split():
            self._refs.add((str(self.world.origin.git_dir), ref))

    def _fetch(self, a: int, b: int, _c: int) -> None:
        self._clone(a).git("fetch", "--quiet", "origin", *(["--prune"] if b % 2 else []))


#: How often each is drawn.
WEIGHTS = {
    "commit": 9, "merge": 3, "amend": 3, "delete": 5, "tag": 4, "request": 1, "revert": 2,
    "approve": 4, "approve_here": 2, "stage": 2, "share": 1, "reject": 1, "forget": 1, "push": 1, "revive": 3,
    "save": 2, "stash": 3, "unstash": 1, "index": 2, "conflict": 1, "detach": 1, "checkout": 2, "reset": 1,
    "tree": 1, "publish": 2, "fetch": 2,
}  # fmt: skip
