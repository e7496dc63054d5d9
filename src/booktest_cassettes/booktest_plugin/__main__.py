"""``python -m booktest_cassettes.booktest_plugin``: the ``booktest`` command with cassettes in it."""

from __future__ import annotations

import sys

from ..again import WITH_BOOKTEST_IN_US
from . import projects


def main() -> None:
    """Run booktest; ends with the exit codes of DESIGN promise 13."""
    from booktest.cli import main as booktest

    projects.run_again_with(WITH_BOOKTEST_IN_US)
    sys.argv[0] = f"{WITH_BOOKTEST_IN_US.command} --"  # what booktest's usage begins with
    code = booktest(sys.argv[1:])
    sys.exit(1 if code in (-1, 255) else code)


if __name__ == "__main__":
    main()
