"""Play the matrix with stock vcrpy and cassetter: ``python peers.py`` writes peers.json.

Each client has a process of its own, so that one peer's patches, hangs and crashes do not touch the
next cell; a cell that says nothing for a while is ended and counted as hanging.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import subprocess
import sys
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "peers.json"
PATIENCE_SECONDS = 10.0
CLIENTS = (
    "urllib3",
    "requests",
    "aiohttp",
    "botocore",
    "httplib2",
    "tornado",
    "httpx",
    "httpx2",
    "openai",
    "anthropic",
)


def main(arguments: list[str]) -> int:
    """Play everything, or (as a child) the cells of one column named on the command line."""
    sys.path[:0] = [str(HERE.parent / "adapters")]
    if arguments:
        _play_cells(*arguments)
        return 0
    from backends import PEERS
    from columns import COLUMNS

    for peer in PEERS:
        importlib.import_module({"vcrpy": "vcr"}.get(peer, peer))  # what cannot be imported is not compared
    found: dict[str, Any] = {}
    with ThreadPoolExecutor(4) as pool:  # most of the time is spent waiting
        for peer in PEERS:
            cells = dict(zip(COLUMNS, pool.map(partial(play_column, peer), COLUMNS), strict=True))
            found[peer] = {"version": version(peer), "cells": cells}
    found["clients"] = {name: version(name) for name in CLIENTS}
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def play_column(peer: str, column: str, rows: list[str] | None = None) -> dict[str, str]:
    """A peer's verdict (``""`` for a pass) on the rows of a column, by default on all it has.

    Raises
    ------
    RuntimeError
        When a cell fails by itself, for a reason that is no verdict.
    """
    from matrix import ROWS

    left = [name for name, row in ROWS.items() if column in row.ways] if rows is None else list(rows)
    found: dict[str, str] = {}
    while left:
        said, crash = _listen(peer, column, left)
        found |= said
        left = [name for name in left if name not in said]
        if crash and not said:
            raise RuntimeError(f"{peer}, {column}, {left[0]}: {crash}")
        if left and not crash:  # after a crash it is tried again, in a process that no cell has spoilt
            found[left.pop(0)] = "hangs"
    print(f"{peer}, {column}: {dict(Counter(found.values()))}", flush=True)
    return found


def _listen(peer: str, column: str, names: list[str]) -> tuple[dict[str, str], str]:
    """What a child says until it ends or falls silent, and its traceback, should it end by an exception."""
    command = [sys.executable, __file__, peer, column, *names]
    lines: queue.Queue[str | None] = queue.Queue()
    found: dict[str, str] = {}
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True
        ) as child,
    ):
        threading.Thread(target=_forward, args=(child.stdout, lines), daemon=True).start()
        try:
            while (line := lines.get(timeout=PATIENCE_SECONDS)) is not None:
                found |= json.loads(line)
        except queue.Empty:
            child.kill()
        crashed = child.wait() > 0
        errors.seek(0)
        return found, errors.read()[-2000:] if crashed else ""


def _forward(stream: Any, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _play_cells(peer: str, column: str, *names: str) -> None:
    import loopback
    from backends import PEERS
    from matrix import Verdict, essence, judge

    loopback.GATE_SECONDS = 0.3  # a peer that reads a stream to its end first would wait for each piece
    # A client that prints must not be taken for a verdict.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    for name in names:
        sign = ""
        try:
            judge(name, column, PEERS[peer], essence)
        except Verdict as verdict:
            sign = verdict.sign
        else:
            with suppress(Verdict):
                sign = "essentials"
                judge(name, column, PEERS[peer])
                sign = ""
        out.write(json.dumps({name: sign}) + "\n")
        out.flush()
    os._exit(0)  # threads that a peer left waiting do not hold it up


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
