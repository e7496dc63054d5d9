"""Digests: one spelling, checked whenever one is read."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.digest import BlobKey, Digest, Kind, short_hash
from booktest_cassettes.errors import IntegrityError

HEX = hashlib.sha256(b"data").hexdigest()


@given(st.binary())
def test_a_digest_is_the_sha256_of_the_bytes_and_is_read_back(data):
    digest = Digest.of(data)
    assert digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert Digest.parse(str(digest)) == digest
    assert digest.hex == hashlib.sha256(data).hexdigest()
    assert digest.short == digest.hex[:12]


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        "sha256:",
        "sha256:" + HEX[:-1],
        "sha256:" + HEX + "0",
        "sha256:" + HEX.upper(),
        "SHA256:" + HEX,
        "sha256: " + HEX,
        "sha256:" + HEX + "\n",
        "\nsha256:" + HEX,
        "sha512:" + HEX,
        "sha256:" + "g" * 64,
        "sha256:" + "\u0660" * 64,
        "x" * 10_000,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_any_other_spelling_is_refused(text):
    with pytest.raises(IntegrityError, match="not a digest") as caught:
        Digest.parse(text)
    assert len(caught.value.message) < 600


@given(st.text())
def test_no_text_crashes_the_reader(text):
    with suppress(IntegrityError):
        assert Digest.parse(text) == text


def test_a_digest_is_a_string_to_everything_else():
    digest = Digest.of(b"data")
    assert {digest: 1}[f"sha256:{HEX}"] == 1
    assert pickle.loads(pickle.dumps(digest)) == digest
    assert isinstance(pickle.loads(pickle.dumps(digest)), Digest)


@pytest.mark.parametrize("kind", Kind)
def test_a_key_has_the_path_of_the_design(kind):
    key = BlobKey(kind, Digest.of(b"data"))
    assert key.path == f"{kind.value}/sha256/{HEX[:2]}/{HEX}"
    assert str(key) == f"{kind.value} {HEX[:12]}"


def test_the_kinds_are_those_of_the_design():
    assert [kind.value for kind in sorted(Kind)] == ["env", "func", "http", "httpx"]


def test_keys_sort_and_compare():
    keys = [BlobKey(kind, Digest.of(data)) for kind in Kind for data in (b"a", b"b")]
    assert [key.kind for key in sorted(keys)] == sorted(key.kind for key in keys)
    assert len(set(keys)) == len(keys)


@given(st.text() | st.just("\ud800"), st.integers(1, 64))
def test_a_short_hash_takes_any_text(text, length):
    assert len(short_hash(text, length)) == length
    assert short_hash(text, length) == short_hash(text, 64)[:length]


def test_a_short_hash_is_the_same_in_every_process():
    script = "from booktest_cassettes.digest import short_hash; print(short_hash('text'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == short_hash("text")
