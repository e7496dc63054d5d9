"""Values of function snapshots: what comes back is what went in, or it is refused by name."""

import io
import json
import math
import os
import struct
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from fractions import Fraction
from importlib import import_module
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.errors import IntegrityError, UsageError
from booktest_cassettes.recording import values
from booktest_cassettes.recording.values import Codec, decode, encode, key_text, register

# --- classes under test: at the top of the module, as replay has to find them ------------------------


class Color(Enum):
    RED = "r"
    GREEN = ("g", 2)
    CRIMSON = "r"  # noqa: PIE796 - an alias on purpose


class Made(Enum):
    KNOWN = 1

    @classmethod
    def _missing_(cls, value):
        member = object.__new__(cls)
        member._name_, member._value_ = str(value), value
        return member


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(StrEnum):
    YES = "yes"


class Access(Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Bits(IntFlag):
    ONE = 1
    TWO = 2


class Point(NamedTuple):
    x: Any
    y: Any = 0


Plain = namedtuple("Plain", ["first", "second"])  # noqa: PYI024 - the untyped form must work too


class Positive(namedtuple("Positive", ["value"])):  # noqa: PYI024, SLOT002
    def __new__(cls, value):
        return super().__new__(cls, abs(value))


@dataclass
class Person:
    name: Any
    tags: Any = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frozen:
    zebra: Any
    apple: Any = None


@dataclass
class Derived:
    total: int
    double: int = field(init=False)
    unset: int = field(init=False, repr=False)

    def __post_init__(self):
        self.double = self.total * 2
        self.total += 1


@dataclass
class WithInitVar:
    kept: int
    secret: InitVar[int]


@dataclass
class Table(dict):
    title: str = ""


class Picky(Exception):
    """Takes something else than it hands to Exception."""

    def __init__(self, code, *, detail):
        super().__init__(f"code {code}")
        self.code = code
        self.detail = detail


class Wrapping(Exception):
    def __init__(self, reason):
        super().__init__(f"failed: {reason}")
        self.reason = reason


class Falsy(Exception):
    def __len__(self):
        return 0


class Mixed(ValueError, OSError):
    pass


class Text(str):
    __slots__ = ()


class Owner:
    pass


class Outer:
    class Inner(Enum):
        A = 1


SOURCE = str(Path(values.__file__).parents[2])

# --- helpers ----------------------------------------------------------------------------------------


def through_json(value):
    text = json.dumps(encode(value), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return decode(json.loads(text.encode("utf-8")))


def same(a, b):
    """Equality that also sees types, NaN, signed zeros, dict order and folds."""
    return type(a) is type(b) and exact(a) == exact(b)


def exact(value):
    """Nested lists that are equal for values that are the same in every respect."""
    return [type(value).__name__, *next(take(value) for kinds, take in EXACT if isinstance(value, kinds))]


EXACT = [
    (Enum, lambda value: [value.name, value.value]),
    (float, lambda value: [repr(value)]),
    (complex, lambda value: [repr(value.real), repr(value.imag)]),
    (Decimal, lambda value: [value.as_tuple()]),
    (dict, lambda value: [[exact(key), exact(item)] for key, item in value.items()]),
    ((set, frozenset), lambda value: sorted(map(repr, map(exact, value)))),
    ((list, tuple), lambda value: map(exact, value)),
    (BaseException, lambda value: [exact(value.args), exact(dict(sorted(vars(value).items())))]),
    (Person, lambda value: [exact(value.name), exact(value.tags)]),
    (Frozen, lambda value: [exact(value.zebra), exact(value.apple)]),
    ((datetime, time), lambda value: [value.replace(tzinfo=None), value.fold, exact(value.tzinfo)]),
    (timezone, lambda value: [value.utcoffset(None), value.tzname(None)]),
    (object, lambda value: [value]),
]


# --- strategies -------------------------------------------------------------------------------------

zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.sampled_from(["Europe/Paris", "America/New_York", "UTC"]).map(ZoneInfo),
    st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone),
    st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)), st.text(max_size=5)),
)
surrogates = st.text(st.characters(), max_size=8) | st.text(st.characters(categories=["Cs"]), max_size=3)
huge = st.integers(2040, 2060).map(lambda bits: -(2**bits) + 1)
json_scalars = st.one_of(st.none(), st.booleans(), st.integers(), huge, st.floats(), surrogates)


def short(strategy):
    """The same under a short name: hypothesis warns of strategies that print long."""

    @st.composite
    def drawn(draw):
        return draw(strategy)

    return drawn()


hashables = st.one_of(
    json_scalars,
    st.binary(max_size=20),
    st.datetimes(timezones=zones),
    st.builds(lambda value, fold: value.replace(fold=fold), st.datetimes(), st.integers(0, 1)),
    st.dates(),
    st.builds(lambda value, zone: value.replace(tzinfo=zone), st.times(), zones),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.complex_numbers(),
    st.fractions(),
    st.text("abc/. \u00e9", max_size=8).map(Path),
    st.text("abc/. \\", max_size=8).map(PurePosixPath),
    st.text("abc/.", max_size=8).map(lambda text: PureWindowsPath("C:\\" + text)),
    st.sampled_from([*Color, *Level, *Word, *Access, *Bits, Outer.Inner.A]),
    st.integers(0, 7).map(Access),
    st.integers(0, 3).map(Bits),
)
keys = st.recursive(
    short(hashables),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Point, inner, inner),
        st.builds(Frozen, inner, inner),
    ),
    max_leaves=4,
)


def containers(inner):
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(surrogates | st.just("$type"), inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(surrogates, inner, max_size=4).map(OrderedDict),
        st.builds(Point, inner, inner),
        st.builds(Plain, inner, inner),
        st.builds(Person, inner, inner),
        st.builds(Frozen, inner, inner),
        st.lists(inner, max_size=3).map(lambda args: RuntimeError(*args)),
        st.builds(Picky, inner, detail=inner),
        st.builds(Wrapping, inner),
    )


leaves = st.one_of(
    hashables, st.binary(max_size=20).map(bytearray), st.sets(short(keys), max_size=4), st.decimals()
)
any_value = short(st.recursive(short(leaves), containers, max_leaves=12))


# --- round trips ------------------------------------------------------------------------------------


@given(any_value)
def test_any_supported_value_comes_back_with_the_same_types(value):
    assert same(through_json(value), value)


@given(any_value)
def test_encoding_what_came_back_gives_the_same_text(value):
    assert key_text(encode(through_json(value))) == key_text(encode(value))


@given(any_value)
def test_encoded_data_is_utf_8_whatever_the_value(value):
    assert key_text(encode(value)).encode("utf-8")


@given(st.lists(keys, max_size=6), st.randoms())
def test_a_set_gives_the_same_text_in_whatever_order_it_was_filled(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    # Of two equal members, like 1 and True, a set keeps the first: take one of each.
    unique = list({key: key for key in items}.values())
    again = [key for key in shuffled if any(key is kept for kept in unique)]
    assert key_text(encode(set(unique))) == key_text(encode(set(again)))


def test_a_set_gives_the_same_text_under_every_hash_seed():
    program = (
        "from booktest_cassettes.recording.values import *\n"
        "print(key_text(encode({'tags': {'a', 'b', 'c', ('d', 1), frozenset('efg'), b'x', None}})))"
    )

    def run(seed):
        environment = {**os.environ, "PYTHONPATH": SOURCE, "PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, capture_output=True
        ).stdout

    assert len({run(seed) for seed in ("0", "1", "2")}) == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**53 + 1,
        -(2**2048),
        -0.0,
        5e-324,
        1e16,
        "",
        "\ud800",
        "\ud83d\ude00",
        [],
        {},
        {"a": 1, "b": [{"c": None}]},
    ],
)
def test_json_values_come_back_as_they_are(value):
    assert same(through_json(value), value)


def test_an_int_with_more_digits_than_python_prints_comes_back():
    assert through_json(-(10**5000)) == -(10**5000)


@pytest.mark.parametrize("value", [None, False, 1, 1.5, "x", [1, "a"], {"a": {"b": []}}])
def test_json_values_stand_for_themselves(value):
    assert encode(value) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), complex("nan-infj")])
def test_floats_outside_json_come_back(value):
    assert same(through_json(value), value)


@pytest.mark.parametrize("text", ["NaN", "-NaN123", "sNaN", "-Infinity", "-0", "1E+999999", "0.10"])
def test_a_decimal_keeps_every_digit_and_sign(text):
    assert through_json(Decimal(text)).as_tuple() == Decimal(text).as_tuple()


def test_a_dict_keeps_its_order_through_sorted_json():
    assert list(through_json({"b": 1, "a": 2})) == ["b", "a"]


def test_the_name_of_a_secret_field_stays_the_key_of_an_object_in_any_dict():
    for value in (
        {"user": 1, "password": "hunter2"},
        {1: 2, "password": "hunter2"},
        {"$type": 1, "password": "hunter2"},
        OrderedDict(user=1, password="hunter2"),
    ):
        assert {"password": "hunter2"} in encode(value)["value"]
        assert same(through_json(value), value)


def test_a_dict_that_looks_like_a_tag_is_still_a_dict():
    value = {"$type": "tuple", "value": [1, 2]}
    assert through_json(value) == value


def test_a_dict_keeps_keys_that_are_no_strings():
    value = {1: "int", "1": "str", None: 0, (1, 2): {3: 4}, 2.5: b"x"}
    assert same(through_json(value), value)


def test_a_dict_keeps_nan_keys_apart():
    value = {float("nan"): 1, float("nan"): 2}
    assert list(through_json(value).values()) == [1, 2]


def test_an_ordered_dict_comes_back_as_one():
    value = OrderedDict(b=1, a=2)
    assert same(through_json(value), value)


def test_a_value_that_occurs_twice_is_no_circle():
    shared = [1, (2, 3)]
    assert through_json([shared, shared, {"again": shared}]) == [shared, shared, {"again": shared}]


def test_a_time_keeps_its_zone_by_name():
    winter = through_json(datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Paris")))
    assert winter.tzinfo is ZoneInfo("Europe/Paris")


def test_the_second_of_two_equal_hours_stays_the_second():
    value = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1)
    assert through_json(value).fold == 1
    assert through_json(value).utcoffset() == timedelta(hours=1)


def test_a_simple_datetime_is_iso_text():
    assert encode(datetime(2024, 1, 2, 3, tzinfo=UTC)) == {
        "$type": "datetime",
        "value": "2024-01-02T03:00:00+00:00",
    }


@pytest.mark.parametrize("zone", [timezone(timedelta(microseconds=1)), timezone(timedelta(hours=1), "CET")])
def test_an_offset_that_iso_text_would_lose_comes_back(zone):
    assert same(through_json(datetime(2000, 1, 1, tzinfo=zone)), datetime(2000, 1, 1, tzinfo=zone))
    assert same(through_json(time(1, tzinfo=zone)), time(1, tzinfo=zone))


@pytest.mark.parametrize("value", [timedelta.max, timedelta.min, timedelta.resolution])
def test_durations_are_exact(value):
    assert through_json(value) == value


@pytest.mark.parametrize(
    ("value", "name"), [(Path("a/b"), "path"), (PureWindowsPath(r"C:\a"), "purewindowspath")]
)
def test_a_path_is_written_with_slashes_on_every_system(value, name):
    assert encode(value) == {"$type": name, "value": value.as_posix()}


def test_a_path_of_undecodable_bytes_comes_back():
    path = PurePosixPath(os.fsdecode(b"caf\xe9") if sys.platform != "win32" else "caf\udce9")
    assert same(through_json(path), path)


def test_an_enum_member_comes_back_as_itself():
    for member in (Color.GREEN, Level.HIGH, Word.YES, Outer.Inner.A, Access.READ | Access.RUN):
        assert through_json(member) is member


def test_an_alias_is_recorded_as_the_member_it_names():
    assert encode(Color.CRIMSON)["value"]["name"] == "RED"


def test_a_namedtuple_comes_back_past_its_own_constructor():
    value = tuple.__new__(Positive, (-3,))
    assert through_json(value).value == -3


def test_a_dataclass_keeps_what_post_init_made_of_it():
    value = Derived(5)
    again = through_json(value)
    assert (again.total, again.double) == (6, 10)
    assert not hasattr(again, "unset")


def test_a_dataclass_may_gain_a_field_with_a_default():
    data = encode(Person("ada", ["x"]))
    del data["value"]["fields"]["tags"]
    assert decode(data) == Person("ada", [])


# --- exceptions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        KeyError("a", 1),
        FileNotFoundError(2, "No such file", "a.txt"),
        OSError(18, "Cross-device", "a", None, "b"),
        TimeoutError("slow"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        SyntaxError("bad", ("f.py", 1, 2, "x y", 1, 3)),
        StopIteration(3),
        SystemExit(2),
        json.JSONDecodeError("bad", "{", 1),
        Picky(7, detail=("a", 1)),
        Wrapping("x"),
        Falsy("f"),
        Mixed("m"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_comes_back_whole(error):
    again = through_json(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert exact(again) == exact(error)


def test_an_os_error_keeps_its_file_names():
    again = through_json(OSError(18, "Cross-device", "a", None, "b"))
    assert (again.errno, again.filename, again.filename2) == (18, "a", "b")


def test_a_group_of_exceptions_comes_back_with_its_members():
    again = through_json(ExceptionGroup("two", [ValueError(1), Picky(2, detail=None)]))
    assert [type(member) for member in again.exceptions] == [ValueError, Picky]


def test_notes_of_an_exception_come_back():
    error = ValueError("x")
    error.add_note("while testing")
    assert through_json(error).__notes__ == ["while testing"]


def test_an_attribute_that_cannot_be_recorded_is_left_out_by_name():
    error = Wrapping("x")
    error.connection = Owner()
    error.itself = error
    assert encode(error)["value"]["omitted"] == ["connection", "itself"]
    assert vars(through_json(error)) == {"reason": "x"}


def test_arguments_of_an_exception_that_cannot_be_recorded_are_refused():
    with pytest.raises(UsageError, match=r"raised\.args\[1\].*Owner"):
        encode(ValueError("x", Owner()), root="raised")


# --- pydantic ---------------------------------------------------------------------------------------


def test_a_model_comes_back_with_its_nested_types():
    pydantic = import_module("pydantic")

    class Base(pydantic.BaseModel):
        a: int = 1

    class Child(Base):
        b: int = 2

    class Holder(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        user_name: str = pydantic.Field(alias="userName")
        item: Base
        hidden: int = pydantic.Field(default=3, exclude=True)
        when: Any = None

    with importable(Base, Child, Holder):
        value = Holder(userName="ada", item=Child(b=5), hidden=9, when=(1, b"x"), more={"z": 1, "a": 2})
        again = through_json(value)
    assert again == value
    assert type(again.item) is Child
    assert again.model_fields_set == value.model_fields_set


def test_a_root_model_comes_back():
    pydantic = import_module("pydantic")

    class Numbers(pydantic.RootModel[list[int]]):
        pass

    with importable(Numbers):
        assert through_json(Numbers([1, 2])) == Numbers([1, 2])


def test_a_model_that_gained_a_required_field_asks_for_a_new_recording():
    pydantic = import_module("pydantic")

    class Model(pydantic.BaseModel):
        a: int
        b: int

    with importable(Model):
        data = encode(Model(a=1, b=2))
        del data["value"]["fields"]["b"]
        with pytest.raises(UsageError, match="now needs b"):
            decode(data)


def test_a_model_made_without_a_required_field_is_refused():
    pydantic = import_module("pydantic")

    class Model(pydantic.BaseModel):
        a: int

    with importable(Model), pytest.raises(UsageError, match="Model without a"):
        encode(Model.model_construct())


class importable:
    """Puts classes of a test where replay would find them."""

    def __init__(self, *classes):
        self.classes = classes

    def __enter__(self):
        for kind in self.classes:
            kind.__qualname__ = kind.__name__
            setattr(sys.modules[kind.__module__], kind.__name__, kind)

    def __exit__(self, *_):
        for kind in self.classes:
            delattr(sys.modules[kind.__module__], kind.__name__)


# --- refusals when recording ------------------------------------------------------------------------


def test_a_refusal_names_the_type_the_place_and_the_way_out():
    value = {"items": [1, 2, 3, Person("x", {"the owner": Owner()})]}
    with pytest.raises(UsageError) as refused:
        encode(value, root="result")
    assert "result.items[3].tags['the owner']" in refused.value.message
    assert f"{__name__}.Owner" in refused.value.message
    assert "booktest_cassettes.register_codec(Owner" in refused.value.hint


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        int,
        ...,
        range(3),
        deque([1]),
        defaultdict(list),
        Counter("aab"),
        Text("x"),
        MappingProxyType({}),
        SimpleNamespace(a=1),
        memoryview(b"x"),
        os.stat_result(range(10)),
        Table(title="t"),
        Owner(),
        (item for item in []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_types_are_refused(value):
    with pytest.raises(UsageError, match="no codec for type"):
        encode([value])


@pytest.mark.parametrize("make", [lambda inner: {1: inner}, lambda inner: (inner,), lambda inner: [inner]])
def test_a_refusal_reaches_through_every_container(make):
    with pytest.raises(UsageError, match=r"value.*Owner"):
        encode(make(Owner()))


def test_a_circle_is_refused():
    circle: list[Any] = [1]
    circle.append({"back": circle})
    with pytest.raises(UsageError, match=r"value\[1\]\.back is circular"):
        encode(circle)


def test_nesting_beyond_the_stack_is_refused():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UsageError, match="nested too deeply"):
        encode(deep)


def test_a_class_that_replay_could_not_find_is_refused():
    @dataclass
    class Local:
        a: int

    with pytest.raises(UsageError, match=r"Local.* not importable"):
        encode(Local(1))


def test_a_dataclass_that_keeps_less_than_it_takes_is_refused():
    with pytest.raises(UsageError, match="made from secret"):
        encode(WithInitVar(1, secret=2))


def test_a_zone_read_from_a_file_is_refused():
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    zone = ZoneInfo.from_file(io.BytesIO(b"TZif" + bytes(16) + counts + bytes(6) + b"UTC\0"))
    with pytest.raises(UsageError, match=r"value\.tzinfo cannot be recorded.*no key"):
        encode(datetime(2024, 1, 1, tzinfo=zone))


def test_an_enum_member_made_on_the_fly_is_refused():
    with pytest.raises(UsageError, match="no codec for type"):
        encode(Made("anything"))


def test_an_exception_that_nobody_could_make_again_is_refused():
    error = ExceptionGroup("two", [ValueError(1)])
    error.args = ("two",)
    with pytest.raises(UsageError, match="no codec for type"):
        encode(error)


def test_a_namedtuple_that_keeps_more_than_its_fields_is_refused():
    value = Positive(1)
    value.more = 2
    with pytest.raises(UsageError, match="no codec for type"):
        encode(value)


# --- refusals when replaying ------------------------------------------------------------------------


def tagged(name, value):
    return {"$type": name, "value": value}


@pytest.mark.parametrize(
    "data",
    [
        {"$type": "tuple"},
        {"$type": "tuple", "value": [], "more": 1},
        {"$type": 3, "value": []},
        {"$type": ["tuple"], "value": []},
        tagged("tuple", "abc"),
        tagged("bytes", "not base64!"),
        tagged("bytes", "é"),
        tagged("int", "zz"),
        tagged("int", 3),
        tagged("float", "1.5"),
        tagged("str", "gA=="),
        tagged("set", [[1]]),
        tagged("dict", [["a", 1], ["a", 2]]),
        tagged("dict", [["a"]]),
        tagged("dict", [{"a": 1}, {"a": 2}]),
        tagged("dict", [{"a": 1}, ["a", 2]]),
        tagged("dict", [{}]),
        tagged("dict", [{"a": 1, "b": 2}]),
        tagged("dict", {"a": 1}),
        tagged("dict", ["ab"]),
        tagged("dict", [[["unhashable"], 1]]),
        tagged("datetime", "yesterday"),
        tagged("datetime", {"local": "2024-01-01T00:00:00"}),
        tagged("timedelta", {"seconds": 1.5, "microseconds": 0}),
        tagged("fraction", [1, 0]),
        tagged("fraction", [1]),
        tagged("complex", ["1", "2"]),
        tagged("decimal", "ten"),
        tagged("uuid", "0"),
        tagged("zoneinfo", "../../etc/passwd"),
        tagged("enum", {}),
        tagged("enum", {"class": f"{__name__}:Color"}),
        tagged("enum", {"class": f"{__name__}:Color", "flags": 1}),
        tagged("enum", []),
        tagged("dataclass", {"class": f"{__name__}:Person", "fields": []}),
        tagged("exception", {"class": f"{__name__}:Picky", "args": "abc", "attributes": {}}),
        (1, 2),
    ],
    ids=repr,
)
def test_malformed_data_is_an_integrity_error(data):
    with pytest.raises(IntegrityError, match=r"snapshot\[0\]"):
        decode([data], root="snapshot")


@pytest.mark.parametrize("family", ["enum", "exception", "namedtuple", "dataclass", "model"])
@pytest.mark.parametrize(
    "path",
    [
        "builtins:eval",
        "os:system",
        "subprocess:Popen",
        "builtins:object",
        "builtins:tuple",
        "os:stat_result",
        "sys:modules",
    ],
)
def test_a_path_to_anything_but_a_class_of_the_family_is_never_called(family, path):
    data = tagged(family, {"class": path, "fields": {}, "args": ["touch /tmp/x"], "attributes": {}})
    with pytest.raises(IntegrityError, match="is no"):
        decode(data)


@pytest.mark.parametrize(
    "path", ["", "nocolon", ":", "no.such.module:X", f"{__name__}:Gone", ".relative:X", "os:"]
)
def test_a_class_that_is_gone_asks_for_a_new_recording(path):
    with pytest.raises(UsageError, match="cannot be imported") as refused:
        decode(tagged("enum", {"class": path, "name": "A"}))
    assert "record this test again" in refused.value.hint


def test_an_enum_member_that_is_gone_asks_for_a_new_recording():
    with pytest.raises(UsageError, match="no member 'BLUE'"):
        decode(tagged("enum", {"class": f"{__name__}:Color", "name": "BLUE"}))


@pytest.mark.parametrize(
    ("family", "name", "fields", "reason"),
    [
        ("dataclass", "Person", {"name": "x", "age": 3}, "no longer has age"),
        ("dataclass", "Person", {"tags": []}, "refused its own fields"),
        ("namedtuple", "Point", {"x": 1, "z": 3}, "no longer has z"),
        ("namedtuple", "Point", {"y": 1}, "now needs x"),
    ],
)
def test_a_class_that_changed_asks_for_a_new_recording(family, name, fields, reason):
    with pytest.raises(UsageError, match=reason):
        decode(tagged(family, {"class": f"{__name__}:{name}", "fields": fields}))


def test_a_namedtuple_may_gain_a_field_with_a_default():
    assert decode(tagged("namedtuple", {"class": f"{__name__}:Point", "fields": {"x": 1}})) == Point(1, 0)


def test_a_set_whose_secrets_were_redacted_to_the_same_text_still_replays():
    assert decode(tagged("set", ["REDACTED", "REDACTED"])) == {"REDACTED"}


def test_an_unknown_codec_is_named():
    with pytest.raises(UsageError, match=r"result\.a .*'money'.*not registered"):
        decode({"a": tagged("money", 3)}, root="result")


def test_an_unknown_time_zone_is_named():
    with pytest.raises(UsageError, match="Mars/Olympus"):
        decode(tagged("zoneinfo", "Mars/Olympus"))


def test_replaying_nesting_beyond_the_stack_is_an_integrity_error():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(IntegrityError, match="nested too deeply"):
        decode(deep)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(max_size=5) | st.sampled_from(["class", "fields", "args"]), inner, max_size=3
            )
            | st.builds(tagged, st.sampled_from(sorted(values._BUILT_IN_NAMES)), inner)
        ),
        max_leaves=10,
    )
)
def test_no_data_crashes_the_decoder(data):
    with suppress(IntegrityError, UsageError):
        decode(data)


# --- registering ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(values, "_CODECS_BY_TYPE", dict(values._CODECS_BY_TYPE))
    monkeypatch.setattr(values, "_CODECS_BY_NAME", dict(values._CODECS_BY_NAME))


class Money:
    def __init__(self, amount, currency):
        self.amount, self.currency = amount, currency


def test_a_registered_type_comes_back_through_its_codec():
    codec = register(Money, "money", lambda m: (m.amount, m.currency), lambda pair: Money(*pair))
    assert codec == Codec(Money, "money", codec.to_json, codec.from_json)
    again = through_json({"price": Money(Decimal("1.50"), Word.YES)})["price"]
    assert (type(again), again.amount, again.currency) == (Money, Decimal("1.50"), Word.YES)


def test_a_registered_subclass_of_a_built_in_type_is_taken():
    register(Text, "text", lambda text: str(text), Text)
    assert same(through_json([Text("x")]), [Text("x")])


def test_a_registered_codec_goes_before_the_general_rules():
    register(Person, "person", lambda person: person.name, Person)
    assert encode(Person("ada")) == tagged("person", "ada")


def test_a_reloaded_module_may_register_again():
    register(Money, "money", vars, lambda data: None)
    assert register(type("Money", (), {"__module__": Money.__module__}), "money", vars, lambda data: None)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (str, "text"),
        (datetime, "when"),
        (list, "list"),
        (Money, "tuple"),
        (Money, "exception"),
        (Money, "float"),
    ],
)
def test_built_in_codecs_stay_as_they_are(kind, name):
    with pytest.raises(UsageError, match="built in"):
        register(kind, name, vars, lambda data: None)


def test_two_types_cannot_share_a_name_nor_two_names_a_type():
    register(Money, "money", vars, lambda data: None)
    with pytest.raises(UsageError, match="is registered for"):
        register(Owner, "money", vars, lambda data: None)
    with pytest.raises(UsageError, match="is registered for"):
        register(Money, "cash", vars, lambda data: None)


@pytest.mark.parametrize(("kind", "name"), [("Money", "money"), (Money, ""), (Money, None)])
def test_a_codec_needs_a_class_and_a_name(kind, name):
    with pytest.raises(UsageError, match="needs a class and a name"):
        register(kind, name, vars, lambda data: None)


def test_a_codec_that_fails_is_named_with_the_place():
    register(Money, "money", lambda money: money.missing, lambda data: 1 / 0)
    with pytest.raises(UsageError, match=r"value\[0\].*'money'.*AttributeError"):
        encode([Money(1, "EUR")])
    with pytest.raises(IntegrityError, match=r"'money'.*ZeroDivisionError"):
        decode(tagged("money", 1))


def test_a_refusal_inside_a_codec_is_passed_on():
    register(Money, "money", lambda money: encode(money.amount, root="amount"), lambda data: None)
    with pytest.raises(UsageError, match=r"^amount cannot be recorded"):
        encode(Money(Owner(), "EUR"))


def test_a_codec_that_returns_its_own_value_is_a_circle():
    register(Money, "money", lambda money: money, lambda data: data)
    with pytest.raises(UsageError, match="circular"):
        encode(Money(1, "EUR"))


# --- promises about the blob ------------------------------------------------------------------------


def test_the_encoding_of_every_type_stays_as_it_is():
    """Approved blobs hold these: a change here orphans them."""
    value = {
        "bytes": b"\x00\xff",
        "complex": 1 - 2j,
        "date": date(2024, 1, 2),
        "decimal": Decimal("1.10"),
        "dict": {"b": 1, 2: "a"},
        "duration": timedelta(days=-1, microseconds=5),
        "enum": Color.RED,
        "error": Picky(7, detail=None),
        "flags": Access.READ | Access.WRITE,
        "fraction": Fraction(1, 3),
        "nan": math.nan,
        "path": PurePosixPath("a/b"),
        "person": Person("ada"),
        "point": Point(1),
        "set": {3, 1, 2},
        "time": time(1, 2, tzinfo=ZoneInfo("UTC")),
        "tuple": (1, "a"),
        "uuid": UUID(int=1),
        "zoned": datetime(2024, 1, 2, tzinfo=ZoneInfo("Europe/Paris")),
    }
    zone = tagged("zoneinfo", "Europe/Paris")
    assert encode(value) == {
        "bytes": tagged("bytes", "AP8="),
        "complex": tagged("complex", [1.0, -2.0]),
        "date": tagged("date", "2024-01-02"),
        "decimal": tagged("decimal", "1.10"),
        "dict": tagged("dict", [{"b": 1}, [2, "a"]]),
        "duration": tagged("timedelta", {"microseconds": 5, "seconds": -86400}),
        "enum": tagged("enum", {"class": f"{__name__}:Color", "name": "RED"}),
        "error": tagged(
            "exception",
            {"class": f"{__name__}:Picky", "args": ["code 7"], "attributes": {"code": 7, "detail": None}},
        ),
        "flags": tagged("enum", {"class": f"{__name__}:Access", "flags": 3}),
        "fraction": tagged("fraction", [1, 3]),
        "nan": tagged("float", "nan"),
        "path": tagged("pureposixpath", "a/b"),
        "person": tagged("dataclass", {"class": f"{__name__}:Person", "fields": {"name": "ada", "tags": []}}),
        "point": tagged("namedtuple", {"class": f"{__name__}:Point", "fields": {"x": 1, "y": 0}}),
        "set": tagged("set", [1, 2, 3]),
        "time": tagged("time", {"fold": 0, "local": "01:02:00", "tzinfo": tagged("zoneinfo", "UTC")}),
        "tuple": tagged("tuple", [1, "a"]),
        "uuid": tagged("uuid", "00000000-0000-0000-0000-000000000001"),
        "zoned": tagged("datetime", {"fold": 0, "local": "2024-01-02T00:00:00", "tzinfo": zone}),
    }


def test_encoding_never_imports_pydantic():
    program = (
        "import sys; from booktest_cassettes.recording.values import encode\n"
        "try: encode(object())\nexcept Exception: pass\n"
        "assert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": SOURCE}, check=True)
