"""Cost of a replayed request, by size of the cassette, against canned answers and stock vcrpy.

    ./do bench replay

Every figure is CPU time per request, the best of several rounds in one process; the ratios are what
counts: a cassette of 2,000 interactions may cost at most 1.3 times one of 20 per request, and a
replayed request at most 1.5 times a canned answer of the same client (DESIGN section 8).
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import httpx
import requests
import vcr
import yaml

from booktest_cassettes import cassette, runner
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.manifest import load, save
from booktest_cassettes.project import Project
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.codec import dump_interactions
from booktest_cassettes.recording.model import Interaction, Request, Response

SIZES = (20, 200, 2_000)
ROUNDS = 5
ANSWER = b'{"items": [' + b",".join(b'{"id": %d, "name": "a book"}' % n for n in range(20)) + b"]}"
HEADERS = (("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER))), ("Server", "bench"))


def url(number: int) -> str:
    return f"http://api.test/items/{number}?page={number % 7}"


class Fixed:
    """A runner whose project is the benchmark's."""

    def __init__(self, root: Path) -> None:
        (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
        self._project = Project.open(root, {"record_mode": "none"})

    def project(self) -> Project:
        return self._project

    def test_id(self, function: object) -> str | None:
        return None

    def covers(self, function: object) -> bool:
        return False

    def origin(self) -> str:
        return ""

    def report(self, session: object, results: object) -> None:
        pass

    def approve(self, kind: Kind, size: int) -> str:
        items = [
            Interaction(Request("GET", url(n)), Response(200, "OK", headers=HEADERS, body=Body(ANSWER)))
            for n in range(size)
        ]
        data = dump_interactions(kind, items)
        test_id = f"bench.py::{kind.value}_{size}"
        self._project.keep.put(BlobKey(kind, Digest.of(data)), data)
        path = self._project.config.manifest
        save(path, load(path).with_changes({test_id: {kind: Digest.of(data)}}))
        return test_id


def best(act: Callable[[], int]) -> float:
    """Microseconds of CPU per request: the best round."""
    found = []
    for _ in range(ROUNDS):
        gc.collect()
        start = process_time()
        count = act()
        found.append((process_time() - start) / count * 1e6)
    return min(found)


def replayed(kind: Kind, test_id: str, size: int) -> float:
    """Requests of one cassette, often enough to be measured, without the cost of opening it."""
    found = []
    for _ in range(max(ROUNDS, 400 // size)):
        with cassette(test_id), client(kind) as session:
            session.get(url(0))  # opens pools and builds the index
            gc.collect()
            start = process_time()
            for number in range(1, size):
                assert session.get(url(number)).status_code == 200
            found.append((process_time() - start) / (size - 1) * 1e6)
    return min(found)


def client(kind: Kind) -> Any:
    return requests.Session() if kind is Kind.HTTP else httpx.Client()


def canned_httpx() -> float:
    answers = {url(n): (200, list(HEADERS)) for n in range(2_000)}

    def handler(request: httpx.Request) -> httpx.Response:
        status, headers = answers[str(request.url)]
        return httpx.Response(status, headers=headers, content=ANSWER)

    with httpx.Client(transport=httpx.MockTransport(handler)) as session:

        def act() -> int:
            for number in range(500):
                session.get(url(number))
            return 500

        return best(act)


class CannedAdapter(requests.adapters.HTTPAdapter):
    """The least a requests adapter can do: urllib3's response over bytes in memory."""

    def send(self, request: Any, *_args: Any, **_options: Any) -> requests.Response:
        import io

        from urllib3 import HTTPResponse

        raw = HTTPResponse(io.BytesIO(ANSWER), headers=dict(HEADERS), status=200, preload_content=False)
        return self.build_response(request, raw)


def canned_requests() -> float:
    with requests.Session() as session:
        session.mount("http://", CannedAdapter())

        def act() -> int:
            for number in range(300):
                assert session.get(url(number)).content
            return 300

        return best(act)


def stock_vcrpy(kind: Kind, size: int, directory: Path) -> float:
    """One pass: vcrpy's cost grows with the cassette, and so would the benchmark's."""
    path = directory / f"{kind.value}-{size}.yaml"
    answer = {
        "status": {"code": 200, "message": "OK"},
        "headers": {name: [value] for name, value in HEADERS},
        "body": {"string": ANSWER.decode()},
    }
    empty = None if kind is Kind.HTTP else ""  # as vcrpy itself writes it for each client
    made = [
        {"request": {"method": "GET", "uri": url(n), "body": empty, "headers": {}}, "response": answer}
        for n in range(size)
    ]
    path.write_text(yaml.dump({"version": 1, "interactions": made}, Dumper=yaml.CSafeDumper))
    asked = range(size) if size <= 200 else range(0, size, size // 100)
    with (
        vcr.use_cassette(str(path), record_mode="none", match_on=["method", "uri", "body"]),
        client(kind) as session,
    ):
        start = process_time()
        for number in asked:
            session.get(url(number))
        return (process_time() - start) / len(asked) * 1e6


def main() -> None:
    os.environ.pop("CI", None)
    with tempfile.TemporaryDirectory() as name:
        fixed = Fixed(Path(name))
        runner.register(fixed)
        print(
            f"{'':14}" + "".join(f"{size:>12,}" for size in SIZES) + f"{'growth':>9}{'canned':>9}{'ratio':>7}"
        )
        for kind, canned in ((Kind.HTTP, canned_requests), (Kind.HTTPX, canned_httpx)):
            ids = [fixed.approve(kind, size) for size in SIZES]
            fixed._project.__dict__.pop("manifest", None)
            ours = [replayed(kind, test_id, size) for test_id, size in zip(ids, SIZES, strict=True)]
            floor = canned()
            label = "requests" if kind is Kind.HTTP else "httpx"
            row = "".join(f"{value:>9.0f} us" for value in ours)
            print(f"{label:14}{row}{ours[-1] / ours[0]:>8.2f}x{floor:>6.0f} us{ours[-1] / floor:>6.2f}x")
            theirs = [stock_vcrpy(kind, size, Path(name)) for size in SIZES]
            row = "".join(f"{value:>9.0f} us" for value in theirs)
            print(f"{'  vcrpy':14}{row}{theirs[-1] / theirs[0]:>8.2f}x{'':>9}{theirs[-1] / floor:>6.2f}x")
        runner.unregister(fixed)


if __name__ == "__main__":
    main()
