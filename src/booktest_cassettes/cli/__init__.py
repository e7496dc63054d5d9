"""The ``booktest-cassettes`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; ends the process with the exit codes of DESIGN promise 13."""
    import click

    from ..errors import CassetteError
    from .commands import group

    try:
        sys.exit(group.main(standalone_mode=False) or 0)
    except CassetteError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
