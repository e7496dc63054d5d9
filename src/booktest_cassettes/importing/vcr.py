"""vcrpy's cassettes, YAML or JSON, as vcrpy 1.0 to 9 and pytest-recording write them, and those before 1.0.

Also what its users made of them: ``parsed_body`` in place of a text, header values as bytes or plain
text, responses of the old httpx stub.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import IntegrityError
from ..recording.bodies import Body, Coding, is_json
from ..recording.model import Headers, Interaction, Request, Response, header
from .imported import Imported
from .inflating import fits
from .yaml_reading import read_text

_HINT = "restore the file, or record its test again with booktest-cassettes run"
_FOLD = re.compile(r"[\r\n]+[ \t]*")
_OLD_PARTS = ("protocol", "host", "port", "path")
_PORTS = {"https": 443, "http": 80}
_VERSIONS = {10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2", 2: "HTTP/2", 1.1: "HTTP/1.1", 1.0: "HTTP/1.0"}
_VERSION = re.compile(r"HTTP/\d(?:\.\d)?\Z")
_BODILESS = (204, 304)
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")

AGAIN = "decoded although a header says compressed: compressed again"
PLAIN = "decoded although a header says {coding}: the header is left out"
PARSED = "kept as parsed_body: written as JSON again"


def read(data: bytes, name: str) -> Imported:
    """Read one cassette.

    Raises
    ------
    IntegrityError
        When it is no cassette of vcrpy's, or not beyond doubt.
    """
    document = read_text(data, name)
    reader = _Reader(name)
    items = tuple(reader.interaction(item) for item in reader.items(document))
    notes = tuple(
        f"{count} {'body' if count == 1 else 'bodies'} {what}" for what, count in reader.notes.items()
    )
    return Imported(items, notes=notes)


class _Reader:
    """Reads one document; knows where it is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0
        self._is_old = False
        self.notes: Counter[str] = Counter()

    def _error(self, why: str) -> IntegrityError:
        where = f"{self._name}: interaction {self._number}" if self._number else self._name
        return IntegrityError(f"{where}: {why}", hint=_HINT)

    def items(self, document: Any) -> Iterable[Any]:
        """The interactions of a document."""
        if isinstance(document, list) and document and isinstance(document[0], dict):
            self._is_old = True
            found = document if "request" in document[0] else None
        elif isinstance(document, dict):
            if "http_interactions" in document:
                raise IntegrityError(
                    f"{self._name}: a cassette of betamax or of Ruby's VCR (http_interactions)",
                    hint="booktest-cassettes migrate --from betamax",
                )
            found = document.get("interactions", self)
            if isinstance(found, list) or found is None:
                self._check_version(document)
        else:
            found = None
        found = [] if found is None and isinstance(document, dict) else found
        if not isinstance(found, list):
            raise self._error("not a cassette of vcrpy: no list of interactions in it")
        return found

    def _check_version(self, document: Mapping[str, Any]) -> None:
        # It is the last line that vcrpy writes: without it YAML reads well although its end is missing.
        if "version" not in document and not self._name.endswith(".json"):
            raise IntegrityError(
                f"{self._name}: no version at its end: the file was cut short",
                hint="restore the file; if it is whole, add the line: version: 1",
            )
        version = document.get("version")
        if version not in (None, 1, 2, "1", "2"):
            raise self._error(f"version {str(version)[:20]!r} of the format is not known")

    def interaction(self, item: Any) -> Interaction:
        """One exchange."""
        self._number += 1
        request, response = self._mapping(item, "request"), self._mapping(item, "response")
        made = self._request(request)
        return Interaction(made, self._response(response, made.method))

    def _mapping(self, item: Any, key: str) -> Mapping[str, Any]:
        value = item.get(key) if isinstance(item, dict) else None
        if not isinstance(value, dict):
            raise self._error(f"no {key} in it")
        return value

    def _text(self, value: Any, what: str) -> str:
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if not isinstance(value, str):
            raise self._error(f"its {what} is no text")
        return value

    # -- requests --------------------------------------------------------------------------------

    def _request(self, found: Mapping[str, Any]) -> Request:
        method = self._text(found.get("method"), "method")
        url = self._old_url(found) if self._is_old else self._text(found.get("uri", found.get("url")), "uri")
        headers = self._headers(found.get("headers"))
        if "parsed_body" in found and found.get("body") is None:
            body = self._parsed(found["parsed_body"], headers)
        else:
            body = self._content(found.get("body"))
        self._check_inflated(body, headers)
        return Request(method, url, headers, body)

    def _old_url(self, found: Mapping[str, Any]) -> str:
        if "uri" in found:
            return self._text(found["uri"], "uri")
        protocol, host, port, path = (found.get(part) for part in _OLD_PARTS)
        if not all(isinstance(part, str) for part in (protocol, host, path)):
            raise self._error("no uri in its request")
        shown = "" if port == _PORTS.get(str(protocol)) or port is None else f":{port}"
        return f"{protocol}://{host}{shown}{path}"

    # -- responses -------------------------------------------------------------------------------

    def _response(self, found: Mapping[str, Any], method: str) -> Response:
        status, reason = self._status(found)
        headers = self._headers(found.get("headers"))
        if "parsed_body" in found and found.get("body") is None:
            content = self._parsed(found["parsed_body"], headers)
        else:
            content = self._content(found["content"] if "content" in found else found.get("body"))
        self._check_inflated(content, headers)
        body, headers = self._opened(content, headers)
        has_body = method.upper() != "HEAD" and status not in _BODILESS
        if has_body:
            headers = _with_length(headers, len(body.wire))
        return Response(status, reason, self._version(found), headers, body)

    def _status(self, found: Mapping[str, Any]) -> tuple[int, str]:
        status: Any = found.get("status", found.get("status_code"))
        reason: Any = found.get("reason")
        if isinstance(status, dict):
            status, reason = status.get("code"), status.get("message", status.get("reason"))
        if isinstance(status, str) and status.isascii() and status.isdigit() and len(status) == 3:
            status = int(status)
        if type(status) is not int or not 100 <= status <= 999:
            raise self._error("no status in its response")
        return status, _one_line(_latin(self._text("" if reason is None else reason, "status message")))

    def _version(self, found: Mapping[str, Any]) -> str:
        said = found.get("http_version", found.get("protocol", found.get("version")))
        if isinstance(said, str) and _VERSION.match(said):
            return said
        return _VERSIONS.get(said, "HTTP/1.1") if isinstance(said, (int, float)) else "HTTP/1.1"

    def _opened(self, content: bytes, headers: Headers) -> tuple[Body, Headers]:
        """The body, and headers that are true for it: vcrpy may have decoded it."""
        coding = header(headers, "content-encoding").strip().lower()
        body = Body.from_wire(content, coding)
        if (
            body.coding is not None
            or not content
            or coding in ("", "identity")
            or _is_encoded(content, coding)
        ):
            return body, headers
        if coding in ("gzip", "x-gzip", "deflate"):
            self.notes[AGAIN] += 1
            return Body(content, Coding("zlib" if coding == "deflate" else "gzip")), headers
        self.notes[PLAIN.format(coding="".join(filter(str.isalnum, coding[:20])) or "so")] += 1
        return Body(content), tuple(pair for pair in headers if pair[0].lower() != "content-encoding")

    # -- both ------------------------------------------------------------------------------------

    def _check_inflated(self, content: bytes, headers: Headers) -> None:
        if not fits(content, header(headers, "content-encoding")):
            raise self._error("a compressed body that would fill the memory")

    def _parsed(self, value: Any, headers: Headers) -> bytes:
        self.notes[PARSED] += 1
        if value is None:
            return b""
        if isinstance(value, str) and not is_json(header(headers, "content-type")):
            return value.encode("utf-8", "surrogateescape")
        try:
            return json.dumps(value).encode()
        except (TypeError, ValueError):
            raise self._error("its parsed_body is no JSON") from None

    def _content(self, value: Any) -> bytes:
        """A body in any of the forms that cassettes have."""
        if isinstance(value, dict):
            value = self._in_mapping(value)
        if value is None:
            return b""
        if isinstance(value, list):  # an iterator's pieces
            return b"".join(self._content(part) for part in value)
        if isinstance(value, str):
            return _encoded(value)
        if not isinstance(value, bytes):
            raise self._error("a body that is neither text nor bytes")
        return value

    def _in_mapping(self, value: Mapping[str, Any]) -> Any:
        coded = value.get("base64_string", value.get("base64"))
        if coded is None and value.get("encoding") == "base64":
            coded = value.get("string")
        if coded is None:
            return value.get("string")
        try:
            return base64.b64decode(self._text(coded, "base64 body"), validate=False)
        except (binascii.Error, ValueError):
            raise self._error("its body is no base64") from None

    def _headers(self, found: Any) -> Headers:
        if found is None:
            return ()
        if isinstance(found, dict):
            pairs: Iterable[tuple[Any, Any]] = found.items()
        elif isinstance(found, list):
            pairs = self._pairs(found)
        else:
            raise self._error("its headers are no mapping")
        return tuple(
            (_one_line(_latin(self._text(name, "header name"))), _one_line(self._value(value)))
            for name, values in pairs
            for value in (values if isinstance(values, list) else [values])
        )

    def _pairs(self, found: list[Any]) -> Iterable[tuple[Any, Any]]:
        """Headers as a list: of pairs, or of lines as they were before vcrpy 1.0."""
        for one in found:
            if isinstance(one, str) and ":" in one:
                name, _, value = one.partition(":")
                yield name, value.strip()
            elif isinstance(one, list) and len(one) == 2 and isinstance(one[0], (str, bytes)):
                yield one[0], one[1]
            elif isinstance(one, list):
                yield from self._pairs(one)
            else:
                raise self._error("a header that is neither a pair nor a line")

    def _value(self, value: Any) -> str:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        if value is None:
            return ""
        return _latin(self._text(value, "header value"))


def _is_encoded(content: bytes, coding: str) -> bool:
    """Whether a body that we do not open is compressed as its header says, whole or broken."""
    if coding in ("gzip", "x-gzip"):
        return content.startswith(_GZIP_MAGIC)
    if coding == "zstd":
        return content.startswith(_ZSTD_MAGIC)
    return not _is_text(content)


def _is_text(content: bytes) -> bool:
    if len(content) < 4 or _NOT_TEXT.search(content):
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _with_length(headers: Headers, length: int) -> Headers:
    return tuple(
        (name, str(length))
        if name.lower() == "content-length" and value.isascii() and value.isdigit()
        else pair
        for pair in headers
        for name, value in [pair]
    )


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates out of JSON's escapes
        return text.encode("utf-8", "surrogatepass")


def _latin(text: str) -> str:
    """A header's text in our spelling of bytes: latin-1."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return _encoded(text).decode("latin-1")
    return text


def _one_line(text: str) -> str:
    return _FOLD.sub(" ", text).strip() if "\n" in text or "\r" in text else text
