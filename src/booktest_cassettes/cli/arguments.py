"""Arguments that name tests, completed by the shell."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from ..errors import CassetteError

if TYPE_CHECKING:
    _Type = click.ParamType[str]
else:  # older ones are not generic
    _Type = click.ParamType


class TestName(_Type):
    """A test id, or a file or directory above it; ``click.argument("test", type=TestName())``.

    What is offered: the tests of the manifest and those that wait for review; files first, then the
    tests of the one that was chosen. A value is taken as it stands.

    Parameters
    ----------
    pending:
        Offer only tests that wait for review.
    """

    name = "test"
    __test__ = False  # pytest collects what begins with Test

    def __init__(self, *, pending: bool = False) -> None:
        self.pending = pending

    def shell_complete(
        self, _context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """See click. A broken project completes nothing: there is nobody to tell."""
        try:
            return [CompletionItem(name) for name in offered(self._known(), incomplete)]
        except (CassetteError, OSError):
            return []

    def _known(self) -> set[str]:
        from ..project import Project

        project = Project.open(Path.cwd())
        waiting = {record.test_id for record in project.pending}
        return waiting if self.pending else waiting | set(project.manifest.entries)


def offered(known: Iterable[str], incomplete: str) -> list[str]:
    """What may come next: files while there are several, then tests.

    Names that a shell could not take as one line of printable text are left out.
    """
    fitting = [name for name in known if name.startswith(incomplete) and name.isprintable()]
    files = {name.partition("::")[0] for name in fitting}
    if len(files) > 1 and "::" not in incomplete:
        return sorted(files)
    return sorted(fitting)
