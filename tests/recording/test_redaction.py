"""Secrets leave before anything is written: by name, and declared ones wherever they occur."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import zlib
from urllib.parse import quote, quote_plus, unquote_to_bytes, urlencode

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.recording.normalisation import Normaliser
from booktest_cassettes.recording.redaction import REDACTED, Redactor, Rules
from booktest_cassettes.traffic import Cleaner

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SECRET = "s3cr3t/Värde+\"x\\y' z"
secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=12)


def redactor(*values: str, **rules: tuple[str, ...]) -> Redactor:
    return Redactor(Rules(secrets=values, **rules))


def recorded(item: Interaction, *values: str) -> bytes:
    """The blob of an interaction that was recorded with these secrets declared."""
    cleaner = Cleaner(Normaliser(), redactor(*values))
    clean = cleaner.interaction(Interaction(cleaner.request(item.request), item.outcome))
    return codec.dump_interactions(Kind.HTTP, [clean])


# -- promise 9: a declared secret is in no file ------------------------------------------------------

HEAD = (("Content-Type", JSON),)


def asked(body: bytes = b"", *headers: tuple[str, str], url: str = "https://api.test/v1") -> Interaction:
    return Interaction(Request("POST", url, headers, body), Response(204))


def answered(body: bytes, content_type: str = JSON, encoding: str = "") -> Interaction:
    headers = (("Content-Type", content_type), *((("Content-Encoding", encoding),) if encoding else ()))
    response = Response(200, "OK", headers=headers, body=Body.from_wire(body, encoding))
    return Interaction(Request("GET", "https://api.test/v1"), response)


def wire(text: str) -> str:
    """What a header value of these UTF-8 bytes is in the model."""
    return text.encode().decode("latin-1")


def latin_1(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def lower_hex(text: str) -> str:
    return re.sub("%..", lambda match: match[0].lower(), text)


def every_character_escaped(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02X}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def in_json(secret: str, *, ascii_only: bool = True) -> bytes:
    data = {"a": [{"note": f"is {secret}!"}], f"of {secret}": 1}
    return json.dumps(data, ensure_ascii=ascii_only).encode()


PLACES = {
    "URL path": lambda s: asked(url=f"https://api.test/u/{quote(s, safe='')}/x"),
    "URL path in lower-case hex": lambda s: asked(url=f"https://api.test/u/{lower_hex(quote(s, safe=''))}"),
    "URL path, every byte quoted": lambda s: asked(
        url="https://api.test/" + "".join(f"%{byte:02X}" for byte in s.encode())
    ),
    "URL query": lambda s: asked(url="https://api.test/?" + urlencode({"q": f"a {s} b"})),
    "URL query, quoted twice": lambda s: asked(url=f"https://api.test/?next={quote(quote(s, safe=''), safe='')}"),
    "URL query in latin-1": lambda s: asked(
        url="https://api.test/?q=" + quote(latin_1(s), safe="")
    ),
    "JSON in a URL query": lambda s: asked(url=f"https://api.test/?q={quote(json.dumps({'a': s}))}"),
    "URL login": lambda s: asked(url=f"https://me:{quote(s, safe='')}@api.test/"),
    "URL fragment": lambda s: asked(url=f"https://api.test/#{quote(s, safe='')}"),
    "URL as it is": lambda s: asked(url=f"https://api.test/{s}/x"),
    "request header": lambda s: asked(b"", ("X-Note", wire(f"is {s}."))),
    "request header in latin-1": lambda s: asked(b"", ("X-Note", s)),
    "Basic login": lambda s: asked(b"", ("X-Login", "Basic " + base64.b64encode(f"me:{s}".encode()).decode())),
    "cookie": lambda s: asked(b"", ("Cookie", f"a=b; c={quote(s)}")),
    "request JSON": lambda s: asked(in_json(s), *HEAD),
    "request form": lambda s: asked(urlencode({"a": f"{s}", "b": "c"}).encode(), ("Content-Type", FORM)),
    "gzip request": lambda s: asked(gzip.compress(in_json(s)), *HEAD, ("Content-Encoding", "gzip")),
    "broken gzip request": lambda s: asked(
        gzip.compress(in_json(s))[:-2], *HEAD, ("Content-Encoding", "gzip")
    ),
    "response header": lambda s: Interaction(
        Request("GET", "https://api.test/"),
        Response(200, wire(f"OK {s}"), headers=(("Location", f"/?next={quote(s, safe='')}"), (wire(s), "1"))),
    ),
    "cookie attribute": lambda s: Interaction(
        Request("GET", "https://api.test/"),
        Response(200, headers=(("Set-Cookie", f"{quote(s)}=1; Path=/{quote(s, safe='')}"),)),
    ),
    "JSON in ASCII": lambda s: answered(in_json(s)),
    "JSON in UTF-8": lambda s: answered(in_json(s, ascii_only=False)),
    "JSON with every character escaped": lambda s: answered(b'{"a":"%b"}' % every_character_escaped(s).encode()),
    "JSON with escaped slashes": lambda s: answered(in_json(s).replace(b"/", b"\\/")),
    "JSON safe for HTML": lambda s: answered(
        re.sub(rb"[<>&'+]", lambda match: b"\\u%04x" % ord(match[0]), in_json(s))
    ),
    "JSON in JSON": lambda s: answered(json.dumps({"body": json.dumps({"a": s})}).encode()),
    "JSON in JSON in JSON": lambda s: answered(
        json.dumps({"body": json.dumps({"body": json.dumps([s])})}).encode()
    ),
    "a URL in JSON": lambda s: answered(
        json.dumps({"next": f"https://api.test/?q={quote_plus(s)}"}).replace("/", "\\/").encode()
    ),
    "JSON that says it is text": lambda s: answered(in_json(s), "text/plain"),
    "JSON of no type": lambda s: answered(b" " + in_json(s), ""),
    "text": lambda s: answered(f"is {s}, says he".encode(), "text/plain"),
    "text in latin-1": lambda s: answered(
        latin_1(f"é is {s}"), "text/plain; charset=latin-1"
    ),
    "HTML": lambda s: answered(f"<p title='{html.escape(s)}'>".encode(), "text/html"),
    "XML in numbers": lambda s: answered(
        b"<a>" + "".join(f"&#{ord(char)};" for char in s).encode() + b"</a>", "application/xml"
    ),
    "binary": lambda s: answered(b"\x00\xff" + s.encode() + b"\xfe", "application/octet-stream"),
    "multipart": lambda s: answered(
        b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n" + s.encode() + b"\r\n--b--\r\n",
        "multipart/form-data; boundary=b",
    ),
    "event stream": lambda s: answered(
        b"data: " + json.dumps({"a": s}).encode() + b"\n\ndata: [DONE]\n\n", "text/event-stream"
    ),
    "JSON lines": lambda s: answered(
        b'{"a":1}\n' + json.dumps({"b": s}).encode() + b"\n", "application/x-ndjson"
    ),
    "gzip": lambda s: answered(gzip.compress(in_json(s)), encoding="gzip"),
    "deflate": lambda s: answered(zlib.compress(in_json(s)), encoding="deflate"),
    "gzip of two members": lambda s: answered(gzip.compress(in_json("no")) + gzip.compress(in_json(s)), encoding="gzip"),
    "gzip with something after it": lambda s: answered(gzip.compress(in_json(s)) + b"garbage", encoding="gzip"),
    "gzip that was cut": lambda s: answered(gzip.compress(in_json(s))[:-4], encoding="gzip"),
    "gzip that is damaged": lambda s: answered(gzip.compress(in_json(s))[:-8] + b"x" * 8, encoding="gzip"),
    "stacked codings": lambda s: answered(gzip.compress(zlib.compress(in_json(s))), encoding="deflate, gzip"),
    "a gzip file": lambda s: answered(gzip.compress(in_json(s)), "application/gzip"),
    "a gzip file in gzip": lambda s: answered(gzip.compress(gzip.compress(in_json(s))), encoding="gzip"),
    **{
        f"{name} at {shift}": lambda s, encode=encode, shift=shift: answered(
            json.dumps({"a": encode(b"+" * shift + s.encode() + b"tail").decode()}).encode()
        )
        for name, encode in (
            ("base64", base64.b64encode),
            ("URL-safe base64", base64.urlsafe_b64encode),
            ("folded base64", base64.encodebytes),
        )
        for shift in (0, 1, 2, 55)
    },
    "base64 of JSON": lambda s: answered(base64.b64encode(in_json(s)), "text/plain"),
    "base64 of latin-1": lambda s: answered(
        base64.b64encode(latin_1(f"me:{s}")), "text/plain"
    ),
    "base64 in a URL": lambda s: asked(
        url=f"https://api.test/?q={quote(base64.b64encode(s.encode()), safe='')}&r=1"
    ),
    "base64 with escaped slashes": lambda s: answered(
        json.dumps([base64.b64encode(s.encode()).decode()]).replace("/", "\\/").encode()
    ),
    "failure": lambda s: Interaction(
        Request("GET", "https://api.test/"), Failure("builtins.OSError", f"no {s} at /{quote(s)}")
    ),
    "failure, quoted by Python": lambda s: Interaction(
        Request("GET", "https://api.test/"), Failure("builtins.OSError", f"no {s!r} {s.encode()!r} {s!a}")
    ),
    "broken response": lambda s: Interaction(
        Request("GET", "https://api.test/"), Response(200, error=Failure("builtins.OSError", f"no {s}"))
    ),
}


def texts_of(blob: bytes) -> list[bytes]:
    """Everything a blob says, as bytes; bodies also as they are on the wire and decompressed."""
    (item,) = codec.load_interactions(blob, name="blob")
    request, outcome = item.request, item.outcome
    texts = [blob, request.url, request.body]
    pairs = [*request.headers]
    if isinstance(outcome, Failure):
        texts.append(outcome.message)
    else:
        pairs += outcome.headers
        texts += [outcome.reason, outcome.body.content, outcome.body.wire, outcome.error and outcome.error.message]
    texts += [part for pair in pairs for part in pair]
    found = [text.encode() if isinstance(text, str) else text for text in texts if text]
    found += [text.decode().encode("latin-1", "replace") for text in found if text.isascii() is False and is_utf8(text)]
    return found + [plain for text in found for plain in decompressed(text)]


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def decompressed(data: bytes) -> list[bytes]:
    found = []
    for window in (31, 15, -15):
        press = zlib.decompressobj(window)
        plain = bytearray()
        try:
            for byte in data:
                plain += press.decompress(bytes([byte]))
        except zlib.error:
            pass
        if plain:
            found += [bytes(plain), *decompressed(bytes(plain))]
        if window == 31 and press.eof and press.unused_data:
            found += decompressed(press.unused_data)
    return found


def readings(data: bytes) -> list[bytes]:
    """What the text could mean: a second implementation, for a check on the first."""
    text = data.decode("utf-8", "surrogateescape")
    plain = re.sub(
        r"((?:\\u[0-9a-fA-F]{4})+)|\\([\"\\/bfnrt])",
        lambda match: json.loads(f'"{match[0]}"'),
        text,
    )
    python = re.sub(
        r"\\x(..)|\\u(....)|\\U0(.{7})", lambda match: chr(int(match[match.lastindex], 16)), text
    )
    given = [
        unquote_to_bytes(data),
        plain.encode("utf-8", "surrogatepass" if "\\u" in text else "surrogateescape") if plain != text else data,
        *([python.encode("latin-1", "replace"), python.encode("utf-8", "replace")] if python != text else []),
        html.unescape(text).encode("utf-8", "surrogateescape") if "&" in text else data,
    ]
    unfolded = data.replace(b"\n", b"").replace(b"\\n", b"")
    for run in re.findall(rb"[A-Za-z0-9+/_-]{4,}", unfolded):
        for shift in range(4):
            whole = run[shift:].translate(bytes.maketrans(b"-_", b"+/"))
            given.append(base64.b64decode(whole + b"A" * (-len(whole) % 4)))
    return given


def reveals(blob: bytes, secret: str, depth: int = 3) -> bool:
    wanted = {secret.encode(), secret.encode("latin-1", "replace")}
    wanted = {needle for needle in wanted if b"?" not in needle or "?" in secret}
    seen: set[bytes] = set()
    layer = set(texts_of(blob))
    for _ in range(depth):
        if any(needle in text for needle in wanted for text in layer):
            return True
        seen |= layer
        layer = {text for data in layer for text in readings(data)} - seen
    return any(needle in text for needle in wanted for text in layer)


@pytest.mark.parametrize("place", PLACES)
def test_the_search_of_these_tests_finds_a_secret_that_is_not_declared(place):
    assert reveals(recorded(PLACES[place]("0bvious-Wört"), "other"), "0bvious-Wört") or place in (
        # These are secret by name already.
        "URL login",
        "cookie",
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_declared_secret_is_in_no_file(place):
    @settings(deadline=None, max_examples=60)
    @given(secret=secrets)
    @example(SECRET)
    @example("abcd")
    @example("\\\\\\\\")
    @example("a\\u0041b")
    @example("100%41&x=1")
    @example("-----BEGIN KEY-----\nabc\ndef\n-----END KEY-----")
    @example("\N{SNOWMAN}\N{GRINNING FACE}ä\x85")
    @example(" a  b+c ")
    @example("token")
    def check(secret):
        assume(secret.strip() not in REDACTED)
        assume(not reveals(recorded(PLACES[place](REDACTED)), secret))
        blob = recorded(PLACES[place](secret), secret)
        assert not reveals(blob, secret)

    check()
