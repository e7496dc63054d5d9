"""How two exchanges differ, and which of them are called the same one."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from functools import partial
from urllib.parse import urlsplit

from . import comparing_noise as noise
from .compared import Difference
from .comparing_bodies import bodies
from .comparing_fields import fields
from .comparing_pairs import Words, words
from .matching import Matcher, parse_uri
from .model import Failure, Headers, Interaction, Request, Response

_matcher = Matcher()
_READ = 4_000  # bytes of a body
_CHANGING = re.compile(r"(?<=/)(?:\d+|[0-9a-fA-F-]{8,}|[\w-]*\d[\w-]{7,})(?=/|$)")


# -- which is which ----------------------------------------------------------------------------------


def by_request(item: Interaction) -> Hashable:
    """Equal for requests that replay takes for the same."""
    return _matcher.key(item.request)


def by_url(item: Interaction) -> Hashable:
    """Equal for requests of one method to one URL."""
    return item.request.method, parse_uri(item.request.url)


def by_path(item: Interaction) -> Hashable:
    """Equal for requests of one method to one path of a host, on whichever port."""
    uri = parse_uri(item.request.url)
    return item.request.method, uri.host, uri.path


def by_place(item: Interaction) -> Hashable:
    """Equal for requests of one method to one path anywhere, and to paths that differ in an id."""
    return item.request.method, _CHANGING.sub("*", parse_uri(item.request.url).path)


def read_words(item: Interaction) -> Words:
    """What an exchange is called alike by, among those of one place: all but where it went."""
    texts = [item.request.url.partition("?")[2], _start(item.request.body)]
    if isinstance(item.outcome, Failure):
        texts.append(item.outcome.type)
    else:
        texts += [str(item.outcome.status), _start(item.outcome.body.content)]
    return words(*texts)


def _start(body: bytes) -> str:
    return body[:_READ].decode("utf-8", "replace")


# -- in words ----------------------------------------------------------------------------------------


def title(item: Interaction) -> str:
    """The request line."""
    return f"{item.request.method} {item.request.url}"


def outcome(item: Interaction) -> str:
    """What came of it, in short."""
    if isinstance(item.outcome, Failure):
        return f"raised {item.outcome.type}"
    length = len(item.outcome.body.content)
    return ", ".join([_status(item.outcome), *([f"{length:,} bytes"] if length else [])])


def _status(response: Response) -> str:
    return f"{response.status} {response.reason}".rstrip()


# -- what differs ------------------------------------------------------------------------------------


def differences(old: Interaction, new: Interaction) -> Iterator[Difference]:
    """Everything that differs between two exchanges."""
    yield from _requests(old.request, new.request)
    mine, theirs = old.outcome, new.outcome
    if isinstance(mine, Response) and isinstance(theirs, Response):
        yield from _responses(mine, theirs)
    elif isinstance(mine, Failure) and isinstance(theirs, Failure):
        yield from _failures("raised", mine, theirs)
    else:
        yield Difference("outcome", _outcome(mine), _outcome(theirs))


def _outcome(outcome: Response | Failure) -> str:
    if isinstance(outcome, Response):
        return _status(outcome)
    return f"raised {outcome.type}: {outcome.message}"


def _failures(where: str, old: Failure | None, new: Failure | None) -> Iterator[Difference]:
    if old and new and old.type == new.type:
        yield from _one(f"{where} message", old.message, new.message)
    else:
        yield from _one(where, _failure(old), _failure(new))


def _failure(failure: Failure | None) -> str | None:
    return f"{failure.type}: {failure.message}" if failure else None


def _one(where: str, old: str | None, new: str | None) -> Iterator[Difference]:
    if old != new:
        yield Difference(where, old, new)


def _requests(old: Request, new: Request) -> Iterator[Difference]:
    yield from _one("method", old.method, new.method)
    yield from _one("request hash", _hash(old), _hash(new))
    yield from _urls(old.url, new.url)
    yield from _headers("request", (old.headers, new.headers), (len(old.body), len(new.body)))
    yield from bodies("request body", old.body, new.body, old.headers, new.headers)


def _hash(request: Request) -> str | None:
    """What booktest knows a request by, where it had to be kept."""
    return request.legacy_hash or str(request.booktest_hash) or None


def _urls(old: str, new: str) -> Iterator[Difference]:
    if old == new:
        return
    mine, theirs = parse_uri(old), parse_uri(new)
    found = [*_one("host", mine.text, theirs.text), *_one("path", mine.path, theirs.path)]
    found += fields("query", mine.query, theirs.query, noise.of_value)
    yield from found
    if not found:
        same = mine == theirs and _unmatched(old) == _unmatched(new)
        yield Difference("URL", old, new, "the same URL, written differently" if same else "")


def _unmatched(url: str) -> tuple[str, str]:
    """What no request is matched by: who asks, and the fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.netloc.rpartition("@")[0], parts.fragment


def _responses(old: Response, new: Response) -> Iterator[Difference]:
    if old.status != new.status:
        yield Difference("status", _status(old), _status(new))
    else:
        yield from _one("reason", old.reason, new.reason)
    yield from _one("HTTP version", old.http_version, new.http_version)
    lengths = len(old.body.wire), len(new.body.wire)
    yield from _headers("response", (old.headers, new.headers), lengths)
    yield from bodies("response body", old.body.content, new.body.content, old.headers, new.headers)
    yield from _coding(old, new)
    yield from _one("response pieces", _splits(old), _splits(new))
    yield from _one("response end", _end(old), _end(new))
    yield from _failures("response broken off", old.error, new.error)


def _splits(response: Response) -> str | None:
    return ", ".join(map(str, response.splits)) or None


def _end(response: Response) -> str | None:
    return "the client read no further" if response.cut else None


def _coding(old: Response, new: Response) -> Iterator[Difference]:
    mine, theirs = old.body.coding, new.body.coding
    if mine and theirs and mine.name == theirs.name:
        levels = [f"{one.name} level {one.level}, memory {one.memory}" for one in (mine, theirs)]
        if mine != theirs:
            yield Difference("response coding", levels[0], levels[1], "compressed differently")
    else:
        yield from _one("response coding", mine.name if mine else None, theirs.name if theirs else None)


def _headers(side: str, both: tuple[Headers, Headers], lengths: tuple[int, int]) -> Iterator[Difference]:
    old, new = both
    if old == new:
        return
    mine, theirs = ([(name.lower(), value) for name, value in headers] for headers in both)
    found = list(fields(f"{side} header", mine, theirs, partial(_header_noise, side, lengths)))
    yield from found
    if not found:  # the same values under the same names: spelled, or interleaved, in another way
        yield Difference(
            f"{side} headers", _spelled(old), _spelled(new), "the same headers, written differently"
        )


def _spelled(headers: Headers) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers)


def _header_noise(side: str, lengths: tuple[int, int], name: str, old: str, new: str) -> str:
    if name == "content-length":
        return noise.FOLLOWS if (old, new) == tuple(map(str, lengths)) else ""
    return noise.of_header(side, name, old, new)
