"""10,000 small blobs to a DVC remote and back: ours, DVC's own commands, and bare client loops.

    ./do bench remote
    python benchmarks/remote.py [--blobs N] [--only s3|ssh]

Every figure is wall time in one run against one server on loopback that answers after 20 ms. Ours and
DVC's are whole commands, start-up included, with nothing cached; the loops hold 32 operations at once and
are timed from their first byte on, without start-up. DVC tracks files of the same bytes, as one ``.dvc``
file each (so that each can change by itself, as recordings do) and as one directory, with the better of its
default jobs and ``-j 32``, as a few of the files tell. A peer that takes PATIENCE times as long as ours is
stopped there, and shown as ``>``.

Exit code 1 when a limit of the issue is missed: ours at most 1/5 of DVC with as many tracked files and 1.5
of the loop, a pull with nothing to do under 0.3 s. Our push reads back what it wrote, so its loop puts and
gets. What is to be cold is moved away, not deleted: ext4 is slow to give out the numbers of files that were
deleted a moment ago.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Protocol, TypeVar

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.manifest import Manifest, save
from booktest_cassettes.project import Project
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.codec import dump_interactions
from booktest_cassettes.recording.model import Interaction, Request, Response

REMOTES = Path(__file__).resolve().parent.parent / "tests" / "remotes"
BLOBS = 10_000
SIZE = 4_096
LATENCY = 20  # ms
WIDTH = 32  # operations at once
CHANNELS = 8  # of one SSH connection
PATIENCE = 8  # times ours
OF_DVC = 1 / 5
OF_LOOP = 1.5
IDLE = 0.3  # seconds
DVC = str(Path(sys.executable).with_name("dvc"))
OURS = str(Path(sys.executable).with_name("booktest-cassettes"))

ASIDE: list[Path] = []  # where to: a directory of this run's

_T = TypeVar("_T")
Put = Callable[[str, bytes], Awaitable[object]]
Get = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True)
class Row:
    """One line of the table; ``stopped``: it took longer than that."""

    label: str
    seconds: float
    stopped: bool = False

    def __str__(self) -> str:
        return f"{self.label:44}{'>' if self.stopped else '':>2}{self.seconds:>8.2f} s"


# --- the servers, and the least that a client of each can do -------------------------------------------


class Server(Protocol):
    name: str
    loop: str
    trial: int  # files

    def settings(self, path: str) -> dict[str, str]:
        """The section of a DVC remote at ``path`` on it."""
        ...

    def client(self) -> AbstractAsyncContextManager[tuple[Put, Get]]:
        """A connected bare client: put and get of one file by path."""
        ...


@dataclass(frozen=True)
class S3:
    """The stub that stands in for S3."""

    endpoint: str
    name: str = "S3"
    loop: str = f"aiobotocore, {WIDTH} connections"
    trial: int = 1_000

    def settings(self, path: str) -> dict[str, str]:
        keys = {"access_key_id": "bench", "secret_access_key": "bench", "region": "us-east-1"}
        return {"url": f"s3://bucket/{path}", "endpointurl": self.endpoint, **keys}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[Put, Get]]:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import get_session

        made = get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
            region_name="us-east-1",
            config=AioConfig(max_pool_connections=WIDTH),
        )
        async with made as client:

            async def put(path: str, data: bytes) -> None:
                await client.put_object(Bucket="bucket", Key=path, Body=data)

            async def get(path: str) -> bytes:
                answer = await client.get_object(Bucket="bucket", Key=path)
                async with answer["Body"] as body:
                    return bytes(await body.read())

            yield put, get


@contextmanager
def s3(scratch: Path) -> Iterator[S3]:
    """The stub, running."""
    port_file = scratch / "s3-port"
    command = [sys.executable, REMOTES / "s3_stub.py", "--port-file", port_file, "--latency-ms", str(LATENCY)]
    with subprocess.Popen(list(map(str, command))) as stub:
        try:
            while not (port_file.exists() and (port := port_file.read_text().strip())):
                if stub.poll() is not None:
                    raise SystemExit(f"the S3 stub ended with {stub.returncode}")
                time.sleep(0.01)
            yield S3(f"http://127.0.0.1:{port}")
        finally:
            stub.terminate()


@dataclass(frozen=True)
class Ssh:
    """A real sshd behind a proxy that takes its time."""

    port: int
    options: dict[str, str]
    root: Path
    name: str = "SSH"
    loop: str = f"asyncssh, {CHANNELS} channels, {WIDTH} at once"
    trial: int = 100  # DVC makes each directory anew

    def settings(self, path: str) -> dict[str, str]:
        (self.root / path).mkdir(exist_ok=True)
        return {"url": f"ssh://127.0.0.1:{self.port}{self.root}/{path}", **self.options}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[Put, Get]]:
        import asyncssh

        connected = asyncssh.connect(
            "127.0.0.1",
            self.port,
            username=self.options["user"],
            client_keys=[self.options["keyfile"]],
            known_hosts=None,
            config=None,
        )
        async with connected as connection:
            channels = cycle([await connection.start_sftp_client() for _ in range(CHANNELS)])
            made: dict[str, asyncio.Task[None]] = {}

            async def directory(path: str) -> None:
                if path not in made:
                    made[path] = asyncio.create_task(next(channels).makedirs(path, exist_ok=True))
                await asyncio.shield(made[path])

            async def put(path: str, data: bytes) -> None:
                target = f"{self.root}/{path}"
                await directory(target.rpartition("/")[0])
                async with next(channels).open(target, "wb") as stream:
                    await stream.write(data)

            async def get(path: str) -> bytes:
                async with next(channels).open(f"{self.root}/{path}", "rb") as stream:
                    return bytes(await stream.read())

            yield put, get


@contextmanager
def ssh(scratch: Path) -> Iterator[Ssh]:
    """The server and its proxy, running."""
    sys.path.insert(0, str(REMOTES))
    from ssh_server import running_sshd, slow_proxy

    root = scratch / "remote"
    root.mkdir()
    with running_sshd(scratch / "sshd") as server, slow_proxy(server.port, LATENCY / 2) as proxy:
        options = {name: str(value) for name, value in server.dvc_settings().items() if name != "port"}
        yield Ssh(proxy.port, options, root)


# --- what is moved -------------------------------------------------------------------------------------


def payloads(count: int) -> list[bytes]:
    """Different blobs of SIZE bytes, that compress to half, as hexadecimal does."""
    seed = random.Random(1)
    around = len(_blob(bytes(SIZE // 2))) - SIZE
    return [_blob(seed.randbytes((SIZE - around) // 2)) for _ in range(count)]


def _blob(noise: bytes) -> bytes:
    answer = Response(200, "OK", body=Body(b"x" + noise.hex().encode()))
    return dump_interactions(Kind.HTTP, [Interaction(Request("GET", "http://api.test/items"), answer)])


def set_aside(*places: Path) -> None:
    """Have nothing there any more."""
    for place in places:
        if place.exists():
            place.rename(Path(tempfile.mkdtemp(dir=ASIDE[0])) / place.name)


def run(command: Sequence[str], root: Path, limit: float | None = None) -> tuple[float, bool]:
    """Seconds that a command takes, and whether it was stopped for taking too long; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKTEST_")}
    environment.pop("CI", None)
    environment |= {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(root / "site"), "HOME": str(root)}
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, timeout=limit, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return time.perf_counter() - start, True
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return seconds, False


def repository(root: Path, settings: dict[str, str]) -> None:
    """A Git and DVC repository whose default remote has these settings."""
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    run([DVC, "init", "--quiet"], root)
    section = "".join(f"    {name} = {value}\n" for name, value in settings.items())
    (root / ".dvc" / "config").write_text(
        f"[core]\n    remote = bench\n    check_update = false\n['remote \"bench\"']\n{section}"
    )


# --- ours ----------------------------------------------------------------------------------------------


def ours(server: Server, root: Path, blobs: list[bytes]) -> tuple[Row, Row, Row]:
    """Push, pull with an empty cache, and pull with nothing to do."""
    repository(root, server.settings("ours"))
    (root / "booktest.toml").write_text('[storage]\nmode = "dvc"\n')
    project = Project.open(root)
    changes = {}
    for number, data in enumerate(blobs):
        key = BlobKey(Kind.HTTP, Digest.of(data))
        project.keep.put(key, data)
        changes[f"tests/test_api.py::test_it[{number}]"] = {Kind.HTTP: key.digest}
    save(project.config.manifest, Manifest().with_changes(changes))
    push, _ = run([OURS, "push"], root)
    set_aside(root / ".booktest_cache")
    pull, _ = run([OURS, "pull"], root)
    if (kept := len(list(project.keep.keys()))) != len(blobs):
        raise SystemExit(f"our pull brought {kept} of {len(blobs)} blobs")
    idle = min(run([OURS, "pull"], root)[0] for _ in range(3))
    return (
        Row("booktest-cassettes push", push),
        Row("booktest-cassettes pull", pull),
        Row("booktest-cassettes pull, nothing to do", idle),
    )


# --- DVC -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One way to have DVC carry many files."""

    layout: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(("dvc {}", *self.options, f"({self.layout})"))


VARIANTS = tuple(
    Variant(layout, options) for layout in ("a directory", "single files") for options in ((), ("-j", "32"))
)


def track(root: Path, blobs: list[bytes], layout: str) -> None:
    """Have DVC track the blobs, with all of them in its cache, as ``dvc add`` would leave it."""
    (root / "data").mkdir()
    for number, data in enumerate(blobs):
        (root / "data" / f"{number:05d}.json").write_bytes(data)
    if layout == "a directory":
        run([DVC, "add", "--quiet", "data"], root)
        return
    for number, data in enumerate(blobs):  # `dvc add` itself is quadratic in the number of files
        md5 = hashlib.md5(data).hexdigest()
        cached = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes(data)
        out = {"md5": md5, "size": len(data), "hash": "md5", "path": f"{number:05d}.json"}
        (root / "data" / f"{number:05d}.json.dvc").write_text(json.dumps({"outs": [out]}))


def peer(
    server: Server,
    root: Path,
    blobs: list[bytes],
    variant: Variant,
    limits: tuple[float | None, float | None],
) -> tuple[Row, Row]:
    """Push and pull of the same bytes by DVC, each to and from a place of its own."""
    repository(root, server.settings(f"{root.name}-push"))
    track(root, blobs, variant.layout)
    push = run([DVC, "push", *variant.options], root, limits[0])
    config = root / ".dvc" / "config"
    config.write_text(config.read_text().replace(f"{root.name}-push", f"{root.name}-pull"))
    cache = root / ".dvc" / "cache"
    objects = [file for file in cache.rglob("*") if file.is_file()]
    asyncio.run(
        fill(server, {f"{root.name}-pull/{file.relative_to(cache).as_posix()}": file for file in objects})
    )
    found = root / "data"
    set_aside(cache, root / ".dvc" / "tmp", root / "site", *found.rglob("*.json"))
    pull = run([DVC, "pull", *variant.options], root, limits[1])
    if not pull[1] and (got := len(list(found.rglob("*.json")))) != len(blobs):
        raise SystemExit(f"dvc pull brought {got} of {len(blobs)} files")
    return Row(str(variant).format("push"), *push), Row(str(variant).format("pull"), *pull)


async def fill(server: Server, files: dict[str, Path]) -> None:
    """Put files on the server."""
    async with server.client() as (put, _):
        await spread(files.items(), lambda item: put(item[0], item[1].read_bytes()))


def peers(
    server: Server, scratch: Path, blobs: list[bytes], mine: tuple[Row, Row]
) -> dict[str, tuple[Row, Row]]:
    """DVC's rows for push and pull, by layout; each with the number of jobs that suits it better."""
    patience = tuple(max(PATIENCE * row.seconds, 60.0) for row in mine)
    few = blobs[: max(min(server.trial, len(blobs) // 10), 20)]
    rows: dict[str, tuple[Row, Row]] = {}
    for layout in dict.fromkeys(variant.layout for variant in VARIANTS):
        trials = {
            variant: peer(server, scratch / f"trial-{number}", few, variant, (None, None))
            for number, variant in enumerate(VARIANTS)
            if variant.layout == layout
        }
        best = min(trials, key=lambda variant: sum(row.seconds for row in trials[variant]))
        rows[layout] = peer(server, scratch / f"dvc-{VARIANTS.index(best)}", blobs, best, patience)
    return rows


# --- bare loops ----------------------------------------------------------------------------------------


async def spread(items: Iterable[_T], work: Callable[[_T], Awaitable[object]]) -> float:
    """Seconds for all of them, WIDTH at once."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(WIDTH)))
    return time.perf_counter() - start


async def bare(server: Server, scratch: Path, blobs: list[bytes]) -> dict[str, Row]:
    """Put, put and get, get, get and write to a file: by a client that does nothing else."""
    items = [(f"bare/{number:05d}", data) for number, data in enumerate(blobs)]
    target = scratch / "bare"
    target.mkdir()
    async with server.client() as (put, get):
        await spread(items[:WIDTH], lambda item: put(*item))  # everybody is connected

        async def put_get(item: tuple[str, bytes]) -> None:
            await put(*item)
            assert await get(item[0]) == item[1]

        async def save_to_file(item: tuple[str, bytes]) -> None:
            (target / item[0][5:]).write_bytes(await get(item[0]))

        works = {
            "put": lambda item: put(*item),
            "put, get": put_get,
            "get": lambda item: get(item[0]),
            "get, file": save_to_file,
        }
        return {
            name: Row(f"{server.loop}: {name}", await spread(items, work)) for name, work in works.items()
        }


# --- the table -----------------------------------------------------------------------------------------


def measure(server: Server, scratch: Path, blobs: list[bytes]) -> bool:
    """Print one server's table; whether all limits hold."""
    print(f"{server.name}: {len(blobs):,} blobs of {SIZE:,} bytes, {LATENCY} ms", flush=True)
    push, pull, idle = ours(server, scratch / "ours", blobs)
    print(push, pull, idle, sep="\n", flush=True)
    loop = asyncio.run(bare(server, scratch, blobs))
    print(*loop.values(), sep="\n", flush=True)
    dvc = peers(server, scratch, blobs, (push, pull))
    print(*(row for rows in dvc.values() for row in rows), sep="\n")
    files, directory = dvc["single files"], dvc["a directory"]
    limits = (
        ("push, of dvc push of single files", push, files[0], OF_DVC),
        ("push, of dvc push of a directory", push, directory[0], None),
        ("push, of the loop (put, get)", push, loop["put, get"], OF_LOOP),
        ("push, of the loop (put)", push, loop["put"], None),
        ("pull, of dvc pull of single files", pull, files[1], OF_DVC),
        ("pull, of dvc pull of a directory", pull, directory[1], None),
        ("pull, of the loop", pull, loop["get"], OF_LOOP),
        ("pull, of the loop with files", pull, loop["get, file"], None),
    )
    held = idle.seconds < IDLE
    for label, mine, other, limit in limits:
        ratio = mine.seconds / other.seconds
        held = held and (limit is None or ratio <= limit)
        told = f"  (limit {limit:.2f}{'' if ratio <= limit else ', missed'})" if limit else ""
        print(f"{label:44}{'<' if other.stopped else '':>2}{ratio:>8.3f}{told}")
    print(f"{'nothing to do, under 0.3 s':46}{'held' if idle.seconds < IDLE else 'missed':>8}\n", flush=True)
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blobs", type=int, default=BLOBS)
    parser.add_argument("--only", choices=("s3", "ssh"))
    options = parser.parse_args()
    blobs = payloads(options.blobs)
    held = True
    for name, start in {"s3": s3, "ssh": ssh}.items():
        if options.only in (None, name):
            with (
                tempfile.TemporaryDirectory(prefix="bench-remote-") as directory,
                start(Path(directory)) as server,
            ):
                ASIDE[:] = [Path(directory)]
                held &= measure(server, Path(directory), blobs)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
