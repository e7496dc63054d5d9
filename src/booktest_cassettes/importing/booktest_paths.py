"""Which test a file of booktest belongs to, and what it holds: all from its path.

Under ``books/`` stands, for the test ``test/a_test.py::Book/test_x``:

- ``test/a_test.py/Book/test_x.snapshots.json``: all kinds, since 1.1
- ``test/a_test.py/Book/test_x/_snapshots/requests.json``, ``httpx.json``, ``env.json``, ``functions.json``
- ``test/a_test.py/Book/test_x/.requests.json`` and so on, and ``.requests/``, ``.httpx/``, ``.functions/``
  with a file for each request or call, before that

Before booktest 1.0 the path was ``test/a/book/x``: from that the test follows only where a test is known
whose name shortens to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

BOOKS = "books"
_UNIFIED = ".snapshots.json"
_FORMS = {
    "requests": "http",
    "http": "http",
    "httpx": "httpx",
    "env": "env",
    "functions": "func",
    "func": "func",
}
_POSTFIX = re.compile(r"_?(?:test)?_?book\Z|_?test\Z")
_HUMP = re.compile(r"(?<=[^A-Z])(?=[A-Z])")


@dataclass(frozen=True)
class Part:
    """One file of a test.

    Attributes
    ----------
    test:
        The path of the test as it stands in the file's path.
    form:
        ``all``, or the kind it holds: ``http``, ``httpx``, ``env``, ``func``.
    rank:
        Which of two files counts: the higher.
    single:
        It holds one entry, not all of them.
    """

    test: str
    form: str
    rank: int
    single: bool = False


def part_of(path: str) -> Part | None:
    """What a file is, or ``None`` where it is nothing of booktest's.

    Parameters
    ----------
    path:
        With ``/``.
    """
    if path.endswith(_UNIFIED):
        return Part(path.removesuffix(_UNIFIED), "all", 3)
    place = PurePosixPath(path)
    parent, stem = place.parent, place.stem
    if place.suffix == ".json" and parent.name == "_snapshots" and stem in _FORMS:
        return Part(str(parent.parent), _FORMS[stem], 2)
    if place.suffix == ".json" and stem.startswith(".") and stem[1:] in _FORMS:
        return Part(str(parent), _FORMS[stem[1:]], 1)
    if parent.name.startswith(".") and _FORMS.get(parent.name[1:], "env") != "env":
        return Part(str(parent.parent), _FORMS[parent.name[1:]], 0, single=True)
    return None


def id_of(test: str, known: Iterable[str] = ()) -> str | None:
    """The test id that a path stands for, or ``None`` where that is not beyond doubt.

    Parameters
    ----------
    test:
        See :class:`Part`; relative to the project.
    known:
        Ids of the project's tests, to find what a path from before booktest 1.0 stands for.
    """
    parts = PurePosixPath(test).parts
    # A directory of that name inside the books is a part of a test's path.
    before, inside = _split(parts)
    for place, name in enumerate(inside):
        if name.endswith(".py") and place + 1 < len(inside):
            file = "/".join([*before, *inside[: place + 1]])
            return f"{file}::{'/'.join(inside[place + 1 :])}"
    short = "/".join([*before, *inside])
    found = [test_id for test_id in set(known) if short_path_of(test_id) == short]
    return found[0] if len(found) == 1 else None


def _split(parts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if BOOKS not in parts:
        return (), parts
    place = parts.index(BOOKS)
    return parts[:place], parts[place + 1 :]


def short_path_of(test_id: str) -> str:
    """The path booktest gave a test before 1.0: without the words every name has in common."""
    file, _, rest = test_id.partition("::")
    *classes, function = rest.replace("::", "/").split("/")
    *folders, stem = file.removesuffix(".py").split("/")
    names = [_shortened(stem)]
    for name in classes:
        short = _shortened(_HUMP.sub("_", name))
        if short.replace("_", "") != names[0].replace("_", ""):
            names.append(short)
    return "/".join([*folders, *names, function.removeprefix("test_")])


def _shortened(name: str) -> str:
    return _POSTFIX.sub("", name.lower())
