"""Secrets leave encoded values, and what is left still replays."""

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_values import (
    SOURCE,
    Color,
    Frozen,
    Money,
    Person,
    Picky,
    Point,
    Wrapping,
    any_value,
    containers,
    importable,
    leaves,
    same,
    short,
    tagged,
)

from booktest_cassettes.errors import UsageError
from booktest_cassettes.recording import values
from booktest_cassettes.recording.redaction import REDACTED, Redactor, Rules
from booktest_cassettes.recording.value_redaction import redact
from booktest_cassettes.recording.values import decode, encode, key_text, register

SECRET = "hünter2-\u20ac"  # in no base64, and other bytes in UTF-8 than characters
FIELDS = {"password", "token"}


def clean(data, secret=SECRET, placeholder=REDACTED):
    return redact(data, lambda text: text.replace(secret, placeholder), FIELDS.__contains__, placeholder)


def replayed(value, **options):
    """What a test sees in replay, after the data went through a file."""
    return decode(json.loads(json.dumps(clean(encode(value), **options), sort_keys=True)))


def texts(data):
    """Every text in encoded data, and what its base64 says."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from texts(item)
    elif isinstance(data, dict):
        if data.get("$type") in ("bytes", "bytearray", "str"):
            yield b64decode(data["value"]).decode("utf-8", "replace")
        for key, item in data.items():
            yield key
            yield from texts(item)


@dataclass
class Login:
    user: Any
    password: Any


@dataclass
class Checked:
    """Made only from what it expects."""

    token: Any
    size: int = 0

    def __post_init__(self):
        if not isinstance(self.token, int):
            raise TypeError("no int")
        self.size = self.token.bit_length()


# --- any value --------------------------------------------------------------------------------------

secret_texts = st.sampled_from([SECRET, f"a{SECRET}b", f"{SECRET}{SECRET}", f"\ud800{SECRET}", REDACTED])
secret_keys = st.one_of(
    secret_texts,
    secret_texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.tuples(secret_texts, secret_texts),
    st.frozensets(secret_texts, max_size=2),
    st.builds(Frozen, secret_texts),
    st.sampled_from(["password", "token", "$type", b"token", "zebra"]),
)
secret_leaves = st.one_of(
    leaves,
    secret_keys,
    st.binary(max_size=3).map(lambda head: bytearray(head + SECRET.encode() + b"\xff")),
    secret_texts.map(PurePosixPath),
    secret_texts.map(lambda text: datetime(2024, 1, 1, tzinfo=timezone(timedelta(1, -1), text))),
    secret_texts.map(lambda text: time(1, tzinfo=timezone(timedelta(0), text))),
    st.sets(secret_keys, max_size=4),
)


def secret_containers(inner):
    return st.one_of(
        containers(inner),
        st.dictionaries(secret_keys, inner, max_size=4),
        st.dictionaries(secret_keys, inner, max_size=4).map(OrderedDict),
        st.builds(Login, inner, inner),
        st.builds(Picky, inner, detail=inner),
        st.builds(lambda attributes: _with(ValueError(), attributes), st.dictionaries(secret_texts, inner)),
        secret_texts.map(lambda text: UnicodeDecodeError("utf-8", text.encode("utf-8", "replace"), 0, 1, "")),
        secret_texts.map(lambda text: OSError(2, text, Path(text))),
        inner.map(lambda item: ExceptionGroup(SECRET, [Wrapping(item)])),
    )


def _with(error, attributes):
    vars(error).update(attributes)
    return error


secretive = short(st.recursive(short(secret_leaves), secret_containers, max_leaves=12))


@given(any_value)
def test_a_value_without_secrets_stays_as_it_is(value):
    data = encode(value)
    again = redact(data, lambda text: text, lambda name: False, REDACTED)
    assert key_text(again) == key_text(data)
    assert same(decode(again), value)


@given(secretive)
def test_any_value_loses_its_secrets_and_still_replays(value):
    data = clean(encode(value))
    assert not [text for text in texts(data) if SECRET in text]
    assert key_text(data).encode("utf-8")
    decode(json.loads(key_text(data)))


@given(secretive)
def test_redacting_twice_is_redacting_once(value):
    data = clean(encode(value))
    assert clean(data) == data


@given(secretive)
def test_what_is_left_is_written_as_encode_would_write_it(value):
    data = clean(encode(value))
    assert key_text(encode(decode(data))) == key_text(data)


@given(
    any_value, st.sampled_from(["2024", "0", "a", "value", "class", "fields", "test_values", "T", "=", "$"])
)
def test_a_secret_that_looks_like_our_own_words_breaks_no_replay(value, secret):
    decode(clean(encode(value), secret=secret))


@given(secretive)
def test_the_data_handed_in_is_not_changed(value):
    data = encode(value)
    before = key_text(data)
    clean(data)
    assert key_text(data) == before


# --- secret fields ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    ["x", 1, 1.5, None, True, [1], {"a": 1}, b"x", (1,), Decimal(1), Point(1), Color.RED, float("nan")],
    ids=repr,
)
def test_the_whole_value_of_a_secret_field_goes_whatever_its_type(secret):
    assert clean(encode({"password": secret})) == {"password": REDACTED}
    assert replayed({"user": 1, "password": secret}) == {"user": 1, "password": REDACTED}
    assert replayed({1: 1, "password": secret}) == {1: 1, "password": REDACTED}
    assert replayed(OrderedDict(password=secret)) == OrderedDict(password=REDACTED)
    assert replayed(Login("ada", secret)) == Login("ada", REDACTED)


def test_a_secret_field_is_found_at_any_depth():
    value = {"a": [(Login({"token": 1}, 2),), {frozenset([Frozen("x", (Point({}),)[0].y)]): {"token": b"x"}}]}
    assert replayed(value)["a"][0] == (Login({"token": REDACTED}, REDACTED),)
    assert list(replayed(value)["a"][1].values()) == [{"token": REDACTED}]


def test_a_secret_field_is_found_under_a_key_of_bytes_or_beside_lone_surrogates():
    assert replayed({b"token": 1, b"other": 2}) == {b"token": REDACTED, b"other": 2}
    again = redact(encode({"\ud800": 1}), str, lambda name: name == "\ud800", REDACTED)
    assert decode(again) == {"\ud800": REDACTED}


def test_a_secret_attribute_of_an_exception_goes():
    error = Picky(7, detail={"token": "x"})
    error.token = 3
    again = replayed(error)
    assert (again.token, again.detail, again.code) == (REDACTED, {"token": REDACTED}, 7)


def test_a_dataclass_that_would_refuse_the_placeholder_is_made_past_its_checks():
    again = replayed(Checked(300))
    assert (type(again), again.token, again.size) == (Checked, REDACTED, 9)


def test_a_model_loses_secret_fields_and_extras():
    pydantic = import_module("pydantic")

    class Account(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        name: str
        password: int
        when: Any = None

    with importable(Account):
        value = Account(name=f"ada {SECRET}", password=1, token=[2], **{SECRET: 3})
        again = replayed(value)
    assert (again.name, again.password, again.token) == (f"ada {REDACTED}", REDACTED, REDACTED)
    assert again.model_extra == {"token": REDACTED, REDACTED: 3}
    assert again.model_fields_set == {"name", "password", "token", REDACTED}


def test_the_names_of_parts_inside_a_codec_are_no_fields():
    value = [timedelta(1), datetime(2024, 1, 1, tzinfo=UTC, fold=1), Color.RED]
    names = {"seconds", "fold", "local", "tzinfo", "name", "class", "value", "$type"}
    assert redact(encode(value), str, names.__contains__, REDACTED) == encode(value)


# --- declared secrets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"a {SECRET}", f"a {REDACTED}"),
        (f"\ud800{SECRET}", f"\ud800{REDACTED}"),
        (SECRET.encode(), REDACTED.encode()),
        (b"\xff" + SECRET.encode() + b"\xc3", b"\xff" + REDACTED.encode() + b"\xc3"),
        (bytearray(SECRET.encode()), bytearray(REDACTED.encode())),
        ((SECRET, {SECRET}), (REDACTED, {REDACTED})),
        ({SECRET: 1}, {REDACTED: 1}),
        ({(SECRET, 1): 1}, {(REDACTED, 1): 1}),
        (PurePosixPath(f"/home/{SECRET}/x"), PurePosixPath(f"/home/{REDACTED}/x")),
        (Person(SECRET), Person(REDACTED)),
        (Point(SECRET), Point(REDACTED)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_declared_secret_goes_wherever_text_may_stand(value, expected):
    assert same(replayed(value), expected)


def test_a_declared_secret_goes_from_bytes_in_latin_1():
    assert replayed(b"\xff p\xe4ss", secret="päss") == b"\xff REDACTED"


def test_bytes_stay_bytes_when_the_placeholder_fits_no_latin_1():
    assert replayed(b"p\xe4ss", secret="päss", placeholder="\u2022") == "\u2022".encode()


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        (datetime(2024, 1, 1, tzinfo=UTC), "2024"),
        (datetime(2024, 1, 1, tzinfo=timezone(timedelta(0), SECRET)), SECRET),
        (datetime(2024, 1, 1, tzinfo=timezone(timedelta(0), f"\ud800{SECRET}")), SECRET),
        (timezone(timedelta(0), SECRET), SECRET),
        (Decimal("12345.6"), "2345"),
        (UUID(int=1), "0001"),
        (float("inf"), "inf"),
        (2**3000, "0x10000"),
    ],
    ids=repr,
)
def test_what_has_to_parse_is_replaced_as_a_whole(value, secret):
    assert replayed([value, 1], secret=secret) == [REDACTED, 1]
    assert replayed(Login(value, 1), secret=secret).user == REDACTED


def test_names_from_source_code_stay():
    for secret in ("test_values", "Person", "name", "RED"):
        assert replayed([Person("ada"), Color.RED], secret=secret, placeholder="x") == [
            Person("ada"),
            Color.RED,
        ]


def test_two_keys_that_become_one_are_numbered():
    value = {f"{SECRET}": 1, f"a{SECRET}": 2, REDACTED: 3, f"a{REDACTED}": 4}
    assert replayed(value) == {"REDACTED-2": 1, "aREDACTED-2": 2, "REDACTED": 3, "aREDACTED": 4}
    assert replayed({(SECRET,): 1, (REDACTED,): 2}) == {"REDACTED-2": 1, (REDACTED,): 2}


def test_two_secret_keys_that_become_one_are_numbered():
    def text(text):
        return REDACTED if text in ("one", "two", "three") else text

    data = redact(encode({"one": 1, "three": 3, "two": 2}), text, FIELDS.__contains__, REDACTED)
    assert decode(data) == {"REDACTED": 1, "REDACTED-2": 3, "REDACTED-3": 2}


def test_a_dict_keeps_its_order_when_its_keys_change():
    value = {f"a{SECRET}": 1, "b": 2}
    assert list(replayed(value, secret=f"a{SECRET}", placeholder="z")) == ["z", "b"]
    value = {f"z{SECRET}": 1, "b": 2}
    assert clean(encode(value), secret=f"z{SECRET}", placeholder="a") == {"a": 1, "b": 2}


def test_equal_members_of_a_set_become_one():
    value = {f"{SECRET}", REDACTED, float("nan"), float("nan")}
    assert clean(encode(value)) == tagged("set", [REDACTED, tagged("float", "nan"), tagged("float", "nan")])


def test_members_of_a_set_and_attributes_stay_in_order_when_they_change():
    assert clean(encode({"zz", "b"}), secret="zz", placeholder="a") == tagged("set", ["a", "b"])
    error = _with(ValueError(), {"zz": 1, "b": 2})
    assert clean(encode(error), secret="zz", placeholder="a")["value"]["attributes"] == {"a": 1, "b": 2}


def test_the_name_of_an_attribute_left_out_is_redacted_too():
    error = _with(ValueError(), {f"x {SECRET}": object()})
    assert clean(encode(error))["value"]["omitted"] == [f"x {REDACTED}"]


def test_numbers_are_not_looked_into():
    assert replayed([12345, 1.2345], secret="2345") == [12345, 1.2345]


def test_every_spelling_that_the_redactor_knows_goes_from_bytes():
    redactor = Redactor(Rules(secrets=("correct horse",)))
    value = {"body": b"x=" + b64encode(b"correct horse") + b"&y=correct+horse"}
    data = redact(encode(value), redactor.text, FIELDS.__contains__, REDACTED)
    assert decode(data) == {"body": b"x=REDACTED&y=REDACTED"}


# --- registered codecs ------------------------------------------------------------------------------


@pytest.fixture
def _own_registry(monkeypatch):
    monkeypatch.setattr(values, "_CODECS_BY_TYPE", dict(values._CODECS_BY_TYPE))
    monkeypatch.setattr(values, "_CODECS_BY_NAME", dict(values._CODECS_BY_NAME))


@pytest.mark.usefixtures("_own_registry")
def test_named_parts_of_a_registered_type_are_taken_one_by_one():
    register(Money, "money", vars, lambda parts: Money(**parts))
    again = replayed(Money({"token": 1}, SECRET))
    assert (again.amount, again.currency) == ({"token": REDACTED}, REDACTED)


@pytest.mark.usefixtures("_own_registry")
@pytest.mark.parametrize("dump", [str, str.encode], ids=["str", "bytes"])
def test_a_registered_type_that_parses_text_or_bytes_goes_as_a_whole(dump):
    register(Money, "money", lambda money: dump(money.amount), lambda text: Money(int(text), "EUR"))
    assert replayed([Money("12345", "EUR")], secret="234") == [REDACTED]
    assert replayed([Money("12345", "EUR")], secret="999")[0].amount == 12345


# --- edges ------------------------------------------------------------------------------------------


def test_nesting_beyond_the_stack_is_refused():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UsageError, match="nested too deeply"):
        clean(deep)


def test_no_class_is_imported():
    program = (
        "import sys; from booktest_cassettes.recording.value_redaction import redact\n"
        "data = {'$type': 'dataclass', 'value': {'class': 'antigravity:X', 'fields': {'token': 1}}}\n"
        "assert redact(data, str, {'token'}.__contains__, 'R')['value']['fields'] == {'token': 'R'}\n"
        "assert 'antigravity' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": SOURCE}, check=True)
