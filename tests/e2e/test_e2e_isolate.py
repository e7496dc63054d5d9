"""``run --isolate``: nothing but a loopback of its own, and otherwise as without it."""

from __future__ import annotations

import os

import pytest
from e2e_workspace import Api, Workspace

SUITE = """
import errno, os, pathlib, requests, socket
from booktest_cassettes import cassette

@cassette
def test_it():
    requests.get("{url}/users")

def test_network():
    assert socket.socket().connect_ex(("192.0.2.1", 9)) == errno.ENETUNREACH
    assert socket.socket().connect_ex(("127.0.0.1", {port})) != 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()

def test_me():
    pathlib.Path("made").touch()
    assert [os.getuid(), os.getgid(), os.getcwd()] == [{uid}, {gid}, {root!r}]
"""


@pytest.fixture
def suite(workspace: Workspace, api: Api) -> Workspace:
    port, root = api.server.server_port, str(workspace.root)
    text = SUITE.format(url=api.url, port=port, uid=os.getuid(), gid=os.getgid(), root=root)
    workspace.write("test_it.py", text)
    workspace.record("test_it.py::test_it")
    return workspace


@pytest.mark.parametrize("command", ["run", "test"])
@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_an_approved_suite_passes_without_a_network(
    suite: Workspace, command: str, workers: list[str]
) -> None:
    done = suite.cli(command, "--isolate", "--", "-q", "test_it.py::test_it", "test_it.py::test_network",
                     "test_it.py::test_me", *workers)  # fmt: skip
    assert done.code == 0, done.text
    assert "mode none" in done.text
    assert (suite.root / "made").stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    "arguments",
    [["-s"], ["-S"], ["--record", "once"], ["--", "--cassettes=all"], ["--", "--cassettes", "rewrite"]],
)
def test_recording_is_refused(workspace: Workspace, arguments: list[str]) -> None:
    done = workspace.cli("run", "--isolate", *arguments)
    assert done.code == 2, done.text
    assert "records, which needs the network that --isolate takes away" in done.text
    assert "next: booktest-cassettes run to record" in done.text


def test_what_is_not_recorded_is_missing_and_not_recorded_as_a_failure(
    workspace: Workspace, api: Api
) -> None:
    body = f"@cassette\ndef test_it():\n    requests.get({api.url!r})\n"
    text = f"import requests\nfrom booktest_cassettes import cassette\n{body}"
    workspace.write("test_it.py", text)
    assert workspace.cli("run", "--isolate", "--", "-q").code == 3
    assert api.hits == 0


def test_exit_codes_are_those_of_pytest(workspace: Workspace) -> None:
    assert workspace.cli("run", "--isolate").code == 5
    workspace.write("test_it.py", "def test_it():\n    assert False\n")
    assert workspace.cli("run", "--isolate").code == 1
    assert workspace.cli("run", "--isolate", "--", "--no-such-option").code == 4
