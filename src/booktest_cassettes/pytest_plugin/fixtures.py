"""Fixtures wider than a test: their traffic is their own.

Which test meets such a fixture first is an accident of order and of workers, so what it exchanges cannot
be in that test's recording. It gets a cassette of its own, as if it had been decorated; so do
``setup_module``, ``setup_class`` and ``setUpClass``, which pytest runs as fixtures.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MethodType
from typing import Any

import pytest

from ..project import Project
from ..use import cassette, id_of

#: What pytest calls the fixtures that it makes of setup_module and its kin.
_SETUP = re.compile(r"_(?:xunit|unittest)_(setup_module|setup_class|setUpClass)_fixture")
_PLAIN = (str, int, float, bool)
_LONGEST = 100  # characters of a parameter in an id


def of_items(items: Iterable[pytest.Item]) -> set[Any]:
    """The fixtures that these tests ask for, whoever else does."""
    infos = (getattr(item, "_fixtureinfo", None) for item in items)
    return {one for info in infos if info for found in info.name2fixturedefs.values() for one in found}


@contextmanager
def own_cassette(
    fixture: Any, request: pytest.FixtureRequest, project: Project, defaults: dict[str, Any]
) -> Iterator[None]:
    """Within it, setting ``fixture`` up makes it run with a cassette; other people's are left alone.

    ``defaults``: options for where no marker gives others.
    """
    function = fixture.func
    inner = getattr(function, "__func__", function)
    # The class of a test that is in none is the test itself.
    if isinstance(request.node, pytest.Item) or not _is_ours(fixture.argname, inner, project.config.root):
        yield
        return
    arguments = dict(defaults)
    for marker in reversed(list(request.node.iter_markers("cassette"))):
        arguments.update(marker.kwargs)
    wrapped = cassette(_id(fixture, inner, request, project), **arguments)(inner)
    fixture.func = wrapped if inner is function else MethodType(wrapped, function.__self__)
    try:
        yield
    finally:
        fixture.func = function


def _is_ours(name: str, function: Any, root: Path) -> bool:
    if not inspect.isfunction(function) or hasattr(function, "_cassette"):
        return False
    file = Path(function.__code__.co_filename)
    return bool(_SETUP.match(name)) or (file.is_relative_to(root) and "site-packages" not in file.parts)


def _id(fixture: Any, function: Any, request: pytest.FixtureRequest, project: Project) -> str:
    """By the class or module that it is set up for; by its own file where it is for more than one."""
    found = _SETUP.match(fixture.argname)
    name = (found[1] if found else fixture.argname) + _parameter(fixture, request)
    if fixture.scope in ("class", "module"):
        return project.test_id(request.config.rootpath, f"{request.node.nodeid}::{name}")
    return f"{id_of(function, (), project).partition('::')[0]}::{name}"


def _parameter(fixture: Any, request: pytest.FixtureRequest) -> str:
    if not hasattr(request, "param"):
        return ""
    index = getattr(request, "param_index", 0)
    params = list(fixture.params) if fixture.params else []
    names = [_name(fixture, position, value) for position, value in enumerate(params)]
    own = names[index] if index < len(names) else _name(fixture, index, request.param)
    return f"[{own}-{index}]" if names.count(own) > 1 else f"[{own}]"


def _name(fixture: Any, index: int, value: object) -> str:
    """What pytest calls a parameter: its id, its value where that is short and plain, or its number."""
    ids = fixture.ids
    given = ids(value) if callable(ids) else ids[index] if ids and index < len(ids) else None
    if given is None and isinstance(value, _PLAIN):
        given = value
    text = str(given)
    if given is None or not text.isprintable() or len(text) > _LONGEST:
        return f"{fixture.argname}{index}"
    return text
