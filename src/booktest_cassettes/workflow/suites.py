"""Which runner a project's tests are for, and what ``init`` needs to know of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from ..config import INI, PYPROJECT
from ..importing.booktest_paths import BOOKS, part_of

#: What booktest's last run wrote. It creates no ignore line itself.
OUTPUT = f"{BOOKS}/.out/"
_OF_PYTEST = ("pytest.ini", "conftest.py", "tests/conftest.py")
_IMPORTS_BOOKTEST = re.compile(r"^\s*(?:import|from) booktest\b", re.MULTILINE)
#: Enough to know; a large project is not to be read as a whole.
_LOOKED_AT = 100


def suite(root: Path) -> str:
    """Which runner a project's tests are for: ``pytest``, ``booktest``, ``unittest``; ``""``: none yet."""
    if any((root / name).exists() for name in _OF_PYTEST) or "[tool.pytest" in _text(root / PYPROJECT):
        return "pytest"
    if _is_of_booktest(root):
        return "booktest"
    tests = sorted({*root.glob("test*/**/test*.py"), *root.glob("test*.py")})[:_LOOKED_AT]
    if tests and all("unittest" in _text(path) for path in tests):
        return "unittest"
    return "pytest" if tests else ""


def writes_output(root: Path) -> bool:
    """Whether booktest runs here, of whichever runner the other tests are."""
    return _is_listed(root) or suite(root) == "booktest"


def recorded_by_booktest(root: Path) -> bool:
    """Whether there are snapshots that booktest itself wrote, for ``migrate`` to take."""
    written = (path.relative_to(root).as_posix() for path in (root / BOOKS).rglob("*.json"))
    return any(part_of(name) for name in written if not name.startswith(OUTPUT))


def _is_of_booktest(root: Path) -> bool:
    """Whether the tests are booktest's; before its first run, they tell.

    ``booktest.ini`` alone does not, where there are tests: it may be there for our own settings.
    """
    if _is_listed(root):
        return True
    tests = list(islice(_tests(root), _LOOKED_AT))
    if any(_IMPORTS_BOOKTEST.search(_text(path)) for path in tests):
        return True
    return "fs_version" in _text(root / INI) or ((root / INI).exists() and not tests)


def _is_listed(root: Path) -> bool:
    """Every run of booktest lists all tests."""
    return (root / BOOKS / "index.md").exists()


def _tests(root: Path) -> Iterator[Path]:
    """Where booktest looks for tests, unless it is told otherwise; and where people have them."""
    return chain.from_iterable(root.glob(f"{home}/**/*.py") for home in ("test*", "book", "run"))


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""
