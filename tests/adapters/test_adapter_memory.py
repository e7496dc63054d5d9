"""Big bodies: how far the memory of a process grows that records, approves or replays one.

Each phase is a process of its own (memory_probe.py) whose client reads the body in pieces and keeps none
of them, so what grows is ours. What is promised is 200 MB (nightly); 40 MB shows the same for every client.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from memory_server import SHAPES, content

from booktest_cassettes.digest import Digest

HERE = Path(__file__).parent
MEGABYTE = 1_000_000
TIMES = 3
#: More than 32 MB: below that glibc may give and take memory inside its heap (M_MMAP_THRESHOLD), where
#: what is freed stays in use as a hole, and a peak is that of the allocator.
MEGABYTES = 40
#: What does not grow with the body: steps of 1 MB, buffers of sockets and files. Measured: 0 to 2 MB, as the
#: part that is the same for 40 and for 80 MB.
ALLOWANCE = 4 * MEGABYTE
CLIENTS = ("requests", "urllib3", "http.client", "aiohttp", "httpx", "httpx-asyncio", "httpx2")


@contextmanager
def big_server() -> Iterator[str]:
    """The URL of a server in a process of its own."""
    command = [sys.executable, str(HERE / "memory_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def probe(
    phase: str, client: str, shape: str, megabytes: int, root: Path, url: str, times: int = TIMES
) -> dict[str, Any]:
    """What one phase saw, its memory checked."""
    environment = {
        name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("BOOKTEST_")
    }
    command = [sys.executable, str(HERE / "memory_probe.py"), phase, client, shape, str(megabytes)]
    done = subprocess.run(
        [*command, str(root), url], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    limit = times * megabytes * MEGABYTE + ALLOWANCE
    grown = seen["grown"] / MEGABYTE
    assert seen["grown"] < limit, f"{phase} grew by {grown:.0f} MB for a body of {megabytes} MB"
    return seen


def check_whole_way(root: Path, client: str, shape: str, megabytes: int, times: int = TIMES) -> None:
    """Record, approve and replay one body without its server, each within its memory."""
    (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    with big_server() as url:
        recorded = probe("record", client, shape, megabytes, root, url, times)
    probe("approve", client, shape, megabytes, root, url, times)
    replayed = probe("replay", client, shape, megabytes, root, url, times)
    body = b"".join(content(SHAPES[shape][0], megabytes))
    expected = {"size": len(body), "sha256": str(Digest.of(body)).removeprefix("sha256:")}
    for seen in (recorded, replayed):
        assert {name: seen[name] for name in expected} == expected


#: One of each way and each shape; all of them take minutes.
EVERY_DAY = {("requests", "text"), ("httpx", "binary")}


@pytest.mark.parametrize(
    ("client", "shape"),
    [
        pytest.param(client, shape, marks=[] if (client, shape) in EVERY_DAY else [pytest.mark.nightly])
        for client in CLIENTS
        for shape in ("binary", "text")
    ],
)
def test_a_big_body_takes_less_than_three_times_its_size(tmp_path, client, shape):
    check_whole_way(tmp_path, client, shape, MEGABYTES)


@pytest.mark.nightly
def test_text_with_an_emoji_takes_less_than_five_times_its_size(tmp_path):
    """Redaction and the search for secrets read a text as one str: here four bytes for each character."""
    check_whole_way(tmp_path, "httpx", "emoji", MEGABYTES, times=5)


@pytest.mark.nightly
@pytest.mark.parametrize("client", ["requests", "httpx"])
def test_200_mb_take_less_than_three_times_their_size(tmp_path, client):
    check_whole_way(tmp_path, client, "binary", 200)


def test_the_probe_sees_what_a_client_holds(tmp_path):
    """The measurement itself: a probe that could not see memory would pass everything."""
    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    with big_server() as url, pytest.raises(AssertionError, match="record grew by"):
        probe("record", "holding", "binary", MEGABYTES, tmp_path, url)
