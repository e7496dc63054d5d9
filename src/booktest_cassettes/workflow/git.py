"""Git, called by its own command line: the one place that does."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import UsageError

_MISSING = "this needs git, which is not installed"
_ANSWER = re.compile(rb"[0-9a-f]{40,64} (blob|tree|commit|tag) (\d+)")


def run(directory: Path, *arguments: str, given: str = "", hint: str = "") -> str:
    """What Git prints; paths that are not UTF-8 come as surrogates.

    Parameters
    ----------
    directory:
        Where to run it.
    arguments:
        A list, no shell.
    given:
        Its standard input.
    hint:
        The next command for a person, when it fails.

    Raises
    ------
    UsageError
        With Git's own words, when it refuses or is not there.
    """
    return _text(_checked(directory, arguments, _bytes(given), hint))


def ask(directory: Path, *arguments: str) -> str | None:
    """What Git prints, without the line end; ``None`` where it says no, or is not there."""
    said = read(directory, *arguments)
    return None if said is None else _text(said).removesuffix("\n")


def read(directory: Path, *arguments: str, given: bytes = b"") -> bytes | None:
    """What Git prints, byte for byte: the content of a file, say; ``None`` as with :func:`ask`."""
    try:
        done = _called(directory, arguments, given)
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout


def objects(directory: Path, names: Sequence[str]) -> dict[str, bytes | None]:
    """The bytes of files in commits, unchanged, by one process.

    Parameters
    ----------
    directory:
        Where to run it: ``./`` in a name begins here.
    names:
        ``<commit>:<path>`` each.

    Returns
    -------
    dict
        Name to bytes; ``None`` for what is not there, or is no file.

    Raises
    ------
    UsageError
        When Git fails, or is not there.
    """
    if not names:
        return {}
    given = _bytes("".join(f"{name}\n" for name in names))
    output = _checked(directory, ("cat-file", "--batch"), given)
    return dict(zip(names, _answers(output), strict=True))


def _answers(output: bytes) -> Iterator[bytes | None]:
    """What ``cat-file --batch`` says: ``<object> <type> <size>`` and that many bytes, or that it has none."""
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        line = output[at:end]
        at = end + 1
        found = _ANSWER.fullmatch(line)
        if found is None:
            yield None
            continue
        size = int(found[2])
        yield output[at : at + size] if found[1] == b"blob" else None
        at += size + 1


def _checked(directory: Path, arguments: tuple[str, ...], given: bytes, hint: str = "") -> bytes:
    try:
        done = _called(directory, arguments, given)
    except FileNotFoundError:
        raise UsageError(_MISSING, hint=hint) from None
    if done.returncode:
        reason = _text(done.stderr or done.stdout).strip()
        raise UsageError(f"git {arguments[0]} failed in {directory}: {reason}", hint=hint)
    return done.stdout


def _called(directory: Path, arguments: tuple[str, ...], given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", *arguments],  # noqa: S607 - whichever git the user has
        cwd=directory,
        input=given,
        capture_output=True,
        check=False,
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
