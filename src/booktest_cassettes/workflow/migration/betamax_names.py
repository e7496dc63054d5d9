"""The names betamax's own fixtures give a cassette: by module, class and function of its test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_NO_FILE_NAME = re.compile(r'[\s/<>:\\"|?*]')


def users(stem: str, test_ids: tuple[str, ...]) -> list[str]:
    """The tests that use a cassette: one function, with any parameters; else none.

    Parameters
    ----------
    stem:
        The file's name without ``.json``.
    test_ids:
        Those of the project.
    """
    fitting = _by_stem(test_ids).get(stem, [])
    return fitting if len({test_id.partition("[")[0] for test_id in fitting}) == 1 else []


@lru_cache(maxsize=1)
def _by_stem(test_ids: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Stems of cassette files to the tests that may use them.

    ``betamax_session`` and ``betamax_recorder`` say ``module.Class.function`` (their parametrised
    variants with the parameters), ``BetamaxTestCase`` says ``Class.method``. How much of the path is the
    module's name depends on how pytest imports it: any of it will do.
    """
    found: dict[str, list[str]] = {}
    for test_id in test_ids:
        for stem in _stems(test_id):
            found.setdefault(stem, []).append(test_id)
    return found


def _stems(test_id: str) -> set[str]:
    plain, bracket, parameters = test_id.partition("[")
    file, *classes, function = plain.split("::")
    owner = f"{classes[-1]}." if classes else ""
    names = {f"{owner}{function}", f"{owner}{_NO_FILE_NAME.sub('-', function + bracket + parameters)}"}
    parts = file.removesuffix(".py").split("/")
    modules = [".".join(parts[start:]) for start in range(len(parts))]
    found = {f"{module}.{name}" for module in modules for name in names}
    return found | names if classes else found
