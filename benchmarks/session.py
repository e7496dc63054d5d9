"""A whole pytest session: what a cassette costs a test, against the same test without one.

    ./do bench session

Replays TESTS tests of one request each, in one process; reports seconds, the cost per test over plain
tests that use a canned transport, and the peak memory (10,000 tests: under 300 MB, DESIGN section 8).
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.manifest import Manifest, save
from booktest_cassettes.project import Project
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.codec import dump_interactions
from booktest_cassettes.recording.model import Interaction, Request, Response

TESTS = int(os.environ.get("BENCH_TESTS", "2000"))
ANSWER = b'{"items": [1, 2, 3]}'

CASSETTE = """
import httpx, pytest
from booktest_cassettes import cassette

client = httpx.Client()  # one for all: making one costs 20 ms of TLS set-up, which is not ours

@pytest.mark.parametrize("n", range({tests}))
@cassette
def test_it(n):
    assert client.get(f"http://api.test/items/{{n}}").status_code == 200
"""

PLAIN = """
import httpx, pytest

def answer(request):
    return httpx.Response(200, content=b'{{"items": [1, 2, 3]}}')

client = httpx.Client(transport=httpx.MockTransport(answer))

@pytest.mark.parametrize("n", range({tests}))
def test_it(n):
    assert client.get(f"http://api.test/items/{{n}}").status_code == 200
"""


def approve(root: Path) -> None:
    """Write manifest and payloads as an approval would."""
    changes = {}
    project = Project.open(root)
    for number in range(TESTS):
        item = Interaction(
            Request("GET", f"http://api.test/items/{number}"), Response(200, "OK", body=Body(ANSWER))
        )
        data = dump_interactions(Kind.HTTPX, [item])
        changes[f"test_cassette.py::test_it[{number}]"] = {Kind.HTTPX: Digest.of(data)}
        project.keep.put(BlobKey(Kind.HTTPX, Digest.of(data)), data)
    save(project.config.manifest, Manifest().with_changes(changes))


def run(root: Path, name: str) -> tuple[float, float]:
    """Seconds pytest says it took, and its peak memory in MB."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BOOKTEST_")}
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, name]
    done = subprocess.run(
        command, cwd=root, env=environment | {"CI": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found = re.search(r"passed in ([\d.]+)s", done.stdout)
    seconds = float(found[1]) if found else 0.0
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
        (root / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        (root / "test_plain.py").write_text(PLAIN.format(tests=TESTS))
        (root / "test_cassette.py").write_text(CASSETTE.format(tests=TESTS))
        approve(root)
        plain, plain_memory = run(root, "test_plain.py")
        ours, memory = run(root, "test_cassette.py")
        print(f"{TESTS:,} tests      seconds   peak MB")
        print(f"plain          {plain:>9.2f} {plain_memory:>9.0f}")
        print(f"with cassettes {ours:>9.2f} {memory:>9.0f}   {ours / plain:.2f} x")


if __name__ == "__main__":
    main()
