"""Lines on a terminal: folded to its width, cut to its height; and command lines of diff tools."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.cli import keys, screen
from booktest_cassettes.cli.desk import page
from booktest_cassettes.cli.review_pending import command
from booktest_cassettes.errors import UsageError
from booktest_cassettes.workflow.lines import Line

printable = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=" ", max_codepoint=0x2FFFF)
)


@given(text=printable, room=st.integers(20, 100))
def test_no_folded_line_is_wider_than_the_terminal_and_none_of_the_text_is_lost(text, room):
    folded = list(screen.fold([Line(text, "added")], room))
    assert all(screen.columns(line.text) <= room for line in folded)
    assert {line.style for line in folded} == {"added"}
    assert "".join(line.text for line in folded).replace(" ", "") == text.replace(" ", "")


def test_what_goes_on_below_is_indented_a_little_more_than_its_beginning():
    folded = screen.fold([Line("  " + "x" * 30)], 20)
    assert [line.text for line in folded] == ["  " + "x" * 18, "      " + "x" * 12]


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0), ("é", 1)])
def test_columns_are_those_of_a_terminal(text, columns):
    assert screen.columns(text) == columns


def test_a_tab_takes_the_columns_that_a_terminal_gives_it():
    (line,) = screen.fold([Line("a\tb")], 20)
    assert line.text == "a       b"


def test_what_does_not_fit_is_counted():
    lines = [Line(str(number)) for number in range(10)]
    assert screen.fit(lines, 10) == (lines, 0)
    assert screen.fit(lines, 4) == (lines[:4], 6)
    assert screen.fit(lines, -3) == (lines[:1], 9)


@pytest.mark.parametrize(
    ("configured", "words"),
    [
        ("meld", ["meld", "/o d", "/n"]),
        ("code --wait --diff {old} {new}", ["code", "--wait", "--diff", "/o d", "/n"]),
        ("tool --new={new}", ["tool", "--new=/n"]),
        ("'my tool' -x \"a b\"", ["my tool", "-x", "a b", "/o d", "/n"]),
    ],
)
def test_a_diff_tool_gets_the_files_where_it_wants_them(configured, words):
    assert command(configured, Path("/o d"), Path("/n")) == words


def test_a_diff_tool_that_is_no_command_is_refused():
    with pytest.raises(UsageError, match=r"review\.diff_tool is no command: No closing quotation"):
        command("'meld", Path("/o"), Path("/n"))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_page_is_shown_on_a_terminal_of_any_height(rows, monkeypatch, capsys):
    monkeypatch.setattr(screen, "height", lambda: rows)
    monkeypatch.setattr("click.echo_via_pager", lambda text: print("".join(text), end=""))
    page([Line("a"), Line("b")], Typed(""))
    assert capsys.readouterr().out == "a\nb\n"


class Typed:
    """A keyboard on which this was typed."""

    def __init__(self, text: str) -> None:
        self.left = list(text)

    def key(self) -> str:
        return self.left.pop(0)

    def released(self) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.mark.parametrize(
    ("typed", "line", "shown"),
    [
        ("yes\r", "yes", "yes\n"),
        ("nx\x7f\x7f\x7fyes\n", "yes", "nx\b \b\b \byes\n"),
        ("\x1b\x07é\u202e1\r", "1", "1\n"),
        ("\r", "", "\n"),
    ],
)
def test_a_typed_line_is_what_was_typed_and_corrected(typed, line, shown):
    echoed: list[str] = []
    assert keys.line(Typed(typed), echoed.append) == line
    assert "".join(echoed) == shown
