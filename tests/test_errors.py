"""The error tree is what its docstring draws, and every error survives a trip between processes."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from booktest_cassettes import errors
from booktest_cassettes.errors import CassetteError

TREE = [
    found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, CassetteError)
]


def _drawn() -> dict[str, tuple[int, int | None]]:
    """Name to depth and exit code, as the module's docstring has them."""
    assert errors.__doc__
    lines = re.findall(r"^    ([│ ]*(?:[├└]── )?)([A-Z]\w+) +(\d)?", errors.__doc__, re.MULTILINE)
    return {name: (len(branch) // 4, int(code) if code else None) for branch, name, code in lines}


def test_the_docstring_draws_every_error_and_no_other():
    assert sorted(_drawn()) == sorted(error.__name__ for error in TREE)


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_an_error_hangs_where_it_is_drawn(error):
    depth, code = _drawn()[error.__name__]
    ancestry = [base for base in error.__mro__ if issubclass(base, CassetteError)]
    assert len(ancestry) == depth + 1
    if code is not None:
        assert error.exit_code == code
    assert error.exit_code == (ancestry[-2].exit_code if depth else 1)


def test_exit_codes_are_those_of_promise_13():
    assert {error.exit_code for error in TREE} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
@pytest.mark.parametrize("trip", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_error_survives_a_trip_between_processes(error, trip):
    made = error("what, where, why", hint="the next command")
    back = trip(made)
    assert type(back) is error
    assert (back.message, back.hint, back.args) == (made.message, made.hint, made.args)
    assert str(back) == str(made) == "what, where, why\n  next: the next command"


def test_without_a_hint_the_text_is_the_message():
    assert str(CassetteError("what")) == "what"


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_every_error_says_what_it_is(error):
    assert error.__doc__
    assert error.__doc__ != Exception.__doc__
