"""What a test may say about its cassette, and what that means together with the configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .digest import Kind
from .errors import RecordingRefused, UsageError
from .modes import RecordMode
from .recording.matching import CustomMatcher, Matcher, parse_uri
from .recording.normalisation import Normaliser
from .recording.redaction import ENV, Redactor, Rules
from .traffic import Cleaner

if TYPE_CHECKING:
    from .compat.filters import Filter
    from .compat.hooks import Hooks
    from .config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The arguments of ``@cassette(...)`` and of the marker.

    Attributes
    ----------
    env:
        Names of environment variables to record, and to restore on replay.
    func:
        Functions whose results are recorded: the function itself, or ``"module:qualname"``.
    match_on:
        vcrpy's matcher names and callables; default ``("method", "uri", "body")``.
    ignore_json_paths:
        Dotted parts of JSON request bodies that do not count in matching.
    allow_hosts, ignore_hosts:
        Host patterns (``*.internal``, ``api.test:8080``) that are left alone: not recorded, not
        refused. The second name is vcrpy's, and takes compiled regular expressions, too.
    ignore_localhost:
        Leave loopback addresses alone.
    record_mode:
        Overrides the configuration for this test; the command line overrides both.
    unused:
        ``ignore``, ``warn`` or ``error``: recorded interactions that the test no longer plays.
    chunks:
        ``events`` or ``exact``: keep the wire's own chunk boundaries.
    filter_headers, filter_query_parameters, filter_post_data_parameters:
        vcrpy's names: more headers, query parameters and body fields to redact, in both directions.
        With a tuple instead of a name vcrpy's way, for requests: ``(name, replacement)``; ``None``
        removes, a function ``(key, value, request)`` returns one of the two.
    secrets:
        Values that must be in no file, wherever they occur.
    before_record_request, before_record_response, before_save_interaction, after_load_interaction,
    filter_sensitive_data, filter_nested_post_data_parameters, decode_compressed_response,
    allow_playback_repeats, drop_unused_requests, record_on_exception, custom_patches:
        vcrpy's, see docs/vcrpy.md.
    """

    env: Sequence[str] = ()
    func: Sequence[Callable[..., Any] | str] = ()
    match_on: Sequence[str | CustomMatcher] | None = None
    ignore_json_paths: Sequence[str] = ()
    allow_hosts: Sequence[str] = ()
    ignore_hosts: Sequence[str | re.Pattern[str]] = ()
    ignore_localhost: bool | None = None
    record_mode: RecordMode | str | None = None
    unused: str | None = None
    chunks: str | None = None
    filter_headers: Sequence[Filter] = ()
    filter_query_parameters: Sequence[Filter] = ()
    filter_post_data_parameters: Sequence[Filter] = ()
    secrets: Sequence[str] = ()
    before_record_request: Callable[..., Any] | Iterable[Callable[..., Any]] | None = None
    before_record_response: Callable[..., Any] | Iterable[Callable[..., Any]] | None = None
    before_save_interaction: Callable[..., Any] | Iterable[Callable[..., Any]] | None = None
    after_load_interaction: Callable[..., Any] | Iterable[Callable[..., Any]] | None = None
    filter_sensitive_data: Mapping[str, Any] | Sequence[tuple[str, Any]] = ()
    filter_nested_post_data_parameters: bool = False
    decode_compressed_response: bool = False
    allow_playback_repeats: bool = False
    drop_unused_requests: bool = False
    record_on_exception: bool | None = None
    custom_patches: Sequence[tuple[Any, str, Any]] = ()

    def __post_init__(self) -> None:
        for name in _LISTS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, (list, tuple, set, frozenset)):
                shown = getattr(value, "__qualname__", repr(value))
                raise UsageError(f"cassette({name}={shown}): expected a list", hint=f"write {name}=[{shown}]")
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise UsageError(
                    f"cassette({name}={value!r}): unknown value", hint=f"one of {', '.join(allowed)}"
                )


_LISTS = (
    "env func match_on ignore_json_paths allow_hosts ignore_hosts filter_headers filter_query_parameters"
    " filter_post_data_parameters secrets custom_patches"
).split()
_CHOICES = {
    "record_mode": tuple(RecordMode),
    "unused": ("ignore", "warn", "error"),
    "chunks": ("events", "exact"),
}


def make_options(arguments: dict[str, Any]) -> Options:
    """Options from keyword arguments; raises UsageError that names the nearest valid one."""
    known = [field.name for field in fields(Options)]
    for name in arguments:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, 1) or [", ".join(known)]
            raise UsageError(f"cassette() has no option {name!r}", hint=f"did you mean {near[0]}?")
    return Options(**arguments)


@dataclass(frozen=True)
class Settings:
    """Options and configuration, resolved for one test."""

    mode: RecordMode
    matcher: Matcher
    cleaner: Cleaner
    env: tuple[str, ...]
    func: tuple[Callable[..., Any] | str, ...]
    hosts: tuple[str | re.Pattern[str], ...]
    unused: str
    exact_chunks: bool
    stages_drift: bool = False
    repeats: bool = False
    drops_unused: bool = False

    def check_id(self, test_id: str) -> None:
        """Refuse to record under an id with a declared secret: manifest, file names, reports would hold it.

        Raises
        ------
        UsageError
            That does not hold it.
        """
        clean = self.cleaner.redactor.text(test_id)
        if clean != test_id:
            raise UsageError(
                f"{clean}: there is a declared secret in this test's id, which Git would hold",
                hint="give the parametrised value an id: pytest.param(..., id='...')",
            )

    def leaves_alone(self, url: str) -> bool:
        """Whether a request to this URL is none of the cassette's business."""
        if not self.hosts:
            return False
        uri = parse_uri(url)
        return self.allows_host(uri.host, uri.port)

    def allows_host(self, host: str, port: int | None = None) -> bool:
        """Whether ``allow_hosts`` and its kin let a host through."""
        names = (host, f"{host}:{port}") if port else (host,)
        return any(_matches(name, pattern) for name in names for pattern in self.hosts)


def _matches(name: str, pattern: str | re.Pattern[str]) -> bool:
    if isinstance(pattern, re.Pattern):
        return pattern.fullmatch(name) is not None
    return fnmatchcase(name, pattern)


_LOCAL = ("localhost", "127.*", "::1", "0.0.0.0")  # noqa: S104 - compared with, never bound to


def resolve(config: Config, options: Options) -> Settings:
    """Put a test's options on top of the configuration."""
    local = config.ignore_localhost if options.ignore_localhost is None else options.ignore_localhost
    hosts = (*config.allow_hosts, *config.ignore_hosts, *options.allow_hosts, *options.ignore_hosts)
    env = tuple(options.env)
    return Settings(
        mode=record_mode(config, options),
        matcher=Matcher(
            config.match_on if options.match_on is None else map(_shown, options.match_on),
            (*config.ignore_json_paths, *options.ignore_json_paths),
        ),
        cleaner=Cleaner(
            Normaliser(config.volatile_headers), Redactor(_rules(config, options, env)), _hooks(options)
        ),
        env=env,
        func=tuple(options.func),
        hosts=(
            *(host.lower() if isinstance(host, str) else host for host in hosts),
            *(_LOCAL if local else ()),
        ),
        unused=options.unused or config.unused,
        exact_chunks=(options.chunks or config.chunks) == "exact",
        stages_drift=config.stage_drift and not config.ci,
        repeats=options.allow_playback_repeats,
        drops_unused=options.drop_unused_requests,
    )


def _shown(matcher: str | CustomMatcher) -> str | CustomMatcher:
    """A matcher of the user's own gets requests that also have the attributes of vcrpy's."""
    if isinstance(matcher, str):
        return matcher
    from .compat.presented import for_vcrpy

    return for_vcrpy(matcher)


def _hooks(options: Options) -> Hooks | None:
    """vcrpy's hooks, where there are any."""
    given: dict[str, Any] = {ours: getattr(options, theirs) for ours, theirs in _HOOKS.items()}
    filters: dict[str, Any] = {
        ours: [item for item in getattr(options, theirs) if not isinstance(item, str)]
        for ours, theirs in _FILTERS.items()
    }
    if not any((*given.values(), *filters.values())):
        return None
    from .compat.hooks import make_hooks

    return make_hooks(**given, **filters, nested=options.filter_nested_post_data_parameters)


_HOOKS = {
    "requests": "before_record_request",
    "responses": "before_record_response",
    "saving": "before_save_interaction",
    "loading": "after_load_interaction",
    "sensitive": "filter_sensitive_data",
    "decodes": "decode_compressed_response",
}
_FILTERS = {
    "headers": "filter_headers",
    "query": "filter_query_parameters",
    "fields": "filter_post_data_parameters",
}


def _rules(config: Config, options: Options, env: tuple[str, ...]) -> Rules:
    # A variable that is redacted by its name is a secret wherever else its value shows up.
    declared = set(config.redact_env)
    secret_names = [*config.redact_secrets, *(name for name in env if ENV.search(name) or name in declared)]
    values = [os.environ[name] for name in secret_names if os.environ.get(name)]
    return Rules(
        headers=(*config.redact_headers, *_names(options.filter_headers)),
        query=(*config.redact_query, *_names(options.filter_query_parameters)),
        fields=(*config.redact_fields, *_names(options.filter_post_data_parameters)),
        env=config.redact_env,
        secrets=(*options.secrets, *values),
        patterns=config.redact_patterns,
    )


def redactor(config: Config) -> Redactor:
    """What the configuration takes out, whatever a test adds to it."""
    return Redactor(_rules(config, Options(), ()))


def _names(given: Sequence[Filter]) -> tuple[str, ...]:
    return tuple(item for item in given if isinstance(item, str))


def record_mode(config: Config, options: Options = Options()) -> RecordMode:
    """The mode in force: ``none`` in CI, else command line, environment, test, files, ``once``.

    A nightly job may ask CI for ``verify``, which records nothing.

    Raises
    ------
    RecordingRefused
        When the command line or the environment asks CI to do anything but replay.
    """
    source = config.sources.get("record_mode", "default")
    asked = RecordMode(config.record_mode) if config.record_mode else None
    explicit = _is_explicit(source)
    if config.ci:
        if explicit and asked is RecordMode.VERIFY:
            _refuse_staging(config)
            return asked
        if explicit and asked is not RecordMode.NONE:
            asker = "the command line" if source.startswith("command line") else source
            what = "would use the network" if asked is RecordMode.OFF else "records"
            raise RecordingRefused(
                f"{asker} asks for mode {asked}, which {what}; CI only replays approved snapshots",
                hint="leave the mode out in CI; record on your own machine: booktest-cassettes run",
            )
        return RecordMode.NONE
    if explicit and asked:
        return asked
    return RecordMode(options.record_mode) if options.record_mode else asked or RecordMode.ONCE


def _is_explicit(source: str) -> bool:
    """Whether somebody said it for this run, rather than in a file."""
    return source.startswith(("command line", "environment"))


def _refuse_staging(config: Config) -> None:
    source = config.sources.get("stage_drift", "default")
    if config.stage_drift and _is_explicit(source):
        raise RecordingRefused(
            f"{source} asks for drift to be staged, which records; CI stages nothing",
            hint="leave it out in CI; on your own machine: booktest-cassettes run --record verify --stage",
        )


HTTP_KINDS = (Kind.HTTP, Kind.HTTPX)
