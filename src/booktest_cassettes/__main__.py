"""``python -m booktest_cassettes``: the same command as ``booktest-cassettes``."""

from .cli import main

if __name__ == "__main__":
    main()
