"""The tests of a project, as its own pytest collects them; what its source says where it cannot."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...project import Project
from .detect import walk

_TIMEOUT = 300.0
_NONE_COLLECTED = 5
_TEST_FILE = re.compile(r"tests?_?.*\.py|.*_(?:test|book)\.py")


@dataclass(frozen=True)
class Suite:
    """What is known of a project's tests.

    Attributes
    ----------
    ids:
        Those collected, relative to the root; empty where the suite could not be.
    uses:
        Cassette file to the tests that use it by a marker, and at which place of theirs.
    unclear:
        Tests whose cassette cannot be told, and why.
    note:
        Why the suite was not collected, or not whole.
    """

    project: Project
    ids: tuple[str, ...] = ()
    uses: Mapping[Path, Mapping[str, int]] = field(default_factory=dict)
    unclear: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @cached_property
    def literals(self) -> Mapping[str, Mapping[str, int]]:
        """Names in ``use_cassette("...")`` within tests, to test ids and the place among their cassettes."""
        found: dict[str, dict[str, int]] = {}
        for function, name, place in _literals(self.project):
            for test_id in self._ids_of(function):
                found.setdefault(name, {})[test_id] = place
        return found

    def _ids_of(self, function: _Function) -> list[str]:
        ids = self._by_function.get(function.id, [])
        if not ids and not function.is_parametrised and not self._knows(function.id):
            return [function.id]
        return ids

    def _knows(self, test_id: str) -> bool:
        """Whether the file of a test was collected: what is not among its tests then is none."""
        return test_id.partition("::")[0] in self._files

    @cached_property
    def _files(self) -> frozenset[str]:
        return frozenset(test_id.partition("::")[0] for test_id in self.ids)

    @cached_property
    def _by_function(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for test_id in self.ids:
            found.setdefault(test_id.partition("[")[0], []).append(test_id)
        return found


def collect(project: Project) -> Suite:
    """Collect the suite once, in a process of its own; no test is run."""
    with tempfile.TemporaryDirectory(prefix="booktest-collect-") as directory:
        out = Path(directory, "collected.json")
        note = _run(project.config.root, out)
        if not out.exists():
            return Suite(
                project, note=f"the suite was not collected ({note}): names were looked up in its source"
            )
        document = json.loads(out.read_text(encoding="utf-8"))
    base = Path(document["root"])
    uses: dict[Path, dict[str, int]] = {}
    unclear: dict[str, str] = {}
    ids = []
    for test in document["tests"]:
        test_id = project.test_id(base, test["id"])
        ids.append(test_id)
        if test["why"]:
            unclear[test_id] = test["why"]
        for place, file in enumerate(test["files"]):
            uses.setdefault(Path(file), {})[test_id] = place
    return Suite(
        project, tuple(ids), uses, unclear, f"not all of the suite was collected ({note})" if note else ""
    )


def _run(root: Path, out: Path) -> str:
    """Have pytest write what it collected; returns what went wrong."""
    plugin = f"{__package__}.collecting"
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", plugin]
    command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
    environment = {**os.environ, "BOOKTEST_COLLECTED": str(out), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, timeout=_TIMEOUT, check=False, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    if done.returncode in (0, _NONE_COLLECTED):
        return ""
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    said = next(
        (line for line in lines if line.startswith(("ERROR", "E  "))), lines[-1] if lines else "no output"
    )
    return f"pytest --collect-only ended with {done.returncode}: {said[:200]}"


# -- the source ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Function:
    """A test function in a file."""

    id: str
    is_parametrised: bool
    node: ast.FunctionDef | ast.AsyncFunctionDef


def functions(project: Project, file: Path) -> list[_Function]:
    """The test functions in one file; none where it is no Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    return list(_functions(tree, project.relative(file), parametrised=False))


def _functions(parent: ast.AST, owner: str, *, parametrised: bool) -> Iterator[_Function]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.ClassDef):
            inner = parametrised or _is_parametrised(node)
            yield from _functions(node, f"{owner}::{node.name}", parametrised=inner)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield _Function(f"{owner}::{node.name}", parametrised or _is_parametrised(node), node)


def _is_parametrised(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("parametrize" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_ids(project: Project) -> list[str]:
    """The ids of all test functions, without parameters, by the source alone."""
    return [function.id for file in _test_files(project) for function in functions(project, file)]


def _test_files(project: Project) -> Iterator[Path]:
    for directory, names in walk(project, project.config.root):
        yield from (directory / name for name in names if _TEST_FILE.fullmatch(name))


def _literals(project: Project) -> Iterator[tuple[_Function, str, int]]:
    for file in _test_files(project):
        for function in functions(project, file):
            for place, literal in enumerate(_used_in(function.node)):
                yield function, literal, place


def _used_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """The first arguments of ``use_cassette`` calls in a function and its decorators, in order."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0]
        if called == "use_cassette" and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value
