"""pytest-recording's marks and options: who has them in this session, and what they say to a cassette.

Where pytest-recording, pytest-vcr or cassetter is active, the ``vcr`` mark is theirs and we stand back;
it is an error only where both of us would have a test. What vcrpy's users need is loaded by the first
test that is marked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import UsageError

if TYPE_CHECKING:
    from ..project import Project

#: The modules of plugins that handle the ``vcr`` mark, and what they are installed as.
_RIVALS = {"pytest_recording": "pytest-recording", "pytest_vcr": "pytest-vcr", "cassetter": "cassetter"}
_MODES = ("once", "new_episodes", "none", "all", "rewrite")
_OPTIONS: dict[str, dict[str, Any]] = {
    "--record-mode": {"choices": _MODES, "help": "as --cassettes, for those who know pytest-recording"},
    "--block-network": {"action": "store_true", "default": False, "help": "refuse every connection of tests"},
    "--allowed-hosts": {
        "help": "regular expressions, separated by commas: hosts that --block-network allows"
    },
    "--disable-recording": {"action": "store_true", "default": False, "help": "as --cassettes=off"},
}
_MARKERS = (
    "vcr(*cassettes, **options): record and replay as the cassette marker does; vcrpy's options",
    "default_cassette(name): the file that this test's recording was in, for `booktest-cassettes migrate`",
    "block_network(allowed_hosts=[...]): refuse every connection of this test, but to these hosts",
)
#: Ours, where nobody else had them.
_OWNED = pytest.StashKey[frozenset[str]]()
#: The other plugin, "" for none; what a whole collection asks is looked up once.
_RIVAL = pytest.StashKey[str]()
_HEARD = pytest.StashKey[dict[str, Any]]()
_MISSING: Any = object()


class Hooks:
    """pytest-recording's hook, for conftests that have it."""

    @staticmethod
    def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
        """Change the ``vcr`` that marked tests use: matchers, options."""


def rival(manager: pytest.PytestPluginManager) -> str:
    """Who else handles the ``vcr`` mark in this session, ``""`` for nobody."""
    names = (getattr(plugin, "__name__", "") for _, plugin in manager.list_name_plugin() if plugin)
    found = (_RIVALS.get(str(name).partition(".")[0]) for name in names)
    return next(filter(None, found), "")


def add_hooks(manager: pytest.PytestPluginManager) -> None:
    """A conftest that has pytest-recording's hook would be refused without it."""
    if not rival(manager) and not hasattr(manager.hook, "pytest_recording_configure"):
        manager.add_hookspecs(Hooks)


def add_options(config: pytest.Config, parser: pytest.Parser) -> None:
    """Those of pytest-recording that no plugin and no conftest has: pytest ends where two have one."""
    free = [name for name in _OPTIONS if config.getoption(name, _MISSING) is _MISSING]
    if rival(config.pluginmanager):
        free = []
    group = parser.getgroup("cassettes")
    for name in free:
        group.addoption(name, **_OPTIONS[name])
    config.stash[_OWNED] = frozenset(free)


def configure(config: pytest.Config) -> None:
    """Marks and fixtures, where the ``vcr`` mark is ours."""
    config.stash[_RIVAL] = rival(config.pluginmanager)
    if config.stash[_RIVAL]:
        return
    add_hooks(config.pluginmanager)
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    from . import vcr_marks

    config.pluginmanager.register(vcr_marks, "booktest_cassettes_vcr")


def option(config: pytest.Config, name: str) -> Any:
    """The value of one of pytest-recording's options, ``None`` where it is not ours."""
    return config.getoption(name) if name in config.stash.get(_OWNED, ()) else None


def mode(config: pytest.Config) -> str | None:
    """The record mode that the command line asks for."""
    asked: str | None = config.getoption("--cassettes") or _record_mode(config)
    return asked or ("off" if option(config, "--disable-recording") else None)


def _record_mode(config: pytest.Config) -> str | None:
    """``--record-mode``; where ``addopts`` has it, as in many a suite, ``run -S`` overrides it."""
    typed = any(str(one).startswith("--record-mode") for one in config.invocation_params.args)
    if os.environ.get("BOOKTEST_RECORD_MODE") and not typed:
        return None
    asked: str | None = option(config, "--record-mode")
    return asked


def is_ours(item: pytest.Item) -> bool:
    """Whether a test has the ``vcr`` mark, and the mark is ours."""
    return item.get_closest_marker("vcr") is not None and not item.config.stash.get(_RIVAL, "")


def wants_cassette(item: pytest.Item) -> bool:
    """Whether a test is marked; puts the fixture of ``block_network`` where it belongs."""
    blocks = item.get_closest_marker("block_network") or option(item.config, "--block-network")
    if blocks and not item.config.stash.get(_RIVAL, ""):
        _insert_blocking(item)
    return item.get_closest_marker("cassette") is not None or is_ours(item)


def _insert_blocking(item: pytest.Item) -> None:
    """Behind the fixtures that are wider than the test: those have always been allowed to connect."""
    names: list[str] = item.fixturenames  # type: ignore[attr-defined]
    known = getattr(item, "_fixtureinfo", None)
    places = [
        place
        for place, name in enumerate(names)
        if known and any(found.scope == "function" for found in known.name2fixturedefs.get(name, ()))
    ]
    names.insert(places[0] if places else len(names), "block_network")


def arguments(request: pytest.FixtureRequest, project: Project) -> dict[str, Any]:
    """What ``vcr_config`` and the ``vcr`` marks of a test say, as arguments of ``cassette()``.

    As in pytest-recording: the fixture, then marks from the widest to the test's own.

    Raises
    ------
    UsageError
        For an option that neither vcrpy nor we have.
    """
    item = request.node
    if not is_ours(item):
        return {}
    from ..compat.arguments import MATCH_ON
    from ..compat.arguments import arguments as translated
    from ..vcr_user import KNOWN, Vcr

    config = dict(request.getfixturevalue("vcr_config"))
    said = dict(config)
    for mark in reversed(list(item.iter_markers("vcr"))):
        said.update(mark.kwargs)
    vcr = Vcr()
    vcr.match_on = vcr.record_on_exception = None
    item.config.hook.pytest_recording_configure(config=item.config, vcr=vcr)
    found = translated(vcr.get_merged_config(**said), KNOWN, vcr.matchers, where="the vcr mark or vcr_config")
    if "match_on" not in found and project.config.sources.get("match_on", "default") == "default":
        found["match_on"] = MATCH_ON
    item.stash[_HEARD] = {"ignore_localhost": True, **translated(config, KNOWN, vcr.matchers)}
    return found


def check_unhidden(item: pytest.Item) -> None:
    """Raise UsageError for a marked test whose cassette was not opened: it would use the network."""
    if is_ours(item):
        raise UsageError(
            f"{item.nodeid}: has the vcr mark, and a fixture called cassette that hides ours",
            hint="give your fixture another name",
        )


def for_fixtures(item: pytest.Item | None) -> dict[str, Any]:
    """Options for the fixtures that a marked test is the first to ask for.

    In pytest-recording such a fixture has no cassette. Servers on this machine are started and asked
    whether they are up by fixtures like that: loopback stays theirs.
    """
    return item.stash.get(_HEARD, {}) if item is not None else {}


def clash(
    config: pytest.Config, items: Sequence[pytest.Item], project: Callable[[], Project]
) -> UsageError | None:
    """The error for tests that another plugin handles, too."""
    other = config.stash.get(_RIVAL, "")
    marked = [item for item in items if item.get_closest_marker("vcr")] if other else []
    if not marked or config.getoption("collectonly"):
        return None
    known = project().manifest.entries
    for item in marked:
        both = "cassette" in item.fixturenames  # type: ignore[attr-defined]
        if both or project().test_id(config.rootpath, item.nodeid) in known:
            what = "has both marks, cassette and vcr" if both else "has an approved recording"
            name = _plugin_name(config)
            return UsageError(
                f"{item.nodeid} {what}, and {other} would handle its vcr mark, too",
                hint=f"pip uninstall {other}, or keep it out of this run: pytest -p no:{name}",
            )
    return None


def _plugin_name(config: pytest.Config) -> str:
    for name, plugin in config.pluginmanager.list_name_plugin():
        if plugin and str(getattr(plugin, "__name__", "")).partition(".")[0] in _RIVALS:
            return name
    return ""


def header(config: pytest.Config) -> str | None:
    """Who handles the ``vcr`` mark, where it is not us."""
    other = config.stash.get(_RIVAL, "")
    if not other:
        return None
    return f"booktest-cassettes: the vcr mark is handled by {other}; pip uninstall {other} to hand it over"
