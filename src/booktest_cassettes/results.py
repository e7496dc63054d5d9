"""Results: the small Markdown document that a test writes for people, and what changed in one.

Pure text. What is written is made stable here, so that the same values give the same bytes on every
machine and Python: see ADR-0014.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from .errors import CheckFailed, UsageError
from .wording import count

if TYPE_CHECKING:
    from .recording.compared import Difference

#: Characters of a result; what is bigger is no summary for people.
LIMIT = 1_000_000

# A fixed list, as `str.isprintable` is not the same in all Pythons: controls, what turns or hides text,
# halves of characters. The joiners of emoji and Persian stay.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_LINE_ENDS = re.compile(r"\r\n?")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}>")
_FENCE = re.compile("`{3,}")
_WIDEST = 40  # characters; a longer cell does not move the columns of other rows


class Writer:
    """What a test writes into its result; each method adds Markdown, in the order of the calls.

    Parameters
    ----------
    clean:
        Takes secrets out of a text.
    """

    def __init__(self, clean: Callable[[str], str] = str) -> None:
        self._clean = clean
        self._blocks: list[tuple[str, str]] = []  # what sort of block, its text
        self._size = 0
        self._failed: list[str] = []
        self._is_closed = False

    def close(self) -> None:
        """Take nothing more: the document is being compared."""
        self._is_closed = True

    def h1(self, title: object) -> None:
        """A heading."""
        self._heading(1, title)

    def h2(self, title: object) -> None:
        """A heading, one level down."""
        self._heading(2, title)

    def h3(self, title: object) -> None:
        """A heading, two levels down."""
        self._heading(3, title)

    def line(self, text: object = "") -> None:
        """A line, or several, as they stand: Markdown in them is Markdown."""
        self._add("line", self._shown(text))

    def check(self, label: object, ok: object) -> bool:
        """An item of a checklist; one that is not ``ok`` fails the test at its end, after all is written.

        Returns
        -------
        bool
            Whether it is ok.
        """
        is_ok = bool(ok)
        shown = _one_line(self._shown(label))
        if not is_ok:
            self._failed.append(shown)
        self._add("check", f"- [{'x' if is_ok else ' '}] {shown}")
        return is_ok

    def table(self, rows: Iterable[Any], header: Sequence[object] | None = None) -> None:
        """A table.

        Parameters
        ----------
        rows:
            Mappings, whose keys are the columns in the order in which they come up; or sequences.
        header:
            Names of the columns. Of mappings: which to show. Of sequences: without it, the first row.

        Raises
        ------
        UsageError
            When a row is neither, or has more cells than there are columns.
        """
        cells = [[_cell(self._shown(value)) for value in row] for row in _rows(list(rows), header)]
        self._add("table", "\n".join(_aligned(cells)) if any(cells) else "(no rows)")

    def code(self, text: object, language: str = "") -> None:
        """A block of text that is shown as it is."""
        shown = self._shown(text).strip("\n")
        longest = max((len(fence) for fence in _FENCE.findall(shown)), default=2)
        fence = "`" * (longest + 1)
        self._add("code", f"{fence}{_one_line(language)}\n{shown}\n{fence}")

    def text(self) -> str | None:
        """The document so far; ``None`` when nothing is in it."""
        parts: list[str] = []
        before = ""
        for block, text in self._blocks:
            if parts and (block != before or block in ("heading", "table", "code")):
                parts.append("")
            parts.append(text)
            before = block
        return tidy(self._clean("\n".join(parts)))

    def failure(self, test_id: str) -> CheckFailed | None:
        """The error for the checks that are not ok, ``None`` when all are."""
        if not self._failed:
            return None
        lines = [f"- [ ] {visible(label)}" for label in self._failed]
        first = f"{test_id}: {count(len(lines), 'check')} of its result failed:"
        return CheckFailed("\n  ".join([first, *lines]))

    def _heading(self, level: int, title: object) -> None:
        self._add("heading", f"{'#' * level} {_one_line(self._shown(title))}")

    def _add(self, block: str, text: str) -> None:
        if self._is_closed:
            raise UsageError(
                "the test has ended, and its result was compared: it takes nothing more",
                hint="write it in the test, or in a fixture before its yield",
            )
        self._size += len(text) + 1
        if self._size > LIMIT:
            raise UsageError(
                f"a result is for people to read, and this one gets more than {LIMIT:,} characters",
                hint="write what was found about the data, not the data",
            )
        self._blocks.append((block, text))

    def _shown(self, value: object) -> str:
        # Cleaned before cells are aligned: the length of a secret is nobody's business either. And before it
        # is made visible: a key with line ends of Windows would not be known by other ones.
        return self._clean(visible(self._clean(_stable(value))))


class NoWriter(Writer):
    """Stands where there is no result: whatever is written raises ``why``."""

    def __init__(self, why: UsageError) -> None:
        super().__init__()
        self._why = why.message, why.hint

    def _add(self, block: str, text: str) -> None:  # noqa: ARG002
        message, hint = self._why
        raise UsageError(message, hint=hint)


def visible(text: str) -> str:
    """Text with plain line ends, and with what drives a terminal or hides text written as escapes."""
    return _UNSEEN.sub(lambda match: ascii(match[0])[1:-1], _LINE_ENDS.sub("\n", text))


def tidy(text: str) -> str | None:
    """A result as it is filed: no white space at the end of lines, one line end at the end of all.

    ``None`` where nothing is left. Hooks that tidy files find nothing to do in it.
    """
    text = _TRAILING.sub("", visible(text)).strip("\n")
    return f"{text}\n" if text else None


def differences(old: str | None, new: str | None) -> tuple[Difference, ...]:
    """What changed from one result to another, by stretches of lines; ``None`` stands for none.

    One that is new or gone is one difference, as is one of a single line.
    """
    from .recording.compared import Difference  # equal results, which most are, need none of it
    from .recording.comparing_lines import lines

    if old == new:
        return ()
    if old is None or new is None:
        return (Difference("text", old, new),)
    return tuple(lines("text", old, new))


def describe(old: str | None, new: str | None, limit: int = 40) -> list[str]:
    """The same as lines with ``-`` and ``+``, made visible, at most ``limit`` of them."""
    told: list[str] = []
    for difference in differences(old, new):
        told += [f"- {visible(line)}" for line in _lines(difference.old)]
        told += [f"+ {visible(line)}" for line in _lines(difference.new)]
        if len(told) > limit:
            return [*told[:limit], "... and more"]
    return told


def _lines(text: str | None) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


# -- tables ------------------------------------------------------------------------------------------


def _rows(rows: list[Any], header: Sequence[object] | None) -> Iterator[Sequence[object]]:
    """The header, then every row with as many cells."""
    if rows and isinstance(rows[0], Mapping):
        _check_all(rows, Mapping)
        names = header if header is not None else list(dict.fromkeys(name for row in rows for name in row))
        yield names
        yield from ([row.get(name, "") for name in names] for row in rows)
        return
    _check_all(rows, Sequence)
    head, rest = (rows[0] if rows else (), rows[1:]) if header is None else (header, rows)
    yield head
    for number, row in enumerate(rest, 1):
        if len(row) > len(head):  # what is in it may be a secret
            raise UsageError(f"row {number} of a table has {len(row)} cells, its header {len(head)}")
        yield [*row, *[""] * (len(head) - len(row))]


def _check_all(rows: list[Any], kind: type) -> None:
    wrong = [row for row in rows if not isinstance(row, kind) or isinstance(row, (str, bytes))]
    if wrong:
        raise UsageError(
            f"a table takes rows that are all mappings or all sequences, not {type(wrong[0]).__name__}",
            hint='cassette.result.table([{"name": "Ada"}]), or table([["Ada"]], header=["name"])',
        )


def _cell(text: str) -> str:
    return text.strip().replace("|", r"\|").replace("\n", "<br>")


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    columns = range(len(rows[0]))
    widths = [max([3, *(len(row[n]) for row in rows if len(row[n]) <= _WIDEST)]) for n in columns]
    ruler = ["-" * width for width in widths]
    for row in [rows[0], ruler, *rows[1:]]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"| {' | '.join(cells)} |"


# -- values ------------------------------------------------------------------------------------------


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _stable(value: object) -> str:
    """The text of a value, the same in every process."""
    return value if isinstance(value, str) else _spelled(value, str)


def _spelled(value: object, spell: Callable[[object], str]) -> str:
    if isinstance(value, Mapping):
        pairs = sorted((_spelled(key, repr), _spelled(item, repr)) for key, item in value.items())
        return f"{{{', '.join(f'{key}: {item}' for key, item in pairs)}}}"
    if isinstance(value, AbstractSet):
        return f"{{{', '.join(sorted(_spelled(item, repr) for item in value))}}}"
    if type(value) in (list, tuple):
        inside = ", ".join(_spelled(item, repr) for item in value)  # type: ignore[attr-defined]
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    text = spell(value)
    if _ADDRESS.search(text) and not isinstance(value, str):
        raise UsageError(
            f"a {type(value).__qualname__} shows where in memory it is, which is different in every run",
            hint="write those of its fields that count",
        )
    return text
