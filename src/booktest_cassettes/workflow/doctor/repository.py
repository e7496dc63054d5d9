"""Git: what it tracks, what it ignores, and what it does when manifests are merged."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from shlex import quote

from ...errors import CassetteError, UsageError
from ...project import Project
from .. import git
from .cache import is_usable
from .findings import USAGE, Finding, Findings, ok, problem
from .patient import Patient

_MOST = 5  # files that are named


def check(patient: Patient) -> Findings:
    """The work tree, the manifest, the payloads and the cache in it."""
    if not patient.is_readable:
        return
    top = git.ask(patient.root, "rev-parse", "--show-toplevel")
    if not top:
        yield _no_repository(patient.root)
        return
    yield ok("git", "", f"work tree {top}")
    project = patient.project
    if project is None:
        return
    yield from _manifest(project, patient)
    yield from _cache(project, patient)
    if project.storage.mode == "git" and patient.trouble is None:
        yield from _payloads(project, patient)


def _no_repository(root: Path) -> Finding:
    try:
        git.run(root, "rev-parse", "--show-toplevel")
    except (UsageError, OSError) as error:
        why = str(error.message if isinstance(error, UsageError) else error).partition("\n")[0]
    else:
        why = "a bare repository"
    why = why.rpartition("fatal: ")[2]
    if "not installed" in why:
        return Finding("git", "warning", "git", "is not installed", "install it: the manifest lives in it")
    if "not a git repository" in why:
        what = "is in no Git repository: nobody sees what was approved"
        return Finding("git", "note", str(root), what, "git init")
    return Finding("git", "warning", str(root), why, "git status, in that directory")


def _manifest(project: Project, patient: Patient) -> Findings:
    path = project.config.manifest
    where = patient.relative(path)
    rule = _ignored(patient.root, path)
    if rule and not _is_tracked(patient.root, path):
        what = "Git ignores it: what is approved stays on this machine"
        yield problem("manifest-ignored", where, what, _unignore(rule), USAGE)
        return
    if not os.path.lexists(path):
        return
    state = git.ask(patient.root, "status", "--porcelain", "--", str(path)) or ""
    if state.startswith("??"):
        fix = f"git add {quote(where)} && git commit"
        yield Finding("manifest-untracked", "warning", where, "is not in Git", fix)
    elif state.startswith(("UU", "AA", "DU", "UD", "AU", "UA")):
        yield ok("manifest-tracked", "", f"{where}: a merge is under way")
    elif state:
        fix = f"git add {quote(where)} && git commit"
        yield Finding("manifest-uncommitted", "note", where, "has changes that are not committed", fix)
    else:
        yield ok("manifest-tracked", "", f"{where} is committed")


def _cache(project: Project, patient: Patient) -> Findings:
    cache = project.config.cache_dir
    if not is_usable(cache):
        return
    where = patient.relative(cache)
    tracked = git.ask(patient.root, "ls-files", "-z", "--", str(cache)) or ""
    if tracked:
        number = tracked.count("\0")
        fix = f"git rm -r --cached -q {quote(where)} && git commit"
        yield Finding("cache-tracked", "warning", where, f"{number:,} files of the cache are in Git", fix)
    if _ignored(patient.root, cache / "staging" / "x"):
        yield ok("cache-ignored", "", f"{where} is ignored")
        return
    fix = f"echo '*' > {quote(f'{where}/.gitignore')}, or booktest-cassettes doctor --fix"
    mend = partial(_ignore, project, where)
    yield Finding("cache-ignored", "warning", where, "Git does not ignore the cache", fix, mend=mend)


def _ignore(project: Project, where: str) -> str:
    ignore = project.config.cache_dir / ".gitignore"
    if ignore.exists():  # somebody's own: to be looked at
        return ""
    project.prepare_cache()
    return f"wrote {where}/.gitignore"


def _payloads(project: Project, patient: Patient) -> Findings:
    try:
        entries = project.manifest.entries
    except CassetteError:  # said where the manifest is
        return
    paths = {
        patient.relative(path): path
        for test_id, kinds in entries.items()
        for kind in kinds
        if os.path.lexists(path := project.payloads(test_id).path(test_id, kind))
    }
    if not paths:
        return
    others = git.run(patient.root, "ls-files", "--others", "-z", "--", str(project.config.snapshots_dir))
    untracked = sorted(set(others.split("\0")) & set(paths))
    hidden = set(_all_ignored(patient.root, untracked))
    books = quote(patient.relative(project.config.snapshots_dir))
    if hidden:
        rule = _ignored(patient.root, paths[min(hidden)])
        what = f"Git ignores {_named(sorted(hidden))}, which the manifest names"
        fix = f"{_unignore(rule)}; or git add --force {quote(min(hidden))}"
        yield problem("payload-ignored", "", what, fix, USAGE)
    if visible := [path for path in untracked if path not in hidden]:
        what = f"{_named(visible)} not in Git, and the manifest names {'it' if len(visible) == 1 else 'them'}"
        yield Finding("payload-untracked", "warning", "", what, f"git add {books} && git commit")
    if not untracked:
        yield ok("payloads", "", f"{len(paths):,} payloads, all in Git")


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST:,} more" if len(paths) > _MOST else ""
    return ", ".join(paths[:_MOST]) + more


def _is_tracked(root: Path, path: Path) -> bool:
    return bool(git.ask(root, "ls-files", "--", str(path)))


def _ignored(root: Path, path: Path) -> str:
    """Which rule ignores a path, as ``file:line:pattern``; ``""`` where none does."""
    said = git.ask(root, "check-ignore", "--no-index", "--verbose", "--", str(path)) or ""
    rule = said.partition("\t")[0]
    return "" if rule.rpartition(":")[2].startswith("!") else rule  # a rule that takes it back is said, too


def _all_ignored(root: Path, paths: list[str]) -> list[str]:
    if not paths:
        return []
    try:
        said = git.run(root, "check-ignore", "-z", "--stdin", given="\0".join(paths) + "\0")
    except UsageError:  # how it says that none is
        return []
    return [path for path in said.split("\0") if path]


def _unignore(rule: str) -> str:
    place, _, pattern = rule.rpartition(":")
    return f"take {pattern} out of {place}" if place else "look at: git check-ignore -v"
