"""Python and packages: what is installed, and whether it is what we declare to work with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from ... import __version__
from ...store.remote.place import Place
from .findings import REMOTE, USAGE, Finding, Findings, ok, problem
from .patient import Patient

NAME = "booktest-cassettes"
_SHOWN = ("pytest", "vcrpy", "respx", "httpx", "httpx2", "requests", "PyYAML", "click", "filelock", "dvc")
#: DVC's plugins by the schemes of urls, with our extra where there is one.
_PLUGINS = {
    "s3": ("dvc_s3", "booktest-cassettes[s3]"),
    "ssh": ("dvc_ssh", "booktest-cassettes[ssh]"),
    "gs": ("dvc_gs", "booktest-cassettes[gs]"),
    "azure": ("dvc_azure", "booktest-cassettes[azure]"),
    "http": ("dvc_http", "dvc"),
    "https": ("dvc_http", "dvc"),
    "webdav": ("dvc_webdav", "dvc[webdav]"),
    "webdavs": ("dvc_webdav", "dvc[webdav]"),
    "hdfs": ("dvc_hdfs", "dvc[hdfs]"),
    "webhdfs": ("dvc_hdfs", "dvc[webhdfs]"),
    "oss": ("dvc_oss", "dvc[oss]"),
    "gdrive": ("dvc_gdrive", "dvc[gdrive]"),
}
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_BOUND = re.compile(r"\s*(>=|<=|==|!=|~=|>|<)\s*(\d+(?:\.\d+)*)")
_RELEASE = re.compile(r"\D*(\d+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A line of our own requirements; ``optional``: fine when it is absent."""

    name: str
    bounds: str
    optional: bool


def check(patient: Patient) -> Findings:
    """Versions, ranges, several installations, the plugin of DVC that the remote needs."""
    yield ok("python", "", f"Python {sys.version.split()[0]} at {sys.executable}")
    yield from _own()
    wanted = _wanted()
    names = {_canonical(name): name for name in (*wanted, *_SHOWN)}
    for canonical, name in sorted(names.items()):
        yield from _package(name, wanted.get(canonical))
    yield from _several()
    project = patient.project
    if project is not None and project.storage.place is not None:
        yield from _plugin(project.storage.place)


def plugin_lacks(place: Place) -> tuple[str, str] | None:
    """The module that DVC lacks to reach a remote, and what to install; ``None`` where it is there."""
    scheme, mark, _ = place.url.partition("://")
    module, package = _PLUGINS.get(scheme.lower(), ("", ""))
    return (module, package) if mark and module and find_spec(module) is None else None


def _plugin(place: Place) -> Findings:
    scheme = place.url.partition("://")[0]
    lack = plugin_lacks(place)
    if lack is not None:
        module, package = lack
        what = f"DVC's plugin {module.replace('_', '-')} for {scheme}:// is not installed"
        yield problem("dvc-plugin", str(place), what, f"pip install '{package}'", REMOTE)
    elif module := _PLUGINS.get(scheme.lower(), ("",))[0]:
        yield ok("dvc-plugin", "", _versioned(module.replace("_", "-")))


def _own() -> Findings:
    recorded = _version(NAME)
    if recorded is None:
        what = "is imported, but not installed: pytest does not find its plugin"
        yield problem("installed", NAME, what, f"pip install {NAME}", USAGE)
    elif recorded != __version__:
        what = f"version {__version__} is imported, and {recorded} is what is installed"
        yield Finding("installed", "warning", NAME, what, f"pip install --force-reinstall {NAME}")
    else:
        yield ok("installed", "", f"{NAME} {__version__}")


def _package(name: str, wanted: _Wanted | None) -> Findings:
    found = _version(name)
    if found is None:
        if wanted is not None and not wanted.optional:
            what = "is not installed, and needed"
            yield problem("package", name, what, f"pip install '{name}{wanted.bounds}'", USAGE)
        return
    if wanted is not None and not _fits(found, wanted.bounds):
        what = f"version {found} is none that we are tested with ({wanted.bounds})"
        yield Finding("package", "warning", name, what, f"pip install '{name}{wanted.bounds}'")
    else:
        yield ok("package", "", f"{name} {found}")


def _wanted() -> dict[str, _Wanted]:
    """Our requirements, by canonical name: all that everybody needs, and DVC."""
    found: dict[str, _Wanted] = {}
    for line in _requirements():
        match = _REQUIREMENT.match(line)
        if match is None:
            continue
        name, bounds, marker = match[1], match[2].strip(), match[3] or ""
        if not marker or ("extra" in marker and _canonical(name) == "dvc"):
            found.setdefault(_canonical(name), _Wanted(name, bounds, optional=bool(marker)))
    return found


def _requirements() -> list[str]:
    try:
        return metadata.requires(NAME) or []
    except metadata.PackageNotFoundError:
        return []


def _several() -> Findings:
    for name in (NAME, *_SHOWN):
        places = _places(name)
        if len(places) > 1:
            what = f"is installed more than once: {', '.join(places)}; the first is used"
            fix = f"pip uninstall {name}, until there is none left, then pip install {name}"
            yield Finding("several-installs", "warning", name, what, fix)


def _places(name: str) -> list[str]:
    """Where a distribution is, each as ``version in directory``; sys.path may name a directory twice."""
    found = metadata.distributions(name=name)
    return list(dict.fromkeys(f"{one.version} in {one.locate_file('')}" for one in found))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _versioned(name: str) -> str:
    return f"{name} {_version(name) or ''}".rstrip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _fits(version: str, bounds: str) -> bool:
    """Whether a version is within bounds, by its numbers; what we do not understand fits.

    ``packaging`` does it better, and is none of our dependencies.
    """
    found = _release(version)
    return all(_holds(found, operator, _release(bound)) for operator, bound in _bounds(bounds))


def _bounds(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        if match := _BOUND.match(part):
            yield match[1], match[2]


def _holds(found: tuple[int, ...], operator: str, bound: tuple[int, ...]) -> bool:
    width = max(len(found), len(bound))
    left = found + (0,) * (width - len(found))
    right = bound + (0,) * (width - len(bound))
    if operator == "~=":
        return left >= right and found[: len(bound) - 1] == bound[:-1]
    outcomes = {
        ">=": left >= right,
        "<=": left <= right,
        "==": left == right,
        "!=": left != right,
        ">": left > right,
        "<": left < right,
    }
    return outcomes[operator]


def _release(version: str) -> tuple[int, ...]:
    match = _RELEASE.match(version)
    return tuple(int(number) for number in match[1].split(".")) if match else (0,)
