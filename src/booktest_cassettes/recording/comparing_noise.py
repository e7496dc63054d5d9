"""Which differences nobody needs to look at.

A difference is noise where both values only say *when* something was recorded or *which* exchange it was:

- response headers that follow the body or the clock: ``content-length`` that is the body's length on both
  sides, ``etag``, ``last-modified``, ``expires``, ``age``, the values (not the attributes) of cookies where
  there is one on both sides (an empty one deletes the cookie), and those that normalisation replaces, in
  recordings that are older than its list; request headers that repeat them: ``if-none-match``,
  ``if-modified-since``, and those that normalisation drops;
- moments: ISO 8601 with a time of day, HTTP dates, Unix time in s, ms, us or ns between 2001 and 2100, under
  a name that says *when it happened* (``created_at``, ``updated``, ``timestamp``, ``iat``, ``expires``...).
  A moment under another name (``start``, ``due_date``, ``departure``) is what the answer is about. Both
  are written in one form: milliseconds for seconds, or a zone that is no longer said, break who reads them;
- opaque ids of one shape (both UUIDs, both hex of one length, both random text) under a name that says
  *which exchange* (``request_id``, ``trace``, ``nonce``, ``cursor``, ``etag``, ``next_page_token``...), and
  ids that an API makes for each answer, known by their beginning (``chatcmpl-``, ``msg_``, ``req_``...).

Everything else counts: ``id: 1 -> 2``, ``price``, ``count``, ``version``, a UUID under ``user_id``, and what
came or went.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from datetime import datetime
from email.utils import parsedate_to_datetime

from .fields import plain_name
from .normalisation import DROPPED_REQUEST_HEADERS, VOLATILE_RESPONSE_HEADERS

TIMESTAMP = "a timestamp"
ID = "an id of the exchange"
VOLATILE = "changes with every answer"
FOLLOWS = "follows the body"

_RESPONSE = frozenset(VOLATILE_RESPONSE_HEADERS) | {"etag", "last-modified", "expires", "age", "date"}
_REQUEST = frozenset(DROPPED_REQUEST_HEADERS) | {"if-none-match", "if-modified-since"}
_REQUEST_PREFIXES = tuple(name[:-1] for name in _REQUEST if name.endswith("*"))

_WHEN = frozenset(
    "ts time timestamp timestampms now servertime servertimestamp currenttime"
    " systemtime epoch epochms unixtime unixtimestamp created updated modified changed generated issued"
    " received processed fetched retrieved accessed refreshed lastmodified lastupdate lastupdated lastseen"
    " lastaccess lastlogin lastused lastchecked iat nbf exp expires expiry expiration expireson asof".split()
)
_HAPPENED = (
    "created updated modified changed generated issued received processed fetched retrieved accessed"
    " refreshed completed finished started queued logged recorded sent seen used checked synced cached"
    " rendered computed evaluated expires expire".split()
)
_HAPPENED_AT = re.compile(rf"(?:{'|'.join(_HAPPENED)})(?:at|on|time|timestamp|ts|date|datetime)(?:ms|utc)?\Z")
_ISO = re.compile(
    r"(\d{4}-?\d\d-?\d\d)([T ]\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?)\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?\Z"
)
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2,8}, \d\d?[ -][A-Z][a-z]{2}[ -]\d{2,4} \d\d:\d\d:\d\d\b")
_EARLIEST, _LATEST = 1e9, 4.1e9  # seconds: 2001 to 2099

_WHICH = frozenset(
    "requestid xrequestid reqid requestuuid correlationid xcorrelationid trace traceid tracingid traceparent"
    " xtraceid xamzntraceid spanid span parentspanid invocationid nonce cnonce cursor nextcursor prevcursor"
    " previouscursor startcursor endcursor nexttoken nextpagetoken pagetoken continuationtoken continuation"
    " etag csrf csrftoken xsrftoken idempotencykey systemfingerprint obfuscation".split()
)
_MADE = re.compile(r"(chatcmpl-|cmpl-|resp_|msg_|req_|call_|toolu_|srvtoolu_|rs_|fc_)[\w-]{8,}\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_HEX = re.compile(r"[0-9a-fA-F]{8,}\Z")
_OPAQUE = re.compile(r'(?:W/)?"?[\w+/=.~:-]{8,}"?\Z')
_COOKIE_TIME = re.compile(r";\s*(?:expires|max-age)\s*=[^;]*", re.IGNORECASE)


def of_header(side: str, name: str, old: str, new: str) -> str:
    """Why a header's other value is noise, or ``""``.

    Parameters
    ----------
    side:
        ``request`` or ``response``.
    name:
        In lower case.
    old, new:
        Its values.
    """
    if name in ("set-cookie", "cookie"):
        return VOLATILE if _cookie(name, old) == _cookie(name, new) else ""
    if side == "request":
        return (
            VOLATILE if name in _REQUEST or name.startswith(_REQUEST_PREFIXES) else of_value(name, old, new)
        )
    return VOLATILE if name in _RESPONSE else of_value(name, old, new)


def _cookie(name: str, value: str) -> tuple[object, ...]:
    """What counts in a cookie: its name, where it is sent, and whether it has a value at all."""
    if name == "cookie":
        return tuple(map(_named, value.split(";")))
    pair, _, attributes = value.partition(";")
    told = (part.partition("=") for part in _COOKIE_TIME.sub("", f";{attributes}").split(";"))
    return _named(pair), [(key.strip().lower(), rest.strip()) for key, _, rest in told if key.strip()]


def _named(pair: str) -> tuple[str, bool]:
    name, _, value = pair.partition("=")
    return name.strip(), bool(value.strip())


def of_value(name: str, old: object, new: object) -> str:
    """Why another value of a field (JSON, form, query, header) is noise, or ``""``.

    Parameters
    ----------
    name:
        The field's own name, without where it stands.
    old, new:
        Its values; booleans, objects and lists always count.
    """
    plain = plain_name(name)
    if _says_when(plain) and (form := _moment(old)) is not None and form == _moment(new):
        return TIMESTAMP
    if isinstance(old, str) and isinstance(new, str):
        if plain in _WHICH and _are_of_one_shape(old, new):
            return ID
        if plain == "id" or plain.endswith("callid"):
            mine, theirs = _MADE.match(old), _MADE.match(new)
            alike = mine and theirs and mine[1] == theirs[1] and _is_random(old) and _is_random(new)
            return ID if alike else ""
    return ""


def _says_when(name: str) -> bool:
    return name in _WHEN or bool(_HAPPENED_AT.search(name))


def _moment(value: object) -> Hashable | None:
    """How a value says a moment, ``None`` where it can be none.

    As a text with date and time of day, or as a number of seconds or of smaller units.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        units = (unit for unit in (1, 1e3, 1e6, 1e9) if _EARLIEST * unit <= value <= _LATEST * unit)
        unit = next(units, None)
        return unit and (type(value), unit)
    if not isinstance(value, str) or len(value) > 64:
        return None
    if found := _ISO.match(value):
        date, clock, zone = found.groups()
        return ("-" in date, clock[0], ":" in clock, bool(zone)) if _is_date(value) else None
    if value.replace(".", "", 1).isdigit() and value.isascii():
        number = _moment(float(value))
        return number and ("text", number)
    return "HTTP" if _HTTP_DATE.match(value) and _is_http_date(value) else None


def _is_http_date(value: str) -> bool:
    try:
        return bool(parsedate_to_datetime(value))
    except (ValueError, TypeError, OverflowError, IndexError):
        return False


def _is_date(value: str) -> bool:
    try:
        return datetime.strptime(value.replace("-", "")[:8], "%Y%m%d").year > 0  # noqa: DTZ007 - its day alone
    except ValueError:
        return False


def _are_of_one_shape(old: str, new: str) -> bool:
    if _UUID.match(old) or _UUID.match(new):
        return bool(_UUID.match(old) and _UUID.match(new))
    if _HEX.match(old) and _HEX.match(new):
        return len(old) == len(new)
    if not (_OPAQUE.match(old) and _OPAQUE.match(new)):
        return False
    long, short = max(len(old), len(new)), min(len(old), len(new))
    return short * 4 >= long * 3 and _is_random(old) and _is_random(new)


def _is_random(text: str) -> bool:
    """Whether letters and digits are mixed, as no word has them."""
    return any(char.isdigit() for char in text) and any(char.isalpha() for char in text)
