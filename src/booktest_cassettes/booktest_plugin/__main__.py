"""``python -m booktest_cassettes.booktest_plugin``: the ``booktest`` command with cassettes in it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run booktest; ends with the exit codes of DESIGN promise 13."""
    from booktest.cli import main as booktest

    code = booktest(sys.argv[1:])
    sys.exit(1 if code in (-1, 255) else code)


if __name__ == "__main__":
    main()
