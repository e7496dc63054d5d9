"""Function snapshots: answered without a call, wherever and however the function is reached."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import snapshotted
from lab import ID, Lab
from snapshotted import Base, Child, calls, counted, plain
from snapshotted import counted as also_counted

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import SnapshotMissing, UnhandledCall, UsageError


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    calls.clear()
    before = {name: inspect.getattr_static(snapshotted, name) for name in vars(snapshotted)}
    of_classes = {(kind, name): value for kind in (Base, Child) for name, value in vars(kind).items()}
    yield
    assert {name: inspect.getattr_static(snapshotted, name) for name in vars(snapshotted)} == before
    assert {(kind, name): value for kind in (Base, Child) for name, value in vars(kind).items()} == of_classes
    assert counted is snapshotted.counted


def _conform(lab: Lab, scenario: Callable[[], Any], **options: Any) -> Any:
    """Record and replay; the same comes out, and nothing is called."""
    lab.record()
    with cassette(ID, **options):
        recorded = scenario()
    lab.approve()
    done = len(calls)
    with cassette(ID, **options):
        replayed = scenario()
    assert replayed == recorded
    assert calls[done:] == []
    return recorded


def test_a_function_is_answered_through_every_name_it_goes_by(lab: Lab) -> None:
    def scenario() -> list[int]:
        return [counted(), also_counted(), snapshotted.counted()]

    assert _conform(lab, scenario, func=[counted]) == [1, 2, 3]


def test_it_may_be_named_by_text(lab: Lab) -> None:
    _conform(lab, lambda: snapshotted.counted(), func=["snapshotted:counted"])


def test_the_style_of_a_call_does_not_matter_and_its_arguments_do(lab: Lab) -> None:
    lab.record()
    with cassette(ID, func=[plain]):
        first = plain(1, 2)
        other = plain(5, 6, 7, key="z", extra=[1])
    lab.approve()
    with cassette(ID, func=[plain]):
        assert plain(b=2, a=1, key="k") == first
        assert plain(5, 6, 7, extra=[1], key="z") == other
    for wrong in (lambda: plain(2), lambda: plain(1, 2, 3), lambda: plain(1, key="other")):
        with pytest.raises(UnhandledCall, match="not in its func cassette"), cassette(ID, func=[plain]):
            wrong()


def test_exceptions_are_raised_again(lab: Lab) -> None:
    def scenario() -> tuple[Any, ...]:
        with pytest.raises(KeyError) as caught:
            snapshotted.failing("gone")
        return caught.value.args

    assert _conform(lab, scenario, func=[snapshotted.failing]) == ("gone", 1)


def test_values_come_back_with_their_types(lab: Lab) -> None:
    got = _conform(lab, lambda: snapshotted.rich(), func=[snapshotted.rich])
    assert type(got[0]) is bytes
    assert type(got[2]) is snapshotted.Point


def test_methods_of_every_sort_are_answered(lab: Lab) -> None:
    def scenario() -> list[Any]:
        base, child = Base("b"), Child("c")
        return [
            base.method(1),
            child.method(a=1),
            Base.method(base, 2),
            Base.of_class(1),
            child.of_class(2),
            Base.static(1),
            base.static(2),
            asyncio.run(child.async_method()),
        ]

    functions = [Base.method, Base.of_class, Base.static, Base.async_method]
    _conform(lab, scenario, func=functions)


def test_a_bound_method_names_its_function(lab: Lab) -> None:
    base = Base("b")
    _conform(lab, lambda: Base("other").method(1), func=[base.method])


def test_an_inherited_method_named_by_its_child_is_taken_out_of_it_again(lab: Lab) -> None:
    _conform(lab, lambda: Child("c").method(1), func=["snapshotted:Child.method"])
    assert "method" not in vars(Child)


def test_coroutine_functions_stay_coroutine_functions(lab: Lab) -> None:
    async def gathered() -> list[int]:
        assert inspect.iscoroutinefunction(snapshotted.asynchronous)
        make = snapshotted.asynchronous
        return list(await asyncio.gather(make(0.02, 1), make(0.01, 2), make(0.0, 3), make(0.02, 1)))

    assert _conform(lab, lambda: asyncio.run(gathered()), func=[snapshotted.asynchronous]) == [1, 2, 3, 1]


def test_the_digest_of_concurrent_calls_does_not_depend_on_which_ends_first(lab: Lab) -> None:
    digests = []
    for order in ([1, 2, 3], [3, 1, 2]):
        lab.record()
        with cassette(ID, func=[snapshotted.asynchronous]):

            async def gathered(order: list[int] = order) -> None:
                await asyncio.gather(*(snapshotted.asynchronous(0.01, n) for n in order))

            asyncio.run(gathered())
        digests.append(lab.digests())
    for _ in range(2):
        lab.record()
        with cassette(ID, func=[snapshotted.asynchronous]), ThreadPoolExecutor(1) as pool:
            for n in (2, 3, 1):
                pool.submit(asyncio.run, snapshotted.asynchronous(0.01, n)).result()
        digests.append(lab.digests())
    assert digests[0] == digests[1] == digests[2] == digests[3]


def test_nested_recorded_calls_replay_from_the_outside_in(lab: Lab) -> None:
    functions = [snapshotted.outer, counted]
    assert _conform(lab, lambda: snapshotted.outer(2), func=functions) == 6


def test_a_cached_function_is_answered_without_filling_its_cache(lab: Lab) -> None:
    snapshotted.cached.cache_clear()
    _conform(lab, lambda: [snapshotted.cached(1), snapshotted.cached(1)], func=[snapshotted.cached])
    snapshotted.cached.cache_clear()


def test_one_call_too_many_is_refused_even_when_swallowed(lab: Lab) -> None:
    lab.record()
    with cassette(ID, func=[counted]):
        counted()
    lab.approve()
    with pytest.raises(UnhandledCall, match="more often than recorded"), cassette(ID, func=[counted]):
        counted()
        with suppress(Exception):
            counted()
    assert len(calls) == 1


def test_a_call_without_an_approved_snapshot_is_missing(lab: Lab) -> None:
    lab.runner.use("none")
    with pytest.raises(SnapshotMissing, match="has no approved func snapshot"), cassette(ID, func=[counted]):
        counted()
    assert not calls


def test_a_value_without_a_codec_is_the_users_to_mend(lab: Lab) -> None:
    lab.record()
    for name in ("unencodable", "generator"):
        with pytest.raises(UsageError), cassette(ID, func=[f"snapshotted:{name}"]):
            getattr(snapshotted, name)()
    assert not list(lab.runner.project().pending)


@pytest.mark.parametrize(
    "function",
    [
        lambda: 1,
        functools.partial(plain, 1),
        "snapshotted:nothing",
        "no_such_module:f",
        "snapshotted",
        "snapshotted:calls",
        dt.datetime.now,
        "datetime:datetime.now",
    ],
    ids=["lambda", "partial", "no name", "no module", "a module", "no function", "a builtin", "by text"],
)
def test_what_cannot_be_replaced_is_refused_clearly_and_leaves_nothing(lab: Lab, function: Any) -> None:
    lab.record()
    with pytest.raises(UsageError, match="func="), cassette(ID, func=[counted, function]):
        raise AssertionError("never entered")
    assert functools.partial(plain, 1)()["n"] == 1
    assert counted() == 2


def test_a_function_with_the_name_of_another_is_not_taken_for_it(lab: Lab) -> None:
    def impostor() -> int:
        return 0

    impostor.__module__, impostor.__qualname__ = "snapshotted", "counted"
    lab.record()
    with pytest.raises(UsageError, match="something else has this name"), cassette(ID, func=[impostor]):
        pass


def test_nested_cassettes_may_share_a_function(lab: Lab) -> None:
    def scenario() -> list[int]:
        found = [counted()]
        with cassette("x.py::inner", func=[snapshotted.counted]):  # the stand-in, at this moment
            found.append(counted())
        return [*found, counted()]

    _conform(lab, scenario, func=[counted])
    assert counted() == 4


def test_a_nested_cassette_that_does_not_want_a_function_calls_it(lab: Lab) -> None:
    lab.record()
    with cassette(ID, func=[counted]):
        with cassette("x.py::inner"):
            assert counted() == 1
        assert counted() == 2
    lab.approve()
    with cassette(ID, func=[counted]):
        assert counted() == 2


def test_a_module_imported_during_the_cassette_keeps_working_after_it(lab: Lab) -> None:
    lab.record()
    with cassette(ID, func=[counted]):
        late = types.ModuleType("late")
        exec("from snapshotted import counted", late.__dict__)
        assert late.counted() == 1
    assert late.counted() == 2
    lab.approve()
    with cassette(ID, func=[counted]):
        assert late.counted() == 1
    assert len(calls) == 2


def test_a_module_that_mocks_its_dict_does_not_stop_the_search(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "odd", None)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "odder", object())  # type: ignore[arg-type]
    _conform(lab, lambda: counted(), func=[counted])


def test_secret_arguments_are_redacted_and_still_match(lab: Lab) -> None:
    lab.record()
    with cassette(ID, func=[snapshotted.rich]):
        snapshotted.rich(token="tok-0123456789abcdef")
    lab.approve()
    assert b"tok-0123456789abcdef" not in lab.blob(Kind.FUNC)
    with cassette(ID, func=[snapshotted.rich]):
        snapshotted.rich(token="tok-0123456789abcdef")
    assert len(calls) == 1
