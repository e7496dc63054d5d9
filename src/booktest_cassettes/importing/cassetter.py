"""cassetter's cassettes (format 1), YAML or TOML.

It decodes what was compressed, and keeps JSON as data: the bytes are written again, in the spelling that
has the recorded length where one of the usual ones does. gRPC and WebSockets have no snapshots here.
"""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from typing import Any

from ..errors import IntegrityError
from ..recording.model import Headers, Interaction, Request, Response, header
from ..wording import count
from . import answers
from .imported import Imported
from .shapes import at, of
from .yaml_reading import check_size, read_yaml

VERSION = 1
_OTHERS = {"grpc_interactions": "gRPC call", "ws_interactions": "WebSocket"}
_SPELLINGS: tuple[dict[str, Any], ...] = (
    {"separators": (",", ":"), "ensure_ascii": False},
    {},
    {"separators": (",", ":")},
    {"ensure_ascii": False},
    {"indent": 2, "ensure_ascii": False},
    {"indent": 2},
)


def read(data: bytes, name: str) -> Imported:
    """Read one cassette.

    Parameters
    ----------
    data:
        The file.
    name:
        What errors call it; TOML where it ends with ``.toml``.

    Raises
    ------
    IntegrityError
        When it is no such cassette; the message says where.
    """
    document = _toml(data, name) if name.endswith(".toml") else read_yaml(data, name)
    with at(name):
        version = of(dict, document, "a cassette").get("version", VERSION)
        if version != VERSION:
            raise ValueError(f"written in another version of the format ({version!r}; {VERSION} is read)")
        items = of(list, document.get("interactions") or [], "interactions")
    made = [_interaction(item, name, place) for place, item in enumerate(items)]
    # The file is sorted by method and address; what was recorded first comes first.
    made.sort(key=lambda pair: pair[0])
    return Imported(tuple(item for _, item in made), notes=tuple(_notes(document)))


def _toml(data: bytes, name: str) -> Any:
    check_size(len(data), name)
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise IntegrityError(f"{name}: not UTF-8 text") from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise IntegrityError(f"{name}: not valid TOML: {error}") from None


def _notes(document: dict[str, Any]) -> list[str]:
    return [
        f"{count(len(items), noun)} not taken: only HTTP is recorded here"
        for key, noun in _OTHERS.items()
        if isinstance(items := document.get(key), list) and items
    ]


def _moment(said: Any) -> datetime:
    """When it was recorded: the last line of an entry, so that one without it was cut short."""
    try:
        moment = datetime.fromisoformat(of(str, said, "recorded_at"))
    except ValueError:  # its text quotes the value
        raise ValueError("recorded_at is no date and time") from None
    if moment.tzinfo is None:
        raise ValueError("recorded_at is cut short")
    return moment


def _interaction(item: Any, name: str, place: int) -> tuple[datetime, Interaction]:
    with at(name, f"interactions[{place}]"):
        asked = of(dict, of(dict, item, "an interaction")["request"], "request")
        said = of(dict, item["response"], "response")
        headers = answers.headers_of(asked.get("headers") or {})
        body = answers.opened_safely(_body(asked, headers), headers)
        request = Request(of(str, asked["method"], "method"), of(str, asked["uri"], "uri"), headers, body)
        status = of(int, said["status"], "status")
        response = Response(
            status, answers.reason_of(status), headers=answers.headers_of(said.get("headers") or {})
        )
        response = answers.from_content(response, _body(said, response.headers))
        return _moment(item["recorded_at"]), Interaction(request, response)


def _body(message: dict[str, Any], headers: Headers) -> bytes:
    if "body_type" in message:  # TOML: JSON as the text that cassetter spells it in
        kind, content = message["body_type"], message.get("body_content", "")
        if kind == "json":
            content = json.loads(of(str, content, "body_content"))
    else:
        body = of(dict, message.get("body") or {"type": "none"}, "body")
        kind, content = body["type"], body.get("content")
    if kind == "none":
        return b""
    if kind == "json":
        return _spelled(content, header(headers, "content-length"))
    text = of(str, "" if content is None else content, "content")
    if kind == "text":
        return text.encode("utf-8")
    if kind == "binary":
        return bytes.fromhex(text)
    raise ValueError(f"unknown type of body {str(kind)[:40]!r}")


def _spelled(value: Any, length: str) -> bytes:
    """JSON of the length it had, or compact."""
    texts = [json.dumps(value, **spelling).encode("utf-8", "surrogatepass") for spelling in _SPELLINGS]
    return next((text for text in texts if str(len(text)) == length), texts[0])
