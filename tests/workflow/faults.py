"""Runs a job over and over on copies of a project, and kills or hinders it one step later each time.

    python faults.py JOB kill|disk-full|input-output-error TEMPLATE COPIES

Jobs are approve, approve-unpushed, reject, move-to-MODE, and collect-local or collect-remote: the digests
that are reachable then stand in the file ``reachable``.

A step is anything the job asks the file system for: an audit hook sees every open, mkdir, rename and unlink,
and ``os.fsync`` is replaced. Prints one line of JSON per run, the last of which nothing disturbed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import thread
from contextlib import suppress
from itertools import count
from pathlib import Path

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import CassetteError
from booktest_cassettes.project import Project
from booktest_cassettes.workflow import approve, moving
from booktest_cassettes.workflow.gc import places, planning, sweeping
from booktest_cassettes.workflow.gc.marking import Marked

WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "fsync"}
LISTS = {"os.listdir", "os.scandir"}
NEEDS_SPACE = {"os.mkdir", "fsync", "open to write"}
SETTINGS = (
    ".toml",
    ".ini",
    ".booktest",
    ".dvc/config",
    ".dvc/config.local",
    "/reachable",
)  # read before the job begins
UNDISTURBED, UNEXPECTED = 100, 99


def job(name: str, root: Path) -> None:
    project = Project.open(root)
    if name.startswith("move-to-"):
        moving.execute(moving.plan(project, name.removeprefix("move-to-")))
    elif name.startswith("collect-"):
        collect(project, name.removeprefix("collect-"))
    elif name != "reject":
        approve.execute(project, approve.plan(project), push=name == "approve")
    else:
        approve.reject(project)


def collect(project: Project, where: str) -> None:
    """A garbage collection with its default grace, for which only what is said to be is reachable."""
    place = places.local(project) if where == "local" else places.remote(project)
    lines = (project.config.root / "reachable").read_text().splitlines()
    reached = {BlobKey(Kind.HTTP, Digest(line)): "refs/heads/main" for line in lines}
    marked = Marked(reached, frozenset(), 1, 1, 1)
    plan = planning.plan(marked, places.inventory(place), places.clock(place), planning.Options())
    swept = sweeping.execute(place, plan, lambda: marked)
    if swept.error is not None:
        raise swept.error


class Faults:
    """Counts steps below a directory, and strikes at one of them."""

    def __init__(self, root: Path, mode: str, step: int) -> None:
        self.root, self.mode, self.left = str(root), mode, step
        self.struck = ""

    def install(self) -> None:
        os.fsync = lambda _: self.strike("fsync", self.root)
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            self.strike("open to write" if writing else "open to read", path)
        elif event in WRITES or event in LISTS:
            self.strike(event, arguments[0])

    def strike(self, what: str, path: object) -> None:
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path).startswith(self.root):
            return
        if os.fspath(path).endswith(SETTINGS):
            return
        if self.mode == "kill" and what in ("open to read", *LISTS):
            return  # nothing is different on the disk than one step before
        if self.mode == "disk-full" and what not in NEEDS_SPACE:
            return
        self.left -= 1
        if self.left == 0:
            self.struck = f"{what} {os.path.relpath(path, self.root)}"
        if self.mode == "disk-full" and self.left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        if self.left == 0:
            if self.mode == "kill":
                os.write(1, json.dumps({"struck": self.struck}).encode() + b"\n")
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))


def child(name: str, root: Path, mode: str, step: int) -> int:
    faults = Faults(root, mode, step)
    message, code = "", 0
    faults.install()
    try:
        job(name, root)
    except CassetteError as error:
        message, code = str(error), error.exit_code
    except BaseException:
        message, code = traceback.format_exc(), UNEXPECTED
    thread._python_exit()  # as the interpreter does: another write to the share may be under way
    if faults.left > 0:
        code = code or UNDISTURBED
    os.write(1, json.dumps({"struck": faults.struck, "message": message, "code": code}).encode() + b"\n")
    return code


def warm_up() -> None:
    """Load what opens a remote, once for all the children; modules are not what is struck."""
    import dvc.config
    import dvc.fs

    import booktest_cassettes.store.remote.opening
    import booktest_cassettes.store.remote.share  # noqa: F401

    with suppress(Exception):  # the schema and what it imports are loaded by the first use
        dvc.config.Config("/nowhere/.dvc")
        dvc.fs.get_cloud_fs({"remote": {"r": {"url": "/nowhere"}}}, name="r")


def forked(act: Callable[[], int]) -> int:
    pid = os.fork()
    if pid == 0:
        code = UNEXPECTED
        try:
            code = act()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(name: str, mode: str, template: str, copies: str) -> None:
    if (Path(template) / ".dvc").exists():
        warm_up()
    for step in count(1):
        root = Path(copies) / f"{step:03}"
        shutil.copytree(template, root, symlinks=True)
        code = forked(lambda: child(name, root, mode, step))  # noqa: B023 - called at once
        if code == UNDISTURBED:
            return
        if step > 500:
            sys.exit("it never got through")


if __name__ == "__main__":
    main(*sys.argv[1:])
