"""Play the matrix with stock vcrpy and cassetter: ``python peers.py`` writes peers.json.

Each client has a process of its own, so that one peer's patches, hangs and crashes do not touch the
next cell; a cell that says nothing for a while is ended and counted as hanging.
"""

from __future__ import annotations

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
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "peers.json"
PATIENCE_SECONDS = 10.0
PEERS = ("vcrpy", "cassetter")


def main(arguments: list[str]) -> int:
    """Play everything, or (as a child) the cells of one column named on the command line."""
    sys.path[:0] = [str(HERE.parent / "adapters")]
    if arguments:
        _play_cells(*arguments)
        return 0
    from columns import COLUMNS

    found: dict[str, Any] = {}
    with ThreadPoolExecutor(4) as pool:  # most of the time is spent waiting
        for peer in PEERS:
            cells = dict(zip(COLUMNS, pool.map(partial(play_column, peer), COLUMNS), strict=True))
            found[peer] = {"version": version(peer), "cells": cells}
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def play_column(peer: str, column: str, rows: list[str] | None = None) -> dict[str, str]:
    """A peer's verdict (``""`` for a pass) on the rows of a column, by default on all it has."""
    from matrix import ROWS

    left = [name for name, row in ROWS.items() if column in row.ways] if rows is None else list(rows)
    found: dict[str, str] = {}
    while left:
        said = _listen(peer, column, left)
        found |= said
        left = [name for name in left if name not in said]
        if left:
            found[left.pop(0)] = "hangs"
    print(f"{peer}, {column}: {dict(Counter(found.values()))}", flush=True)
    return found


def _listen(peer: str, column: str, names: list[str]) -> dict[str, str]:
    """What a child says until it ends, or falls silent."""
    command = [sys.executable, __file__, peer, column, *names]
    lines: queue.Queue[str | None] = queue.Queue()
    found: dict[str, str] = {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
    ) as child:
        threading.Thread(target=_forward, args=(child.stdout, lines), daemon=True).start()
        try:
            while (line := lines.get(timeout=PATIENCE_SECONDS)) is not None:
                found |= json.loads(line)
        except queue.Empty:
            child.kill()
    return found


def _forward(stream: Any, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _play_cells(peer: str, column: str, *names: str) -> None:
    import loopback
    from backends import BACKENDS
    from matrix import Verdict, essence, judge

    loopback.GATE_SECONDS = 0.3  # a peer that reads a stream to its end first would wait for each piece
    # A client that prints must not be taken for a verdict.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    for name in names:
        sign = ""
        try:
            judge(name, column, BACKENDS[peer], essence)
        except Verdict as verdict:
            sign = verdict.sign
        else:
            with suppress(Verdict):
                sign = "essentials"
                judge(name, column, BACKENDS[peer])
                sign = ""
        out.write(json.dumps({name: sign}) + "\n")
        out.flush()
    os._exit(0)  # threads that a peer left waiting do not hold it up


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
