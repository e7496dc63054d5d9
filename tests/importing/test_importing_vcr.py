"""vcrpy's cassettes as people have them: every quirk, and everything that must be refused."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import zlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from vcr.request import Request as VcrRequest
from vcr.serialize import serialize
from vcr.serializers import jsonserializer, yamlserializer

from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.importing import vcr, yaml_reading
from booktest_cassettes.recording.model import Interaction, Response

CONTENT = b'{"name": "Ada", "list": [1, 2, 3]}' * 3


def cassette(request: str = "{}", response: str = "{}", *, before: str = "", after: str = "") -> bytes:
    """One exchange; both sides as YAML that is laid over a plain one."""
    asked = {"method": "GET", "uri": "http://a.test/", "body": None, "headers": {}}
    said = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "hello"}}
    lines = [f"{before}interactions:", "- request:"]
    for given_text, plain in ((request, asked), (response, said)):
        own = yaml.compose(given_text)
        names = {str(key.value) for key, _ in own.value}
        lines += [f"    {line}" for name, value in plain.items() if name not in names
                  for line in yaml.safe_dump({name: value}).splitlines()]  # fmt: skip
        if given_text != "{}":
            lines += [f"    {line}" for line in given_text.splitlines()]
        if plain is asked:
            lines.append("  response:")
    return "\n".join([*lines, "version: 1", after]).encode()


def one(data: bytes, name: str = "a.yaml") -> Interaction:
    found = vcr.read(data, name)
    assert len(found.interactions) == 1
    return found.interactions[0]


def response(data: bytes, name: str = "a.yaml") -> Response:
    outcome = one(data, name).outcome
    assert isinstance(outcome, Response)
    return outcome


def refusal(data: bytes, name: str = "a.yaml") -> str:
    with pytest.raises(IntegrityError) as caught:
        vcr.read(data, name)
    assert caught.value.message.startswith(name)
    return caught.value.message.removeprefix(name)


# -- what is taken ------------------------------------------------------------------------------------


@pytest.mark.parametrize("serializer", [yamlserializer, jsonserializer])
def test_what_vcrpy_writes_is_read_as_vcrpy_reads_it(serializer):
    request = VcrRequest("POST", "https://a.test/x?y=1", "né".encode(), {"Content-Type": "text/plain"})
    answer = {
        "status": {"code": 201, "message": "Created"},
        "headers": {"Set-Cookie": ["a=1", "b=2"], "X": ["y"]},
        "body": {"string": "né".encode()},
    }
    text = serialize({"requests": [request], "responses": [answer]}, serializer)
    item = one(text.encode(), "a.json" if serializer is jsonserializer else "a.yaml")
    assert (item.request.method, item.request.url) == ("POST", "https://a.test/x?y=1")
    assert item.request.headers == (("Content-Type", "text/plain"),)
    assert item.request.body == "né".encode()
    assert isinstance(item.outcome, Response)
    assert (item.outcome.status, item.outcome.reason) == (201, "Created")
    assert item.outcome.headers == (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X", "y"))
    assert item.outcome.body.wire == "né".encode()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("text/html", "text/html"),
        ("[text/html]", "text/html"),
        ("!!binary dGV4dC9odG1s", "text/html"),
        ("[!!binary dGV4dC9odG1s]", "text/html"),
        ("12", "12"),
        ("null", ""),
        ("'caf\\xe9'", "caf\\xe9"),
        ('"caf\\xe9"', "café"),
        ('"\\u20ac"', "€".encode().decode("latin-1")),
        ('"two\\r\\n lines"', "two lines"),
    ],
)
def test_a_header_value_in_any_form_is_one_line_of_text(written, value):
    assert response(cassette(response=f"headers: {{A: {written}}}")).headers == (("A", value),)


@pytest.mark.parametrize(
    "key",
    [
        "? !!python/object/new:multidict._multidict.istr [Content-Type]\n  : [a]",
        "? !!python/object/new:multidict.istr\n    args: [Content-Type]\n  : [a]",
        "? !!python/object/apply:multidict._istr.istr\n    - Content-Type\n  : [a]",
        "!!python/object:multidict.istr Content-Type: [a]",
        "!!python/unicode Content-Type: [a]",
        "!!binary Q29udGVudC1UeXBl: [a]",
    ],
)
def test_a_header_name_with_a_tag_of_python_is_text(key):
    assert response(cassette(response=f"headers:\n  {key}")).headers == (("Content-Type", "a"),)


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ("null", b""),
        ("''", b""),
        ("plain", b"plain"),
        ("!!binary AP8=", b"\x00\xff"),
        ("{string: text}", b"text"),
        ("{base64_string: AP8=}", b"\x00\xff"),
        ("{encoding: base64, string: AP8=}", b"\x00\xff"),
        ("{encoding: utf-8, string: text}", b"text"),
        ("!!python/object/new:_io.BytesIO {state: !!python/tuple [!!binary AP8=, 0, null]}", b"\x00\xff"),
        ("!!python/object/apply:builtins.iter {args: [[a, !!binary Yg==]]}", b"ab"),
    ],
)
def test_a_body_in_any_form_is_its_bytes(written, body):
    assert one(cassette(f"body: {written}")).request.body == body
    assert response(cassette(response=f"body: {written}")).body.wire == body


def test_a_parsed_body_is_written_as_json_again_on_both_sides():
    parsed = 'parsed_body: {a: [1, 2.5, null, true, "é"]}\nheaders: {content-type: application/json}'
    found = vcr.read(cassette(parsed, f"{parsed}\nbody: null"), "a.yaml")
    item = found.interactions[0]
    assert json.loads(item.request.body) == {"a": [1, 2.5, None, True, "é"]}
    assert isinstance(item.outcome, Response)
    assert json.loads(item.outcome.body.wire) == {"a": [1, 2.5, None, True, "é"]}
    assert found.notes == (f"2 bodies {vcr.PARSED}",)


def test_a_parsed_body_of_another_type_is_its_text():
    written = "parsed_body: 'data: x'\nbody: null\nheaders: {content-type: text/event-stream}"
    assert response(cassette(response=written)).body.wire == b"data: x"


@pytest.mark.parametrize(
    ("written", "status", "reason"),
    [
        ("status: {code: 404, message: Not Found}", 404, "Not Found"),
        ("status: {code: 404, message: null}", 404, ""),
        ("status: 404", 404, ""),
        ("status: '404'", 404, ""),
        ("status: null\nstatus_code: 404", 404, ""),
    ],
)
def test_a_status_in_any_form(written, status, reason):
    if "status_code" in written:
        written, data = "status_code: 404", cassette(response="status_code: 404")
        data = data.replace(b"    status:\n      code: 200\n      message: OK\n", b"")
    else:
        data = cassette(response=written)
    found = response(data)
    assert (found.status, found.reason) == (status, reason)


def test_the_old_httpx_stub_kept_its_response_otherwise():
    text = """\
interactions:
- request: {method: GET, uri: 'http://a.test/', body: '', headers: {}}
  response:
    content: '{"a": 1}'
    headers: {Content-Encoding: [gzip], Content-Length: ['999']}
    http_version: HTTP/2
    status_code: 200
version: 1
"""
    found = response(text.encode())
    assert (found.status, found.http_version, found.body.content) == (200, "HTTP/2", b'{"a": 1}')
    assert gzip.decompress(found.body.wire) == b'{"a": 1}'
    assert dict(found.headers)["Content-Length"] == str(len(found.body.wire))


OLD = """\
- request: !!python/object:vcr.request.Request
    body: null
    headers: !!python/object/apply:__builtin__.frozenset
    - - !!python/tuple [Accept, '*/*']
    host: a.test
    method: GET
    path: /get?b=1
    port: {port}
    protocol: https
  response:
    body: {{string: hello}}
    headers: ["Content-Type: text/plain\\r\\n", "X-A: b: c\\r\\n"]
    status: {{code: 200, message: OK}}
"""


@pytest.mark.parametrize(("port", "host"), [(443, "a.test"), (8443, "a.test:8443")])
def test_a_cassette_from_before_vcrpy_one(port, host):
    item = one(OLD.format(port=port).encode())
    assert item.request.url == f"https://{host}/get?b=1"
    assert item.request.headers == (("Accept", "*/*"),)
    assert isinstance(item.outcome, Response)
    assert item.outcome.headers == (("Content-Type", "text/plain"), ("X-A", "b: c"))


def test_aliases_are_followed_where_they_are_few():
    text = cassette("headers: &h {A: [b]}").replace(b"headers: {}", b"headers: *h")
    assert response(text).headers == (("A", "b"),)


def test_metadata_of_other_plugins_and_of_later_versions_is_passed_over():
    text = cassette("recorded: x", "url: y", before="recorded_with: z\nmeta: {a: [1]}\n")
    assert response(text).body.wire == b"hello"


@pytest.mark.parametrize("text", ["interactions: []\nversion: 1\n", "interactions: null\nversion: 1\n"])
def test_a_cassette_without_interactions_is_one(text):
    assert vcr.read(text.encode(), "a.yaml").interactions == ()


def test_a_byte_order_mark_is_none_of_the_content():
    assert response(b"\xef\xbb\xbf" + cassette()).status == 200


# -- compressed bodies ----------------------------------------------------------------------------------


def encoded(coding: str, content: bytes | str, **headers: str) -> bytes:
    body = content if isinstance(content, str) else f"!!binary {base64.b64encode(content).decode()}"
    more = "".join(f", {name.replace('_', '-')}: ['{value}']" for name, value in headers.items())
    return cassette(response=f"body: {{string: {body}}}\nheaders: {{Content-Encoding: [{coding}]{more}}}")


@pytest.mark.parametrize(
    ("coding", "wire"),
    [
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + gzip.compress(CONTENT)[10:]),
        ("deflate", zlib.compress(CONTENT)),
        ("deflate", zlib.compress(CONTENT)[2:-4]),
    ],
)
def test_a_raw_compressed_body_is_opened_and_stays_what_it_was_on_the_wire(coding, wire):
    found = response(encoded(coding, wire))
    assert (found.body.content, found.body.wire) == (CONTENT, wire)


@pytest.mark.parametrize(
    ("coding", "open_"),
    [("gzip", gzip.decompress), ("x-gzip", gzip.decompress), ("deflate", zlib.decompress)],
)
def test_a_body_that_was_decoded_under_its_header_is_decodable_again(coding, open_):
    found = vcr.read(encoded(coding, CONTENT, Content_Length="5"), "a.yaml")
    outcome = found.interactions[0].outcome
    assert isinstance(outcome, Response)
    assert open_(outcome.body.wire) == CONTENT
    assert outcome.headers == (("Content-Encoding", coding), ("Content-Length", str(len(outcome.body.wire))))
    assert found.notes == (f"1 body {vcr.AGAIN}",)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_a_decoded_body_that_cannot_be_encoded_here_loses_the_header(coding):
    found = vcr.read(encoded(f"'{coding}'", CONTENT, Content_Length="5"), "a.yaml")
    outcome = found.interactions[0].outcome
    assert isinstance(outcome, Response)
    assert outcome.body.wire == CONTENT
    assert outcome.headers == (("Content-Length", str(len(CONTENT))),)


def test_a_brotli_body_that_is_still_compressed_is_left_as_it_is():
    import brotli

    wire = brotli.compress(CONTENT)
    found = response(encoded("br", wire))
    assert (found.body.wire, found.headers) == (wire, (("Content-Encoding", "br"),))


def test_a_truncated_gzip_body_is_replayed_truncated():
    wire = gzip.compress(CONTENT)[:-9]
    assert response(encoded("gzip", wire)).body.wire == wire


def test_the_length_of_a_head_request_stays():
    data = cassette("method: HEAD", "headers: {Content-Length: ['1234']}\nbody: {string: ''}")
    assert response(data).headers == (("Content-Length", "1234"),)


def test_a_body_that_inflates_to_gigabytes_is_refused_before_it_is_opened():
    press = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    wire = b"".join([*(press.compress(zeros) for _ in range(300)), press.flush()])
    assert "fill the memory" in refusal(encoded("gzip", wire))


# -- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", ": is empty"),
        (b"   \n", ": is empty"),
        (b"# nothing\n", ":"),
        (b"hello", "no list of interactions"),
        (b"- 1\n", "no list of interactions"),
        (b"a: 1\n", "no list of interactions"),
        (b"interactions: {}\n", "no list of interactions"),
        (b"version: 1\ninteractions: [1]\n", ": interaction 1: no request"),
        (b"version: 1\ninteractions: [{request: {method: GET, uri: a}}]\n", "interaction 1: no response"),
        (cassette("method: 5"), "interaction 1: its method is no text"),
        (cassette("uri: null"), "interaction 1: its uri is no text"),
        (cassette(response="status: {code: many}"), "no status"),
        (cassette(response="status: 7"), "no status"),
        (cassette("headers: 3"), "headers are no mapping"),
        (cassette("body: 3"), "neither text nor bytes"),
        (cassette(before="version: 9\n").replace(b"\nversion: 1", b""), "version '9'"),
        (cassette(after="version: 1"), "'version' is there twice"),
        (cassette("method: GET\nmethod: PUT"), "'method' is there twice"),
        (cassette("headers: {<<: {a: b}}"), "merge key"),
        (cassette(after="---\na: 1"), "a second document"),
        (cassette()[:-60], "cut short"),
        (cassette()[: cassette().index(b"  response:")], "cut short"),
        (b"interactions:\n", "cut short"),
        (cassette().replace(b"GET", b"{GET"), "not valid YAML"),
        (cassette().replace(b"hello", b"\xff\xfe"), "not valid YAML"),
        (cassette().replace(b"hello", b"\0"), "binary data"),
        (cassette("? [a, b]\n: 1"), "a key that is a list"),
        (cassette("body: !!binary '*'"), "no base64"),
        (b"http_interactions: []\n", "betamax or of Ruby's VCR"),
        (b"a: &a [*a]\n", "stands for nothing, or for itself"),
        (b"a: *b\n", "stands for nothing"),
    ],
)  # fmt: skip
def test_what_is_no_cassette_is_refused_with_its_place(text, why):
    assert why in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        '!!python/object/apply:os.system ["touch {file}"]',
        "!!python/object/new:os.system {{args: ['touch {file}']}}",
        "!!python/object/apply:subprocess.check_output {{args: [[touch, '{file}']]}}",
        "!!python/name:os.system x",
        "!!python/module:antigravity x",
        "!!python/object:vcr.request.Request.evil {{}}",
        "!!python/object/apply:multidict.istr.evil [x]",
        "!!python/object/new:multidictX.istr [x]",
        "!mine x",
        "!<tag:example.org,2000:x> x",
    ],
)
def test_a_tag_that_could_run_code_is_refused_and_runs_none(text, tmp_path):
    file = tmp_path / "ran"
    assert "is not read: it could run code" in refusal(cassette(f"body: {text.format(file=file)}"))
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"interactions": [', "not valid JSON"),
        (b'{"interactions": [], "interactions": []}', "'interactions' is there twice"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"interactions": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"interactions": [' + b"9" * 5000 + b"]}", "400 digits"),
        (b'{"interactions": [' + b"1," * 9_000_000 + b"1]}", "more parts"),
        (b'{"interactions": [' + b"{}," * 3_000_000 + b"1]}", "more parts"),
    ],
)
def test_json_that_is_no_cassette_is_refused(text, why):
    assert why in refusal(text, "a.json")


def bomb() -> bytes:
    lines = ["interactions:", "- &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True):
        lines.append(f"- &{name} [{','.join([f'*{before}'] * 10)}]")
    return "\n".join(lines).encode()


def test_an_alias_bomb_is_refused():
    assert "alias bomb" in refusal(bomb())


def test_a_long_text_repeated_by_aliases_is_a_bomb_too():
    text = f"interactions: &a {'x' * 1_000_000}\n" + "".join(f"b{n}: *a\n" for n in range(200))
    assert "alias bomb" in refusal(text.encode())


def test_deep_nesting_is_refused():
    assert "nested more than" in refusal(b"interactions: " + b"[" * 100_000)


def test_a_file_beyond_the_limit_is_not_parsed():
    assert "recordings of up to" in refusal(b"interactions: [" + b"1," * (yaml_reading.LIMIT // 2))


_PROBE = """
import resource, sys
from pathlib import Path
from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.importing import vcr
data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    vcr.read(data, "a.yaml")
except IntegrityError:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bomb(), id="alias bomb"),
        pytest.param(b"interactions: " + b"[" * 1_000_000, id="depth"),
        pytest.param(
            b"interactions: [" + b"{}," * 2_100_000, id="millions of parts", marks=pytest.mark.nightly
        ),
    ],
)
def test_bad_input_takes_little_memory(data, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 300_000  # kilobytes


def _read_or_refused(data: bytes, name: str) -> str:
    """What the refusal says; its own name where there is none."""
    try:
        vcr.read(data, name)
    except IntegrityError as error:
        return error.message
    return name


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_crash(data):
    for name in ("a.yaml", "a.json", "a"):
        assert _read_or_refused(data, name).startswith(name)


@given(st.data())
def test_no_cut_or_flipped_byte_of_a_cassette_makes_the_reader_crash(data):
    text = bytearray(cassette("headers: {A: [b]}", "headers: {C: [d]}"))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    cut = bytes(text[: data.draw(st.integers(0, len(text)))])
    assert _read_or_refused(cut, "a.yaml").startswith("a.yaml")


_TEXT = st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda text: text != "<<")
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**15), 10**15), _TEXT, st.binary(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from("abc"), _VALUES, max_size=3))
def test_yaml_means_what_pyyaml_says_it_means(value):
    text = yaml.safe_dump(value, allow_unicode=True).encode()
    assert yaml_reading.read_yaml(text, "a.yaml") == yaml.safe_load(text)


def test_without_libyaml_the_same_is_read(monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert response(cassette()).body.wire == b"hello"
    assert "not valid YAML" in refusal(cassette() + b"]")
    assert "alias bomb" in refusal(bomb())


def test_every_note_is_without_values():
    secret = "s3cr3t-value"
    found = vcr.read(encoded("gzip", f"'{secret}'"), "a.yaml")
    assert all(secret not in note for note in found.notes)


def test_a_refusal_quotes_little_of_the_content():
    long = "k" * 900
    assert len(refusal(f"{long}: 1\n{long}: 2\n".encode())) < 200
