"""Results: what a test writes is Markdown that reads well, stays the same, and holds nothing it must not."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.errors import UsageError
from booktest_cassettes.results import LIMIT, Writer, describe, differences, tidy

JOINED = "👩\u200d💻 \u0646\u0645\u06cc\u200c\u062e"  # an emoji and a Persian word need their joiners


def _text(write) -> str | None:
    writer = Writer()
    write(writer)
    return writer.text()


def test_a_whole_result_reads_like_a_page():
    writer = Writer()
    writer.h1("Users")
    writer.line("3 users")
    writer.line(f"average age {41.456:.1f}")
    writer.check("all have names", ok=True)
    writer.check("all are adults", [])
    writer.h2("By country")
    writer.table([{"country": "FI", "users": 2}, {"country": "SE", "users": 1}])
    writer.code("a\n  b", "text")
    writer.line("done")
    assert (
        writer.text()
        == """\
# Users

3 users
average age 41.5

- [x] all have names
- [ ] all are adults

## By country

| country | users |
| ------- | ----- |
| FI      | 2     |
| SE      | 1     |

```text
a
  b
```

done
"""
    )


@pytest.mark.parametrize("write", [lambda w: None, lambda w: w.line(), lambda w: w.line(" \n\t\r\n")])
def test_no_content_is_no_document(write):
    assert _text(write) is None


def test_a_table_escapes_what_would_break_it():
    text = _text(lambda w: w.table([{"a|b": "x|y", "c": "one\ntwo"}, {"a|b": "", "c": None}]))
    assert text == (
        "| a\\|b | c          |\n| ---- | ---------- |\n| x\\|y | one<br>two |\n|      | None       |\n"
    )


def test_a_long_cell_leaves_the_other_rows_as_they_are():
    short = _text(lambda w: w.table([["ab", "x"], ["cd", "y"]], header=["one", "two"]))
    long = _text(lambda w: w.table([["ab", "x"], ["c" * 60, "y"]], header=["one", "two"]))
    assert short
    assert long
    assert short.splitlines()[:3] == long.splitlines()[:3]


@pytest.mark.parametrize(
    ("rows", "header", "expected"),
    [
        ([], None, "(no rows)\n"),
        ([{}], None, "(no rows)\n"),
        ([], ["name"], "| name |\n| ---- |\n"),
        ([["name"], ["Ada"]], None, "| name |\n| ---- |\n| Ada  |\n"),
        ([("Ada",)], ["name", "age"], "| name | age |\n| ---- | --- |\n| Ada  |     |\n"),
        ([{"name": "Ada", "age": 3}], ["age"], "| age |\n| --- |\n| 3   |\n"),
        ([{"a": 1}, {"b": 2}], None, "| a   | b   |\n| --- | --- |\n| 1   |     |\n|     | 2   |\n"),
    ],
)
def test_rows_of_any_shape_make_a_table(rows, header, expected):
    assert _text(lambda w: w.table(rows, header)) == expected


@pytest.mark.parametrize("rows", [["text"], [{"a": 1}, ["b"]], [["a"], {"b": 1}], [3], [b"ab"]])
def test_what_is_no_row_is_refused(rows):
    with pytest.raises(UsageError, match="mappings or all sequences"):
        Writer().table(rows)


def test_a_row_with_more_cells_than_columns_is_refused():
    with pytest.raises(UsageError, match="2 cells"):
        Writer().table([[1, 2]], header=["one"])


def test_values_are_spelled_the_same_in_every_order():
    one = _text(lambda w: w.line({"b": {3, 1, 2}, "a": [1.10, Decimal("1.10"), "é"]}))
    other = _text(lambda w: w.line({"a": [1.1, Decimal("1.10"), "é"], "b": {2, 3, 1}}))
    assert one == other == "{'a': [1.1, Decimal('1.10'), 'é'], 'b': {1, 2, 3}}\n"


def test_sets_of_text_are_the_same_in_every_process():
    code = (
        "from booktest_cassettes.results import Writer; w = Writer();"
        "w.line({'x', 'y', 'z', 'w'}); w.line([{'k': {'q', 'r', 's'}}]); print(w.text())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1


def test_an_object_that_shows_its_address_is_refused():
    for value in (object(), [object()], {"a": object()}, lambda: None):
        with pytest.raises(UsageError, match="different in every run"):
            Writer().line(value)


def test_a_dataclass_is_shown_as_it_shows_itself():
    @dataclasses.dataclass
    class Point:
        x: int

        def __str__(self) -> str:
            return f"at {self.x}"

    assert _text(lambda w: w.line(Point(3))) == "at 3\n"


def test_what_drives_a_terminal_or_hides_text_is_written_as_an_escape():
    text = _text(lambda w: w.line("a\x1b[31m\x00\u202eb\u200b\ufeff\x85\u2028\ud800\U000e0041c"))
    assert text == "a\\x1b[31m\\x00\\u202eb\\u200b\\ufeff\\x85\\u2028\\ud800\\U000e0041c\n"
    assert _text(lambda w: w.line(JOINED)) == f"{JOINED}\n"


def test_line_ends_of_any_system_are_the_same():
    assert _text(lambda w: w.line("a\r\nb\rc\n\n\n")) == "a\nb\nc\n"


def test_a_title_or_a_label_stays_on_its_line():
    def write(writer):
        writer.h3("a\n# b")
        writer.check("c\n- [x] d", ok=True)

    assert _text(write) == "### a # b\n\n- [x] c - [x] d\n"


def test_a_code_block_is_not_left_by_what_is_in_it():
    text = _text(lambda w: w.code("```\n# not a heading\n````"))
    assert text == "`````\n```\n# not a heading\n````\n`````\n"


@given(st.lists(st.text()))
def test_any_text_gives_what_a_tidying_hook_leaves_alone(texts):
    writer = Writer()
    for text in texts:
        writer.line(text)
        writer.table([[text]], header=["text"])
        writer.code(text)
        writer.check(text, ok=True)
    document = writer.text()
    if document is not None:
        assert document == tidy(document)
        assert document.encode().decode() == document
        assert document.endswith("\n")
        assert not document.endswith("\n\n")
        assert "\r" not in document
        assert all(line == line.rstrip(" \t") for line in document.split("\n"))


@given(st.lists(st.lists(st.text(alphabet="ab|\\\n `", max_size=5), min_size=2, max_size=2), min_size=1))
def test_a_table_has_as_many_columns_in_every_row(rows):
    text = _text(lambda w: w.table(rows, header=["one", "two"]))
    assert text
    lines = text.rstrip("\n").split("\n")
    assert len(lines) == len(rows) + 2
    for line in lines:
        bare = line.replace("\\|", "")
        assert bare.count("|") == 3, line


def test_a_check_says_what_it_found_and_fails_at_the_end():
    writer = Writer()
    assert writer.check("one", 1) is True
    assert writer.check("two", None) is False
    assert writer.check("three\nlines", 0) is False
    failure = writer.failure("t.py::t")
    assert failure is not None
    assert failure.message == "t.py::t: 2 checks of its result failed:\n  - [ ] two\n  - [ ] three lines"
    assert writer.text() == "- [x] one\n- [ ] two\n- [ ] three lines\n"


def test_checks_that_are_all_well_fail_nothing():
    writer = Writer()
    writer.check("one", ok=True)
    assert writer.failure("t.py::t") is None


def test_a_document_is_limited_and_says_so_where_it_was_written():
    writer = Writer()
    writer.line("x" * (LIMIT - 1))
    with pytest.raises(UsageError, match="1,000,000"):
        writer.line("x")
    assert writer.text() == "x" * (LIMIT - 1) + "\n"


def test_what_is_closed_takes_nothing_more():
    writer = Writer()
    writer.line("a")
    writer.close()
    with pytest.raises(UsageError, match="has ended"):
        writer.line("b")
    assert writer.text() == "a\n"


def test_secrets_leave_before_cells_are_aligned_and_where_they_span_blocks():
    def clean(text: str) -> str:
        return text.replace("hunter2", "REDACTED").replace("one\ntwo", "REDACTED")

    def result(secret: str) -> str | None:
        writer = Writer(lambda text: clean(text).replace(secret, "REDACTED"))
        writer.table([{"key": secret}, {"key": "x"}])
        writer.check(f"it is {secret}", ok=True)
        writer.line("one")
        writer.line("two")
        return writer.text()

    text = result("hunter2")
    assert text
    assert "hunter2" not in text
    assert "one" not in text
    assert text == result("a much longer secret"), "its length shows in no column"


def test_a_secret_is_known_by_the_line_ends_it_was_declared_with():
    writer = Writer(lambda text: text.replace("BEGIN\r\nkey\r\nEND", "REDACTED"))
    writer.code("BEGIN\r\nkey\r\nEND")
    text = writer.text()
    assert text
    assert "key" not in text


def test_a_row_that_does_not_fit_is_not_told_by_what_is_in_it():
    with pytest.raises(UsageError, match="row 2 of a table has 2 cells, its header 1") as caught:
        Writer().table([["name"], ["ada"], ["bob", "hunter2"]])
    assert "hunter2" not in str(caught.value)


# -- what changed ------------------------------------------------------------------------------------


def _told(old: str | None, new: str | None) -> list[tuple[str, str | None, str | None]]:
    return [(found.where, found.old, found.new) for found in differences(old, new)]


def test_what_changed_is_told_by_lines():
    assert _told("a\nb\nc\n", "a\nB\nc\nd\n") == [
        ("text line 2", "b\n", "B\n"),
        ("text line 4", None, "d\n"),
    ]
    assert _told("a\nb\nc\n", "c\n") == [("text lines 1-2", "a\nb\n", None)]
    assert _told("a\n", "b\n") == [("text", "a\n", "b\n")]
    assert _told("a\nb\n", "a\nb\n") == []


def test_a_new_result_and_one_that_is_gone_are_told_whole():
    assert _told(None, "a\n\nb\n") == [("text", None, "a\n\nb\n")]
    assert _told("a\n", None) == [("text", "a\n", None)]
    assert _told(None, None) == []


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_what_is_described_leads_from_the_old_to_the_new(old, new):
    before, after = (f"{chr(10).join(lines)}\n" if lines else None for lines in (old, new))
    told = describe(before, after)
    for letter in "abc":
        assert old.count(letter) - told.count(f"- {letter}") + told.count(f"+ {letter}") == new.count(letter)
    assert bool(told) == (old != new)


def test_a_description_is_short_and_can_drive_no_terminal():
    lines = describe("a\n\x1b[2Jb\n", "a\nc\u202e\n")
    assert lines == ["- \\x1b[2Jb", "+ c\\u202e"]
    assert len(describe(None, "x\n" * 500)) == 41
    assert describe(None, "x\n" * 500)[-1] == "... and more"
