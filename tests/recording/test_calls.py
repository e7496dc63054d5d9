"""Calls as data: bound by parameter, looked up by key, strictly read back."""

import functools
import gc
import json
import weakref
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.errors import IntegrityError, UsageError
from booktest_cassettes.recording import calls
from booktest_cassettes.recording.calls import (
    Call,
    Raised,
    Returned,
    bind_arguments,
    call_key,
    dump_calls,
    load_calls,
)
from booktest_cassettes.recording.values import decode, encode

_UNSET = object()


def fetch(a, b=2, *rest, c=3, timeout=_UNSET, **options):
    pass


def only_positional(a, /, b):
    pass


class Client:
    def get(self, path, retries=3):
        pass

    def loose(*args):
        pass

    @classmethod
    def make(cls, name):
        pass

    @staticmethod
    def parse(text):
        pass

    def __call__(self, x):
        pass


class Unhashable:
    __hash__ = None

    def __call__(self, x):
        pass


def bind(func, *args, **kwargs):
    return bind_arguments(func, args, kwargs, skip_self=False)


def bind_method(func, *args, **kwargs):
    return bind_arguments(func, args, kwargs, skip_self=True)


# --- binding ----------------------------------------------------------------------------------------


def test_call_style_does_not_matter():
    expected = {"a": 1, "b": 2, "c": 3, "options": {}, "rest": []}
    assert bind(fetch, 1) == bind(fetch, 1, 2) == bind(fetch, a=1) == bind(fetch, b=2, a=1, c=3) == expected


def test_the_order_of_keywords_does_not_matter():
    assert bind(fetch, 1, y=1, x=2) == bind(fetch, 1, x=2, y=1)
    assert bind(fetch, 1, y=1, x=2)["options"] == {"x": 2, "y": 1}


def test_positional_arguments_beyond_the_parameters_are_a_list():
    assert bind(fetch, 1, 2, 3, (4,))["rest"] == [3, {"$type": "tuple", "value": [4]}]


def test_positional_only_parameters_go_by_name_too():
    assert bind(only_positional, 1, 2) == bind(only_positional, 1, b=2) == {"a": 1, "b": 2}


def test_a_default_that_no_codec_knows_means_not_given():
    assert bind(fetch, 1, timeout=_UNSET) == bind(fetch, 1)
    assert "timeout" not in bind(fetch, 1)


def test_an_argument_that_no_codec_knows_is_refused_by_its_path():
    with pytest.raises(UsageError, match=r"arguments\.options\.user\[0\].*builtins\.object"):
        bind(fetch, 1, user=[object()])


def test_self_is_no_argument():
    expected = {"path": "/", "retries": 3}
    assert bind_method(Client.get, Client(), "/") == expected
    assert bind_method(Client.get, Client(), path="/", retries=3) == expected
    assert bind_method(Client.get, self=Client(), path="/") == expected
    assert bind(Client().get, "/") == expected


def test_self_among_star_args_is_no_argument():
    assert bind_method(Client.loose, Client(), 1, 2) == {"args": [1, 2]}


def test_cls_is_no_argument():
    assert bind_method(Client.make.__func__, Client, "x") == bind(Client.make, "x") == {"name": "x"}


def test_static_methods_and_callable_objects_bind_as_they_are_called():
    assert bind(Client.parse, "x") == {"text": "x"}
    assert bind(Client(), 1) == bind(Unhashable(), 1) == {"x": 1}


def test_a_partial_binds_what_is_left():
    assert bind(functools.partial(only_positional, 1), 2) == {"b": 2}


def test_a_function_without_a_signature_keeps_its_call_style():
    assert bind(dict.fromkeys, ["a"])["iterable"] == ["a"]
    assert bind(max, 1, 2) == {"args": [1, 2], "kwargs": {}}
    assert bind_method(max, Client(), 2, z=1, a=2) == {"args": [2], "kwargs": {"a": 2, "z": 1}}


def test_arguments_that_do_not_fit_are_kept_for_the_function_to_refuse():
    assert bind(only_positional, 1, 2, 3) == {"args": [1, 2, 3], "kwargs": {}}
    assert bind_method(Client.get, Client()) == {"args": [], "kwargs": {}}


def test_a_function_that_takes_nothing_has_no_arguments():
    assert bind_method(lambda: None) == {}


def test_signatures_are_read_once_and_let_go_with_the_function():
    def local(a):
        pass

    bind(local, 1)
    assert calls._signatures[local] is calls._signature(local)
    gone = weakref.ref(local)
    del local
    gc.collect()
    assert gone() is None


arguments = st.integers() | st.text(max_size=3) | st.binary(max_size=3)


@given(a=arguments, b=arguments, c=arguments, more=st.dictionaries(st.sampled_from("xyz"), arguments))
def test_any_mix_of_positions_and_keywords_binds_to_the_same(a, b, c, more):
    expected = bind(fetch, a, b, c=c, **more)
    assert bind(fetch, a, **more, c=c, b=b) == expected
    assert bind(fetch, **dict(reversed([("a", a), ("b", b), ("c", c), *more.items()]))) == expected
    assert decode(expected)["options"] == more


# --- keys -------------------------------------------------------------------------------------------


def test_equal_calls_have_equal_keys():
    assert call_key("m:f", bind(fetch, 1, b=2)) == call_key("m:f", bind(fetch, a=1, b=2))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (1, 1.0),
        (1, True),
        ([1], (1,)),
        (b"a", "a"),
        ({"a": 1}, [["a", 1]]),
        (None, {}),
        (0.0, -0.0),
    ],
)
def test_calls_that_differ_have_different_keys(one, other):
    assert call_key("m:f", bind(fetch, one)) != call_key("m:f", bind(fetch, other))


def test_functions_have_keys_of_their_own():
    assert call_key("m:f", {}) != call_key("m:g", {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"z": {"a": 1, "b": 2}, "y": []}, {"y": [], "z": {"b": 2, "a": 1}}),
        ({1: "a", "b": 2}, {"b": 2, 1: "a"}),
        ({"$type": 1, "a": 2}, {"a": 2, "$type": 1}),
        ([({"x": 1, "a": 2},)], [({"a": 2, "x": 1},)]),
    ],
)
def test_the_order_of_a_dict_is_no_part_of_the_key(one, other):
    assert call_key("m:f", bind(fetch, one)) == call_key("m:f", bind(fetch, other))


def test_a_dict_that_looks_like_its_own_encoding_has_a_key_of_its_own():
    looks = {"$type": "dict", "value": [{"a": 1}]}
    assert call_key("m:f", bind(fetch, looks)) != call_key("m:f", bind(fetch, {"a": 1}))


@pytest.mark.parametrize("items", [None, 3, {}, ["ab"], [["a"]], [{}], [{"a": 1, "b": 2}], [{"$type": "x"}]])
def test_a_key_can_be_made_of_malformed_data(items):
    assert call_key("m:f", {"a": {"$type": "dict", "value": items}})


# --- data -------------------------------------------------------------------------------------------

some_calls = st.lists(
    st.builds(
        Call,
        st.sampled_from(["m:f", "pkg.mod:Class.method", "m:f.<locals>.g"]),
        st.dictionaries(st.text(max_size=3), arguments.map(encode)),
        st.builds(Returned, arguments.map(encode)) | st.just(Raised(encode(ValueError("x")))),
    )
)


@given(some_calls)
def test_what_was_dumped_is_what_is_loaded(recorded):
    assert load_calls(json.loads(json.dumps(dump_calls(recorded)))) == recorded


def test_the_shape_of_the_data_stays_as_it_is():
    recorded = [Call("m:f", {"a": 1}, Returned(2)), Call("m:g", {}, Raised({"$type": "x", "value": None}))]
    assert dump_calls(recorded) == {
        "calls": [
            {"function": "m:f", "arguments": {"a": 1}, "returned": 2},
            {"function": "m:g", "arguments": {}, "raised": {"$type": "x", "value": None}},
        ]
    }


def test_none_returned_is_not_nothing_returned():
    assert load_calls(dump_calls([Call("m:f", {}, Returned(None))]))[0].outcome == Returned(None)


def test_a_call_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Call("m:f", {}, Returned(1)).function = "m:g"


GOOD = {"function": "m:f", "arguments": {}, "returned": 1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "the function snapshot must be a dict"),
        ([], "the function snapshot must be a dict"),
        ({}, "must hold 'calls' alone"),
        ({"calls": [], "more": 1}, "must hold 'calls' alone"),
        ({"calls": {}}, "calls must be a list"),
        ({"calls": [GOOD, 3]}, r"calls\[1\] must be a dict"),
        ({"calls": [{}]}, r"calls\[0\] must hold"),
        ({"calls": [{"function": "m:f", "arguments": {}}]}, r"calls\[0\] must hold"),
        ({"calls": [{**GOOD, "raised": 1}]}, r"calls\[0\] must hold"),
        ({"calls": [{**GOOD, "more": 1}]}, r"calls\[0\] must hold"),
        ({"calls": [{"function": "m:f", "returned": 1, "raised": 1}]}, r"calls\[0\] must hold"),
        ({"calls": [{"function": "m:f", "arguments": {}, "gave": 1}]}, r"calls\[0\] must hold"),
        ({"calls": [{**GOOD, "function": 3}]}, r"calls\[0\]\.function must be a str"),
        ({"calls": [{**GOOD, "function": "f"}]}, r"calls\[0\]\.function must be 'module:qualname'"),
        ({"calls": [{**GOOD, "function": ":f"}]}, r"calls\[0\]\.function must be 'module:qualname'"),
        ({"calls": [{**GOOD, "arguments": []}]}, r"calls\[0\]\.arguments must be a dict"),
    ],
)
def test_malformed_data_is_refused_with_its_place(data, message):
    with pytest.raises(IntegrityError, match=message):
        load_calls(data)
