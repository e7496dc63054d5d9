"""vcrpy's hooks around our interactions: what a request, a response, a recording goes through.

As in vcrpy, what is loaded goes through the same hooks as what is made, so that a filter that is added
later still finds what was recorded before it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import UsageError
from ..recording.bodies import Body
from ..recording.model import Failure, Interaction, Request, Response
from . import filters
from .presented import PresentedRequest, presented, response_dict, response_of, understood

ResponseHook = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass(frozen=True)
class Hooks:
    """Functions in vcrpy's form, in the order in which they are called.

    Attributes
    ----------
    requests:
        Filters, then ``before_record_request``.
    responses:
        ``before_record_response``.
    saving, loading:
        ``(request, response)`` or ``(request, response, cassette)``; return the two, or ``None``.
    decodes:
        Bodies are kept decoded, without Content-Encoding.
    """

    requests: Sequence[filters.RequestHook] = ()
    responses: Sequence[ResponseHook] = ()
    saving: Sequence[Callable[..., Any]] = ()
    loading: Sequence[Callable[..., Any]] = ()
    decodes: bool = False

    def __bool__(self) -> bool:
        return bool(self.requests or self.responses or self.saving or self.loading or self.decodes)

    def request(self, request: Request, empty: bytes | None = None) -> Request | None:
        """The request as it is matched and recorded; ``None``: it is left out of the recording."""
        if not self.requests:
            return request
        shown: Any = presented(request, empty)
        for hook in self.requests:
            shown = hook(shown)
            if shown is None:
                return None
        return understood(shown, request)

    def response(self, response: Response) -> Response | None:
        """The response as it is recorded; ``None``: it is left out of the recording."""
        if self.decodes:
            response = _decoded(response)
        if not self.responses:
            return response
        given: dict[str, Any] | None = response_dict(response)
        for hook in self.responses:
            if given is not None:
                given = hook(given)
        return None if given is None else response_of(given, response)

    def saved(self, item: Interaction) -> Interaction | None:
        """An interaction as it goes into the blob."""
        return _through(self.saving, item)

    def loaded(self, item: Interaction) -> Interaction | None:
        """An interaction as it comes out of the blob."""
        found = _through(self.loading, item)
        request = self._loaded_request(found.request) if found else None
        if found is None or request is None:
            return None
        if isinstance(found.outcome, Failure):
            return Interaction(request, found.outcome)
        response = self.response(found.outcome)
        return Interaction(request, response) if response else None

    def _loaded_request(self, request: Request) -> Request | None:
        try:
            return self.request(request)
        except Exception:  # noqa: BLE001 - a function of the user's
            # It has been through this hook when it was recorded. Volatile headers are gone since: a hook
            # that insists on one of them says so where the request is made.
            return request


def make_hooks(
    *,
    headers: Iterable[filters.Filter] = (),
    query: Iterable[filters.Filter] = (),
    fields: Iterable[filters.Filter] = (),
    nested: bool = False,
    requests: Any = None,
    responses: Any = None,
    saving: Any = None,
    loading: Any = None,
    sensitive: Any = (),
    decodes: bool = False,
) -> Hooks:
    """Hooks from vcrpy's options; those that may be one function or several may be either here."""
    chain: list[filters.RequestHook] = []
    if headers:
        chain.append(filters.headers(filters.replacements(headers)))
    if query:
        chain.append(filters.query(filters.replacements(query)))
    if fields:
        chain.append(filters.body(filters.replacements(fields), nested=nested))
    hide, restore = _sensitive(sensitive)
    return Hooks(
        requests=(*chain, *_several(requests)),
        responses=_several(responses),
        saving=(*_several(saving), *hide),
        loading=(*restore, *_several(loading)),
        decodes=decodes,
    )


def _several(hooks: Any) -> tuple[Callable[..., Any], ...]:
    if hooks is None:
        return ()
    return tuple(hooks) if isinstance(hooks, Iterable) else (hooks,)


def _decoded(response: Response) -> Response:
    if response.body.coding is None:
        return response
    headers = tuple(pair for pair in response.headers if pair[0].lower() != "content-encoding")
    return replace(response, headers=headers).with_body(Body(response.body.content))


def _through(hooks: Sequence[Callable[..., Any]], item: Interaction) -> Interaction | None:
    if not hooks or isinstance(item.outcome, Failure):
        return item
    request: Any = presented(item.request)
    response: Any = response_dict(item.outcome)
    for hook in hooks:
        made = hook(request, response, None) if _takes_cassette(hook) else hook(request, response)
        if made is None:
            return None
        if not isinstance(made, (tuple, list)) or len(made) != 2:
            name = getattr(hook, "__qualname__", repr(hook))
            raise UsageError(
                f"{name} returned {type(made).__name__}", hint="return (request, response), or None"
            )
        request, response = made
    return Interaction(understood(request, item.request), response_of(response, item.outcome))


def _takes_cassette(hook: Callable[..., Any]) -> bool:
    try:
        inspect.signature(hook).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def _sensitive(given: Any) -> tuple[tuple[Callable[..., Any], ...], tuple[Callable[..., Any], ...]]:
    """``filter_sensitive_data``: what hides values behind their placeholders, and what puts them back."""
    pairs = list(given.items() if isinstance(given, dict) else given or ())
    if not pairs:
        return (), ()

    def through(request: PresentedRequest, response: Any, *, restore: bool) -> tuple[PresentedRequest, Any]:
        for placeholder, value in pairs:
            found = value(request, response) if callable(value) else value
            old, new = (str(placeholder), str(found)) if restore else (str(found), str(placeholder))
            if found is not None and old and new:
                request = PresentedRequest._from_dict(_replaced(request._to_dict(), old, new))
                response = _replaced(response, old, new)
        return request, response

    def hide(request: PresentedRequest, response: Any) -> Any:
        return through(request, response, restore=False)

    def restore(request: PresentedRequest, response: Any) -> Any:
        return through(request, response, restore=True)

    return (hide,), (restore,)


def _replaced(data: Any, old: str, new: str) -> Any:
    if isinstance(data, str):
        return data.replace(old, new)
    if isinstance(data, bytes):
        return data.replace(old.encode("utf-8"), new.encode("utf-8"))
    if isinstance(data, dict):
        return {_replaced(name, old, new): _replaced(value, old, new) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(_replaced(item, old, new) for item in data)
    return data
