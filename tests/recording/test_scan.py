"""A last look before approval: what still looks like a credential, and where."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.recording.redaction import Redactor, Rules
from booktest_cassettes.recording.scan import Finding, scan


def token(prefix: str, length: int, alphabet: str = "aB3dE6gH9") -> str:
    """Something that looks real; put together here so that no scanner of this repository minds."""
    return prefix + (alphabet * length)[:length]


CREDENTIALS = [
    ("AWS access key id", token("AKIA", 16, "A1B2C3D4")),
    ("AWS access key id", token("ASIA", 16, "Z9Y8")),
    *(("GitHub token", token(f"gh{kind}_", 36)) for kind in "pousr"),
    ("GitHub token", token("github_pat_", 40)),
    ("GitLab token", token("glpat-", 20)),
    *(("Slack token", token(f"xox{kind}-", 24)) for kind in "abeprs"),
    ("Slack webhook", token("https://hooks.slack.com/services/T0000AAA/B0000BBB/", 24)),
    ("Anthropic key", token("sk-ant-api03-", 60)),
    ("OpenAI key", token("sk-", 48)),
    ("OpenAI key", token("sk-proj-", 60)),
    ("Hugging Face token", token("hf_", 34)),
    ("Stripe key", token("sk_live_", 24)),
    ("Stripe key", token("rk_test_", 24)),
    ("SendGrid key", token(token("SG.", 22) + ".", 43)),
    ("npm token", token("npm_", 36)),
    ("PyPI token", token("pypi-", 60)),
    ("Google API key", token("AIza", 35)),
    ("Google access token", token("ya29.", 60)),
    ("Azure storage key", token("AccountName=x;AccountKey=", 86) + "=="),
    ("private key", "-----BEGIN PRIVATE KEY-----"),
    ("private key", "-----BEGIN RSA PRIVATE KEY-----"),
    ("private key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    ("private key", "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    ("JSON web token", ".".join((token("eyJ", 20), token("eyJ", 30), token("", 43)))),
    ("bearer credential", token("Bearer ", 24)),
    ("bearer credential", token("bearer  ", 24)),
    ("password in a URL", "postgres://user:hunter2@db.test/x"),
]


def blob(text: str) -> bytes:
    response = Response(200, headers=(("X-A", "1"),), body=Body(text.encode()))
    return codec.dump_interactions(Kind.HTTP, [Interaction(Request("GET", "https://a.test/"), response)])


@pytest.mark.parametrize(("label", "credential"), CREDENTIALS)
def test_each_kind_of_credential_is_found_where_it_stands_and_never_shown(label, credential):
    for text in (
        credential,
        f"key={credential}&x=1",
        f'{{"a": "{credential}"}}',
        f"first line\nsecond line: {credential}\nthird",
        f"\t{credential}",
        json.dumps({"a": f"line\n{credential}\n"}),
    ):
        data = blob(text)
        found = scan(data)
        lines = data.decode().split("\n")
        assert label in [finding.label for finding in found]
        assert all(credential in lines[finding.line - 1] for finding in found)
        assert credential not in repr(found)


@pytest.mark.parametrize("before", ["%3D", "next%3ftoken%3D", "a%20", "\\u003d", "\\\\u0000"])
def test_an_escape_right_before_a_credential_does_not_hide_it(before):
    assert scan(f'{{"text": "x{before}{token("ghp_", 36)}"}}'.encode()) == [Finding("GitHub token", 1)]


@pytest.mark.parametrize(("label", "credential"), CREDENTIALS)
def test_what_was_redacted_is_not_found(label, credential):
    secret = credential.removeprefix("Bearer ").strip() if "earer" in credential else credential
    redact = Redactor(Rules(secrets=(secret.removeprefix("bearer").strip(),)))
    assert scan(redact.body(blob(f"x {credential} y"), "")) == []


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer REDACTED",
        "Authorization: bearer REDACTED and more words",
        "https://REDACTED@db.test/x",
        "https://user:REDACTED@db.test/x",
        "api_key=REDACTED",
        'WWW-Authenticate: Bearer realm="example", error="invalid_token"',
        "The bearer authentication-scheme-is-described-elsewhere",
        "Send a Bearer token",
        "class=sk-circle-fade-dot-animation-delay-number",
        "risk-0123456789012345678901234567890123456789",
        "https://example.test:8080/path@here",
        "https://example.test/a:b@c",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "eyJhbGciOiJIUzI1NiJ9",
        "xAKIA1234567890123456",
        "AKIA12345678901234567",
        "ghp_short",
        "hf_transfer",
        "sk_live_",
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_what_only_resembles_a_credential_is_not_found(text):
    assert scan(blob(text)) == []


def test_every_finding_has_its_own_line_in_order():
    data = "\n".join(["x", CREDENTIALS[0][1], "", f"{CREDENTIALS[2][1]} {CREDENTIALS[0][1]}"]).encode()
    assert scan(data) == [
        Finding("AWS access key id", 2),
        Finding("AWS access key id", 4),
        Finding("GitHub token", 4),
    ]


def test_an_anthropic_key_is_not_an_openai_key():
    assert [finding.label for finding in scan(token("sk-ant-api03-", 60).encode())] == ["Anthropic key"]


@given(st.binary(max_size=200))
def test_any_bytes_are_scanned(data):
    scan(data)
    scan(base64.b64encode(data))


FLOODS = [
    "-eyJ",
    "eyJ",
    "\\neyJ",
    "bearer ",
    "Bearer 1",
    "sk-1",
    "sk-",
    "AKIA",
    "-----BEGIN ",
    "://a:",
    "xoxb-",
    "\n",
    "ghp_",
]


@pytest.mark.parametrize("unit", FLOODS)
def test_a_hostile_blob_of_megabytes_is_scanned_in_seconds(unit):
    began = time.process_time()
    scan((unit * (3_000_000 // len(unit))).encode())
    assert time.process_time() - began < 10


def test_many_findings_are_found_in_seconds():
    began = time.process_time()
    assert len(scan((CREDENTIALS[0][1] + "\n").encode() * 100_000)) == 100_000
    assert time.process_time() - began < 10
