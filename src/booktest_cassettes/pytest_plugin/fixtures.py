"""Fixtures wider than a test: their traffic is their own.

Which test meets such a fixture first is an accident of order and of workers, so what it exchanges cannot
be in that test's recording. It gets a cassette of its own, as if it had been decorated.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..project import Project
from ..use import cassette, id_of

_PLAIN = (str, int, float, bool)


@contextmanager
def own_cassette(fixture: Any, request: pytest.FixtureRequest, project: Project) -> Iterator[None]:
    """Within it, setting ``fixture`` up makes it run with a cassette; other people's are left alone."""
    function = fixture.func
    if not _is_ours(function, project.config.root):
        yield
        return
    arguments: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("cassette"))):
        arguments.update(marker.kwargs)
    fixture.func = cassette(id_of(function, (), project) + _parameter(request), **arguments)(function)
    try:
        yield
    finally:
        fixture.func = function


def _is_ours(function: Any, root: Path) -> bool:
    if not inspect.isfunction(function) or hasattr(function, "_cassette"):
        return False
    file = Path(function.__code__.co_filename)
    return file.is_relative_to(root) and "site-packages" not in file.parts


def _parameter(request: pytest.FixtureRequest) -> str:
    if not hasattr(request, "param"):
        return ""
    value = request.param
    return f"[{value if isinstance(value, _PLAIN) else getattr(request, 'param_index', 0)}]"
