"""A leak hunt: code under test tries to get out every way it can, and hides that it was refused.

The suite runs in a network of its own whose loopback also has the address 192.0.2.1, so that a real
server counts what a socket to "somewhere else" would have reached.
"""

from __future__ import annotations

import json
import sys
from textwrap import dedent

import pytest
from e2e_workspace import Workspace

#: What is done in the strict replay and was never recorded. HTTP clients aim at the server that was recorded.
HTTP = {
    "requests": "requests.get(URL)",
    "urllib3": "urllib3.request('GET', URL, retries=False)",
    "http_client": "http.client.HTTPConnection(HOST, PORT).request('GET', '/leak')",
    "urllib": "urllib.request.urlopen(URL)",
    "httpx": "httpx.get(URL)",
    "httpx2": "httpx2.get(URL)",
    "httpx_async": "asyncio.run(httpx_async(httpx))",
    "httpx2_async": "asyncio.run(httpx_async(httpx2))",
    "aiohttp": "asyncio.run(with_aiohttp())",
    "executor": "asyncio.run(in_executor())",
    "pool": "ThreadPoolExecutor(1).submit(requests.get, URL).result()",
    "tornado": "asyncio.run(with_tornado())",
}
SOCKETS = {
    "raw_socket": "socket.socket().connect(AWAY)",
    "connect_ex": "socket.socket().connect_ex(AWAY)",
    "create_connection_in_pool": "ThreadPoolExecutor(1).submit(socket.create_connection, AWAY).result()",
    "streams": "asyncio.run(asyncio.open_connection(*AWAY))",
    "udp": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'leak', AWAY)",
    "udp_connected": "socket.socket(type=socket.SOCK_DGRAM).connect(AWAY)",
    "getaddrinfo": "socket.getaddrinfo('leak.example.test', 80)",
    "gethostbyname": "socket.gethostbyname('leak.example.test')",
    "loop_getaddrinfo": "asyncio.run(look_up())",
}
LEAKS = HTTP | SOCKETS

SUITE = """
import asyncio, atexit, http.client, os, socket, subprocess, sys, threading, urllib.request
from concurrent.futures import ThreadPoolExecutor
import aiohttp, httpx, httpx2, pytest, requests, urllib3
from tornado.httpclient import AsyncHTTPClient
from booktest_cassettes import cassette

HOST, PORT = "127.0.0.1", int(os.environ["PORT"])
URL, AWAY = f"http://{HOST}:{PORT}/leak", ("192.0.2.1", PORT)
LEAKS = THE_LEAKS

async def httpx_async(library):
    async with library.AsyncClient() as client:
        await client.get(URL)

async def with_aiohttp():
    async with aiohttp.ClientSession() as session, session.get(URL):
        pass

async def with_tornado():
    await AsyncHTTPClient(force_instance=True).fetch(URL)

async def in_executor():
    await asyncio.get_running_loop().run_in_executor(None, requests.get, URL)

async def look_up():
    await asyncio.get_running_loop().getaddrinfo("leak.example.test", 80)

@pytest.mark.parametrize("name", LEAKS)
@cassette
def test_leak(name):
    requests.get(f"http://{HOST}:{PORT}/recorded")
    if os.environ.get("ACT"):
        try:
            eval(LEAKS[name])
        except BaseException:
            pass
"""

#: Makes the network, the server and the counters; runs the command; prints what the server counted.
STAGE = """
import fcntl, json, os, socket, struct, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from booktest_cassettes.cli.isolation import isolate

isolate()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:  # SIOCSIFADDR on an alias of lo
    address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"))
    fcntl.ioctl(control, 0x8916, struct.pack("16s16s8x", b"lo:1", address))

seen = {"connections": 0, "datagrams": 0}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass

class Server(ThreadingHTTPServer):
    daemon_threads = True

    def process_request(self, *args):
        seen["connections"] += 1
        super().process_request(*args)

server = Server(("0.0.0.0", int(sys.argv[1])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", server.server_port))

def count():
    while udp.recv(100) != b"over":
        seen["datagrams"] += 1

counter = threading.Thread(target=count)
counter.start()
environment = os.environ | {"PORT": str(server.server_port)}
codes = [subprocess.run(command, env=environment).returncode for command in json.loads(sys.argv[2])]
server.shutdown()  # accepts what waits, then stops
with socket.socket(type=socket.SOCK_DGRAM) as last:
    last.sendto(b"over", ("127.0.0.1", server.server_port))
counter.join()
print("SEEN", json.dumps(seen | {"codes": codes, "port": server.server_port}))
"""

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-W", "ignore"]
BOOKTEST = [sys.executable, "-m", "booktest_cassettes"]


class Stage:
    """Runs commands in a network with a server; knows what reached the server."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.port = 0

    def run(self, *commands: list[str], ci: bool = True, **variables: str) -> str:
        arguments = (str(self.port), json.dumps(commands))
        done = self.workspace.run(sys.executable, "-c", STAGE, *arguments, ci=ci, **variables)
        assert "SEEN " in done.text, done.text
        text, _, found = done.text.rpartition("SEEN ")
        self.seen = json.loads(found.partition("\n")[0])
        self.port = self.seen["port"]
        return text

    def record(self) -> None:
        text = self.run(
            [*BOOKTEST, "run", "--", "-q", "-W", "ignore"], [*BOOKTEST, "approve", "--all"], ci=False
        )
        assert self.seen["codes"] == [0, 0], text

    @property
    def leaked(self) -> int:
        return int(self.seen["connections"] + self.seen["datagrams"])


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    return Stage(workspace)


def _suite(stage: Stage, body: str) -> None:
    head = SUITE.replace("THE_LEAKS", "{}").partition("@pytest.mark")[0]
    stage.workspace.write("test_it.py", head + dedent(body))
    stage.record()
    assert stage.leaked > 0, "recording did reach the server"


@pytest.fixture(scope="module")
def hunt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, str]:
    stage = Stage(Workspace(tmp_path_factory.mktemp("leaks")).begin())
    stage.workspace.write("test_it.py", SUITE.replace("THE_LEAKS", repr(LEAKS)))
    stage.record()
    assert stage.leaked == len(LEAKS)
    text = stage.run([*PYTEST, "-rA"], ACT="1")
    return stage, text


def test_nothing_reached_the_server(hunt: tuple[Stage, str]) -> None:
    stage, text = hunt
    assert stage.seen["connections"] == 0, text
    assert stage.seen["datagrams"] == 0, text
    assert stage.seen["codes"] == [1], text


@pytest.mark.parametrize("name", LEAKS)
def test_a_swallowed_refusal_fails_the_test(hunt: tuple[Stage, str], name: str) -> None:
    assert f"FAILED test_it.py::test_leak[{name}]" in hunt[1], hunt[1]


def test_the_server_would_have_counted_every_one_of_them(stage: Stage) -> None:
    """Without cassettes the same code gets through: the hunt is not blind."""
    stage.workspace.write("test_it.py", SUITE.replace("THE_LEAKS", repr(LEAKS)))
    text = stage.run([*PYTEST, "--cassettes=off"], ci=False, ACT="1")
    seen = stage.seen["connections"] - len(LEAKS)  # each test's recorded request went out as well
    # Look-ups ask no server here, and a datagram socket that is only connected says nothing.
    assert seen == len(HTTP) + 4, text
    assert stage.seen["datagrams"] == 1, text


LATE = """
def late():
    try:
        {action}
    except BaseException:
        print("swallowed")

@cassette
def test_it():
    requests.get(f"http://{HOST}:{PORT}/recorded")
    if os.environ.get("ACT") == "atexit":
        atexit.register(late)
    if os.environ.get("ACT") == "thread":
        threading.Thread(target=lambda: (threading.main_thread().join(), late())).start()
"""


#: One of each kind; all of them take a minute.
LATE_EVERY_DAY = [("requests.get(URL)", "thread"), ("socket.create_connection(AWAY)", "atexit")]


@pytest.mark.parametrize(
    ("action", "how"),
    [
        pytest.param(action, how, marks=() if (action, how) in LATE_EVERY_DAY else pytest.mark.nightly)
        for action in (
            "requests.get(URL)",
            "httpx.get(URL)",
            "urllib.request.urlopen(URL)",
            "socket.create_connection(AWAY)",
        )
        for how in ("atexit", "thread")
    ],
)
def test_what_outlives_the_session_is_refused_and_the_process_fails(
    stage: Stage, how: str, action: str
) -> None:
    _suite(stage, LATE.replace("{action}", action))
    text = stage.run(PYTEST, ACT=how)
    assert stage.leaked == 0, text
    assert stage.seen["codes"] == [120], text
    assert "booktest-cassettes: after the tests: " in text
    assert "in late" in text, "where it came from"
    text = stage.run([*PYTEST, "-n", "2"], ACT=how)
    assert stage.leaked == 0, text
    assert stage.seen["codes"] == [120], text
    assert "booktest-cassettes: after the tests: " in text


def test_a_thread_that_outlives_its_test_belongs_to_the_next_cassette(stage: Stage) -> None:
    body = """
    go = threading.Event()

    def late():
        go.wait()
        try:
            requests.get(URL)
        except BaseException:
            pass

    @cassette
    def test_first():
        requests.get(f"http://{HOST}:{PORT}/recorded")
        global thread
        thread = threading.Thread(target=late)
        if os.environ.get("ACT"):
            thread.start()

    @cassette
    def test_second():
        requests.get(f"http://{HOST}:{PORT}/recorded")
        if os.environ.get("ACT"):
            go.set()
            thread.join()
    """
    _suite(stage, body)
    text = stage.run(PYTEST, ACT="1")
    assert stage.leaked == 0, text
    assert "FAILED test_it.py::test_second" in text


def test_a_live_test_beside_strict_ones_and_a_program_after_pytest_stay_live(stage: Stage) -> None:
    body = """
    @cassette
    def test_strict():
        requests.get(f"http://{HOST}:{PORT}/recorded")

    def test_live():
        assert requests.get(URL).ok
    """
    _suite(stage, body)
    program = "import os, pytest, requests; code = pytest.main(['-q', '-p', 'no:randomly']);"
    program += " requests.get('http://127.0.0.1:' + os.environ['PORT']); raise SystemExit(code)"
    text = stage.run([sys.executable, "-c", program])
    assert stage.seen["codes"] == [0], text
    assert stage.seen["connections"] == 2, text


CHILDREN = """
CURL = ["curl", "-sS", "-m", "5"]
PYTHON = [sys.executable, "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])"]

@pytest.mark.parametrize("command", [CURL, PYTHON], ids=["curl", "python"])
@pytest.mark.parametrize("url", [URL, f"http://{AWAY[0]}:{PORT}"], ids=["loopback", "away"])
@cassette
def test_it(command, url):
    requests.get(f"http://{HOST}:{PORT}/recorded")
    if os.environ.get("ACT"):
        assert subprocess.run([*command, url]).returncode != 0
"""


def test_child_processes_reach_nobody_in_an_isolated_run(stage: Stage) -> None:
    _suite(stage, CHILDREN)
    text = stage.run([*BOOKTEST, "run", "--isolate", "--", "-q", "-W", "ignore"], ACT="1")
    assert stage.seen["codes"] == [0], text
    assert stage.leaked == 0, text
