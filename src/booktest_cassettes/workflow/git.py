"""Git, called by its own command line: the one place that does."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from ..errors import UsageError

_MISSING = "this needs git, which is not installed"
#: What is there, and no more: nothing is fetched on demand, nothing replaced, nothing translated, and a
#: pattern means what it says.
_STRICT = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    **{f"GIT_{how}_PATHSPECS": "0" for how in ("LITERAL", "GLOB", "NOGLOB", "ICASE")},
    "LC_ALL": "C",
}
_ANSWER = re.compile(rb"[0-9a-f]{40,64} (blob|tree|commit|tag) (\d+)")
_LINK = re.compile(rb"(dangling|symlink|loop|notdir) (\d+)")  # with --follow-symlinks


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


class Object(NamedTuple):
    """One answer of ``cat-file``.

    Attributes
    ----------
    sha:
        Its name; ``""`` for what is not there.
    sort:
        ``blob``, ``tree``, ``commit`` or ``tag``; ``missing``, or what else Git says of it.
    data:
        Its bytes, where they were asked for.
    """

    sha: str
    sort: str
    data: bytes


def strict(directory: Path, *arguments: str, given: bytes = b"", hint: str = "") -> bytes:
    """What Git prints, of what is on this machine alone; a ref that it cannot read is an error, too.

    Raises
    ------
    UsageError
        With Git's own words.
    """
    try:
        done = _called(directory, arguments, given, _STRICT)
    except FileNotFoundError:
        raise UsageError(_MISSING, hint=hint) from None
    said = _text(done.stderr).strip()
    if done.returncode or "ignoring broken ref" in said:  # which is no more than a warning to Git
        raise _failed(directory, arguments, said, hint)
    return done.stdout


def batch(directory: Path, names: Iterable[str], *options: str, hint: str = "") -> Iterator[Object]:
    """Objects, one after another, from one process, and of what is on this machine alone.

    Parameters
    ----------
    directory:
        Where to run it.
    names:
        One line each, as Git takes them; read before the first answer.
    options:
        Of ``cat-file``: ``--batch``, or ``--batch-check`` for no ``data``.
    hint:
        The next command for a person, when it fails.

    Raises
    ------
    UsageError
        When Git fails, or is not there.
    """
    arguments = ("cat-file", *options, "--buffer")
    with TemporaryFile() as asked, TemporaryFile() as errors:
        asked.writelines(_bytes(f"{name}\n") for name in names)
        asked.seek(0)
        try:
            process = _started(directory, arguments, asked, errors)
        except FileNotFoundError:
            raise UsageError(_MISSING, hint=hint) from None
        with process:
            try:
                if process.stdout is not None:
                    yield from _objects(process.stdout, has_data="--batch" in options)
            except (ValueError, IndexError):  # it ended in the middle; why is said below
                process.kill()
            except GeneratorExit:
                process.kill()
                raise
        errors.seek(0)
        if process.returncode:
            raise _failed(directory, arguments, _text(errors.read()).strip(), hint)


def _objects(output: IO[bytes], *, has_data: bool) -> Iterator[Object]:
    while line := output.readline():
        head = _text(line).rstrip("\n")
        if found := _ANSWER.fullmatch(line.rstrip(b"\n")):
            size = int(found[2])
            data = output.read(size) if has_data else b""
            if has_data and (len(data) < size or output.read(1) != b"\n"):
                raise ValueError(head)
            yield Object(head.split(" ", 1)[0], _text(found[1]), data)
        elif found := _LINK.fullmatch(line.rstrip(b"\n")):
            data = output.read(int(found[2]) + 1)[:-1]
            yield Object("", _text(found[1]), data)
        else:
            yield Object("", head.rsplit(" ", 1)[1], b"")


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
        raise _failed(directory, arguments, _text(done.stderr or done.stdout).strip(), hint)
    return done.stdout


def _failed(directory: Path, arguments: Sequence[str], reason: str, hint: str) -> UsageError:
    return UsageError(f"git {arguments[0]} failed in {directory}: {reason}", hint=hint)


def _started(
    directory: Path, arguments: Sequence[str], given: IO[bytes], errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["git", *arguments],  # noqa: S607 - as below
        cwd=directory,
        env={**os.environ, **_STRICT},
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=errors,
    )


def _called(
    directory: Path, arguments: tuple[str, ...], given: bytes, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", *arguments],  # noqa: S607 - whichever git the user has
        cwd=directory,
        env={**os.environ, **environ} if environ else None,
        input=given,
        capture_output=True,
        check=False,
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
