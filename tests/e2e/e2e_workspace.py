"""A user's project in a temporary Git repository, and a real API on loopback to record."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent


class _Handler(BaseHTTPRequestHandler):
    """Echoes what it was asked, with headers that differ on every answer."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if self.path.startswith("/events"):
            self._events()
        else:
            secret = {"access_token": "tok-0123456789", "user": "ada"}
            self._answer(200, {"path": self.path.partition("?")[0], **secret})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201, {"received": json.loads(body)})

    def _answer(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self._begin(status, "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Set-Cookie", f"session={uuid.uuid4().hex}; Path=/; HttpOnly")
        self.end_headers()
        self.wfile.write(data)

    def _events(self) -> None:
        self._begin(200, "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(5):
            event = f'data: {{"n": {number}}}\n\n'.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            self.wfile.flush()
            time.sleep(0.03)  # the server's own pace: what a streaming API does
        self.wfile.write(b"0\r\n\r\n")

    def _begin(self, status: int, kind: str) -> None:
        self.server.hits += 1
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("X-Request-Id", str(uuid.uuid4()))
        self.send_header("X-RateLimit-Remaining", str(5000 - self.server.hits))

    def date_time_string(self, timestamp: float | None = None) -> str:
        # Every answer is a day later: whoever keeps Date will notice.
        return super().date_time_string(86_400 * (1 + self.server.hits))

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hits = 0


@dataclass
class Api:
    """The running server; ``stop()`` it to prove that a replay needs none."""

    server: _Server
    stopped: bool = field(default=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def hits(self) -> int:
        return self.server.hits

    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.server.shutdown()
            self.server.server_close()


@contextmanager
def running_api() -> Iterator[Api]:
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    api = Api(server)
    try:
        yield api
    finally:
        api.stop()


@dataclass
class Done:
    """A finished command."""

    code: int
    text: str


def passes(done: Done, count: int | None = None) -> Done:
    """Check that a command ended well, and how many tests passed in it."""
    assert done.code == 0, done.text
    if count is not None:
        assert f"{count} passed" in done.text, done.text
    return done


#: What a project's pytest loads. What else is installed for our own tests would take most of a run's time.
PLUGINS = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "booktest_cassettes.pytest_plugin,xdist.plugin,pytest_asyncio.plugin",
}


class Workspace:
    """A user's project: its own Git repository, its own environment.

    Parameters
    ----------
    root:
        Its directory.
    autoload:
        Let pytest load every plugin that is installed, as it does by default.
    """

    def __init__(self, root: Path, *, autoload: bool = False) -> None:
        self.root = root
        self.autoload = autoload

    def begin(self) -> Workspace:
        """An empty repository with the least configuration."""
        self.git("init", "--quiet")
        self.git("config", "user.email", "ada@example.test")
        self.git("config", "user.name", "Ada")
        self.write("booktest.toml", '[storage]\nmode = "git"\n')
        self.write(
            "pytest.ini", "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        )
        self.write(".gitignore", "__pycache__/\n.pytest_cache/\n")
        return self

    def copy(self, root: Path) -> Workspace:
        """The same project, as it is now, at another place."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Workspace(root)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def run(self, *command: str, ci: bool = False, **variables: str) -> Done:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name != "CI" and not name.startswith(("BOOKTEST_", "PYTEST_", "GIT_", "COV_", "PYTHONDONT"))
        }
        environment |= {} if self.autoload else PLUGINS
        environment |= {**variables, **({"CI": "1"} if ci else {})}
        done = subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"))

    def cli(self, *arguments: str, ci: bool = False, **variables: str) -> Done:
        return self.run(sys.executable, "-m", "booktest_cassettes", *arguments, ci=ci, **variables)

    def pytest(self, *arguments: str, ci: bool = False, **variables: str) -> Done:
        return self.run(sys.executable, "-m", "pytest", "-p", "no:randomly", *arguments, ci=ci, **variables)

    def git(self, *arguments: str) -> str:
        done = self.run("git", *arguments)
        assert done.code == 0, done.text
        return done.text

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "work")

    def record(self, *arguments: str) -> None:
        """Record and approve, the everyday way."""
        done = self.cli("run", "--", "-q", *arguments)
        assert done.code == 0, done.text
        done = self.cli("approve", "--all")
        assert done.code == 0, done.text

    @property
    def manifest(self) -> str:
        path = self.root / "booktest.manifest.yaml"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def payloads(self) -> list[Path]:
        return sorted(self.root.glob("books/**/_snapshots/*.json"))
