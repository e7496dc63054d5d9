"""What booktest says and leaves behind, read for tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

#: The kinds of `<test>.snapshots.json`, and their files below `<test>/_snapshots/` in booktest 1.0.
OLDER = {"http": "requests.json", "httpx": "httpx.json", "env": "env.json", "func": "functions.json"}
_LINE = re.compile(r"^  (test/\S+) - (.*)$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def results(root: Path) -> dict[str, str]:
    """How each test ended in the last run."""
    lines = (root / "books/.out/cases.ndjson").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    return {case["name"]: case["result"] for case in cases}


def lines_of(text: str) -> dict[str, str]:
    """What was printed about each test, without how long it took."""
    found = _LINE.findall(_COLOUR.sub("", text))
    return {name: re.sub(r"^\d+ ms", "ok", said) for name, said in found}


def written(root: Path) -> dict[str, str]:
    """The Markdown that each test of the last run wrote, where it was not accepted."""
    out = root / "books/.out"
    return {str(path.relative_to(out)): path.read_text(encoding="utf-8") for path in out.rglob("*.md")}


def originals(root: Path) -> set[str]:
    """Every file in which booktest itself keeps snapshots."""
    books = root / "books"
    found = [*books.rglob("*.snapshots.json"), *books.rglob("_snapshots/*")]
    return {str(path.relative_to(books)) for path in found if ".out" not in path.parts}


def as_before_1_1(root: Path, test: str) -> None:
    """Put the snapshots of a test where booktest 1.0 had them: a file of each kind."""
    unified = root / f"books/{test}.snapshots.json"
    content: dict[str, Any] = json.loads(unified.read_text(encoding="utf-8"))
    for kind, data in content.items():
        path = root / f"books/{test}/_snapshots/{OLDER[kind]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=4), encoding="utf-8")
    unified.unlink()
