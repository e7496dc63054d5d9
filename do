#!/usr/bin/env python3
"""The project's commands; `./do` alone lists them. Standard library only: it has to run on a bare Python."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "installed-pyproject.sha256"
QUICKSTART = ROOT / "examples" / "quickstart"
MANIFEST = "booktest.manifest.yaml"
START_SECONDS, STOP_SECONDS, STEP_SECONDS = 30, 10, 300
STEPS = 8
PEER = "cassetter==0.16.1"


class CommandError(Exception):
    """A command cannot go on; the text says what happened and what to do about it."""


# --- the commands -------------------------------------------------------------------------------------


def demo(arguments: list[str]) -> int:
    """Record, approve and replay examples/quickstart, against a real server."""
    _take_none(arguments)
    if not shutil.which("git"):
        raise CommandError("needs git on the path: the demo makes a small repository")
    _prepare()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    with tempfile.TemporaryDirectory(prefix="booktest-demo-", ignore_cleanup_errors=True) as directory:
        walk = Walk(Path(directory).resolve() / "quickstart")
        try:
            _walk_through(walk)
        except CommandError as error:
            raise CommandError(f"step {walk.title}: {error}") from error
    return 0


def test(arguments: list[str]) -> int:
    """Run the tests: ./do test [pytest arguments; paths are the project's]; in CI after `check`."""
    _prepare()
    if os.environ.get("CI") and (code := check([])):
        return code
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return _run(["pytest", "-n", str(max(2, os.cpu_count() or 2)), *arguments], ROOT, environment)


def check(arguments: list[str]) -> int:
    """Run ruff, mypy and import-linter: all of them, whatever the first one finds."""
    _take_none(arguments)
    _prepare()
    checks = ("ruff check . do", "ruff format --check . do", "mypy", "lint-imports")
    failed = [command for command in checks if _run(command.split(), ROOT, os.environ)]
    for command in failed:
        print(f"do check: failed: {command}", file=sys.stderr)
    return 1 if failed else 0


def format_(arguments: list[str]) -> int:
    """Format the code, and mend what ruff can mend."""
    _take_none(arguments)
    _prepare()
    commands = ("ruff check --fix . do", "ruff format . do")
    return 1 if [command for command in commands if _run(command.split(), ROOT, os.environ)] else 0


def bench(arguments: list[str]) -> int:
    """Run all benchmarks, or those named: ./do bench [NAME...]."""
    known = {file.stem: file for file in sorted((ROOT / "benchmarks").glob("[!_]*.py"))}
    if unknown := [name for name in arguments if name not in known]:
        raise CommandError(f"no benchmark {unknown[0]!r}; there are: {', '.join(known) or 'none yet'}")
    _prepare()
    scripts = [str(known[name]) for name in arguments or known]
    return 1 if [script for script in scripts if _run(["python", script], ROOT, os.environ)] else 0


def conformance(arguments: list[str]) -> int:
    """Run the conformance matrix, with the peers it is compared with, and write docs/conformance.md."""
    _take_none(arguments)
    _prepare()
    suite, peers = Path("tests", "conformance"), VENV / "peers"
    sdk = Path("tests", "adapters", "test_adapter_sdk.py")
    # Beside the environment, not in it: its pytest plugin would load in every run.
    install = f"python -m pip install --quiet --disable-pip-version-check --no-deps --target {peers}"
    steps = (
        f"{install} --upgrade {PEER}",
        f"pytest -q -n {max(2, os.cpu_count() or 2)} {suite} {sdk} -k not(pages)",
        f"python {suite / 'peers.py'}",
        f"python {suite / 'document.py'}",
    )
    path = os.pathsep.join((str(peers), str(ROOT / "tests" / "adapters")))
    variables = {name: value for name, value in os.environ.items() if name != "CI"} | {"PYTHONPATH": path}
    return 1 if any(_run(step.split(), ROOT, variables) for step in steps) else 0


def messages(arguments: list[str]) -> int:
    """Provoke the failures of docs/messages.md, and write there what is printed."""
    _take_none(arguments)
    _prepare()
    variables = {name: value for name, value in os.environ.items() if name != "CI"} | {"WRITE_MESSAGES": "1"}
    return _run(["pytest", "-q", str(Path("tests", "e2e", "test_e2e_messages.py"))], ROOT, variables)


def vcrpy_suite(arguments: list[str]) -> int:
    """Run vcrpy's own tests over our persister, in an environment of their own."""
    _take_none(arguments)
    _prepare()
    home, version = VENV / "vcrpy", _version_of("vcrpy")
    clients = "aiohttp boto3 httplib2 httpx httpx2 requests tornado urllib3"
    plugins = "pytest pytest-aiohttp pytest-asyncio pytest-httpbin"
    script = Path("tests", "compat", "vcrpy_suite.py")
    pip = f"{home / 'bin' / 'python'} -m pip --quiet --disable-pip-version-check"
    steps = (
        f"python -m venv --clear {home}",
        f"{pip} install vcrpy=={version} {clients} {plugins} -e .",
        f"{pip} download --no-deps --no-binary :all: --dest {home} vcrpy=={version}",
        f"tar -xf {home / f'vcrpy-{version}.tar.gz'} -C {home}",
        f"python {script} --sdist {home / f'vcrpy-{version}'} --python {home / 'bin' / 'python'}",
    )
    return 1 if any(_run(step.split(), ROOT, os.environ) for step in steps) else 0


def _version_of(name: str) -> str:
    """The version that the environment of the project has."""
    code = f"from importlib.metadata import version; print(version({name!r}))"
    return subprocess.check_output([str(PYTHON), "-c", code], text=True).strip()


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo,
    "test": test,
    "check": check,
    "format": format_,
    "bench": bench,
    "conformance": conformance,
    "messages": messages,
    "vcrpy-suite": vcrpy_suite,
}


def main(arguments: list[str]) -> int:
    """Run the command named first: its exit code, 1 when it cannot go on, 2 when there is no such command."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_listing())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"do: no command {name!r}\n\n{_listing()}", file=sys.stderr)
        return 2
    try:
        _check_python()
        return COMMANDS[name](rest)
    except CommandError as error:
        print(f"\ndo {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _listing() -> str:
    lines = (f"  ./do {name:<13}{(act.__doc__ or '').splitlines()[0]}" for name, act in COMMANDS.items())
    return "\n".join(("The project's commands:", "", *lines))


def _take_none(arguments: list[str]) -> None:
    if arguments:
        raise CommandError(f"takes no arguments, not {arguments[0]!r}")


# --- the virtual environment --------------------------------------------------------------------------


def _check_python() -> None:
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return
    wanted, found = (".".join(map(str, version[:2])) for version in (OLDEST_PYTHON, sys.version_info))
    newer = next(filter(shutil.which, ("python3.13", "python3.12", "python3.11")), None)
    advice = f"try: {newer} {' '.join(sys.argv)}" if newer else "install a newer one, then try again"
    raise CommandError(f"needs Python {wanted} or newer; {sys.executable} is {found}; {advice}")


def _prepare() -> None:
    """Have a `.venv` that holds the project and its development tools, as pyproject.toml asks for them."""
    if not PYTHON.exists():
        _create_venv()
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text(encoding="ascii").strip() == wanted:
        return
    STAMP.unlink(missing_ok=True)
    print(f"==> installing the project and its development tools into {VENV}", flush=True)
    install = "python -m pip install --quiet --disable-pip-version-check -e .[dev]"
    if _run(install.split(), ROOT, os.environ):
        raise CommandError(
            f"the installation failed, see above; if {VENV} is broken, delete it, then try again"
        )
    STAMP.write_text(wanted + "\n", encoding="ascii")


def _create_venv() -> None:
    print(f"==> creating {VENV} with {sys.executable}", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False).returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    package = "python{}.{}-venv".format(*sys.version_info[:2])
    raise CommandError(
        f"{sys.executable} cannot create a virtual environment, see above. On Debian and Ubuntu the missing "
        f"part (ensurepip) comes with: sudo apt-get install {package}"
    )


def _run(command: list[str], directory: Path, environment: Mapping[str, str]) -> int:
    """Show a command and run it with the tools of `.venv` first on the path; its exit code."""
    print(f"$ {' '.join(command)}", flush=True)
    return _run_quietly(command, directory, environment)


def _run_quietly(
    command: list[str], directory: Path, environment: Mapping[str, str], limit: float | None = None
) -> int:
    path = os.pathsep.join((str(BIN), environment.get("PATH", os.defpath)))
    program = shutil.which(command[0], path=path)
    if program is None:
        raise CommandError(f"there is no {command[0]!r} in {BIN}; delete {VENV} and try again")
    whole, variables = [program, *command[1:]], {**environment, "PATH": path}
    try:
        return subprocess.run(whole, cwd=directory, env=variables, timeout=limit, check=False).returncode
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{command[0]} took more than {limit} seconds") from error
    except OSError as error:
        raise CommandError(f"cannot run {program} ({error}); delete {VENV} and try again") from error


# --- the demo -----------------------------------------------------------------------------------------


class Walk:
    """The demo's way through one directory: steps are announced, commands shown, a failing one ends it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = _demo_environment()
        self.title = "0: prepare"
        self._number = 0

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._number += 1
        self.title = f"{self._number}/{STEPS} {title}"
        print(f"\n==> {self.title}", flush=True)

    def run(
        self, command: str, variables: Mapping[str, str] | None = None, fine: tuple[int, ...] = (0,)
    ) -> None:
        """Run a command with `variables` added; raises `CommandError` unless its exit code is in `fine`."""
        own = variables or {}
        print("$", *(f"{name}={value}" for name, value in own.items()), command, flush=True)
        code = _run_quietly(command.split(), self.home, {**self.environment, **own}, STEP_SECONDS)
        if code not in fine:
            raise CommandError(f"`{command}` ended with {code}")


def _walk_through(walk: Walk) -> None:
    walk.step("copy examples/quickstart into a Git repository of its own")
    _copy_sources(walk.home)
    walk.run("git init --quiet")
    walk.run("git add --all")
    walk.run("git commit --quiet --message=Quickstart")
    walk.step("start the server")
    with _bookshop(walk) as url:
        live = {"API_URL": url, "API_KEY": f"demo-{secrets.token_hex(12)}"}
        walk.step("record to staging")
        walk.run("booktest-cassettes run -- -q", live)
        walk.step("see what is pending")
        walk.run("booktest-cassettes status", fine=(0, 3))  # 3: something is pending, as it should be
        walk.step("approve it")
        walk.run("booktest-cassettes approve --all")
        walk.step("see what Git gets, and commit it")
        print((walk.home / MANIFEST).read_text(encoding="utf-8"), flush=True)
        walk.run("git status --short")
        walk.run("git add --all")
        walk.run("git commit --quiet --message=Snapshots")
        walk.step("stop the server")
    walk.step("replay strictly: CI=1, no server, no API_URL, no API_KEY")
    walk.run("pytest -q", {"CI": "1"})
    _see_clean_status(walk)


def _copy_sources(home: Path) -> None:
    """Copy the example's own files; what was recorded or cached beside them stays behind."""
    home.mkdir()
    for file in QUICKSTART.iterdir():
        if file.is_file() and file.name != MANIFEST:
            shutil.copy(file, home)


def _demo_environment() -> dict[str, str]:
    """Ours, without what would change the demo: CI, tools' settings, the caller's repository, a proxy."""
    dropped = ("API_", "BOOKTEST_", "GIT_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    kept.pop("CI", None)
    git = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    git |= {f"GIT_{role}_NAME": "Demo" for role in ("AUTHOR", "COMMITTER")}
    git |= {f"GIT_{role}_EMAIL": "demo@example.invalid" for role in ("AUTHOR", "COMMITTER")}
    return {**kept, **git, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@contextmanager
def _bookshop(walk: Walk) -> Iterator[str]:
    """The example's server as a process of its own, on a free port; yields its URL, ends it in any case."""
    port_file = walk.home.with_name("port")
    command = [str(PYTHON), "server.py", "--port-file", str(port_file)]
    print("$ python server.py", flush=True)
    process = subprocess.Popen(command, cwd=walk.home, env=walk.environment, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{_announced_port(port_file, process)}"
        print(f"process {process.pid} listens at {url}", flush=True)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        print(f"process {process.pid}, the server, has ended", flush=True)


def _announced_port(file: Path, server: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + START_SECONDS
    while not file.exists():
        if server.poll() is not None:
            raise CommandError(f"server.py ended at once, with {server.returncode}")
        if time.monotonic() > deadline:
            raise CommandError(f"server.py did not listen within {START_SECONDS} seconds")
        time.sleep(0.02)
    return int(file.read_text(encoding="utf-8"))


def _see_clean_status(walk: Walk) -> None:
    command = ["git", "status", "--porcelain"]
    print(f"$ {' '.join(command)}", flush=True)
    status = subprocess.check_output(command, cwd=walk.home, env=walk.environment, text=True)
    if status:
        raise CommandError(f"the replay changed files:\n{status}")
    print("(nothing: git status is clean, the replay wrote no file)", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
