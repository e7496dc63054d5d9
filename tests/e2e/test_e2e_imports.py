"""The replay path stays light: what is loaded when, measured in a fresh interpreter."""

from __future__ import annotations

import json
import sys

import pytest

HEAVY = ("vcr", "respx", "httpx", "requests", "yaml", "dvc", "rich", "jinja2")

CONFTEST = """
import json, sys

def pytest_unconfigure(config):
    with open("modules.json", "w") as out:
        json.dump(sorted(sys.modules), out)
"""


def _loaded(workspace) -> set[str]:
    # Without other people's plugins: respx ships one that imports httpx whenever pytest starts.
    plugin = ["-p", "booktest_cassettes.pytest_plugin", "-c", "none.ini", "-q"]
    workspace.write("none.ini", "[pytest]\n")
    arguments = [sys.executable, "-m", "pytest", *plugin]
    done = workspace.run(*arguments, ci=True, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.code == 0, done.text
    return set(json.loads((workspace.root / "modules.json").read_text()))


def test_a_session_without_a_cassette_loads_no_client_and_no_parser(workspace):
    workspace.write("conftest.py", CONFTEST)
    workspace.write("test_it.py", "def test_it(): pass\n")
    loaded = _loaded(workspace)
    assert loaded.isdisjoint(HEAVY)
    assert "booktest_cassettes.pytest_plugin" in loaded
    assert not any(name.startswith("booktest_cassettes.recording") for name in loaded)


# What the libraries load by themselves is theirs: vcrpy imports every client it can find, httpx's
# command line imports rich where that is installed.
@pytest.mark.parametrize(("client", "libraries"), [("requests", "vcr, respx"), ("httpx", "respx")])
def test_a_replay_loads_no_more_than_its_client_needs(workspace, api, client, libraries):
    workspace.write("conftest.py", CONFTEST)
    workspace.write(
        "test_it.py",
        f"""
        import {client}
        from booktest_cassettes import cassette

        @cassette
        def test_it():
            assert {client}.get("{api.url}/users").status_code == 200
        """,
    )
    workspace.record()
    loaded = _loaded(workspace)
    assert client in loaded
    listed = workspace.run(sys.executable, "-c", f"import sys, {libraries}; print(*sys.modules)").text
    unwanted = {"requests", "vcr", "urllib3", "dvc", "rich", "jinja2", "filelock"} - set(listed.split())
    assert unwanted >= {"dvc", "jinja2", "filelock"}
    assert loaded & unwanted == set()
    assert not any(
        name.startswith(("booktest_cassettes.workflow", "booktest_cassettes.cli")) for name in loaded
    )


def test_status_loads_no_http_client(workspace):
    code = (
        "import sys; sys.argv = ['x', 'status']\n"
        "from booktest_cassettes.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"assert not set({HEAVY!r}) & set(sys.modules), set({HEAVY!r}) & set(sys.modules)\n"
    )
    done = workspace.run(sys.executable, "-c", code)
    assert done.code == 0, done.text
