"""The examples run as their README says: the project replays its own recordings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_quickstart_replays_strictly_from_the_manifest_of_this_repository():
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("API_", "BOOKTEST_"))
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/quickstart"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"CI": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 intact" in done.stdout
    assert "5 passed" in done.stdout
