"""A pytest plugin for one ``--collect-only``: which cassette files each test would use. No test is run.

The rules are pytest-recording's: a directory from ``vcr_cassette_dir``, a name from ``default_cassette`` or
the test, more files from the arguments of ``vcr`` markers. Fixtures are asked only where they are plain
functions of other such fixtures.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ...digest import md5_hex

#: The variable that names the file to write to.
OUT = "BOOKTEST_COLLECTED"
_FORBIDDEN = "<>?%*:|\"'/\\"
_NAME_MAX = 255
_OUTCOMES = (pytest.skip.Exception, pytest.fail.Exception)  # no kinds of Exception
_MARKERS = ("vcr", "default_cassette", "block_network", "allowed_hosts")


def pytest_configure(config: pytest.Config) -> None:
    """Markers of a plugin that may be gone already; no network while test modules are imported."""
    for name in _MARKERS:
        config.addinivalue_line("markers", f"{name}: of pytest-recording")
    config.pluginmanager.register(_Gatherer(), "booktest_cassettes_gatherer")
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or arguments[0].family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(arguments[1][0])
    if not host.startswith("127.") and host not in ("::1", "localhost"):
        raise OSError("booktest-cassettes migrate collects tests without the network")


class _Gatherer:
    """Gathers tests as they are collected: also those that the command line's defaults deselect."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self.items.append(item)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        known: dict[Any, Any] = {}
        tests = [_described(item, known) for item in self.items]
        document = {"root": str(session.config.rootpath), "tests": tests}
        Path(os.environ[OUT]).write_text(json.dumps(document), encoding="utf-8")


def _described(item: pytest.Item, known: dict[Any, Any]) -> dict[str, Any]:
    markers = list(item.iter_markers(name="vcr"))
    found: dict[str, Any] = {"id": item.nodeid, "files": [], "why": ""}
    if not markers and not _has_our_cassette(item):
        return found
    try:
        found["files"] = _files(item, markers, known)
    except (Exception, *_OUTCOMES) as error:  # noqa: BLE001 - a user's own fixture may do anything
        found["why"] = f"{type(error).__name__}: {error}"[:300]
    return found


def _has_our_cassette(item: pytest.Item) -> bool:
    """Whether the test is one of ours already: its recording has the name it had before."""
    decorated = hasattr(getattr(item, "obj", None), "_cassette")
    return decorated or "cassette" in getattr(item, "fixturenames", ())


def _files(item: pytest.Item, markers: list[pytest.Mark], known: dict[Any, Any]) -> list[str]:
    asked = _Fixtures(item, known)
    config = dict(asked.value("vcr_config", {}))
    for marker in reversed(markers):
        config.update(marker.kwargs)
    module = item.getparent(pytest.Module)
    path = module.path if module is not None else item.path
    directory = os.fspath(asked.value("vcr_cassette_dir", path.parent / "cassettes" / path.stem))
    name = str(asked.value("default_cassette_name", None) or _default_name(item))
    suffix = f".{config['serializer']}" if "serializer" in config else ".yaml"
    limit = _NAME_MAX - len(str(config.get("serializer", ".yaml")))
    if len(name) > limit:
        digest = md5_hex(name)
        name = f"{name[: limit - len(digest) - 3]}...{digest}"
    library = os.fspath(config.get("cassette_library_dir") or directory)
    transform = config.get("path_transformer") or (
        lambda path: path if path.endswith(suffix) else path + suffix
    )
    files = [transform(os.path.join(library, name))]  # noqa: PTH118 - an absolute name stays itself
    files += [os.path.join(directory, extra) for marker in markers for extra in marker.args]  # noqa: PTH118
    return [os.path.abspath(file) for file in dict.fromkeys(files)]  # noqa: PTH100 - no links followed


def _default_name(item: pytest.Item) -> str:
    marker = item.get_closest_marker("default_cassette")
    if marker is not None and marker.args:
        return str(marker.args[0])
    owner = getattr(item, "cls", None)
    name = f"{owner.__name__}.{item.name}" if owner else item.name
    return "".join("-" if char in _FORBIDDEN else char for char in name)


class _Fixtures:
    """Values of fixtures that need no set-up: plain functions of other such fixtures."""

    def __init__(self, item: pytest.Item, known: dict[Any, Any]) -> None:
        self._item = item
        self._known = known  # by function and the node of its scope: a wide one is asked once

    def value(self, name: str, default: Any) -> Any:
        """A fixture's value; ``default`` where only a plugin defines it, as pytest-recording does."""
        return self._last(name, self._own(name), default)

    def _own(self, name: str) -> list[Any]:
        """The definitions that are no plugin's, the one that counts last."""
        manager: Any = self._item.session._fixturemanager
        found = manager.getfixturedefs(name, self._item) or ()
        return [one for one in found if not _is_plugins(one.func)]

    def _last(self, name: str, own: list[Any], default: Any) -> Any:
        if not own:
            return default
        function, request = own[-1].func, self._request(own[-1].scope)
        key = (function, request.node)
        if key not in self._known:
            if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
                raise TypeError(f"the fixture {name} needs a set-up")
            known = {"request": request, "pytestconfig": self._item.config}
            # One that overrides another of its name asks for that one.
            earlier = {name: partial(self._last, name, own[:-1], default)}
            wanted = [one for one in inspect.signature(function).parameters if one != "self"]
            given = {
                one: known[one] if one in known else earlier[one]() if one in earlier else self._argument(one)
                for one in wanted
            }
            self._known[key] = function(**given)
        return self._known[key]

    def _argument(self, name: str) -> Any:
        value = self.value(name, self)
        if value is self:
            raise LookupError(f"the fixture {name} needs a set-up")
        return value

    def _request(self, scope: str) -> Any:
        """What a fixture may ask of its request before anything is set up."""
        item: Any = self._item
        module = item.getparent(pytest.Module)
        nodes = {"module": module, "class": item.getparent(pytest.Class) or module, "session": item.session}
        return SimpleNamespace(
            scope=scope,
            node=nodes.get(scope, item) or item,
            function=getattr(item, "function", None),
            cls=getattr(item, "cls", None),
            instance=None,
            module=getattr(module, "obj", None),
            path=item.path,
            fspath=item.fspath,
            config=item.config,
            session=item.session,
            keywords=item.keywords,
            getfixturevalue=self._argument,
        )


def _is_plugins(function: Any) -> bool:
    module = getattr(function, "__module__", "") or ""
    return module.split(".")[0] in ("pytest_recording", "booktest_cassettes")
