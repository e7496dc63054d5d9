"""``booktest --garbage`` and ``--clean``: what is ours in the books is none."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from ..store.git import RESULT
from . import projects

_NAMES = (".gitattributes", ".gitignore", RESULT)


def without_ours(
    original: Callable[..., Any], tests: Any, root_dir: str, parsed: Any, *args: Any, **named: Any
) -> Any:
    """List or delete what booktest calls garbage, but for payloads, pointers and the like.

    booktest knows payloads by its own names of tests, and ours differ where a name has capital letters.
    """
    listing = Namespace(**{**vars(parsed), "cmd": "--garbage"})
    found = StringIO()
    with redirect_stdout(found):
        code = original(tests, root_dir, listing, *args, **named)
    reports = projects.current().config.report_dir
    for line in found.getvalue().splitlines():
        path = Path(line)
        if path.name in _NAMES or path.parent.name == "_snapshots" or reports in path.absolute().parents:
            continue
        if parsed.cmd == "--clean":
            path.unlink()
            print("removed", line)
        else:
            print(line)
    return code
