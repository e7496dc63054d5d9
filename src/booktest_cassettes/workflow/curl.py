"""HTTP snapshots as ``curl`` commands: what was asked, to ask it again by hand."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator, Mapping

from ..digest import Kind
from ..recording import codec
from ..recording.declared import REDACTED
from ..recording.model import Failure, Interaction, Request, Response, header
from .har import KINDS
from .show import inert

_STEP = " \\\n  "


def commands(test_id: str, blobs: Mapping[Kind, bytes]) -> Iterator[str]:
    """One command per request for a POSIX shell, behind comments that say what came of it.

    Nothing recorded is more than an argument in it, and no character of it drives a terminal. Values that
    were redacted are ``REDACTED`` still: put your own in before you run one.

    Parameters
    ----------
    test_id:
        Whose.
    blobs:
        By kind; others than ``http`` and ``httpx`` are passed over.

    Raises
    ------
    IntegrityError
        When one is no snapshot.
    """
    yield f"# {inert(test_id)}"
    for kind in KINDS:
        if kind in blobs:
            items = codec.load_interactions(blobs[kind], name=kind.value)
            for number, item in enumerate(items, 1):
                yield ""
                yield f"# {number}. {kind.value}: {inert(_outcome(item.outcome))}"
                yield from _lines(item)


def _lines(item: Interaction) -> Iterator[str]:
    command = _command(item.request, item.outcome)
    if REDACTED in command:
        yield f"# {REDACTED} stands for what was taken out before it was recorded"
    yield from command.split("\n")


def _outcome(outcome: Response | Failure) -> str:
    if isinstance(outcome, Failure):
        return f"raised {outcome.type}"
    return f"{outcome.status} {outcome.reason}".rstrip()


def _command(request: Request, outcome: Response | Failure) -> str:
    words = ["curl --globoff"]
    if request.method == "HEAD":
        words.append("--head")
    elif request.method != ("POST" if request.body else "GET"):
        words.append(f"--request {quoted(request.method)}")
    words.append(quoted(request.url) if not request.url.startswith("-") else f"--url {quoted(request.url)}")
    words += [f"--header {quoted(_header(name, value))}" for name, value in request.headers]
    if request.body and not request.header("content-type"):
        words.append("--header 'Content-Type:'")  # curl would call it a form
    if isinstance(outcome, Response) and header(outcome.headers, "content-encoding"):
        words.append("--compressed")
    before, data = _body(request.body)
    return before + _STEP.join([*words, *data])


def _header(name: str, value: str) -> str:
    return f"{name}: {value}" if value else f"{name};"  # curl's way of saying an empty one


def _body(body: bytes) -> tuple[str, list[str]]:
    """What is put before the command, and its options."""
    if not body:
        return "", []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if _is_plain(text):
        return "", [f"--data-raw {shlex.quote(text)}"]
    encoded = base64.b64encode(body).decode("ascii")
    return f"printf %s {encoded} | base64 -d | ", ["--data-binary @-"]


def quoted(text: str) -> str:
    """One word of a POSIX shell; what would drive a terminal is left to ``printf`` to write."""
    if _is_plain(text):
        return shlex.quote(text)
    escaped = "".join(char if _is_plain(char) and char != "\\" else _octal(char) for char in text)
    return f'"$(printf %b {shlex.quote(escaped)})"'


def _is_plain(text: str) -> bool:
    return text.isprintable() or all(char.isprintable() or char in "\t\n" for char in text)


def _octal(char: str) -> str:
    return "".join(f"\\0{byte:03o}" for byte in char.encode("utf-8", "surrogatepass"))
