"""What changes on every request, and must not change a digest.

Re-recording against an unchanged API changes no manifest line, so values that only say *when* or
*which copy* are replaced by constants that a client can still parse. Request headers that describe
the machine rather than the question are dropped: nothing ever replays them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .bodies import Body
from .matching import boundary_of, with_fixed_boundary, without_boundary
from .model import Failure, Headers, Interaction, Request, Response, header

_EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"
_FAR = "Fri, 31 Dec 9999 23:59:59 GMT"
_ID = "00000000-0000-0000-0000-000000000000"

#: Request headers that are not written down (lower case; a trailing ``*`` stands for the rest).
DROPPED_REQUEST_HEADERS = (
    "accept-encoding amz-sdk-invocation-id amz-sdk-request b3 baggage connection content-length date host"
    " idempotency-key newrelic sentry-trace te traceparent tracestate transfer-encoding user-agent"
    " x-amz-content-sha256 x-amz-date x-amz-user-agent x-amzn-trace-id x-b3-* x-client-user-agent"
    " x-correlation-id x-datadog-* x-goog-api-client x-ms-client-request-id x-request-id x-stainless-*"
    " x-stripe-client-user-agent x-trace-id".split()
)

#: Response headers whose value is replaced, and by what.
VOLATILE_RESPONSE_HEADERS: dict[str, str] = {
    "age": "0",
    "alt-svc": "clear",
    "cf-ray": "0000000000000000-AAA",
    "date": _EPOCH,
    "nel": "{}",
    "report-to": "{}",
    "server-timing": "total;dur=0",
    **dict.fromkeys(
        (
            "anthropic-organization-id anthropic-workspace-id apim-request-id openai-organization"
            " openai-project request-id x-amz-cf-id x-amz-id-2 x-amz-request-id"
            " x-amzn-requestid x-amzn-trace-id x-b3-spanid x-b3-traceid x-cloud-trace-context"
            " x-correlation-id x-fastly-request-id x-github-request-id x-guploader-uploadid"
            " x-ms-request-id x-request-id x-trace-id x-vercel-id"
        ).split(),
        _ID,
    ),
    **dict.fromkeys(
        "openai-processing-ms x-envoy-upstream-service-time x-process-time x-response-time x-runtime".split(),
        "0",
    ),
    # Counters stand at a value from which no client backs off.
    **dict.fromkeys(
        (
            "ratelimit-remaining x-ratelimit-remaining x-rate-limit-remaining x-ratelimit-remaining-requests"
            " x-ratelimit-remaining-tokens x-ratelimit-remaining-project-tokens"
            " anthropic-ratelimit-requests-remaining anthropic-ratelimit-tokens-remaining"
            " anthropic-ratelimit-input-tokens-remaining anthropic-ratelimit-output-tokens-remaining"
            " anthropic-priority-input-tokens-remaining anthropic-priority-output-tokens-remaining"
        ).split(),
        "1000",
    ),
    **dict.fromkeys(
        (
            "ratelimit-reset x-ratelimit-reset x-rate-limit-reset x-ratelimit-used x-rate-limit-used"
            " anthropic-ratelimit-unified-reset anthropic-ratelimit-unified-5h-reset"
            " anthropic-ratelimit-unified-7d-reset anthropic-ratelimit-unified-5h-utilization"
            " anthropic-ratelimit-unified-7d-utilization"
        ).split(),
        "0",
    ),
    **dict.fromkeys(
        "x-ratelimit-reset-requests x-ratelimit-reset-tokens x-ratelimit-reset-project-tokens".split(), "0s"
    ),
    **dict.fromkeys(
        (
            "anthropic-ratelimit-requests-reset anthropic-ratelimit-tokens-reset"
            " anthropic-ratelimit-input-tokens-reset anthropic-ratelimit-output-tokens-reset"
            " anthropic-priority-input-tokens-reset anthropic-priority-output-tokens-reset"
        ).split(),
        "1970-01-01T00:00:00Z",
    ),
    **dict.fromkeys("x-cache x-cache-hits x-served-by x-timer x-varnish".split(), "0"),
}

_COOKIE_EXPIRES = re.compile(r"(;\s*expires\s*=\s*)([^;]+)", re.IGNORECASE)


class Normaliser:
    """Takes the volatile out of interactions.

    Parameters
    ----------
    volatile_headers:
        More names: dropped from requests; replaced by ``0`` in responses. A trailing ``*`` stands for
        the rest.
    """

    def __init__(self, volatile_headers: Iterable[str] = ()) -> None:
        extra = [name.lower() for name in volatile_headers]
        dropped = [*DROPPED_REQUEST_HEADERS, *extra]
        self._dropped = frozenset(name for name in dropped if not name.endswith("*"))
        self._prefixes = _prefixes(dropped)
        self._volatile = {**dict.fromkeys(extra, "0"), **VOLATILE_RESPONSE_HEADERS}
        self._volatile_prefixes = _prefixes(extra)

    def request(self, request: Request) -> Request:
        """The request without volatile headers, with a fixed multipart boundary and its body decoded.

        A compressed body says when it was compressed; nobody replays it, and its content is what a
        matcher compares and a person reviews.
        """
        headers = tuple([pair for pair in request.headers if self._stays(pair[0].lower())])
        body = Body.from_wire(request.body, request.header("content-encoding")).content
        content_type = request.header("content-type")
        if boundary_of(content_type):
            headers, body = _with_fixed_boundary(headers), without_boundary(content_type, body)
        named = request.legacy_hash, request.booktest_hash
        return Request(request.method, request.url, headers, body, *named)

    def interaction(self, item: Interaction) -> Interaction:
        """Both sides; the request side is expected to be normalised already."""
        if isinstance(item.outcome, Failure):
            return item
        return Interaction(item.request, self.response(item.outcome))

    def response(self, response: Response) -> Response:
        """The response with volatile header values, and a multipart body's boundary, replaced."""
        content_type = header(response.headers, "content-type")
        if boundary_of(content_type):
            content = without_boundary(content_type, response.body.content)
            if content != response.body.content:
                response = response.with_body(replace(response.body, content=content))
            response = replace(response, headers=_with_fixed_boundary(response.headers))
        now = _moment(header(response.headers, "date")) or datetime.now(UTC)
        headers = tuple([(name, self._value(name.lower(), value, now)) for name, value in response.headers])
        return replace(response, headers=headers)

    def _value(self, name: str, value: str, now: datetime) -> str:
        if name == "set-cookie":
            return _COOKIE_EXPIRES.sub(lambda match: match[1] + _instant(match[2], now), value)
        if name == "expires":
            return _instant(value, now)
        if name == "retry-after":  # a date never lies in the future when it is replayed
            return _EPOCH if _moment(value) else value
        if name.startswith(self._volatile_prefixes):
            return "0"
        return self._volatile.get(name, value)

    def _stays(self, name: str) -> bool:
        return name not in self._dropped and not name.startswith(self._prefixes)


def _prefixes(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name[:-1] for name in names if name.endswith("*"))


def _with_fixed_boundary(headers: Headers) -> Headers:
    return tuple(
        (name, with_fixed_boundary(value)) if name.lower() == "content-type" else (name, value)
        for name, value in headers
    )


def _instant(value: str, now: datetime) -> str:
    """An expiry moment by its sense: past stays past, future becomes the far future."""
    moment = _moment(value)
    if moment is None:  # "0", "-1": already expired, and constant
        return value
    return _FAR if moment > now else _EPOCH


def _moment(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value.strip())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
