"""The ``booktest-cassettes`` command."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command; ends the process with the exit codes of DESIGN promise 13."""
    import click

    from ..errors import CassetteError
    from .commands import group

    _open_streams()
    try:
        sys.exit(group.main(standalone_mode=False) or 0)
    except CassetteError as error:
        from ..workflow.show import inert

        click.echo("\n".join(map(inert, f"error: {error}".split("\n"))), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)


def _open_streams() -> None:
    """Stand in for streams that ``<&-`` or a daemon closed: the next file opened would get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - for as long as the process lives
