"""Secrets leave before anything is written, in both directions.

The same rules run on every request a test makes, recording or replaying, so a redacted recording
still matches. Everything is replaced by one constant: which key was used leaves no trace, not even
in a digest. `fields` knows secrets by their names, `declared` by their values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from . import fields
from .bodies import Body, media_type
from .declared import REDACTED, Declared
from .fields import plain_name
from .legacy import is_hash
from .matching import boundary_of
from .model import Failure, Headers, Interaction, Request, Response, header
from .sealed import look_inside
from .value_notation import JSON
from .value_redaction import redact

HEADERS = frozenset(
    "authorization proxy-authorization cookie set-cookie x-api-key api-key apikey x-auth-token x-access-token"
    " x-amz-security-token x-goog-api-key x-csrf-token x-xsrf-token x-vault-token x-session-token"
    " private-token x-gitlab-token ocp-apim-subscription-key authentication".split()
)
FIELDS = frozenset(
    "apikey xapikey apitoken apisecret authtoken accesstoken refreshtoken idtoken bearertoken sessiontoken"
    " token secret clientsecret secretkey secretaccesskey awssecretaccesskey privatekey accesskey password"
    " passwd pwd passphrase authorization credential credentials sessionid sessionkey jwt clientassertion"
    " xamzsignature xamzcredential xamzsecuritytoken xgoogsignature xgoogcredential signature sig".split()
)
ENV = re.compile(
    r"(?:^|_)(?:(?:api|access|auth|private|secret)?(?:key|token)|secrets?|password|passwd|pwd|credentials?|auth"
    r"|passphrase|dsn)(?:$|_)",
    re.I,
)

#: Servers that tell what they were asked (httpbin, error reports) name headers in their JSON.
_ECHOED = frozenset(plain_name(name) for name in HEADERS) - {"authentication"}
_COOKIE = re.compile(r'((?:^|;)\s*+)(?:([^=;]*+=)(?:"[^"]*+"|[^;])*+|[^;=]++)')
_USERINFO = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#]*@")
_HOST = re.compile(r"(?<=://)[^/?#]*")
_SCHEME = re.compile(r"(?:[A-Za-z][A-Za-z-]{0,30}|AWS4-[A-Z0-9-]+|SCRAM-[A-Z0-9-]+)(?= +\S)")
_TEXT = ("text/", "multipart/", "application/json", "application/xml", "application/x-www-form-urlencoded")
_SMALL = 2048  # characters; longer headers are not kept alive by the cache


@dataclass(frozen=True)
class Rules:
    """What counts as secret, on top of the default lists.

    Attributes
    ----------
    headers, query, fields, env:
        More names; any case, ``-`` and ``_`` alike.
    secrets:
        Values that are replaced wherever they occur.
    patterns:
        Regular expressions; what they match is replaced.
    """

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


class Redactor:
    """Applies :class:`Rules`. Idempotent: redacting twice is redacting once."""

    def __init__(self, rules: Rules = Rules()) -> None:
        self._headers = FIELDS | _names(HEADERS) | _names(rules.headers)
        self._query = FIELDS | _names(rules.query)
        self._fields = FIELDS | _ECHOED | _names(rules.fields)
        self._env = _names(rules.env)
        self._declared = Declared(rules.secrets, rules.patterns)
        self.url = lru_cache(maxsize=4096)(self._url)
        self._short_header = lru_cache(maxsize=4096)(self._header)

    @property
    def declares(self) -> bool:
        """Whether there are declared secrets or patterns."""
        return bool(self._declared)

    def is_secret_name(self, name: str) -> bool:
        """Whether the value of a field (of JSON, a form, an object) with this name is a secret."""
        return plain_name(name) in self._fields

    def request(self, request: Request) -> Request:
        """The request as it may be written down and is matched by."""
        body = self._body(Body(request.body), request.headers) if request.body else Body()
        headers = self.header_list(request.headers)
        named = request.legacy_hash, self.name(request.booktest_hash)
        return Request(request.method, self.url(request.url), headers, body.wire, *named)

    def name(self, name: str | int) -> str | int:
        """What booktest calls a request, which a function of a test's own may have made of anything."""
        if not name or isinstance(name, int) or is_hash(name):
            return name
        return self.url(name) if "://" in name else self.text(name)

    def interaction(self, item: Interaction) -> Interaction:
        """Both sides of an interaction; the request side is expected to be redacted already."""
        outcome = item.outcome
        if isinstance(outcome, Failure):
            return Interaction(item.request, self._failure(outcome))
        return Interaction(item.request, self.response(outcome))

    def response(self, response: Response) -> Response:
        """The response as it may be written down; Content-Length follows a changed body."""
        body = self._body(response.body, response.headers)
        if body is not response.body:
            response = response.with_body(body)
        return replace(
            response,
            reason=self._declared.header(response.reason),
            headers=self.header_list(response.headers),
            error=response.error and self._failure(response.error),
        )

    def header_list(self, headers: Headers) -> Headers:
        """Headers with the values of secret ones replaced; order and repeats stay."""
        return tuple(
            [self._short_header(pair) if len(pair[1]) < _SMALL else self._header(pair) for pair in headers]
        )

    def env_value(self, name: str, value: str) -> str:
        """The value of an environment variable as it may be written down."""
        if ENV.search(name) or plain_name(name) in self._env:
            return REDACTED
        return self._declared.text(self.url(value) if "://" in value else value)

    def body(self, content: bytes, content_type: str) -> bytes:
        """Content with secret fields and declared secrets replaced, every other byte as it was."""
        return self._declared.content(self._named(content, content_type))

    def encoded(self, data: JSON) -> JSON:
        """An encoded function value (see `values`) with secret fields and declared secrets replaced."""
        return redact(data, self.text, self.is_secret_name, REDACTED)

    def text(self, text: str) -> str:
        """Any text with declared secrets and patterns replaced."""
        return self._declared.text(text)

    def _body(self, body: Body, headers: Headers) -> Body:
        """The same object when there is nothing to redact."""
        content_type = header(headers, "content-type")
        # First inside: a compressor may leave a short secret in its output as it was.
        opened = look_inside(body.content, header(headers, "content-encoding") if body.coding is None else "")
        if opened is not None and (clean := self.body(opened.content, content_type)) != opened.content:
            closed = opened.closed(clean)
            return Body(closed.wire, body.coding) if body.coding else closed
        content = self.body(body.content, content_type)
        return body if content == body.content else Body(content, body.coding)

    def _named(self, content: bytes, content_type: str) -> bytes:
        """Content without the values that a name gives away as secret."""
        kind = media_type(content_type)
        if not _reads_as_text(kind, content):
            return content
        text = before = content.decode("utf-8", "surrogateescape")
        if kind == "application/x-www-form-urlencoded":
            text = fields.in_form(text, self.is_secret_name)
        elif kind.startswith("multipart/") and (boundary := boundary_of(content_type)):
            text = fields.in_multipart(text, boundary, self.is_secret_name)
        text = fields.in_json(text, self.is_secret_name)
        if self._declared.digits and ("{" in text or "[" in text):
            text = fields.numbers_in_json(text, self._declared.digits)
        text = fields.in_xml(text, self.is_secret_name)
        text = fields.in_urls(text, self._is_secret_query)
        return content if text == before else text.encode("utf-8", "surrogateescape")

    def _is_secret_query(self, name: str) -> bool:
        return plain_name(name) in self._query

    def _failure(self, failure: Failure) -> Failure:
        return Failure(failure.type, self.text(fields.in_urls(failure.message, self._is_secret_query)))

    def _url(self, url: str) -> str:
        url = _USERINFO.sub(rf"\1{REDACTED}@", url)
        url = _HOST.sub(lambda match: self._declared.host(match[0]), url, count=1)
        url, hash_mark, fragment = url.partition("#")
        path, mark, query = url.partition("?")
        query = fields.in_form(query, self._is_secret_query)
        return self.text(path + mark + query + fields.in_urls(hash_mark + fragment, self._is_secret_query))

    def _header(self, pair: tuple[str, str]) -> tuple[str, str]:
        name, value = pair
        plain = plain_name(name)
        if plain in ("cookie", "setcookie"):
            # A cookie keeps its name and attributes, so a replayed session still behaves like one.
            value = _COOKIE.sub(rf"\1\2{REDACTED}", value, count=1 if plain == "setcookie" else 0)
        elif plain in self._headers or plain.removeprefix("x") in FIELDS:
            scheme = _SCHEME.match(value) if plain.endswith("authorization") else None
            value = f"{scheme[0]} {REDACTED}" if scheme else REDACTED
        else:
            value = fields.in_urls(value, self._is_secret_query)
        return self._declared.header_name(name), self._declared.header(value)


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(plain_name, names))


def _reads_as_text(kind: str, content: bytes) -> bool:
    if kind.startswith(_TEXT) or kind.endswith(("+json", "+xml")) or content[:1] in (b"{", b"[", b"<"):
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
