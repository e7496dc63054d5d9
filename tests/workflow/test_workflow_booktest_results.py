"""Hashes go from a result by section, and nothing else goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.workflow.migration.booktest_results import without_hashes

A, B = "2e943733fabbffde11ad3f21b9f6d30ae70e4132", "7185541346b850c27b0a566841b088e6e39b146b"
SECTIONS = [
    f"# httpx snaphots:\n\n * http://a.test/?x=1 - {A}\n * http://b.test/ - {B}\n",
    f"# request snaphots:\n\n * http://a.test/ - {A}\n",
    f"# function call snapshots:\n\n * hello_world - {A}:\n   * {B}\n   * {A}\n",
    f"# env snaphots:\n\n * HOST_NAME - {A}\n",
]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_goes_with_the_blank_line_before_it(section):
    assert without_hashes(f"# response:\n\nok\n\n{section}") == "# response:\n\nok\n"
    assert without_hashes(section) == ""
    assert without_hashes(f"\n{section}\n") == ""


def test_all_sections_of_a_result_go():
    assert without_hashes("text\n\n" + "\n".join(SECTIONS)) == "text\n"


@pytest.mark.parametrize("section", SECTIONS)
def test_what_stands_after_a_section_stays(section):
    assert (
        without_hashes(f"before\n\n{section}\n# after:\n\n * x - {A}\n")
        == f"before\n\n# after:\n\n * x - {A}\n"
    )
    assert without_hashes(f"before\n\n{section}after\n") == "before\n\nafter\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# httpx snaphots:\n",
        "# httpx snaphots:\n\nnothing was asked\n",
        f"# requests:\n\n * http://a.test/ - {A}\n",
        f"![plot](plot.{A}.png)\n",
        f" * http://a.test/ - {A}\n",
        f"## httpx snaphots:\n\n * http://a.test/ - {A}\n",
        f"# httpx snaphots:\n\n * http://a.test/ - {A}0\n",
        f"# env snaphots:\n\n * HOST - {A} and more\n",
    ],
)
def test_what_is_no_such_section_stays(text):
    assert without_hashes(text) == text


def test_line_ends_of_the_file_are_kept():
    text = f"a\n\n{SECTIONS[0]}\nb\n".replace("\n", "\r\n")
    assert without_hashes(text) == "a\r\n\r\nb\r\n"


pieces = st.sampled_from(["text\n", "\n", "# httpx snaphots:\n", f" * u - {A}\n", f"   * {B}\n", "\u2028"])


@given(st.lists(pieces))
def test_no_line_of_the_tests_own_is_ever_lost(lines):
    once = without_hashes("".join(lines))
    assert once.count("text\n") == lines.count("text\n")
    assert once.count("\u2028") <= lines.count("\u2028")  # a blank line to Python
    if "# httpx snaphots:\n" not in lines:
        assert once == "".join(lines)
