"""betamax's JSON cassettes (0.4 to 0.9).

Placeholders such as ``<AUTH_TOKEN>`` stay as they are: they stand where a secret was.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from ..recording.model import Interaction, Request, Response
from . import answers
from .imported import Imported
from .shapes import at, of
from .yaml_reading import read_json


def read(data: bytes, name: str) -> Imported:
    """Read one cassette.

    Parameters
    ----------
    data:
        The file.
    name:
        What errors call it.

    Raises
    ------
    IntegrityError
        When it is no such cassette; the message says where.
    """
    document = read_json(data, name)
    with at(name):
        items = of(list, of(dict, document, "a cassette")["http_interactions"], "http_interactions")
    return Imported(interactions=tuple(_interaction(item, name, place) for place, item in enumerate(items)))


def _interaction(item: Any, name: str, place: int) -> Interaction:
    with at(name, f"http_interactions[{place}]"):
        asked = of(dict, of(dict, item, "an interaction")["request"], "request")
        method, url = of(str, asked["method"], "method"), of(str, asked["uri"], "uri")
        headers = answers.headers_of(asked["headers"])
        request = Request(method, url, headers, answers.opened_safely(_body(asked["body"])[0], headers))
        return Interaction(request, _response(of(dict, item["response"], "response")))


def _response(said: dict[str, Any]) -> Response:
    status, reason = _status(said)
    headers = answers.headers_of(said["headers"])
    body, is_wire = _body(said["body"])
    made = Response(status, reason, headers=headers)
    return answers.from_wire(made, body) if is_wire else answers.from_content(made, body)


def _status(said: dict[str, Any]) -> tuple[int, str]:
    if "status" not in said:  # 0.4
        code = of(int, said["status_code"], "status_code")
        return code, answers.reason_of(code)
    status = of(dict, said["status"], "status")
    reason = status.get("message")
    return of(int, status["code"], "code"), answers.latin(of(str, reason or "", "message"))


def _body(said: Any) -> tuple[bytes, bool]:
    """A body, and whether it is as it was on the wire; else it is text that betamax decoded."""
    if isinstance(said, str) or said is None:
        return (said or "").encode("utf-8"), False
    body = of(dict, said, "body")
    if coded := of(str, body.get("base64_string") or "", "base64_string"):
        return _bytes(coded), True
    text = of(str, body.get("string") or "", "string")
    return _encoded(text, of(str, body.get("encoding") or "utf-8", "encoding")), False


def _bytes(coded: str) -> bytes:
    try:
        return b64decode(coded, validate=True)
    except binascii.Error as error:
        raise ValueError(f"base64_string: {error}") from None


def _encoded(text: str, encoding: str) -> bytes:
    """Bytes that a client reads as this text again."""
    try:
        return text.encode(encoding)
    except (LookupError, UnicodeError):  # an encoding of a server's own, or text that was replaced
        return text.encode("utf-8")
