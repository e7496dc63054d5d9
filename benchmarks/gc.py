"""Garbage collection of 100,000 objects, for a Git history of 2,000 manifests of 10,000 tests.

    ./do bench gc
    python benchmarks/gc.py [--objects N] [--commits N] [--tests N]

The remote is the S3 stub on loopback, which answers after 20 ms; ours is the whole command in a process of
its own, start-up included. Its memory is the peak of that process or of a Git that it calls, whichever is
higher. The floors are measured in the same run: a bare aiobotocore loop that lists the prefix, ``git log
--raw`` with ``git cat-file --batch`` of the same manifests (read, and dropped), bare DeleteObjects.

Exit code 1 when a limit of the issue is missed: a plan under 60 s and 500 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.manifest_text import write

REMOTES = Path(__file__).resolve().parent.parent / "tests" / "remotes"
PREFIX = "booktest/blobs"
LATENCY = 20  # ms
OBJECTS, COMMITS, TESTS = 100_000, 2_000, 10_000
CHANGES = 10  # tests of one commit that change
DUE = 1 / 10  # of the objects go now
SECONDS, MEGABYTES = 60.0, 500.0
DAY = 86_400.0
OURS = [sys.executable, "-m", "booktest_cassettes", "gc", "--remote"]


@dataclass(frozen=True)
class Cost:
    """Of one command."""

    seconds: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.seconds:>8.2f} s {self.megabytes:>7.0f} MB"


def key_of(number: int) -> BlobKey:
    return BlobKey(Kind.HTTP, Digest(f"sha256:{hashlib.sha256(b'%d' % number).hexdigest()}"))


# --- the server -----------------------------------------------------------------------------------------


def serve(port_file: Path, objects: int) -> None:
    """The stub, full: what is reached, what is due with its tombstone, and what else is old."""
    sys.path.insert(0, str(REMOTES))
    import s3_stub

    stub = s3_stub.Stub(latency=LATENCY / 1000)
    old = time.time() - 100 * DAY
    for number in range(objects):
        keys = [key_of(number).path]
        if number >= objects * (1 - DUE):
            keys.append(f"tombstones/{keys[0]}")
        for key in keys:
            path = f"{s3_stub.BUCKET}/{PREFIX}/{key}"
            stub.objects[path] = stub.put(path, b"x" * 100)._replace(modified=old)

    def ready(port: int) -> None:
        part = port_file.with_suffix(".part")
        part.write_text(str(port))
        part.replace(port_file)

    asyncio.run(s3_stub.serve(stub, ready))


@contextmanager
def server(scratch: Path, objects: int) -> Iterator[str]:
    """Its address."""
    port_file = scratch / f"port-{objects}"
    command = [sys.executable, __file__, "--serve", str(port_file), "--objects", str(objects)]
    with subprocess.Popen(command) as stub:
        try:
            while not port_file.exists():
                if stub.poll() is not None:
                    raise SystemExit(f"the S3 stub ended with {stub.returncode}")
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port_file.read_text()}"
        finally:
            stub.terminate()


# --- the repository -------------------------------------------------------------------------------------


def repository(root: Path, tests: int, commits: int) -> None:
    """Git, with a history in which a few tests of a big manifest change each time."""
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    entries = {
        f"tests/test_{number // 100:04}.py::test_it[{number:06}]": {Kind.HTTP: key_of(number).digest}
        for number in range(tests)
    }
    names, upcoming = list(entries), tests
    begun = int(time.time() - 300 * DAY)
    with subprocess.Popen(
        ["git", "fast-import", "--quiet", "--done", "--depth=50"], cwd=root, stdin=subprocess.PIPE
    ) as importing:
        assert importing.stdin is not None
        for commit in range(commits):
            text = write("dvc", entries).encode()
            at = begun + commit * 3_600
            importing.stdin.write(
                b"commit refs/heads/main\ncommitter B <b@b.test> %d +0000\ndata 1\n.\n"
                b"M 100644 inline booktest.manifest.yaml\ndata %d\n%s\n" % (at, len(text), text)
            )
            for change in range(CHANGES):
                name = names[(commit * CHANGES + change) * 7_919 % len(names)]
                entries[name] = {Kind.HTTP: key_of(upcoming).digest}
                upcoming += 1
        importing.stdin.write(b"done\n")
    git(root, "reset", "--quiet", "--hard")


def configure(root: Path, endpoint: str) -> None:
    """Have its remote there."""
    (root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    settings = {"url": "s3://bucket", "endpointurl": endpoint, "region": "us-east-1"}
    settings |= {"access_key_id": "bench", "secret_access_key": "bench"}
    section = "".join(f"    {name} = {value}\n" for name, value in settings.items())
    (root / ".dvc/config").write_text(f"[core]\n    remote = bench\n['remote \"bench\"']\n{section}")
    (root / "booktest.toml").write_text('[storage]\nmode = "dvc"\n')


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)


# --- ours, and the floors -------------------------------------------------------------------------------


def run(root: Path, *arguments: str) -> tuple[Cost, str]:
    """What a command costs, and what it says; it must succeed."""
    names = {name: value for name, value in os.environ.items() if not name.startswith(("BOOKTEST_", "AWS_"))}
    names.pop("CI", None)
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            [*OURS, *arguments], cwd=root, env=names | {"HOME": str(root)}, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode()
    if process.returncode:
        raise SystemExit(f"gc {' '.join(arguments)}: exit code {process.returncode}\n{text[-2_000:]}")
    return Cost(seconds, usage.ru_maxrss / 1024), text


def bare_git(root: Path) -> float:
    """Seconds to find the manifests of the history, and to read each once."""
    start = time.perf_counter()
    log = subprocess.run(
        ["git", "log", "--raw", "--no-abbrev", "--format=", "--", "booktest.manifest.yaml"],
        cwd=root, capture_output=True, check=True,
    ).stdout  # fmt: skip
    blobs = list(dict.fromkeys(line.split()[3] for line in log.splitlines()))
    with subprocess.Popen(
        ["git", "cat-file", "--batch"], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reading:
        assert reading.stdin is not None
        assert reading.stdout is not None
        for blob in blobs:
            reading.stdin.write(blob + b"\n")
            reading.stdin.flush()
            size = int(reading.stdout.readline().split()[2])
            reading.stdout.read(size + 1)
        reading.stdin.close()
    return time.perf_counter() - start


async def bare_s3(endpoint: str, doomed: list[str]) -> tuple[float, float]:
    """Seconds to list the prefix, and to delete these keys, a thousand at once."""
    from aiobotocore.session import get_session

    made = get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        region_name="us-east-1",
    )
    async with made as client:
        start = time.perf_counter()
        found = 0
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix=f"{PREFIX}/")
        async for page in pages:
            found += len(page.get("Contents", ()))
        listed = time.perf_counter() - start
        start = time.perf_counter()
        for at in range(0, len(doomed), 1_000):
            objects = [{"Key": f"{PREFIX}/{key}"} for key in doomed[at : at + 1_000]]
            await client.delete_objects(Bucket="bucket", Delete={"Objects": objects, "Quiet": True})
        return listed, time.perf_counter() - start


# --- the table ------------------------------------------------------------------------------------------


def measure(scratch: Path, objects: int, commits: int, tests: int) -> bool:
    """Print the table; whether the limits hold."""
    root = scratch / "project"
    repository(root, tests, commits)
    print(f"{'':34}{'time':>10} {'memory':>10}   the floor, ratio", flush=True)
    held = True
    for number in (objects // 100, objects // 10, objects):
        with server(scratch, number) as endpoint:
            configure(root, endpoint)
            listed, _ = asyncio.run(bare_s3(endpoint, []))
            plan, _ = run(root)
            ratio = f"{listed:.2f} s, {plan.seconds / listed:.2f}"
            print(f"plan, {number:>9,} objects, one manifest {plan}   {ratio}", flush=True)
            if number == objects:
                held = _whole(root, endpoint, listed, number, commits)
                _deleting(root, endpoint, number)
    return held


def _whole(root: Path, endpoint: str, listed: float, number: int, commits: int) -> bool:
    """The plan that the issue is about."""
    floor = listed + bare_git(root)
    plan, said = run(root, "--since", "1000d")
    held = plan.seconds < SECONDS and plan.megabytes < MEGABYTES
    told = "held" if held else "missed"
    ratio = f"{floor:.2f} s, {plan.seconds / floor:.2f}"
    limits = f"under {SECONDS:g} s and {MEGABYTES:g} MB: {told}"
    print(f"plan, {number:>9,} objects, {f'{commits:,} commits':12} {plan}   {ratio}; {limits}", flush=True)
    print("\n".join(f"    {line}" for line in said.splitlines()))
    return held


def _deleting(root: Path, endpoint: str, number: int) -> None:
    due = [key_of(one).path for one in range(int(number * (1 - DUE)), number)]
    deleted, said = run(root, "--execute", "--grace", "60d", "--since", "1000d")
    again, _ = run(root)
    # The same numbers once more, which are gone by now: what S3 answers is the same.
    _, floor = asyncio.run(bare_s3(endpoint, [*due, *(f"tombstones/{key}" for key in due)]))
    print(f"{f'executed, {len(due):,} deleted':42} {deleted}   bare DeleteObjects {floor:.2f} s")
    print(f"{'the plan after it':42} {again}")
    print(f"    {said.splitlines()[-1]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=OBJECTS)
    parser.add_argument("--commits", type=int, default=COMMITS)
    parser.add_argument("--tests", type=int, default=TESTS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.objects)
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-gc-") as scratch:
        return 0 if measure(Path(scratch), options.objects, options.commits, options.tests) else 1


if __name__ == "__main__":
    sys.exit(main())
