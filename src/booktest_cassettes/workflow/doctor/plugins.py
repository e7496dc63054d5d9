"""Plugins of pytest that want what we want: vcrpy's patches, or every socket."""

from __future__ import annotations

from importlib import metadata

from .findings import USAGE, Finding, Findings, ok, problem
from .packages import NAME
from .patient import Patient

_RECORDS = "records with vcrpy, too: a test that both of us hold is recorded by one, and refused by the other"
_BLOCKS = "replaces socket.socket, as our guard does: which of the two refuses a request is a matter of luck"
#: By the name of the distribution. respx's own plugin and pytest-httpx stay out of our way.
_CLASHES = {
    "pytest-recording": _RECORDS,
    "pytest-vcr": _RECORDS,
    "cassetter": "records the same requests: a test that both of us hold is recorded by one only",
    "pytest-network": _BLOCKS,
    "pytest-socket": _BLOCKS,
    "pytest-blockage": _BLOCKS,
}
_OURS = "booktest_cassettes.pytest_plugin"


def check(patient: Patient) -> Findings:
    """Every plugin that pytest loads by itself."""
    found: dict[str, str] = {}
    for point in metadata.entry_points(group="pytest11"):
        distribution = point.dist
        name = str(distribution.metadata["Name"]) if distribution else point.name
        found.setdefault(name.lower().replace("_", "-"), distribution.version if distribution else "")
    for name, version in sorted(found.items()):
        if name in _CLASHES:
            fix = f"pip uninstall {name}, or keep it out of these tests: pytest -p no:{_plugin_name(name)}"
            yield Finding("plugin-clash", "warning", name, _CLASHES[name], fix)
        else:
            yield ok("plugin", "", f"{name} {version}".rstrip())
    if NAME not in found:
        what = "pytest has no entry point of ours: it does not load the plugin"
        yield problem("plugin", NAME, what, f"pip install --force-reinstall {NAME}", USAGE)
    yield from _autoload(patient)


def _plugin_name(distribution: str) -> str:
    points = metadata.entry_points(group="pytest11")
    names = [
        p.name
        for p in points
        if p.dist and str(p.dist.metadata["Name"]).lower().replace("_", "-") == distribution
    ]
    return names[0] if names else distribution


def _autoload(patient: Patient) -> Findings:
    variable = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
    if patient.environ.get(variable) and _OURS not in patient.environ.get("PYTEST_PLUGINS", ""):
        what = "pytest loads no plugin by itself: ours has to be named"
        yield Finding("plugin-autoload", "note", variable, what, f"pytest -p {_OURS}, or unset it")
