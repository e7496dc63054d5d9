"""Words that every room says in the same way."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """``1 test``, ``2,000 tests``, ``3 entries``."""
    if number == 1:
        return f"1 {noun}"
    many = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"
    return f"{number:,} {many}"


def printable(text: str) -> str:
    """On one line, with every control, bidirectional and other invisible character written as an escape.

    What was recorded must not drive the terminal a message is printed on.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
