"""The house rules that a reader can check, checked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import booktest_cassettes

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "booktest_cassettes"
ROOMS = sorted(SOURCE.rglob("*.py"))


def test_the_public_names_are_these():
    assert booktest_cassettes.__all__ == ["__version__", "cassette", "register_codec", "vcr", "vcr_persister"]
    assert all(hasattr(booktest_cassettes, name) for name in booktest_cassettes.__all__)


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_room_has_at_most_400_lines_and_its_functions_60(room):
    text = room.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    long = [
        f"{function.name}: {function.end_lineno - function.lineno + 1} lines"
        for function in _functions(ast.parse(text))
        if function.end_lineno and function.end_lineno - function.lineno >= 60
    ]
    assert long == []


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.mark.parametrize(("word", "home"), [("hashlib", "digest.py"), ("os.replace", "files.py")])
def test_there_is_one_place_that(word, home):
    users = [path.name for path in ROOMS if word in _code(path)]
    assert users == [home]


def _code(path: Path) -> str:
    """The source without comments and docstrings."""
    return ast.unparse(_Bare().visit(ast.parse(path.read_text(encoding="utf-8"))))


class _Bare(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node


def test_every_top_level_file_the_readme_promises_is_there():
    for name in (
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "do",
        ".ci/run",
        "booktest.manifest.yaml",
        "docs/adr",
    ):
        assert (ROOT / name).exists(), name


def test_the_typing_marker_ships():
    assert (SOURCE / "py.typed").exists()
