"""vcrpy's and pytest-recording's options as arguments of ``cassette()``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError
from ..recording.matching import NAMES

#: vcrpy's default: unlike ours, it does not look at bodies.
MATCH_ON = ("method", "scheme", "host", "port", "path", "query")
#: Options that say how a file is named and written, or which client is patched: there is no file, and
#: every client is intercepted. ``allowed_hosts`` is pytest-recording's, and about blocking.
WITHOUT_MEANING = frozenset(
    "serializer cassette_library_dir path_transformer func_path_generator persister inject_cassette"
    " skip_patchers with_current_defaults path allowed_hosts".split()
)
_FILTERS = ("filter_headers", "filter_query_parameters", "filter_post_data_parameters")
_RENAMED = {"before_record": "before_record_request"}
_LISTS = ("ignore_hosts", "custom_patches")


def arguments(
    given: Mapping[str, Any],
    known: Collection[str],
    matchers: Mapping[str, Callable[..., Any]] = {},
    *,
    where: str = "vcr",
) -> dict[str, Any]:
    """What ``cassette()`` takes for what vcrpy takes.

    Parameters
    ----------
    given:
        The options, by vcrpy's names or ours.
    known:
        The names that ``cassette()`` takes.
    matchers:
        Registered ones, by the names that ``match_on`` uses.
    where:
        Who said it, for messages.

    Raises
    ------
    UsageError
        For an option or matcher that neither of us has, with the nearest one.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in WITHOUT_MEANING or name == "additional_matchers" or value is None:
            continue
        ours = _RENAMED.get(name, name)
        if ours not in known:
            raise _unknown("option", name, [*known, *WITHOUT_MEANING, *_RENAMED], where)
        found[ours] = value
    for name in _FILTERS:
        if name in found:  # a name alone is removed, as in vcrpy; ours would replace it in answers, too
            found[name] = [(item, None) if isinstance(item, str) else tuple(item) for item in found[name]]
    for name in _LISTS:
        if name in found:
            found[name] = list(found[name])
    extra = given.get("additional_matchers") or ()
    if "match_on" in found or extra:
        names = (*(found.get("match_on", MATCH_ON)), *extra)
        found["match_on"] = [_matcher(one, matchers, where) for one in names]
    return found


def _matcher(given: Any, registered: Mapping[str, Callable[..., Any]], where: str) -> Any:
    if callable(given):
        return given
    if given in registered:
        return registered[given]
    if given not in NAMES:
        raise _unknown("matcher", given, [*NAMES, *registered], where)
    return given


def _unknown(what: str, name: str, known: Collection[str], where: str) -> UsageError:
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(sorted(known))}"
    return UsageError(f"{where} has no {what} {name!r}", hint=hint)
