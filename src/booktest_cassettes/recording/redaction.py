"""Secrets leave before anything is written, in both directions.

The same rules run on every request a test makes, recording or replaying, so a redacted recording
still matches. Everything is replaced by one constant: which key was used leaves no trace, not even
in a digest.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from .bodies import Body, is_json, media_type
from .model import Failure, Headers, Interaction, Request, Response, header

REDACTED = "REDACTED"
_SHORTEST = 4  # characters; a shorter declared secret would tear ordinary text apart

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
    r"(?:^|_)(?:key|token|secret|secrets|password|passwd|pwd|credentials?|auth|passphrase|dsn)(?:$|_)", re.I
)

_STRING_FIELD = re.compile(r'"((?:[^"\\]|\\.){1,64})"(\s*:\s*)(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*)')
_PAIR = re.compile(r"([^&=;\s]+)=([^&;\s]*)")
_COOKIE = re.compile(r"([^=;\s]+)=(\"[^\"]*\"|[^;]*)")
_USERINFO = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#@]*@")
_URL_HEADERS = ("location", "content-location", "referer", "refresh", "link")
_TEXT = ("text/", "application/x-ndjson", "application/jsonl", "application/xml", "application/javascript")


def plain_name(name: str) -> str:
    """``X-Api_Key`` and ``xApiKey`` are one name: letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


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
        self._headers = HEADERS | {name.lower() for name in rules.headers}
        self._query = FIELDS | {plain_name(name) for name in rules.query}
        self._fields = FIELDS | {plain_name(name) for name in rules.fields}
        self._env = {name.upper() for name in rules.env}
        self._needles = _needles(rules.secrets)
        self._patterns = [re.compile(pattern) for pattern in rules.patterns]
        self.url = lru_cache(maxsize=4096)(self._url)

    def request(self, request: Request) -> Request:
        """The request as it may be written down and is matched by."""
        content_type = header(request.headers, "content-type")
        return Request(
            request.method,
            self.url(request.url),
            self.header_list(request.headers),
            self.body(request.body, content_type) if request.body else b"",
        )

    def interaction(self, item: Interaction) -> Interaction:
        """Both sides of an interaction; the request side is expected to be redacted already."""
        outcome = item.outcome
        if isinstance(outcome, Failure):
            return Interaction(item.request, self._failure(outcome))
        return Interaction(item.request, self.response(outcome))

    def response(self, response: Response) -> Response:
        """The response as it may be written down; Content-Length follows a changed body."""
        content = self.body(response.body.content, header(response.headers, "content-type"))
        headers = self.header_list(response.headers)
        error = response.error and self._failure(response.error)
        if content == response.body.content:
            return replace(response, headers=headers, error=error)
        body = Body(content, response.body.coding)
        headers = tuple(
            (name, str(len(body.wire))) if name.lower() == "content-length" else (name, value)
            for name, value in headers
        )
        return replace(response, headers=headers, body=body, splits=(), error=error)

    def header_list(self, headers: Headers) -> Headers:
        """Headers with the values of secret ones replaced; names, order and repeats stay."""
        return tuple((name, self._header(name.lower(), value)) for name, value in headers)

    def env_value(self, name: str, value: str) -> str:
        """The value of an environment variable as it may be written down."""
        if ENV.search(name) or name.upper() in self._env:
            return REDACTED
        return self.text(self.url(value) if "://" in value else value)

    def body(self, content: bytes, content_type: str) -> bytes:
        """Content with secret fields and declared secrets replaced, every other byte as it was."""
        if media_type(content_type) == "application/x-www-form-urlencoded":
            content = self._pairs(content.decode("latin-1"), self._fields).encode("latin-1")
        elif b'"' in content and _is_text(content_type, content):
            text = content.decode("utf-8", "surrogateescape")
            content = _STRING_FIELD.sub(self._field, text).encode("utf-8", "surrogateescape")
        return self._bytes(content)

    def json(self, value: Any) -> Any:
        """JSON data with secret fields and declared secrets replaced."""
        if isinstance(value, dict):
            return {
                key: REDACTED
                if isinstance(item, str) and plain_name(key) in self._fields
                else self.json(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        """Any text with declared secrets and patterns replaced."""
        for needle in self._needles:
            text = text.replace(needle, REDACTED)
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text

    def _bytes(self, content: bytes) -> bytes:
        for needle in self._needles:
            content = content.replace(needle.encode("utf-8", "surrogateescape"), REDACTED.encode())
        if self._patterns:
            text = content.decode("utf-8", "surrogateescape")
            content = self.text(text).encode("utf-8", "surrogateescape")
        return content

    def _failure(self, failure: Failure) -> Failure:
        return Failure(failure.type, self.text(failure.message))

    def _url(self, url: str) -> str:
        url = _USERINFO.sub(rf"\1{REDACTED}@", url)
        head, mark, query = url.partition("?")
        if mark:
            query, hash_mark, fragment = query.partition("#")
            query = self._pairs(query, self._query) + hash_mark + fragment
        return self.text(head + mark + query)

    def _pairs(self, text: str, names: Iterable[str]) -> str:
        def one(match: re.Match[str]) -> str:
            parsed = parse_qsl(f"{match[1]}=x")
            secret = parsed and plain_name(parsed[0][0]) in names
            return f"{match[1]}={REDACTED}" if secret else match[0]

        return _PAIR.sub(one, text)

    def _field(self, match: re.Match[str]) -> str:
        if plain_name(match[1]) not in self._fields:
            return match[0]
        return f'"{match[1]}"{match[2]}"{REDACTED}"'

    def _header(self, name: str, value: str) -> str:
        if name in ("cookie", "set-cookie"):
            return _cookie(name, value)
        if name in self._headers:
            scheme, space, _ = value.partition(" ")
            known = name.endswith("authorization") and space and scheme.lower() != "token"
            return f"{scheme} {REDACTED}" if known else REDACTED
        if name in _URL_HEADERS and urlsplit(value).query:
            return self.url(value)
        return self.text(value)


def _cookie(name: str, value: str) -> str:
    # A cookie keeps its name and attributes, so a replayed session still behaves like one.
    limit = 1 if name == "set-cookie" else 0
    return _COOKIE.sub(lambda match: f"{match[1]}={REDACTED}", value, count=limit)


def _is_text(content_type: str, content: bytes) -> bool:
    kind = media_type(content_type)
    if is_json(content_type) or kind.startswith(_TEXT):
        return True
    # Clients that post JSON without saying so are common; nothing else begins like this.
    return content[:1] in (b"{", b"[")


def _needles(secrets: Iterable[str]) -> list[str]:
    """Every spelling in which a declared secret may travel, longest first."""
    found: set[str] = set()
    for secret in secrets:
        if len(secret) < _SHORTEST or secret == REDACTED:
            continue
        raw = secret.encode("utf-8", "surrogateescape")
        found |= {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        found |= {json.dumps(secret, ensure_ascii=False)[1:-1]}
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found |= _base64_spellings(raw, encode(raw).decode())
    return sorted(found, key=lambda needle: (-len(needle), needle))


def _base64_spellings(raw: bytes, whole: str) -> set[str]:
    """The secret in base64: alone, and inside longer data at each of the three alignments."""
    found = {whole}
    translate = str.maketrans("+/", "-_") if "-" in whole or "_" in whole else {}
    for shift in range(3):
        inner = base64.b64encode(b"\0" * shift + raw).decode().translate(translate)
        # The first and last group mix in neighbours' bits; what lies between is the secret's own.
        start = -(-shift * 8 // 6) if shift else 0
        end = (shift + len(raw)) * 8 // 6
        core = inner[start:end]
        if len(core) >= 2 * _SHORTEST:
            found.add(core)
    return found
