"""Whose recording a file is. Nothing is guessed: what no rule says beyond doubt is an orphan."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import TypeAlias

from ...errors import UsageError
from ...project import Project
from .detect import Found, walk
from .plan import Asked, Item, Orphan, Plan
from .sources import Format
from .suite import Suite, collect, functions, test_ids

_FORBIDDEN = frozenset("<>?%*:|\"'/\\")
_SUFFIXES = (".yaml", ".yml", ".json")
_There: TypeAlias = Callable[[], Mapping[str, Collection[Path]]]


@dataclass
class _Plan:
    """The plan as it grows."""

    project: Project
    # Test and format to the files and their places: a test's own cassette is played before its extra ones.
    files: dict[tuple[str, str], dict[Path, tuple[int, str]]] = field(default_factory=dict)
    formats: dict[tuple[str, str], Format] = field(default_factory=dict)
    orphans: list[Orphan] = field(default_factory=list)

    def take(self, found: Found, tests: Mapping[str, int]) -> None:
        for test_id, place in tests.items():
            key = (test_id, found.format.name)
            self.formats.setdefault(key, found.format)
            self.files.setdefault(key, {})[found.path] = (place, self.project.relative(found.path))

    def done(self, notes: Iterable[str]) -> Plan:
        items = [
            Item(test_id, tuple(sorted(files, key=files.__getitem__)), self.formats[test_id, name])
            for (test_id, name), files in self.files.items()
        ]
        items.sort(key=lambda item: (item.test_id, item.format.name))
        return Plan(tuple(items), tuple(self.orphans), tuple(filter(None, notes)))


def assign(project: Project, files: Sequence[Found], asked: Asked) -> Plan:
    """Give each file to the tests that use it.

    Raises
    ------
    UsageError
        When a mapping names a file that is not there, or several.
    """
    plan = _Plan(project)
    told = _told(project, files, asked.table)
    rest = []
    known = cache(partial(test_ids, project))
    for found in files:
        if found.path in told:
            plan.take(found, told[found.path])
        elif (ids := _ids(found.format, asked)) == "path":
            plan.take(found, {_path_id(project, found.path): 0})
        elif ids == "own":
            _take_own(plan, found, known)
        else:
            rest.append(found)
    if not rest:
        return plan.done(())
    suite = collect(project)
    there = cache(partial(_there, project, rest))
    literals = _resolved(rest, suite, there)
    for found in rest:
        _take_by_suite(plan, found, suite, literals, there)
    return plan.done([suite.note])


def _ids(kind: Format, asked: Asked) -> str:
    return {"path": "path", "test": "suite"}.get(asked.ids, kind.ids)


def _path_id(project: Project, path: Path) -> str:
    """The id under which ``vcr_persister()`` looks for a cassette of this path."""
    return Path(os.path.relpath(path, project.config.root)).as_posix()


def _take_own(plan: _Plan, found: Found, known: Callable[[], Collection[str]]) -> None:
    path = PurePosixPath(plan.project.relative(found.path))
    test_id = found.format.test_of(path, known) if found.format.test_of else None
    if test_id is not None:
        plan.take(found, {test_id: 0})
    else:
        plan.orphans.append(_orphan(plan.project, found, "its path names no test"))


def _take_by_suite(
    plan: _Plan, found: Found, suite: Suite, literals: Mapping[Path, Mapping[str, int]], there: _There
) -> None:
    tests = suite.uses.get(found.path) or literals.get(found.path)
    if not tests and found.format.users:
        if len(there()[found.path.name]) > 1:  # its name says nothing of the directory
            plan.orphans.append(_orphan(plan.project, found, "another file has the same name"))
            return
        named = found.format.users(found.path.stem, suite.ids or tuple(test_ids(plan.project)))
        tests = dict.fromkeys(named, 0)
    if tests:
        plan.take(found, tests)
        return
    test_id, why = _by_name(plan.project, found, suite)
    if test_id:
        plan.take(found, {test_id: 0})
    else:
        plan.orphans.append(_orphan(plan.project, found, why))


def _orphan(project: Project, found: Found, why: str) -> Orphan:
    path = project.relative(found.path)
    return Orphan(
        found.path, found.format, why, f"--map {quote(f'{path}=TEST_ID')}, or delete it if it is stale"
    )


# -- by name, where the suite cannot say ---------------------------------------------------------------


def _by_name(project: Project, found: Found, suite: Suite) -> tuple[str, str]:
    """The test by pytest-recording's naming, and why there is none."""
    if suite.ids:  # collected: a test that is not among its users does not use it
        unclear = [
            f"{test}: {why}" for test, why in suite.unclear.items() if _is_near(project, found.path, test)
        ]
        if unclear:
            return "", f"the cassette of a test beside it cannot be told: {unclear[0]}"
        return "", "no test of the suite uses it"
    stem, module = found.path.stem, found.path.parent
    source = module.parent.parent / f"{module.name}.py"
    if module.parent.name != "cassettes" or not source.is_file():
        return "", "no test uses it by its name"
    plain, bracket, parameter = stem.partition("[")
    fitting = [one for one in functions(project, source) if _plain_name(one.id) == plain]
    if len(fitting) != 1:
        return "", f"{project.relative(source)} has no one test for its name"
    # A hyphen may stand for a character that no file name takes; a name that was too long has lost its end.
    if fitting[0].is_parametrised != bool(bracket) or "-" in parameter or (bracket and parameter[-1:] != "]"):
        return "", "its test has parameters, which only the collected suite knows"
    return f"{fitting[0].id}{bracket}{parameter}", ""


def _is_near(project: Project, cassette: Path, test_id: str) -> bool:
    return cassette.is_relative_to((project.config.root / test_id.partition("::")[0]).parent)


def _plain_name(test_id: str) -> str:
    name = ".".join(test_id.split("::")[1:][-2:])
    return "".join("-" if char in _FORBIDDEN else char for char in name)


# -- use_cassette and --map ----------------------------------------------------------------------------


def _there(project: Project, files: Iterable[Found]) -> Mapping[str, Collection[Path]]:
    """All files there are, by name: one that is not to migrate now may be the one that is meant."""
    there: dict[str, set[Path]] = {}
    walked = (where / name for where, names in walk(project, project.config.root) for name in names)
    for path in chain((found.path for found in files), walked):
        there.setdefault(path.name, set()).add(path)
    return there


def _resolved(files: Sequence[Found], suite: Suite, there: _There) -> Mapping[Path, Mapping[str, int]]:
    """The files that ``use_cassette`` names mean; a name that fits several means none of them."""
    found: dict[Path, dict[str, int]] = {}
    if all(one.path in suite.uses for one in files):
        return found
    asked = {one.path for one in files}
    for name, tests in suite.literals.items():
        endings = _endings(name)
        fitting = _ending({path for ending in endings for path in there().get(ending[-1], ())}, endings)
        if len(fitting) == 1 and fitting[0] in asked:
            found.setdefault(fitting[0], {}).update(tests)
    return found


def _told(
    project: Project, files: Sequence[Found], table: Mapping[str, Sequence[str]]
) -> Mapping[Path, Mapping[str, int]]:
    told: dict[Path, dict[str, int]] = {}
    for name, tests in table.items():
        fitting = _fitting(project, [found.path for found in files], name)
        if len(fitting) != 1:
            what = "no recording" if not fitting else f"{len(fitting)} recordings"
            raise UsageError(
                f"--map {name}: fits {what} of those to migrate",
                hint="name it by its path from the root; migrate --dry-run lists them",
            )
        told.setdefault(fitting[0], {}).update(dict.fromkeys(tests, 0))
    return told


def _fitting(project: Project, files: Iterable[Path], name: str) -> list[Path]:
    """The file of this path, else those whose path ends with it, with or without a suffix."""
    files = list(files)
    for base in (project.config.root, Path.cwd()):
        whole = Path(os.path.abspath(base / name))  # noqa: PTH100 - no links followed
        if exact := [path for path in files if path in (whole, *_suffixed(whole))]:
            return exact
    return _ending(files, _endings(name))


def _endings(name: str) -> list[tuple[str, ...]]:
    wanted = PurePosixPath(name).parts
    return [wanted, *((*wanted[:-1], f"{wanted[-1]}{suffix}") for suffix in _SUFFIXES)] if wanted else []


def _ending(files: Iterable[Path], endings: Iterable[tuple[str, ...]]) -> list[Path]:
    return [path for path in files if any(path.parts[-len(ending) :] == ending for ending in endings)]


def _suffixed(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{suffix}") for suffix in _SUFFIXES]
