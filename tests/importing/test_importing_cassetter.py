"""cassetter's format 1, in YAML and TOML, as 0.16 writes it; made here."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.importing import cassetter
from booktest_cassettes.recording.model import Response

YAML = dedent("""\
    version: 1
    interactions:
    - request:
        method: POST
        uri: http://api.test/echo?x=1&api_key=[FILTERED]
        headers:
          content-type:
          - application/json
          content-length:
          - "{asked}"
        body:
          type: json
          content:
            day: 2026-01-02
            clock: 12:30
            flag: null
            half: 2.5
            password: "[FILTERED]"
      response:
        status: 201
        headers:
          content-length:
          - "{said}"
          x-two:
          - "1"
          - "2"
        body:
          type: json
          content:
          - 1
          - "on"
      recorded_at: 2026-01-01T00:00:02.000000+00:00
    - request:
        method: GET
        uri: http://api.test/bytes
        headers: {{}}
        body:
          type: none
      response:
        status: 200
        headers:
          content-length:
          - "4"
        body:
          type: binary
          content: >-
            00ff0a0d
      recorded_at: 2026-01-01T00:00:01.000000+00:00
    - request:
        method: GET
        uri: http://api.test/text
        headers: {{}}
        body:
          type: none
      response:
        status: 204
        headers: {{}}
        body:
          type: text
          content: |
            a
            b
      recorded_at: 2026-01-01T00:00:03.000000+00:00
    """)
ASKED = {"day": "2026-01-02", "clock": "12:30", "flag": None, "half": 2.5, "password": "[FILTERED]"}


def read(text: str, name: str = "c.yaml") -> list:
    return list(cassetter.read(text.encode(), name).interactions)


def test_what_was_recorded_first_comes_first():
    items = read(YAML.format(asked=1, said=1))
    assert [item.request.url[16:] for item in items] == ["bytes", "echo?x=1&api_key=[FILTERED]", "text"]


def test_json_keeps_its_texts_and_is_spelled_compactly_where_nothing_says_otherwise():
    item = read(YAML.format(asked=999, said=999))[1]
    assert json.loads(item.request.body) == ASKED
    assert item.request.body == json.dumps(ASKED, separators=(",", ":")).encode()
    assert isinstance(item.outcome, Response)
    assert item.outcome.body.content == b'[1,"on"]'
    assert dict(item.outcome.headers)["content-length"] == "8"


@pytest.mark.parametrize("spelling", [{}, {"separators": (",", ":")}, {"indent": 2}])
def test_json_is_spelled_as_long_as_it_was(spelling):
    asked, said = json.dumps(ASKED, **spelling).encode(), json.dumps([1, "on"], **spelling).encode()
    item = read(YAML.format(asked=len(asked), said=len(said)))[1]
    assert item.request.body == asked
    assert item.outcome.body.content == said


def test_binary_text_and_repeated_headers_are_exact():
    items = read(YAML.format(asked=1, said=1))
    assert items[0].outcome.body.wire == b"\x00\xff\n\r"
    assert items[2].outcome.body.wire == b"a\nb\n"
    assert items[1].outcome.headers[1:] == (("x-two", "1"), ("x-two", "2"))
    assert [item.outcome.reason for item in items] == ["OK", "Created", "No Content"]


def test_toml_says_the_same():
    text = dedent("""\
        version = 1

        [[interactions]]
        recorded_at = "2026-01-01T00:00:02+00:00"

        [interactions.request]
        method = "POST"
        uri = "http://api.test/echo"
        body_type = "text"
        body_content = "a=1"

        [interactions.request.headers]
        content-type = ["application/x-www-form-urlencoded"]

        [interactions.response]
        status = 200
        body_type = "json"
        body_content = '{"a":1}'

        [interactions.response.headers]
        content-length = ["8"]
        """)
    (item,) = read(text, "c.toml")
    assert (item.request.method, item.request.body) == ("POST", b"a=1")
    assert item.outcome.body.content == b'{"a": 1}'


def test_what_is_no_http_is_counted_in_a_note():
    extra = "grpc_interactions:\n- request: {}\nws_interactions:\n- uri: ws://a.test\n- uri: ws://b.test\n"
    found = cassetter.read(b"version: 1\ninteractions: []\n" + extra.encode(), "c.yaml")
    assert found.interactions == ()
    assert [note.partition(" not")[0] for note in found.notes] == ["1 gRPC call", "2 WebSockets"]


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (b"version: 2\ninteractions: []\n", "c.yaml", "another version"),
        (b"version: 1\ninteractions: {}x\n", "c.yaml", "not valid YAML"),
        (b"version: 1\ninteractions: text\n", "c.yaml", "interactions must be a list"),
        (b"version: 1\ninteractions:\n- 1\n", "c.yaml", r"interactions\[0\]: an interaction must be"),
        (b"version: 1\nversion: 1\n", "c.yaml", "twice"),
        (b"a: !!python/object/apply:os.system ['true']\n", "c.yaml", "python"),
        (
            YAML.format(asked=1, said=1).replace("type: text", "type: video").encode(),
            "c.yaml",
            "unknown type",
        ),
        (YAML.format(asked=1, said=1).replace("00ff0a0d", "00f").encode(), "c.yaml", "hexadecimal"),
        (YAML.format(asked=1, said=1)[:-300].encode(), "c.yaml", "c.yaml"),
        (YAML.format(asked=1, said=1)[:-8].encode(), "c.yaml", "recorded_at is cut short"),
        (YAML.format(asked=1, said=1)[:-50].encode(), "c.yaml", "'recorded_at' is missing"),
        (b"version = 1\n[[interactions]\n", "c.toml", "not valid TOML"),
        (b"\xff\xfe", "c.toml", "UTF-8"),
        (b"version = 1\nversion = 1\n", "c.toml", "not valid TOML"),
    ],
)
def test_what_is_no_cassette_is_refused(data, name, why):
    with pytest.raises(IntegrityError, match=why) as caught:
        cassetter.read(data, name)
    assert caught.value.message.startswith(f"{name}:")
