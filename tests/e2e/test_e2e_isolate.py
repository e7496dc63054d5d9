"""``run --isolate``: nothing but a loopback of its own, and otherwise as without it."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e_workspace import Api, Workspace

from booktest_cassettes import cli
from booktest_cassettes.options import record_mode

CLI = [sys.executable, "-m", "booktest_cassettes"]
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


# -- who one is, and where -------------------------------------------------------------------------

ME = """
import json, os, pathlib

def test_me():
    made = pathlib.Path("made")
    made.touch()
    stat = made.stat()
    mask = os.umask(0)
    groups = [os.getuid(), os.geteuid(), os.getgid(), os.getegid()]
    me = {"ids": groups, "made": [stat.st_uid, stat.st_gid], "cwd": os.getcwd(), "umask": mask}
    me["environment"] = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    made.unlink()
    pathlib.Path("me.json").write_text(json.dumps(me, sort_keys=True))
"""
#: Somebody who is not root, though the files are their own, whoever runs these tests.
ADA = ["unshare", "--user", "--map-user=1234", "--map-group=1234", "--"]


@pytest.mark.parametrize("user", [[], ADA], ids=["whoever this is", "not root"])
def test_user_directory_and_environment_are_as_without_it(workspace: Workspace, user: list[str]) -> None:
    workspace.write("test_me.py", ME)
    found = []
    for isolated in ([], ["--isolate"]):
        done = workspace.run(
            *user,
            *CLI,
            "run",
            *isolated,
            "--record",
            "none",
            "--",
            "-q",
            "-p",
            "no:cacheprovider",
            NAME="Ada",
        )
        assert done.code == 0, done.text
        found.append((workspace.root / "me.json").read_text())
        assert (workspace.root / "me.json").stat().st_uid == os.getuid()
    assert found[0] == found[1]
    assert ("[1234, 1234, 1234, 1234]" in found[1]) == bool(user)


# -- recording -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["-s"], ["-S"], ["--record", "once"], ["--", "--cassettes=all"], ["--", "--cassettes", "rewrite"]],
)
def test_recording_is_refused(workspace: Workspace, arguments: list[str]) -> None:
    done = workspace.cli("run", "--isolate", *arguments)
    assert done.code == 2, done.text
    assert "records, which needs the network that --isolate takes away" in done.text
    assert "next: booktest-cassettes run to record" in done.text


LOCAL = """
import requests, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from booktest_cassettes import cassette

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

@cassette{options}
def test_it():
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        requests.get(f"http://127.0.0.1:{{server.server_port}}")
"""


@pytest.mark.parametrize("how", ["ini", "environment", "file", "variable", "test", "before --"])
def test_no_mode_named_elsewhere_records(workspace: Workspace, how: str) -> None:
    """The loopback of its own has servers too, which could be recorded."""
    options = '(record_mode="rewrite")' if how == "test" else ""
    workspace.write("test_it.py", LOCAL.format(options=options))
    workspace.write("args.txt", "--cassettes=rewrite\n")
    if how == "ini":
        workspace.write("pytest.ini", "[pytest]\naddopts = --cassettes=rewrite\n")
    variables = {
        "environment": {"PYTEST_ADDOPTS": "--cassettes=rewrite"},
        "variable": {"BOOKTEST_RECORD_MODE": "rewrite"},
    }.get(how, {})
    more = {"file": ["@args.txt"], "before --": ["@args.txt", "--", "test_it.py"]}.get(how, [])
    done = workspace.cli("run", "--isolate", "--", "-q", *more, **variables)
    assert done.code == 3, done.text
    assert "(mode none, storage git)" in done.text
    assert not list((workspace.root / ".booktest_cache").rglob("*.*")), "something was staged"


def test_mode_off_can_be_asked_for(workspace: Workspace) -> None:
    workspace.write("test_it.py", LOCAL.format(options=""))
    for arguments in (["--record", "off"], ["--", "--cassettes=off"]):
        done = workspace.cli("run", "--isolate", *arguments)
        assert done.code == 0, done.text


def test_what_is_not_recorded_is_missing_and_not_recorded_as_a_failure(
    workspace: Workspace, api: Api
) -> None:
    body = f"@cassette\ndef test_it():\n    requests.get({api.url!r})\n"
    text = f"import requests\nfrom booktest_cassettes import cassette\n{body}"
    workspace.write("test_it.py", text)
    assert workspace.cli("run", "--isolate", "--", "-q").code == 3
    assert api.hits == 0


# -- how it ends -----------------------------------------------------------------------------------


def test_exit_codes_are_those_of_pytest(workspace: Workspace) -> None:
    assert workspace.cli("run", "--isolate").code == 5
    workspace.write("test_it.py", "def test_it():\n    assert False\n")
    assert workspace.cli("run", "--isolate").code == 1
    assert workspace.cli("run", "--isolate", "--", "--no-such-option").code == 4


WAITS = """
import signal

def test_waits():
    with open("ready", "w") as ready:
        ready.write("ready")
    signal.pause()

def test_after():
    pass
"""
#: The command as on a system whose processes cannot become another program.
ELSEWHERE = [
    sys.executable,
    "-c",
    """
import sys
from booktest_cassettes import cli, options, project
from booktest_cassettes.cli import run
sys.platform = "win32"
cli.main()
""",
]


@contextmanager
def _started(workspace: Workspace, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process group of its own, as a terminal starts it, once its test is under way."""
    os.mkfifo(workspace.root / "ready")
    ready = os.open(workspace.root / "ready", os.O_RDONLY | os.O_NONBLOCK)
    hidden = ("CI", "PYTEST_", "BOOKTEST_", "COV_")
    child = subprocess.Popen(
        command,
        cwd=workspace.root,
        env={name: value for name, value in os.environ.items() if not name.startswith(hidden)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        assert select.select([ready], [], [], 60)[0], "the test did not begin"
        yield child
    finally:
        os.close(ready)
        with child:
            child.kill()


@pytest.mark.parametrize(
    ("interrupt", "workers"),
    [(os.killpg, []), (os.kill, []), (os.kill, ["-n", "2"])],
    ids=["Ctrl-C", "kill -INT", "kill -INT with xdist"],
)
def test_an_interrupt_reaches_pytest_and_leaves_nobody_behind(
    workspace: Workspace, interrupt: Callable[[int, int], None], workers: list[str]
) -> None:
    workspace.write("test_it.py", WAITS)
    command = [*CLI, "run", "--isolate", "--", "-p", "no:randomly", *workers]
    with _started(workspace, *command) as child:
        interrupt(child.pid, signal.SIGINT)
        text, _ = child.communicate(timeout=60)
        assert child.returncode == 2, text
        assert "KeyboardInterrupt" in text
        with pytest.raises(ProcessLookupError):  # its group is empty
            os.killpg(child.pid, 0)


def test_an_interrupt_lets_pytest_end_by_itself_where_a_process_cannot_become_it(
    workspace: Workspace,
) -> None:
    workspace.write("test_it.py", WAITS)
    with _started(workspace, *ELSEWHERE, "run", "--", "-p", "no:randomly") as child:
        os.killpg(child.pid, signal.SIGINT)
        text, _ = child.communicate(timeout=60)
        assert child.returncode == 2, text
        assert "no tests ran" in text, "pytest's last line"
        with pytest.raises(ProcessLookupError):
            os.killpg(child.pid, 0)


# -- where it cannot be ----------------------------------------------------------------------------

#: Root of a user namespace may set its limits; without capabilities it needs another user namespace.
NO_NETWORKS = ["unshare", "-r", "sh", "-c", 'echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"', "sh"]
NO_USERS = [
    *("unshare", "-r", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"),
    *("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"),
]


@pytest.mark.parametrize("limited", [NO_NETWORKS, NO_USERS], ids=["no networks", "no users"])
def test_a_system_that_gives_no_namespace_refuses_before_anything_is_run(
    workspace: Workspace, limited: list[str]
) -> None:
    workspace.write("test_it.py", "import pathlib\n\npathlib.Path('ran').touch()\n\ndef test_it(): pass\n")
    done = workspace.run(*limited, *CLI, "run", "--isolate")
    assert done.code == 2, done.text
    assert f"this system gives no network namespace ([Errno {errno.ENOSPC}]" in done.text
    assert "unshare: no more namespaces allowed): nothing was run" in done.text
    assert "next: allow user namespaces (sysctl " in done.text
    assert "or leave --isolate out: CI=1 booktest-cassettes run" in done.text
    assert not (workspace.root / "ran").exists()
    done = workspace.run(*limited, *CLI, "run", "--", "-q")
    assert done.code == 0, "and without --isolate it runs: " + done.text


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
def test_another_system_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], platform: str
) -> None:
    assert record_mode, "what reads the platform is loaded by now"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["booktest-cassettes", "run", "--isolate"])
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    monkeypatch.undo()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: --isolate needs Linux, and this is {platform}: nothing was run\n"
        "  next: CI=1 booktest-cassettes run, or run it in a Linux container\n"
    )
