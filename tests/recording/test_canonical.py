"""Canonical JSON: one value, one text."""

from __future__ import annotations

import json
from collections import OrderedDict
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.recording import canonical

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


def test_what_fits_in_a_line_stands_on_one_line():
    assert canonical.dumps({"b": [1, "é"], "a": {}}) == '{\n  "a": {},\n  "b": [1, "é"]\n}\n'.encode()
    assert canonical.dumps(["x" * 40, "y" * 40]).count(b"\n") == 1
    assert canonical.dumps(["x" * 60, "y" * 60]).count(b"\n") == 4
    assert canonical.dumps(list(range(20))).count(b"\n") == 1
    assert canonical.dumps(list(range(40))).count(b"\n") == 42


@given(values)
def test_loading_what_was_dumped_gives_it_back(value):
    data = canonical.dumps(value)
    assert canonical.loads(data, name="x") == value
    assert canonical.dumps(canonical.loads(data, name="x")) == data
    assert json.loads(data) == value


@given(st.dictionaries(texts, values, max_size=5))
def test_order_and_type_of_containers_leave_no_trace(value):
    backwards = OrderedDict(reversed(list(value.items())))
    assert canonical.dumps(backwards) == canonical.dumps(value)
    assert canonical.dumps(tuple(value)) == canonical.dumps(list(value))


def test_keys_are_sorted_by_code_point():
    keys = ["\U0001f600", "\ufb01", "a", "B", "é", "", "\u2028"]
    text = canonical.dumps({key: [1, [2]] for key in keys}).decode()
    places = [text.index(json.dumps(key, ensure_ascii=False)) for key in sorted(keys)]
    assert places == sorted(places)


@pytest.mark.parametrize("text", ["\udcff", "a\udfff\ud800"])
def test_a_lone_surrogate_is_written_as_an_escape(text):
    data = canonical.dumps([text])
    assert data.isascii()
    assert canonical.loads(data, name="x") == [text]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        [float("-inf")],
        {"a": [float("nan"), [1]]},
        b"x",
        {1: 2},
        {None: [[1]]},
        {1, 2},
    ],
)
def test_what_is_not_json_is_not_written(value):
    with pytest.raises((TypeError, ValueError)):
        canonical.dumps(value)
    with pytest.raises((TypeError, ValueError)):
        canonical.dumps({"long": "x" * 200, "value": value})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a": 1, "a": 1}', "same key twice"),
        (b'[[{"a": {"b": 1, "b": 2}}]]', "same key twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"\xff", "utf-8"),
        (b"\xed\xa0\x80", "utf-8"),
        (b"[1] 2", "Extra data"),
        (b"", "Expecting value"),
        (b"[" * 100_000, "recursion"),
        (b"1" * 10_000, "4300 digits"),
        (b'"a\nb"', "Invalid control character"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_what_is_not_json_is_not_read(data, why):
    with pytest.raises(IntegrityError, match=f"^blob: not a snapshot: .*{why}"):
        canonical.loads(data, name="blob")


@given(st.binary())
def test_any_bytes_are_read_or_refused(data):
    with suppress(IntegrityError):
        canonical.loads(data, name="x")
