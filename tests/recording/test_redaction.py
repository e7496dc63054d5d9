"""Secrets leave before anything is written: by name, and declared ones wherever they occur."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import time
import zlib
from importlib import import_module
from urllib.parse import quote, quote_plus, unquote_to_bytes, urlencode

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body, Coding
from booktest_cassettes.recording.matching import Matcher
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.recording.normalisation import Normaliser
from booktest_cassettes.recording.redaction import ENV, FIELDS, HEADERS, REDACTED, Redactor, Rules
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
    "URL query, quoted twice": lambda s: asked(
        url=f"https://api.test/?next={quote(quote(s, safe=''), safe='')}"
    ),
    "URL query in latin-1": lambda s: asked(url="https://api.test/?q=" + quote(latin_1(s), safe="")),
    "JSON in a URL query": lambda s: asked(url=f"https://api.test/?q={quote(json.dumps({'a': s}))}"),
    "URL login": lambda s: asked(url=f"https://me:{quote(s, safe='')}@api.test/"),
    "URL fragment": lambda s: asked(url=f"https://api.test/#{quote(s, safe='')}"),
    "URL as it is": lambda s: asked(url=f"https://api.test/{s}/x"),
    "request header": lambda s: asked(b"", ("X-Note", wire(f"is {s}."))),
    "request header in latin-1": lambda s: asked(b"", ("X-Note", s)),
    "Basic login": lambda s: asked(
        b"", ("X-Login", "Basic " + base64.b64encode(f"me:{s}".encode()).decode())
    ),
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
    "JSON with every character escaped": lambda s: answered(
        b'{"a":"%b"}' % every_character_escaped(s).encode()
    ),
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
    "text in latin-1": lambda s: answered(latin_1(f"é is {s}"), "text/plain; charset=latin-1"),
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
    "gzip of two members": lambda s: answered(
        gzip.compress(in_json("no")) + gzip.compress(in_json(s)), encoding="gzip"
    ),
    "gzip with something after it": lambda s: answered(
        gzip.compress(in_json(s)) + b"garbage", encoding="gzip"
    ),
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
    "base64 of latin-1": lambda s: answered(base64.b64encode(latin_1(f"me:{s}")), "text/plain"),
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


#: Words of the format itself: a secret like this is in every blob.
WORDS = (
    "interactions request response headers method url body text lines base64 coding gzip zlib memory error"
)


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
        texts += [
            outcome.reason,
            outcome.body.content,
            outcome.body.wire,
            outcome.error and outcome.error.message,
        ]
    texts += [part for pair in pairs for part in pair]
    found = [text.encode() if isinstance(text, str) else text for text in texts if text]
    found += [
        text.decode().encode("latin-1", "replace")
        for text in found
        if text.isascii() is False and is_utf8(text)
    ]
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
    python = re.sub(r"\\x(..)|\\u(....)|\\U0(.{7})", lambda match: chr(int(match[match.lastindex], 16)), text)
    given = [
        unquote_to_bytes(data),
        plain.encode("utf-8", "surrogatepass" if "\\u" in text else "surrogateescape")
        if plain != text
        else data,
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
    @settings(max_examples=60)
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
        assume(secret.strip() not in REDACTED and secret not in WORDS)
        assume(not reveals(recorded(PLACES[place](REDACTED)), secret))
        blob = recorded(PLACES[place](secret), secret)
        assert not reveals(blob, secret)

    check()


@pytest.mark.parametrize("secret", ["abc", "", "     ", "REDA", "REDACTED", "ACTED"])
def test_too_short_a_secret_and_a_part_of_the_placeholder_tear_nothing_apart(secret):
    body = b"abc REDACTED acted      x"
    assert redactor(secret).body(body, "text/plain") == body


def test_a_secret_is_also_known_without_the_white_space_around_it():
    assert redactor("s3cr3t-key\n").url("https://api.test/s3cr3t-key/x") == "https://api.test/REDACTED/x"


def test_a_secret_that_does_not_go_away_takes_the_whole_text_with_it(monkeypatch):
    monkeypatch.setattr("booktest_cassettes.recording.declared._ROUNDS", 0)
    assert redactor("s3cr3t-key").body(b"a s3cr3t-key b", "text/plain") == b"REDACTED"
    assert redactor("s3cr3t-key").body(b"a b", "text/plain") == b"a b"


def test_a_header_that_is_not_latin_1_is_redacted_too():
    assert redactor("s3cr3t-\u20ac").header_list((("\u20ac s3cr3t-\u20ac", "\u20ac s3cr3t-\u20ac"),)) == (
        ("\u20ac REDACTED", "\u20ac REDACTED"),
    )


def test_a_secret_in_a_host_name_is_found_in_lower_case():
    assert redactor("AcMe-TeNaNt").url("https://acme-tenant.api.test/A") == "https://REDACTED.api.test/A"


def test_the_longer_of_two_secrets_goes_first():
    assert redactor("s3cr3t", "s3cr3t-and-more").text("s3cr3t-and-more s3cr3t") == "REDACTED REDACTED"


def test_a_number_that_is_a_secret_leaves_json():
    body = b'{"account": 123456789012, "text": "id:123456789012, x", "other": 5}'
    clean = redactor("123456789012").body(body, JSON)
    assert json.loads(clean) == {"account": "REDACTED", "text": "id:REDACTED, x", "other": 5}


@settings(max_examples=100)
@given(
    secret=st.text("abcXYZ019-_.", min_size=4, max_size=10),
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=8,
    ),
    ascii_only=st.booleans(),
)
def test_json_stays_json(secret, data, ascii_only):
    assume(secret not in REDACTED)
    whole = {
        "first": data,
        "password": data,
        "then": [f"<{secret}>", data],
        "api_key": secret,
        "pin": 12345678,
    }
    text = json.dumps({**whole, "in": json.dumps(whole)}, ensure_ascii=ascii_only)
    clean = json.loads(redactor(secret, "12345678").body(text.encode(), JSON))
    assert clean["then"][0] == "<REDACTED>"
    assert clean["api_key"] == "REDACTED"
    assert json.loads(clean["in"])["api_key"] == "REDACTED"


@settings(max_examples=200)
@given(
    before=st.binary(max_size=40),
    after=st.binary(max_size=40),
    content_type=st.sampled_from([JSON, "text/html", "text/event-stream", "image/png", ""]),
)
def test_what_is_not_secret_stays_byte_for_byte(before, after, content_type):
    redact = redactor("s3cr3t-value")
    assert redact.body(before, content_type) == before
    clean = redact.body(before + b" s3cr3t-value " + after, content_type)
    assert clean == before + b" REDACTED " + after


@settings(max_examples=50)
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_only_the_place_of_an_escaped_secret_changes(before, after):
    assume("\\" not in before + after)
    head, tail = json.dumps(before)[:-1], json.dumps(after)[1:]
    clean = redactor('a"b\\c').body((head + ' a\\"b\\\\c ' + tail).encode(), JSON)
    assert clean == (head + " REDACTED " + tail).encode()


def test_a_body_that_changed_takes_its_content_length_along():
    for body in (
        Body(b"key s3cr3t-key"),
        Body(b"key s3cr3t-key", Coding("gzip", 9)),
        Body(b"s3cr3t-key", Coding("zlib")),
    ):
        headers = (("content-LENGTH", str(len(body.wire))), ("ETag", "x"))
        clean = redactor("s3cr3t-key").response(Response(200, headers=headers, body=body, splits=(2,)))
        assert clean.headers == (("content-LENGTH", str(len(clean.body.wire))), ("ETag", "x"))
        assert clean.body.coding == body.coding
        assert clean.splits == ()


def test_what_a_cut_response_did_not_send_is_still_missing():
    response = Response(200, headers=(("Content-Length", "100"),), body=Body(b"s3cr3t-key"), cut=True)
    assert redactor("s3cr3t-key").response(response).headers == (("Content-Length", "98"),)


def test_a_body_without_secrets_keeps_its_length_and_its_splits():
    response = Response(200, headers=(("Content-Length", "7"),), body=Body(b"x"), splits=(1,))
    assert redactor("s3cr3t-key").response(response) == response


def test_a_sealed_body_is_only_opened_for_a_secret():
    sealed = gzip.compress(b"one") + gzip.compress(b"two")
    headers = (("Content-Encoding", "gzip"),)
    response = Response(200, headers=headers, body=Body.from_wire(sealed, "gzip"))
    assert redactor("s3cr3t-key").response(response).body.wire == sealed
    assert redactor("two-", "onetwo").response(response).body == Body(b"REDACTED", Coding("gzip"))


@pytest.mark.parametrize(("coding", "module"), [("br", "brotli"), ("zstd", "zstandard")])
def test_a_secret_in_a_body_that_only_a_library_can_open_goes_too(coding, module):
    library = import_module(module)
    pack = library.compress if coding == "br" else library.ZstdCompressor().compress
    unpack = library.decompress if coding == "br" else library.ZstdDecompressor().decompress
    response = Response(200, headers=(("Content-Encoding", coding),), body=Body(pack(b"a s3cr3t-key")))
    clean = redactor("s3cr3t-key").response(response)
    assert unpack(clean.body.wire) == b"a REDACTED"
    assert redactor("other-key").response(response) == response


# -- by name -----------------------------------------------------------------------------------------

SPELLINGS = (str.lower, str.upper, str.title, lambda name: name.replace("-", "_"))


@pytest.mark.parametrize("name", sorted(HEADERS))
@pytest.mark.parametrize("spell", SPELLINGS)
def test_a_secret_header_is_redacted_however_it_is_spelled(name, spell):
    ((_, value),) = redactor().header_list(((spell(name), "a=s3cr3t"),))
    assert "s3cr3t" not in value
    assert REDACTED in value


@pytest.mark.parametrize("name", ["Token", "X-Secret-Key", "X-Signature", "Signature", "password"])
def test_a_header_named_like_a_secret_field_is_redacted(name):
    assert redactor().header_list(((name, "s3cr3t"),)) == ((name, REDACTED),)


@pytest.mark.parametrize("name", ["X-My_Key", "x-my-key", "X_MY_KEY"])
def test_a_declared_header_is_redacted_however_it_is_spelled(name):
    assert redactor(headers=("X-My-Key",)).header_list(((name, "s3cr3t"),)) == ((name, REDACTED),)


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ("Bearer abc", "Bearer REDACTED"),
        ("bearer   abc", "bearer REDACTED"),
        ("Basic dTpw", "Basic REDACTED"),
        ("token abc", "token REDACTED"),
        ('Digest username="u", response="x"', "Digest REDACTED"),
        ("AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=y", "AWS4-HMAC-SHA256 REDACTED"),
        ("s3cr3t", "REDACTED"),
        ("sk-12 more", "REDACTED"),
        ("Bearer ", "REDACTED"),
        ("", "REDACTED"),
    ],
)
def test_authorization_keeps_its_scheme(value, clean):
    for name in ("Authorization", "proxy-authorization"):
        assert redactor().header_list(((name, value),)) == ((name, clean),)


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ("sid=abc; Path=/; HttpOnly; Max-Age=3", "sid=REDACTED; Path=/; HttpOnly; Max-Age=3"),
        ("sid=a=b==;Secure", "sid=REDACTED;Secure"),
        ('sid="a;b"; Path=/', "sid=REDACTED; Path=/"),
        ("sid=; Max-Age=0", "sid=REDACTED; Max-Age=0"),
        ("abc; Path=/", "REDACTED; Path=/"),
        ("=abc; Path=/", "=REDACTED; Path=/"),
        ('sid="abc', "sid=REDACTED"),
    ],
)
def test_a_set_cookie_keeps_its_name_and_attributes(value, clean):
    assert redactor().header_list((("Set-Cookie", value),)) == (("Set-Cookie", clean),)


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ("a=b; c=d", "a=REDACTED; c=REDACTED"),
        ("a=b;c=", "a=REDACTED;c=REDACTED"),
        ("lonely; a=b", "REDACTED; a=REDACTED"),
        ("a=b; ", "a=REDACTED; "),
        ('a="x;y"; c=d', "a=REDACTED; c=REDACTED"),
    ],
)
def test_cookies_keep_their_names(value, clean):
    assert redactor().header_list((("Cookie", value),)) == (("Cookie", clean),)


def test_headers_keep_order_case_and_repeats():
    headers = (("B", "1"), ("a", "2"), ("B", "3"), ("AUTHORIZATION", "x"), ("b", ""))
    assert redactor().header_list(headers) == (
        ("B", "1"),
        ("a", "2"),
        ("B", "3"),
        ("AUTHORIZATION", REDACTED),
        ("b", ""),
    )


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://me:pw@api.test/", "https://REDACTED@api.test/"),
        ("https://me:p@w@api.test/@x", "https://REDACTED@api.test/@x"),
        ("https://api.test/@me?x=@", "https://api.test/@me?x=@"),
        ("https://api.test/?api_key=abc&page=2", "https://api.test/?api_key=REDACTED&page=2"),
        ("https://api.test/?API%2DKEY=abc", "https://api.test/?API%2DKEY=REDACTED"),
        ("https://api.test/?access-token=a%26b&x", "https://api.test/?access-token=REDACTED&x"),
        ("https://api.test/?a=1;token=abc", "https://api.test/?a=1;token=REDACTED"),
        ("https://api.test/?token=a;b", "https://api.test/?token=REDACTED"),
        (
            "https://api.test/?X-Amz-Signature=1&X-Amz-Date=2",
            "https://api.test/?X-Amz-Signature=REDACTED&X-Amz-Date=2",
        ),
        ("https://api.test/#access_token=abc&state=1", "https://api.test/#access_token=REDACTED&state=1"),
        ("https://api.test/?q=a%20b+c&&=&", "https://api.test/?q=a%20b+c&&=&"),
    ],
)
def test_secrets_in_a_url_are_redacted_and_nothing_else_changes(url, clean):
    assert redactor().url(url) == clean


INNOCENT = (
    "next_page_token page_token max_tokens token_type tokens prompt_tokens key keys author signatures id"
)


@pytest.mark.parametrize("name", INNOCENT.split())
def test_names_that_only_look_secret_are_left_alone(name):
    redact = redactor()
    url = f"https://api.test/?{name}=abc"
    body = json.dumps({name: "abc", "in": {name: 1}}).encode()
    assert redact.url(url) == url
    assert redact.body(body, JSON) == body
    assert redact.body(f"{name}=abc".encode(), FORM) == f"{name}=abc".encode()
    assert redact.header_list(((f"X-{name}", "abc"),)) == ((f"X-{name}", "abc"),)


@pytest.mark.parametrize(
    "name", [*sorted(FIELDS), "apiKey", "API-Key", "x_api_key", "Client Secret", "set-cookie"]
)
def test_a_secret_field_is_redacted_wherever_it_stands_in_json(name):
    body = json.dumps({"a": [{name: "s3cr3t", "b": "c"}]}, indent=2).encode()
    assert redactor().body(body, JSON) == body.replace(b"s3cr3t", b"REDACTED")


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ('"s3cr3t"', '"REDACTED"'),
        ('"a\\"b\\\\"', '"REDACTED"'),
        ('""', '"REDACTED"'),
        ("1234", '"REDACTED"'),
        ("-1.5e+3", '"REDACTED"'),
        ("true", "true"),
        ("false", "false"),
        ("null", "null"),
        ('["a", 1, null, {"b": "c"}]', '["REDACTED", "REDACTED", null, {"b": "REDACTED"}]'),
        ('{"key": "v" , "n" :[ ] }', '{"key": "REDACTED" , "n" :[ ] }'),
        ('{"a": "]}", "b": "{["}', '{"a": "REDACTED", "b": "REDACTED"}'),
    ],
)
def test_json_values_of_every_type_under_a_secret_name(value, clean):
    text = '{"x": "y", "password" : %s, "z": "w", "n": 1}'
    assert redactor().body((text % value).encode(), JSON) == (text % clean).encode()


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        ('{"\\u0070assword": "x"}', '{"\\u0070assword": "REDACTED"}'),
        ('{"password": "hunt', '{"password": "REDACTED'),
        ('{"password": ["hunt", "er', '{"password": ["REDACTED", "REDACTED'),
        ('["password", ": ", "x"]', '["password", ": ", "x"]'),
        ('["a", ": ", {"password": "x"}]', '["a", ": ", {"password": "REDACTED"}]'),
        ('{"a": "say \\"", "password": "x"}', '{"a": "say \\"", "password": "REDACTED"}'),
        (
            'data: {"token": "a"}\n\ndata: {"token": "b"}\n\n',
            'data: {"token": "REDACTED"}\n\ndata: {"token": "REDACTED"}\n\n',
        ),
        ('{"token": "a"}\n{"token": 2}\n', '{"token": "REDACTED"}\n{"token": "REDACTED"}\n'),
        ('<script>var a = {"token": "a"}</script>', '<script>var a = {"token": "REDACTED"}</script>'),
    ],
)
def test_fields_are_found_in_cut_and_mixed_texts(body, clean):
    for content_type in (JSON, "text/event-stream", "text/html", ""):
        assert redactor().body(body.encode(), content_type) == clean.encode()


SCORED = [
    {
        "token": "Hi",
        "logprob": -0.31,
        "bytes": [72, 105],
        "top_logprobs": [{"token": "Ha", "logprob": -9999.0}],
    },
    {"token": '"}{ \\', "bytes": None, "logprob": 0},
    {"token": "é🦊", "bytes": [195, 169], "logprob": -1e-05, "top_logprobs": []},
    {"bytes": [72], "logprob": -0.5, "token": "H", "top_logprobs": []},
]


@pytest.mark.parametrize("scored", SCORED)
@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":"), "ensure_ascii": False}])
def test_the_token_of_a_language_model_is_no_secret(scored, layout):
    usage = dict.fromkeys(("max_tokens", "prompt_tokens", "completion_tokens", "input_tokens"), 5)
    text = json.dumps({"logprobs": {"content": [scored, scored]}, "usage": usage}, **layout)
    for _ in range(3):
        for body in (text, f"data: {text}\n\ndata: {text}\n\n"):
            assert redactor().body(body.encode(), "text/event-stream").decode() == body
        text = json.dumps({"arguments": text})


@pytest.mark.parametrize(
    "other",
    [
        {"token": "s3cr3t"},
        {"token": "s3cr3t", "logprob": None},
        {"token": "s3cr3t", "logprob": "-0.1"},
        {"token": "s3cr3t", "user": {"logprob": -0.1}},
        {"token": ["s3cr3t"], "logprob": -0.1},
        {"token": {"a": "s3cr3t"}, "logprob": -0.1},
        {"a": {"logprob": -0.1}, "token": "s3cr3t"},
        {"token": "s3cr3t", "a": '", "logprob": -0.1'},
        {"access_token": "s3cr3t", "logprob": -0.1},
        {"password": "s3cr3t", "bytes": None, "logprob": -0.1},
    ],
)
def test_any_other_token_is_a_secret(other):
    text = json.dumps({"a": other})
    for _ in range(3):
        assert redactor().body(text.encode(), JSON).decode() == text.replace("s3cr3t", "REDACTED")
        text = json.dumps({"arguments": text})


def test_a_declared_secret_is_no_word_of_a_language_model():
    body = b'{"token": "s3cr3t", "logprob": -0.1}'
    assert redactor("s3cr3t").body(body, JSON) == body.replace(b"s3cr3t", b"REDACTED")


def test_fields_are_found_in_json_inside_json():
    text = '{"password": "a\\"b\\\\", "n": {"token": [1, "x"]}, "max_tokens": 5}'
    clean = '{"password": "REDACTED", "n": {"token": ["REDACTED", "REDACTED"]}, "max_tokens": 5}'
    for _ in range(3):
        text, clean = json.dumps({"arguments": text}), json.dumps({"arguments": clean})
        assert redactor().body(text.encode(), JSON).decode() == clean


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        (b"user=me&password=p%26w&x=", b"user=me&password=REDACTED&x="),
        (b"pass%77ord=x", b"pass%77ord=REDACTED"),
        (b"client_secret=&a=b", b"client_secret=REDACTED&a=b"),
        (b"a=\xff&token=\xfe", b"a=\xff&token=REDACTED"),
    ],
)
def test_fields_of_a_form_are_redacted(body, clean):
    assert redactor().body(body, FORM) == clean


def test_parts_of_a_multipart_form_are_redacted():
    text = (
        '--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="token"\r\n\r\n\xff--b x\r\n--b--\r\n'
    )
    given, clean = (text % pair for pair in (("password", "hunter2\r\n2"), ("password", "REDACTED")))
    redact = redactor()
    kind = "multipart/form-data; boundary=b"
    assert redact.body(given.encode("latin-1"), kind) == clean.encode("latin-1")
    innocent = (text % ("page_token", "x")).encode("latin-1")
    assert redact.body(innocent, kind) == innocent


def test_elements_of_xml_are_redacted():
    text = "<r><Credentials><aws:SecretAccessKey a='b'>%s</aws:SecretAccessKey></Credentials><b>c</b></r>"
    assert redactor().body((text % "abc").encode(), "text/xml") == (text % REDACTED).encode()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://a.test/?page=2&api_key=abc", "https://a.test/?page=2&api_key=REDACTED"),
        ("https:\\/\\/a.test\\/?api_key=a\\/b", "https:\\/\\/a.test\\/?api_key=REDACTED"),
        ("https://a.test/?page=2\\u0026api_key=abc", "https://a.test/?page=2\\u0026api_key=REDACTED"),
        ("https://a.test/?page=2&amp;api_key=abc", "https://a.test/?page=2&amp;api_key=REDACTED"),
        ("postgres://me:pw@db/x", "postgres://REDACTED@db/x"),
        ("ssh://git@github.test/x", "ssh://git@github.test/x"),
    ],
)
def test_urls_that_an_answer_repeats_are_redacted(text, clean):
    redact = redactor()
    assert redact.body(f'{{"self": "{text}"}}'.encode(), JSON).decode() == f'{{"self": "{clean}"}}'
    link = f'<{text}>; rel="next", <https://b.test/?sig=x>; rel="last"'
    ((_, value),) = redact.header_list((("Link", link),))
    assert value == f'<{clean}>; rel="next", <https://b.test/?sig=REDACTED>; rel="last"'
    failed = Interaction(Request("GET", "https://a.test/"), Failure("builtins.OSError", f"no {text}"))
    assert redact.interaction(failed).outcome == Failure("builtins.OSError", f"no {clean}")


def test_location_is_redacted_with_and_without_a_host():
    for value in ("/cb?token=abc&x=1", "https://a.test/cb?token=abc&x=1", "https://a.test/cb#token=abc&x=1"):
        assert redactor().header_list((("Location", value),)) == (
            ("Location", value.replace("abc", REDACTED)),
        )


def test_more_names_are_declared_in_any_spelling():
    redact = redactor(query=("Sess-Id",), fields=("PIN code", "\u043f\u0430\u0440\u043e\u043b\u044c", "_"))
    assert redact.url("https://a.test/?sess_id=1&pin_code=2") == "https://a.test/?sess_id=REDACTED&pin_code=2"
    body = '{"pinCode": "x", "sess_id": 2, "\u041f\u0430\u0440\u043e\u043b\u044c": "x", "_": "x", "-": "z"}'
    assert redact.body(body.encode(), JSON).decode() == body.replace('"x"', '"REDACTED"')


def test_patterns_replace_what_they_match_everywhere():
    redact = redactor(patterns=(r"tk-\d+", "(?i)x*y?", "[A-Z]{2}"))
    response = Response(
        200, headers=(("X-A", "tk-12"),), body=Body(b'{"a": "tk-34", "b": "\xff"}'), reason="tk-5"
    )
    clean = redact.response(response)
    assert (clean.headers, clean.reason) == ((("X-A", REDACTED),), REDACTED)
    assert clean.body.content == b'{"a": "REDACTED", "b": "\xff"}'
    assert redact.response(clean) == clean


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("OPENAI_API_KEY", True),
        ("OPENAI_APIKEY", True),
        ("github_token", True),
        ("DB_PASSWORD", True),
        ("SENTRY_DSN", True),
        ("SECRETKEY", True),
        ("MONKEY", False),
        ("TOKENIZER", False),
        ("HOME", False),
    ],
)
def test_environment_variables_are_redacted_by_their_names(name, secret):
    assert bool(ENV.search(name)) is secret
    assert redactor().env_value(name, "abc") == (REDACTED if secret else "abc")


def test_environment_variables_are_redacted_by_what_they_hold():
    redact = redactor("s3cr3t-key", env=("MY_VAR",))
    assert redact.env_value("DATABASE_URL", "postgres://me:p@w@db/x") == "postgres://REDACTED@db/x"
    assert redact.env_value("CALLBACK", "https://a.test/?token=x&a=b") == "https://a.test/?token=REDACTED&a=b"
    assert redact.env_value("my_var", "x") == REDACTED
    assert redact.env_value("OTHER", "x s3cr3t-key \udcff") == "x REDACTED \udcff"


def test_encoded_values_are_redacted_by_name_and_value():
    data = {"a": ["s3cr3t-key", 1, None], "n": {"Api-Key": "y", "k": "z"}, "password": "x"}
    clean = {"a": [REDACTED, 1, None], "n": {"Api-Key": REDACTED, "k": "z"}, "password": REDACTED}
    assert redactor("s3cr3t-key").encoded(data) == clean
    assert redactor().is_secret_name("apiKey")
    assert not redactor().is_secret_name("api")


# -- twice is once -----------------------------------------------------------------------------------

PARTS = st.lists(
    st.sampled_from(
        [
            *'"\\{}[]:,&=;?#@<>/% ',
            "password",
            "token",
            "REDACTED",
            "s3cr3t-key",
            "1",
            "x",
            "://",
            "\n",
            "https://",
            "</a>",
            "&amp;",
        ]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=400)
@given(
    text=PARTS,
    url=PARTS,
    value=PARTS,
    content_type=st.sampled_from([JSON, FORM, "text/plain", "multipart/x; boundary=x"]),
)
def test_redacting_twice_is_redacting_once_so_that_a_replay_matches(text, url, value, content_type):
    redact = redactor("s3cr3t-key", '"x"')
    headers = (
        ("Content-Type", content_type),
        ("X-A", value),
        ("Authorization", value),
        ("Cookie", value),
        ("Set-Cookie", value),
    )
    once = redact.request(Request("POST", f"https://api.test/{url}", headers, text.encode()))
    assert redact.request(once) == once
    assert Matcher().key(redact.request(once)) == Matcher().key(once)
    answer = redact.response(Response(200, value, headers=headers, body=Body(text.encode())))
    assert redact.response(answer) == answer


def test_another_secret_gives_the_same_request():
    cleaners = [Cleaner(Normaliser(), redactor(secret)) for secret in ("first-key", "2nd/key+é")]
    seen = {
        cleaner.request(
            Request(
                "POST",
                f"https://api.test/{quote(secret, safe='')}?k={quote_plus(secret)}&api_key={quote(secret)}",
                (("Authorization", f"Bearer {wire(secret)}"), ("Content-Type", JSON)),
                json.dumps({"key": secret, "n": 1}).encode(),
            )
        )
        for cleaner, secret in zip(cleaners, ("first-key", "2nd/key+é"), strict=True)
    }
    assert len(seen) == 1


# -- hostile bodies ----------------------------------------------------------------------------------

FLOODS = (
    '" \\ \\" \\\\" "a": "password":" "password":[ "password":[true, "password":{"a": <a <a> :// ://a: %5C'
    ' %25 &amp; \\u005c ?a= & ; "\\u0061 "token":- \\" - 12345678, "[12345678,'
).split()


@pytest.mark.parametrize("unit", [*(text.encode() for text in FLOODS), b" ", b"a\n", b"\r\n--b", b"\xff"])
def test_a_hostile_body_of_megabytes_is_redacted_in_seconds(unit):
    redact = redactor(SECRET, "\\\\\\\\AAAA", "12345678", patterns=("tk-[0-9]+",))
    began = time.process_time()
    for content_type in (JSON, FORM, "multipart/form-data; boundary=b"):
        redact.body(unit * (1_000_000 // len(unit)), content_type)
    assert time.process_time() - began < 20  # under a second here; a quadratic step takes hours


@pytest.mark.parametrize("text", ['"\\u0000"', '"\\u0041a"', '"\\\\u0000"', '"x\\u00e9\\u0000041a"'])
def test_the_digits_of_an_escape_taken_for_a_secret_leave_json(text: str) -> None:
    clean = Redactor(Rules(secrets=("0000", "041a", "00e9"))).body(text.encode(), "application/json")
    assert "REDACTED" in json.loads(clean)
    assert not re.search(rb"0000|041a|00e9", clean)
