"""Requests and responses in vcrpy's form, for functions that were written for vcrpy.

A hook may change what it gets, or return something else; what it left alone comes back as it was:
order, case and repeats of headers, which vcrpy's form cannot say.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from functools import wraps
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from ..errors import UsageError
from ..recording.bodies import Body
from ..recording.model import Headers, Request, Response, header

_PORTS = {"https": 443, "http": 80}


class HeadersDict(MutableMapping[str, Any]):
    """One value a name, names in any case; iterates in order, with the case that was used first."""

    def __init__(self, given: Any = ()) -> None:
        self._items: dict[str, tuple[str, Any]] = {}
        self.update(given)

    def __getitem__(self, name: str) -> Any:
        return self._items[name.lower()][1]

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, (list, tuple)):
            value = value[0]
        spelled = self._items.get(name.lower(), (name,))[0]
        self._items[name.lower()] = (spelled, value)

    def __delitem__(self, name: str) -> None:
        del self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self._lower() == HeadersDict(other)._lower()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(dict(self.items()))

    def copy(self) -> HeadersDict:
        """Another one with the same content."""
        return HeadersDict(self)

    def _lower(self) -> dict[str, Any]:
        return {name: value for name, (_, value) in self._items.items()}


class PresentedRequest:
    """A request with the attributes of vcrpy's.

    Parameters
    ----------
    body:
        Bytes, or what becomes bytes: text, a file, an iterable of pieces; ``None`` for no body.
    """

    def __init__(self, method: str, uri: str, body: Any, headers: Any) -> None:
        self.method = method
        self.uri = uri
        self.body = body
        self.headers = headers

    @property
    def body(self) -> Any:
        """Bytes, or ``None``."""
        return self._body

    @body.setter
    def body(self, value: Any) -> None:
        if hasattr(value, "read"):
            value = value.read()
        if isinstance(value, str):
            value = value.encode("utf-8")
        self._body = value

    @property
    def body_bytes(self) -> Any:
        """The same."""
        return self._body

    @property
    def headers(self) -> HeadersDict:
        """One value a name, names in any case."""
        return self._headers

    @headers.setter
    def headers(self, value: Any) -> None:
        self._headers = value if isinstance(value, HeadersDict) else HeadersDict(value)

    @property
    def url(self) -> str:
        """Vcrpy's other name of ``uri``."""
        return self.uri

    @property
    def parsed_uri(self) -> SplitResult:
        """The URI taken apart."""
        return urlsplit(self.uri)

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return self.parsed_uri.scheme

    protocol = scheme

    @property
    def host(self) -> str | None:
        """In lower case, without the port."""
        return self.parsed_uri.hostname

    @property
    def port(self) -> int | None:
        """The scheme's own where the URI says none."""
        return self.parsed_uri.port or _PORTS.get(self.scheme)

    @property
    def path(self) -> str:
        """Of the URI."""
        return self.parsed_uri.path

    @property
    def query(self) -> list[tuple[str, str]]:
        """Names and values, sorted."""
        return sorted(parse_qsl(self.parsed_uri.query))

    def header(self, name: str) -> str:
        """The value of a header, or ``""``."""
        return str(self.headers.get(name, ""))

    def add_header(self, key: str, value: Any) -> None:
        """Vcrpy's old way to set a header."""
        warnings.warn("assign to request.headers instead", DeprecationWarning, stacklevel=2)
        self.headers[key] = value

    def _to_dict(self) -> dict[str, Any]:
        headers = {name: [value] for name, value in self.headers.items()}
        return {"method": self.method, "uri": self.uri, "body": self.body, "headers": headers}

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> PresentedRequest:
        return cls(**data)

    def __repr__(self) -> str:
        return f"<Request ({self.method}) {self.uri}>"


def presented(request: Request, empty: bytes | None = None) -> PresentedRequest:
    """A request in vcrpy's form; ``empty`` is what a request without a body has for one."""
    return PresentedRequest(request.method, request.url, request.body or empty, request.headers)


def understood(shown: Any, before: Request) -> Request:
    """What a hook returned, in our form.

    Raises
    ------
    UsageError
        When it is no request.
    """
    if not all(hasattr(shown, name) for name in ("method", "uri", "headers", "body")):
        raise UsageError(
            f"before_record_request returned {type(shown).__name__}, which is no request",
            hint="return the request, changed or not, or None to leave it out of the recording",
        )
    headers = before.headers
    if shown.headers != HeadersDict(headers):
        headers = tuple((str(name), _text(value)) for name, value in shown.headers.items())
    return replace(before, method=shown.method, url=shown.uri, headers=headers, body=_bytes(shown.body))


def response_dict(response: Response) -> dict[str, Any]:
    """A response in vcrpy's form, its body as it was on the wire."""
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": headers,
        "body": {"string": response.body.wire},
    }


def response_of(given: Any, before: Response) -> Response:
    """What a hook returned, in our form.

    Raises
    ------
    UsageError
        When it has not the form of vcrpy's responses.
    """
    try:
        code, message = given["status"]["code"], given["status"]["message"] or ""
        headers, body = given["headers"], _bytes(given["body"]["string"])
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"before_record_response returned {type(given).__name__} that is no response of vcrpy's form",
            hint="return the response, changed or not, or None to leave it out of the recording",
        ) from error
    after = replace(before, status=int(code), reason=str(message))
    if headers != response_dict(before)["headers"]:
        after = replace(after, headers=header_pairs(headers))
    if body == before.body.wire:
        return after
    return after.with_body(Body.from_wire(body, header(after.headers, "content-encoding")))


def header_pairs(given: Any) -> Headers:
    """Headers of vcrpy's form as pairs."""
    pairs = given.items() if hasattr(given, "items") else given
    return tuple(
        (str(name), _text(value))
        for name, values in pairs
        for value in (values if isinstance(values, (list, tuple)) else [values])
    )


def for_vcrpy(matcher: Callable[[Any, Any], object]) -> Callable[[Request, Request], object]:
    """A matcher of vcrpy's users, as ours are called."""

    @wraps(matcher)
    def matches(made: Request, recorded: Request) -> object:
        return matcher(presented(made), presented(recorded))

    return matches


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, io.BytesIO):
        return value.getvalue()
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else b"".join(value)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
