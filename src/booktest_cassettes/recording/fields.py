"""Secret values by the names of their fields, in the text formats that bodies and URLs have.

Only the value is replaced: what stands around it stays byte for byte, so broken, cut and mixed texts
(event streams, JSON inside a JSON string) are treated like whole ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import unquote_plus

from .declared import REDACTED

_DEEPEST = 15  # backslashes before a quote: JSON in JSON in JSON in JSON in JSON
_JSON_NAME = re.compile(r'"((?:[^"\\\n]|\\{1,15}u[0-9a-fA-F]{4}){1,64})(\\{0,15})"\s*+:\s*+')
_JSON_NUMBER = r"-?\d[\d.eE+-]*+"
_XML_ELEMENT = re.compile(r"(<(?:[\w.-]{1,64}:)?([\w.-]{1,64})(?:\s[^<>]{0,512})?>)[^<]++</")
_URL_FIELD = re.compile(r"((?:[?&#]|&amp;|\\u0026)([\w.~%\[\]-]{1,64})=)((?:[^&;#\s\"'<>\\]|\\/)++)")
_URL_LOGIN = re.compile(r"://[^/?#\s\"'<>\\@:]*:[^/?#\s\"'<>\\]*@")
_PART_NAME = re.compile(r"[;\s]name=\"?([^\";\r\n]*)", re.IGNORECASE)
_SCORE_REACH = 256  # characters before a name in which its neighbour may stand
_ESCAPED_UNIT = re.compile(r"\\+u([0-9a-fA-F]{4})")

IsSecret = Callable[[str], bool]


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """``X-Api_Key`` and ``xApiKey`` are one name: letters and digits in lower case."""
    return re.sub(r"[\W_]", "", name.casefold()) or name


def in_form(text: str, is_secret: IsSecret) -> str:
    """An ``application/x-www-form-urlencoded`` text, or the query of a URL."""
    return "&".join(_form_field(part, is_secret) for part in text.split("&"))


def _form_field(part: str, is_secret: IsSecret) -> str:
    name, equals, _ = part.partition("=")
    if equals and is_secret(unquote_plus(name)):
        return f"{name}={REDACTED}"
    if ";" not in part:
        return part
    return ";".join(_form_field(inner, is_secret) for inner in part.split(";"))


def in_urls(text: str, is_secret: IsSecret) -> str:
    """Query fields and passwords of the URLs in a text."""
    if "://" in text:
        text = _URL_LOGIN.sub(f"://{REDACTED}@", text)
    if "=" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        return match[1] + REDACTED if is_secret(unquote_plus(match[2])) else match[0]

    return _URL_FIELD.sub(one, text)


def in_xml(text: str, is_secret: IsSecret) -> str:
    """The text of elements with a secret name."""
    if "</" not in text:
        return text
    return _XML_ELEMENT.sub(
        lambda match: f"{match[1]}{REDACTED}</" if is_secret(match[2]) else match[0],
        text,
    )


def in_multipart(text: str, boundary: str, is_secret: IsSecret) -> str:
    """The contents of form-data parts with a secret name."""
    mark = f"\r\n--{boundary}"
    parts = f"\r\n{text}".split(mark)
    return mark.join(_part(part, is_secret) for part in parts)[2:]


def _part(part: str, is_secret: IsSecret) -> str:
    head, gap, _ = part.partition("\r\n\r\n")
    name = _PART_NAME.search(head) if gap else None
    return head + gap + REDACTED if name and is_secret(name[1]) else part


# -- JSON --------------------------------------------------------------------------------------------


def in_json(text: str, is_secret: IsSecret) -> str:
    """JSON values under a secret name: strings and numbers, also those inside an object or a list.

    ``true``, ``false`` and ``null`` tell no secret and stay, and so does a language model's ``token``.
    """
    parts: list[str] = []
    done = walked = 0
    for match in _JSON_NAME.finditer(text) if '"' in text else ():
        if match.start() < walked or not is_secret(_unescaped(match[1])):
            continue
        found, end = _values(text, match.end(), match[2])
        if _is_scored(text, match, end):
            continue
        walked = end
        for start, end, replacement in found:
            parts += text[done:start], replacement
            done = end
    return "".join([*parts, text[done:]]) if parts else text


def numbers_in_json(text: str, digits: Sequence[str], escapes: int = 0) -> str:
    """JSON numbers that hold one of these runs of digits become text: JSON stays JSON.

    Parameters
    ----------
    text:
        What `in_json` takes.
    digits:
        The runs, longest first.
    escapes:
        Backslashes before each quote, where ``text`` is itself inside a JSON string.
    """
    if not any(run in text for run in digits):
        return text
    quote = "\\" * escapes + '"'

    def one(token: re.Match[str]) -> str:
        number, inner = token["number"], token["text"]
        if number and any(run in number for run in digits):
            return f"{quote}{REDACTED}{quote}"
        if inner and inner.startswith(("{", "[")) and escapes < _DEEPEST:
            return token[0].replace(inner, numbers_in_json(inner, digits, 2 * escapes + 1), 1)
        return token[0]

    return _token(escapes).sub(one, text)


def _unescaped(name: str) -> str:
    return _ESCAPED_UNIT.sub(lambda match: chr(int(match[1], 16)), name) if "\\" in name else name


def _is_scored(text: str, name: re.Match[str], end: int) -> bool:
    """Whether this is a word of a language model: a ``token`` with its ``logprob`` beside it.

    Only a string counts whose neighbour is a number of that name, at the next place or behind ``bytes``,
    as the APIs write them, or just before, as sorted keys have it.
    """
    if name[1] != "token":
        return False
    before, after = _score(len(name[2]))
    reach = max(0, name.start() - _SCORE_REACH)
    is_text = text.startswith(f'{name[2]}"', name.end())
    return is_text and bool(after.match(text, end) or before.search(text, reach, name.start()))


@lru_cache
def _score(escapes: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The neighbour that makes a token a word: the text before the name's quote, and after the value."""
    n = escapes
    quote = rf"\\{{{n}}}\""
    gap = rf"(?:\s|\\{{1,{n}}}[nrt])*+" if n else r"\s*+"  # in a JSON string, line ends are escaped
    score = rf"{quote}logprob{quote}{gap}:{gap}{_JSON_NUMBER}"
    numbers = rf"{quote}bytes{quote}{gap}:{gap}(?:null|\[[\d,\s\\nrt]{{0,4096}}+\]){gap},{gap}"
    return re.compile(rf"{score}{gap},{gap}\\{{{n}}}\Z"), re.compile(rf"{gap},{gap}(?:{numbers})?{score}")


def _values(text: str, position: int, escape: str) -> tuple[list[tuple[int, int, str]], int]:
    """Strings and numbers of the value at ``position``, with what replaces each, and where it ends."""
    found: list[tuple[int, int, str]] = []
    depth = 0
    for token in _token(len(escape)).finditer(text, position):
        if depth == 0 and token.start() != position:  # true, false, null
            return found, position
        if token["text"] is not None and not (depth and token["colon"]):
            found.append((*token.span("text"), REDACTED))
        elif token["number"]:
            found.append((*token.span("number"), f'{escape}"{REDACTED}{escape}"'))
        depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
        if depth <= 0:
            return found, token.end()
    return found, len(text)


@lru_cache
def _token(escapes: int) -> re.Pattern[str]:
    r"""Strings (those that are keys with their colon), numbers and brackets of JSON.

    JSON inside a JSON string has each quote behind one backslash, JSON inside that behind three: with
    ``n`` of them before a quote, ``n + 1`` are one backslash of the text meant, and fewer stand
    before a character that the outer text escapes.
    """
    n, whole = escapes, escapes + 1
    outer = rf"|\\{{1,{n}}}[^\"\\]" if n else ""
    content = rf"(?:[^\"\\]++|\\{{{whole}}}(?:\\{{{whole}}}|\\{{{n}}}\"{outer}|[^\"\\]){outer})*+"
    string = rf"\\{{{n}}}\"(?P<text>{content})(?:\\{{{n}}}\"(?P<colon>\s*+:)?)?"
    return re.compile(
        rf"{string}|(?<![\w.])(?P<number>{_JSON_NUMBER})|(?P<open>[\[{{])|(?P<close>[\]}}])", re.DOTALL
    )
