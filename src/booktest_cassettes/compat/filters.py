"""vcrpy's filters: named parts of a request replaced, computed or removed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

from ..recording.bodies import is_json, media_type
from ..recording.matching import boundary_of
from .presented import PresentedRequest

#: A name; or a name and what takes its value's place: text, None (it is removed), or a function
#: ``(key, value, request)`` that returns one of the two.
Filter = str | tuple[str, Any]
RequestHook = Callable[[PresentedRequest], PresentedRequest | None]


def replacements(given: Iterable[Filter]) -> dict[str, Any]:
    """What is given in place of which name; a name alone is removed."""
    return {name: None for name in given if isinstance(name, str)} | dict(
        item for item in given if not isinstance(item, str)
    )


def headers(wanted: Mapping[str, Any]) -> RequestHook:
    """Replace headers; ``wanted`` as :func:`replacements` has them, here and below."""

    def replace_headers(request: PresentedRequest) -> PresentedRequest:
        kept = request.headers.copy()
        for name, replacement in wanted.items():
            if name in kept:
                value = _new(replacement, name, kept.pop(name), request)
                if value is not None:
                    kept[name] = value
        request.headers = kept
        return request

    return replace_headers


def query(wanted: Mapping[str, Any]) -> RequestHook:
    """Replace parameters of the query."""

    def replace_query(request: PresentedRequest) -> PresentedRequest:
        pairs = request.query
        if any(name in wanted for name, _ in pairs):
            kept = [
                (name, new)
                for name, value in pairs
                if (new := _new(wanted[name], name, value, request) if name in wanted else value) is not None
            ]
            request.uri = urlunsplit(urlsplit(request.uri)._replace(query=urlencode(kept)))
        return request

    return replace_query


def body(wanted: Mapping[str, Any], *, nested: bool) -> RequestHook:
    """Replace fields of JSON, form and multipart bodies; ``nested``: at any depth of the JSON."""

    def replace_fields(request: PresentedRequest) -> PresentedRequest:
        content, kind = request.body, request.header("content-type")
        if not content:
            return request
        if is_json(kind):
            request.body = _in_json(content, wanted, request, nested=nested)
        elif media_type(kind).startswith("multipart/") and (boundary := boundary_of(kind)):
            request.body = _in_multipart(content, boundary.encode("latin-1"), wanted, request)
        else:
            request.body = _in_form(content, wanted, request)
        return request

    return replace_fields


def _new(replacement: Any, name: str, value: Any, request: PresentedRequest) -> Any:
    return replacement(key=name, value=value, request=request) if callable(replacement) else replacement


def _in_json(content: bytes, wanted: Mapping[str, Any], request: PresentedRequest, *, nested: bool) -> bytes:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):  # it says it is JSON, and is not: there are no fields to find
        return content
    changed = _fields(data, wanted, request, nested=nested)
    return content if changed == data else json.dumps(changed).encode("utf-8")


def _fields(data: Any, wanted: Mapping[str, Any], request: PresentedRequest, *, nested: bool) -> Any:
    if isinstance(data, list) and nested:
        return [_fields(item, wanted, request, nested=True) for item in data]
    if not isinstance(data, dict):
        return data
    kept: dict[str, Any] = {}
    for name, value in data.items():
        if name not in wanted:
            kept[name] = _fields(value, wanted, request, nested=True) if nested else value
        elif (new := _new(wanted[name], name, value, request)) is not None:
            kept[name] = new
    return kept


def _in_form(content: bytes, wanted: Mapping[str, Any], request: PresentedRequest) -> bytes:
    try:
        parts = [part.partition("=") for part in content.decode("utf-8").split("&")]
    except UnicodeDecodeError:  # no form
        return content
    kept = []
    for name, equals, value in parts:
        key = next((key for key in (name, unquote_plus(name)) if equals and key in wanted), None)
        new = value if key is None else _new(wanted[key], key, value, request)
        if new is not None:
            kept.append(f"{name}{equals}{new}")
    return "&".join(kept).encode("utf-8")


def _in_multipart(
    content: bytes, boundary: bytes, wanted: Mapping[str, Any], request: PresentedRequest
) -> bytes:
    mark = b"--" + boundary
    first, *parts = content.split(mark)
    kept = [first]
    for part in parts:
        head, gap, rest = part.partition(b"\r\n\r\n")
        found = re.search(rb';\s*name="([^"]*)"', head)
        name = found[1].decode("utf-8", "replace") if found else ""
        if not gap or name not in wanted:
            kept.append(part)
            continue
        value = rest.removesuffix(b"\r\n")
        new = _new(wanted[name], name, _text_or_bytes(value), request)
        if new is not None:
            kept.append(
                head + gap + (new.encode("utf-8") if isinstance(new, str) else new) + rest[len(value) :]
            )
    return mark.join(kept)


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value
