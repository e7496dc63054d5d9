"""What a check found: data, and perhaps a safe way to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ...errors import CassetteError

Level: TypeAlias = Literal["ok", "note", "warning", "problem"]

#: What a problem makes the command end with (DESIGN, promise 13).
USAGE, INTEGRITY, REMOTE = 2, 4, 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    check:
        A stable name for machines: ``manifest-conflict``.
    level:
        ``ok``; ``note``: good to know; ``warning``: something may not work; ``problem``: something does not.
    where:
        A file, a package, a variable; ``""`` where ``what`` says it.
    what:
        In words; never holds a secret.
    fix:
        A command or an edit; ``""`` where there is nothing to do.
    exit_code:
        Of a problem: 2 configuration, 4 integrity, 5 remote, 1 a check that failed itself.
    mend:
        Does the fix where that is safe, and returns what it did, ``""`` for nothing any more.
    """

    check: str
    level: Level
    where: str
    what: str
    fix: str = ""
    exit_code: int = 0
    mend: Callable[[], str] | None = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "check": self.check,
            "level": self.level,
            "where": self.where,
            "what": self.what,
            "fix": self.fix,
            "exit_code": self.exit_code,
            "fixable": self.mend is not None,
        }


Findings: TypeAlias = Iterator[Finding]


def ok(check: str, where: str, what: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", where, what)


def problem(check: str, where: str, what: str, fix: str, exit_code: int) -> Finding:
    """Something does not work."""
    return Finding(check, "problem", where, what, fix, exit_code)


def of_error(check: str, error: CassetteError, where: str = "") -> Finding:
    """One of our own errors, which say what, where and the next command themselves."""
    return Finding(check, "problem", where, error.message, error.hint, error.exit_code)


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one room."""

    name: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found.

    Attributes
    ----------
    root:
        The project's root directory.
    fixed:
        What was mended before the findings were made.
    """

    root: str
    groups: tuple[Group, ...]
    fixed: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those of all groups."""
        return tuple(finding for group in self.groups for finding in group.findings)

    @property
    def exit_code(self) -> int:
        """0, or the highest of the problems'."""
        return max((finding.exit_code for finding in self.findings), default=0)

    def count(self, level: Level) -> int:
        """How many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "root": self.root,
            "exit_code": self.exit_code,
            "fixed": list(self.fixed),
            "groups": [
                {"name": group.name, "findings": [finding.as_json() for finding in group.findings]}
                for group in self.groups
            ],
        }
