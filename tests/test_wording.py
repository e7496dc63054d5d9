"""Words that every room says in the same way."""

from __future__ import annotations

import pytest

from booktest_cassettes.wording import count, printable


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [(1, "entry", "1 entry"), (0, "test", "0 tests"), (2000, "copy", "2,000 copies"), (2, "day", "2 days")],
)
def test_nouns_are_counted(number, noun, said):
    assert count(number, noun) == said


def test_what_could_drive_a_terminal_is_written_as_an_escape():
    assert printable("a\x1b[2J\u202e\nb") == r"a\x1b[2J\u202e\nb"
