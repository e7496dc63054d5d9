"""The booktest plugin: booktest's suites on content-addressed storage.

One line in ``test/__booktest__.py`` puts it into the ``booktest`` command::

    import booktest_cassettes.booktest_plugin

``booktest-cassettes run --runner booktest`` needs no line. Loaded in booktest's processes only.
"""

from __future__ import annotations

from .. import runner as _runner
from .install import install

__all__ = ["install"]

install(storage=not _runner.light)
