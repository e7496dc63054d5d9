"""What a cassette holds: frozen values, the same for every HTTP client.

Header values and reasons are ``str`` by latin-1, so every byte that was on the wire has one spelling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .bodies import Body

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the client meant it: absolute URL, headers in order, body bytes.

    Attributes
    ----------
    legacy_hash:
        What booktest knew the request by, where it kept that instead of a body (see `legacy`).
    booktest_hash:
        What booktest itself finds the request by, where that cannot be told from what is kept here: it
        may be a number, as a test's own function makes it. Nothing here is matched by it.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""
    legacy_hash: str = ""
    booktest_hash: str | int = ""

    def header(self, name: str) -> str:
        """The first value of a header, or ``""``."""
        return header(self.headers, name)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception a client saw instead of (the rest of) a response.

    Attributes
    ----------
    type:
        Dotted path of the exception class, for example ``httpx.ConnectTimeout``.
    message:
        Its text.
    """

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Response:
    """One response.

    Attributes
    ----------
    headers:
        In wire order, with case and repeats.
    splits:
        Byte offsets into the wire body where a piece ended; only kept with ``chunks = "exact"``.
    cut:
        The client stopped reading here: what follows was never seen.
    error:
        What broke the body off after the bytes that are here.
    """

    status: int
    reason: str = ""
    http_version: str = "HTTP/1.1"
    headers: Headers = ()
    body: Body = Body()  # noqa: RUF009 - frozen, so one instance may be shared
    splits: tuple[int, ...] = ()
    cut: bool = False
    error: Failure | None = None

    def with_body(self, body: Body) -> Response:
        """The same response with another body; Content-Length follows it, ``splits`` cannot.

        Where the client saw less than was announced, what was missing stays missing.
        """
        length, before = len(body.wire), len(self.body.wire)
        partial = self.cut or self.error is not None
        headers = tuple(
            (name, str(length + (max(int(value) - before, 0) if partial else 0)))
            if name.lower() == "content-length" and value.isascii() and value.isdigit()
            else (name, value)
            for name, value in self.headers
        )
        return replace(self, headers=headers, body=body, splits=())


@dataclass(frozen=True, slots=True)
class Interaction:
    """One request and its outcome."""

    request: Request
    outcome: Response | Failure


def header(headers: Headers, name: str) -> str:
    """The first value of ``name`` (any case) in ``headers``, or ``""``."""
    wanted = name.lower()
    for key, value in headers:
        if key.lower() == wanted:
            return value
    return ""
