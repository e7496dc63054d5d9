"""Which tests a pattern means."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.errors import UsageError
from booktest_cassettes.workflow.select import matches, select


@dataclass(frozen=True)
class Item:
    test_id: str


@pytest.mark.parametrize(
    ("pattern", "test_id"),
    [
        ("tests/test_api.py::test_users", "tests/test_api.py::test_users"),
        ("tests/test_api.py", "tests/test_api.py::test_users"),
        ("./tests/test_api.py", "tests/test_api.py::test_users"),
        ("./tests/test_api.py::test_users", "tests/test_api.py::test_users"),
        ("tests", "tests/test_api.py::test_users"),
        ("tests/", "tests/test_api.py::test_users"),
        ("tests/api/", "tests/api/test_x.py::test_users"),
        ("tests/", "tests"),
        ("tests/test_api.py::Users", "tests/test_api.py::Users::test_list"),
        ("tests/test_api.py::test_list", "tests/test_api.py::test_list[a]"),
        ("tests/test_api.py::test_list[a]", "tests/test_api.py::test_list[a]"),
        ("tests/test_api.py::test_list[*]", "tests/test_api.py::test_list[a/b::c]"),
        ("*::test_users*", "tests/test_api.py::test_users[1]"),
        ("*", "anything"),
        ("test/a_book.py::Book", "test/a_book.py::Book/test_m"),
    ],
)
def test_a_pattern_means(pattern, test_id):
    assert matches(pattern, test_id)


@pytest.mark.parametrize(
    ("pattern", "test_id"),
    [
        ("tests/test_api.py::test_user", "tests/test_api.py::test_users"),
        ("tests/test_api", "tests/test_api.py::test_users"),
        ("test_users", "tests/test_api.py::test_users"),
        ("tests/test_api.py:", "tests/test_api.py::test_users"),
        ("tests/test_api.py::test_list[ab]", "tests/test_api.py::test_lista"),
        ("tests/test_api.py::test_list[b]", "tests/test_api.py::test_list[a]"),
        ("TESTS", "tests/test_api.py::test_users"),
        ("*::TEST_users", "tests/test_api.py::test_users"),
        ("", "tests/test_api.py::test_users"),
        ("/", "tests/test_api.py::test_users"),
        ("./", "tests/test_api.py::test_users"),
        ("tests/test_api.py::test_list[?]", "tests/test_api.py::test_list[a]"),
        ("[t]ests*", "tests/test_api.py::test_users"),
    ],
)
def test_a_pattern_does_not_mean(pattern, test_id):
    assert not matches(pattern, test_id)


@given(st.text(), st.text())
def test_no_pattern_crashes(pattern, test_id):
    matches(pattern, test_id)
    assert matches(test_id, test_id)
    assert matches(pattern + "*", pattern + test_id)


IDS = ["a.py::t[*]", "a.py::t[1]", "a.py::u", "b.py::t"]
ITEMS = [Item(test_id) for test_id in IDS]


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ([], IDS),
        (["b.py"], ["b.py::t"]),
        (["b.py", "a.py::u"], ["a.py::u", "b.py::t"]),
        (["a.py", "a.py::u"], IDS[:3]),
        (["a.py::t"], IDS[:2]),
        (["a.py::t[*"], IDS[:2]),
        (["a.py::t[*]"], ["a.py::t[*]"]),
    ],
)
def test_the_chosen_come_once_and_in_their_order(patterns, chosen):
    assert [item.test_id for item in select(iter(ITEMS), patterns)] == chosen


def test_an_id_with_an_asterisk_is_that_test_alone():
    """Who names one test in full has looked at that one."""
    assert select(ITEMS, ["a.py::t[*]"]) == [Item("a.py::t[*]")]


@pytest.mark.parametrize("patterns", [["typo"], ["a.py", "typo"], [""]])
def test_a_pattern_that_means_nothing_is_an_error(patterns):
    with pytest.raises(UsageError, match="nothing here matches") as caught:
        select(ITEMS, patterns)
    assert "status" in caught.value.hint


def test_nothing_to_choose_from_is_fine_without_a_pattern():
    assert select([], []) == []
