"""Calls that booktest recorded: by the function's own name, as passed, as often as they are made."""

from __future__ import annotations

import pytest

from booktest_cassettes.callbook import CallBook
from booktest_cassettes.recording import legacy
from booktest_cassettes.recording.calls import Call, Returned, dump_calls, load_calls
from booktest_cassettes.recording.values import encode


def call(name: str, result: object, *args: object, **kwargs: object) -> Call:
    return Call(legacy.function_name(name), legacy.passed(args, kwargs), Returned(encode(result)))


def test_an_equal_call_is_answered_as_often_as_it_is_made():
    book = CallBook([call("Shop.price", 3, "a", [1, 2], rebate=0.5)])
    assert book.has_legacy
    assert book.has_unplayed
    for _ in range(3):
        found = book.play_legacy("Shop.price", legacy.passed(("a", (1, 2)), {"rebate": 0.5}))
        assert found is not None
        assert found.outcome == Returned(3)
    assert not book.has_unplayed


def test_another_name_or_another_argument_is_no_answer():
    book = CallBook([call("plus_one", 3, 2)])
    assert book.play_legacy("plus_two", legacy.passed((2,), {})) is None
    assert book.play_legacy("plus_one", legacy.passed((3,), {})) is None
    assert book.play_legacy("plus_one", legacy.passed((), {"value": 2})) is None
    assert book.has_unplayed


def test_a_book_of_our_own_calls_knows_nothing_of_it():
    book = CallBook([Call("shop:plus_one", {"value": 2}, Returned(3))])
    assert not book.has_legacy
    assert book.play_legacy("plus_one", legacy.passed((2,), {})) is None


def test_a_miss_names_the_calls_of_that_function():
    book = CallBook([call("plus_one", 3, 2), call("other", 3, 2)])
    (known,) = book.known_arguments("shop.tools:plus_one")
    assert "?:plus_one" in known


def test_such_calls_survive_a_blob_and_what_is_no_json_was_never_one():
    calls = [call("plus_one", {"$type": "x"}, {"$type": "y"})]
    assert load_calls(dump_calls(calls)) == calls
    with pytest.raises(TypeError):
        legacy.passed((object(),), {})
