"""What a test may say about its cassette, and what that means together with the configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
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
        refused. The second name is vcrpy's.
    ignore_localhost:
        Leave loopback addresses alone.
    record_mode:
        Overrides the configuration for this test; the command line overrides both.
    unused:
        ``ignore``, ``warn`` or ``error``: recorded interactions that the test no longer plays.
    chunks:
        ``events`` or ``exact``: keep the wire's own chunk boundaries.
    filter_headers, filter_query_parameters, filter_post_data_parameters:
        vcrpy's names: more headers, query parameters and body fields to redact.
    secrets:
        Values that must be in no file, wherever they occur.
    """

    env: Sequence[str] = ()
    func: Sequence[Callable[..., Any] | str] = ()
    match_on: Sequence[str | CustomMatcher] | None = None
    ignore_json_paths: Sequence[str] = ()
    allow_hosts: Sequence[str] = ()
    ignore_hosts: Sequence[str] = ()
    ignore_localhost: bool | None = None
    record_mode: RecordMode | str | None = None
    unused: str | None = None
    chunks: str | None = None
    filter_headers: Sequence[str] = ()
    filter_query_parameters: Sequence[str] = ()
    filter_post_data_parameters: Sequence[str] = ()
    secrets: Sequence[str] = ()

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
    " filter_post_data_parameters secrets"
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
    hosts: tuple[str, ...]
    unused: str
    exact_chunks: bool
    stages_drift: bool = False

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
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.hosts)


_LOCAL = ("localhost", "127.*", "::1", "0.0.0.0")  # noqa: S104 - compared with, never bound to


def resolve(config: Config, options: Options) -> Settings:
    """Put a test's options on top of the configuration."""
    local = config.ignore_localhost if options.ignore_localhost is None else options.ignore_localhost
    hosts = (*config.allow_hosts, *config.ignore_hosts, *options.allow_hosts, *options.ignore_hosts)
    env = tuple(options.env)
    return Settings(
        mode=record_mode(config, options),
        matcher=Matcher(
            config.match_on if options.match_on is None else options.match_on,
            (*config.ignore_json_paths, *options.ignore_json_paths),
        ),
        cleaner=Cleaner(Normaliser(config.volatile_headers), Redactor(_rules(config, options, env))),
        env=env,
        func=tuple(options.func),
        hosts=(*(host.lower() for host in hosts), *(_LOCAL if local else ())),
        unused=options.unused or config.unused,
        exact_chunks=(options.chunks or config.chunks) == "exact",
        stages_drift=config.stage_drift and not config.ci,
    )


def _rules(config: Config, options: Options, env: tuple[str, ...]) -> Rules:
    # A variable that is redacted by its name is a secret wherever else its value shows up.
    declared = set(config.redact_env)
    secret_names = [*config.redact_secrets, *(name for name in env if ENV.search(name) or name in declared)]
    values = [os.environ[name] for name in secret_names if os.environ.get(name)]
    return Rules(
        headers=(*config.redact_headers, *options.filter_headers),
        query=(*config.redact_query, *options.filter_query_parameters),
        fields=(*config.redact_fields, *options.filter_post_data_parameters),
        env=config.redact_env,
        secrets=(*options.secrets, *values),
        patterns=config.redact_patterns,
    )


def redactor(config: Config) -> Redactor:
    """What the configuration takes out, whatever a test adds to it."""
    return Redactor(_rules(config, Options(), ()))


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
