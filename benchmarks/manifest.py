"""How long the manifest takes, beside YAML and JSON of the same mapping, in one run.

    PYTHONPATH=src python benchmarks/manifest.py [tests ...]

The budget (DESIGN section 8): 10,000 tests x 2 kinds under 40 ms, 100,000 under 0.5 s, `loads`.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

import yaml

from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.manifest import Manifest, loads

if TYPE_CHECKING:
    from collections.abc import Callable

ENOUGH = 1.5  # seconds: the best of the runs that fit, at least one


def manifest_of(tests: int) -> Manifest:
    """Everyday ids, one in ten parametrised with text that needs quotes."""
    entries = {}
    for number in range(tests):
        suffix = f"[case {number}: é]" if number % 10 == 0 else ""
        test_id = f"tests/api/test_module_{number // 50:05d}.py::TestUsers::test_case_{number:06d}{suffix}"
        entries[test_id] = {kind: Digest.of(f"{kind} {number}".encode()) for kind in (Kind.ENV, Kind.HTTP)}
    return Manifest("dvc", entries)


def best_time(work: Callable[[], object]) -> float:
    """Seconds of the fastest run."""
    best = spent = 0.0
    while spent < ENOUGH:
        start = time.perf_counter()
        result = work()
        took = time.perf_counter() - start
        del result  # not while the clock runs
        best = min(best or took, took)
        spent += took
    return best


def measure(tests: int) -> None:
    manifest = manifest_of(tests)
    text = manifest.dump()
    edited = "# edited by hand\n" + text
    as_json = json.dumps({"storage_mode": "dvc", **manifest.entries})
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    jobs: dict[str, Callable[[], object]] = {
        "json.loads": lambda: json.loads(as_json),
        "loads, canonical": lambda: loads(text, name="m"),
        "dump": manifest.dump,
        "loads, edited by hand": lambda: loads(edited, name="m"),
        f"yaml.load({loader.__name__})": lambda: yaml.load(text, Loader=loader),
    }
    print(f"{tests:,} tests x 2 kinds, {len(text) / 1e6:.1f} MB")
    unit = 0.0
    for name, job in jobs.items():
        seconds = best_time(job)
        unit = unit or seconds
        print(f"  {name:24} {seconds * 1000:9.1f} ms {seconds / unit:8.1f} x json.loads")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tests", type=int, nargs="*", default=[10_000, 100_000])
    for tests in parser.parse_args().tests:
        measure(tests)


if __name__ == "__main__":
    main()
