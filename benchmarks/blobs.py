"""Cost of opening a blob: one 10 MB binary body, and 5,000 small interactions, against the floor.

    ./do bench blobs

Every figure is CPU time in milliseconds, the best of several rounds in one process. The floor is what
nobody can go without: sha256 of the blob, ``json.loads`` of it and base64 decoding of the body in it. A
replay of the 10 MB body may take at most twice that, from entering the cassette (read, verified, decoded,
indexed) until the client has read the last byte (issue 3).
"""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import os
import random
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import httpx
import requests
from replay import ANSWER, HEADERS, Fixed, url

from booktest_cassettes import cassette, runner
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.manifest import load, save
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.codec import dump_interactions
from booktest_cassettes.recording.model import Interaction, Request, Response

BIG = 10_000_000
SMALL = 5_000
ROUNDS = 15
STEP = 262_144
LIMIT = 2.0


class Project(Fixed):
    """A project whose blobs lie in Git, as in a checkout, or in the cache, as a remote gives them."""

    def approve_items(self, test_id: str, kind: Kind, items: list[Interaction], *, cached: bool) -> bytes:
        data = dump_interactions(kind, items)
        key = BlobKey(kind, Digest.of(data))
        path = self._project.config.manifest
        save(path, load(path).with_changes({test_id: {kind: key.digest}}))
        self._project.__dict__.pop("manifest", None)
        if cached:
            self._project.keep.put(key, data)
        else:
            self._project.git_store().put_for(test_id, key, data)
        return data


def best(*acts: Callable[[], Any]) -> list[float]:
    """Milliseconds of CPU of each: its best round. They take turns, so that a busy machine is so for all."""
    found: list[list[float]] = [[] for _ in acts]
    for _ in range(ROUNDS):
        for act, times in zip(acts, found, strict=True):
            gc.collect()
            start = process_time()
            act()
            times.append((process_time() - start) * 1e3)
    return [min(times) for times in found]


def by_requests(address: str) -> int:
    with requests.get(address, stream=True) as response:
        return sum(map(len, response.iter_content(STEP)))


def by_httpx(address: str) -> int:
    # A client of one's own costs 20 ms of TLS set-up, which is not ours.
    with httpx.Client(verify=False) as client, client.stream("GET", address) as response:
        return sum(map(len, response.iter_raw()))


def replay(read: Callable[[str], int], test_id: str) -> None:
    with cassette(test_id):
        assert read(url(0)) == BIG


def read_by_hand(data: bytes) -> None:
    """sha256, json.loads and base64 decoding of the one body."""
    hashlib.sha256(data).hexdigest()
    (item,) = json.loads(data)["interactions"]
    assert len(base64.b64decode(item["response"]["body"]["base64"])) == BIG


def big(project: Project) -> bool:
    """One row for each client and form of the payload; whether all stay below the limit."""
    body = Body(random.Random(1).randbytes(BIG))
    headers = (("Content-Type", "application/octet-stream"), ("Content-Length", str(BIG)))
    item = Interaction(Request("GET", url(0)), Response(200, "OK", headers=headers, body=body))
    held = True
    print(f"{f'{BIG // 1_000_000} MB binary body':22}{'replay':>11}{'floor':>11}{'ratio':>8}")
    for cached in (False, True):
        for kind, read in ((Kind.HTTP, by_requests), (Kind.HTTPX, by_httpx)):
            test_id = f"bench.py::{kind.value}_{cached}"
            data = project.approve_items(test_id, kind, [item], cached=cached)
            ours, floor = best(partial(replay, read, test_id), partial(read_by_hand, data))
            held = held and ours / floor < LIMIT
            label = f"{read.__name__[3:]}, {'cache' if cached else 'checkout'}"
            print(f"{label:22}{ours:>8.1f} ms{floor:>8.1f} ms{ours / floor:>7.2f}x")
    return held


def opened(client: httpx.Client, test_id: str) -> None:
    with cassette(test_id):
        client.get(url(0))  # builds the index


def hashed_and(loads: Callable[[bytes], Any], data: bytes) -> None:
    hashlib.sha256(data).hexdigest()
    loads(data)


def small(project: Project) -> None:
    """Opening a cassette of many small interactions, index included."""
    items = [
        Interaction(Request("GET", url(n)), Response(200, "OK", headers=HEADERS, body=Body(ANSWER)))
        for n in range(SMALL)
    ]
    test_id = "bench.py::small"
    data = project.approve_items(test_id, Kind.HTTPX, items, cached=False)
    names = [name for name in ("json", "orjson") if find_spec(name)]
    floors = [partial(hashed_and, import_module(name).loads, data) for name in names]
    with httpx.Client(verify=False) as client:
        ours, *times = best(partial(opened, client, test_id), *floors)
    print(
        f"\n{f'{SMALL:,} interactions':22}{'load':>11}{'floor':>11}{'ratio':>8}   ({len(data) / 1e6:.1f} MB)"
    )
    for name, floor in zip(names, times, strict=True):
        print(f"{f'sha256 + {name}.loads':22}{ours:>8.1f} ms{floor:>8.1f} ms{ours / floor:>7.2f}x")


def main() -> None:
    os.environ.pop("CI", None)
    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name))
        runner.register(project)
        held = big(project)
        small(project)
        runner.unregister(project)
    print(f"\nthe limit of {LIMIT} {'is held' if held else 'is not held'}")


if __name__ == "__main__":
    main()
