"""What the pytest plugin adds to ``import pytest``: under 10 ms (DESIGN section 8).

./do bench imports
"""

from __future__ import annotations

import os
import subprocess
import sys

ROUNDS = 15
CODE = """
import time
start = time.perf_counter()
import pytest
middle = time.perf_counter()
import booktest_cassettes.pytest_plugin
print(middle - start, time.perf_counter() - middle)
"""


def main() -> None:
    # With bytecode, as everybody has it after the first run.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for _ in range(ROUNDS + 1):
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
        )
        found.append([float(value) * 1e3 for value in done.stdout.split()])
    pytest_ms, plugin_ms = (min(column) for column in zip(*found[1:], strict=True))
    print(f"import pytest                       {pytest_ms:7.2f} ms")
    print(f"+ booktest_cassettes.pytest_plugin  {plugin_ms:7.2f} ms   (budget 10 ms)")


if __name__ == "__main__":
    main()
