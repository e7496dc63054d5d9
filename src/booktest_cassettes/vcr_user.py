"""vcrpy's ``VCR`` and its cassettes over our sessions: nothing of vcrpy is loaded.

``booktest_cassettes.vcr(**options)`` has vcrpy's attributes and methods. ``use_cassette`` records and
replays as ``cassette(...)`` does, under the cassette's path as its id.
"""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compat.arguments import MATCH_ON, WITHOUT_MEANING, arguments
from .compat.presented import PresentedRequest, presented, response_dict
from .errors import UsageError
from .options import Options, make_options
from .recording.model import Failure, Interaction
from .runner import project_at, running
from .traffic import distinct
from .use import Opened, Run

if TYPE_CHECKING:
    from .project import Project
    from .session import Session

KNOWN = frozenset(field.name for field in fields(Options))
_DEFAULTS: dict[str, Any] = {
    "record_mode": None,
    "match_on": MATCH_ON,
    "serializer": "yaml",
    "cassette_library_dir": None,
    "path_transformer": None,
    "func_path_generator": None,
    "inject_cassette": False,
    "record_on_exception": True,
}


class Vcr:
    """What vcrpy's ``VCR`` is; see docs/vcrpy.md for what differs.

    Attributes set later count for the cassettes that are used from then on.

    Parameters
    ----------
    options:
        vcrpy's, and those of ``cassette()``.

    Raises
    ------
    UsageError
        For an option that neither has.
    """

    match_on: Any
    record_on_exception: Any

    def __init__(self, **options: Any) -> None:
        named = {name: value for name, value in options.items() if name != "match_on"}
        arguments(named, KNOWN, where="vcr()")  # matchers may be registered later
        self.matchers: dict[str, Callable[..., Any]] = {}
        self.serializers: dict[str, Any] = {}
        self.persister: Any = None
        self.__dict__.update({**_DEFAULTS, **options})

    def use_cassette(self, path: Any = None, **options: Any) -> Any:
        """A cassette for a ``with`` block or a function; without a path it is named by the function."""
        if path is not None and not isinstance(path, (str, os.PathLike)):
            return CassetteUse(self, None, options)(path)
        return CassetteUse(self, path, options)

    def register_matcher(self, name: str, matcher: Callable[..., Any]) -> None:
        """A name for ``match_on``."""
        self.matchers[name] = matcher

    def register_serializer(self, name: str, serializer: Any) -> None:
        """Accepted; a blob has one form."""
        self.serializers[name] = serializer

    def register_persister(self, persister: Any) -> None:
        """Accepted; blobs are where the storage mode says."""
        self.persister = persister

    def get_merged_config(self, **options: Any) -> dict[str, Any]:
        """What is said here, and ``options`` on top of it."""
        own = {name: value for name, value in vars(self).items() if name in KNOWN or name in WITHOUT_MEANING}
        own.pop("persister", None)
        for old, new in (("before_record", "before_record_request"),):
            if old in vars(self):
                own.setdefault(new, vars(self)[old])
        return {**own, **options}

    @staticmethod
    def ensure_suffix(suffix: str) -> Callable[[Any], str]:
        """A path transformer that appends what is missing."""

        def ensure(path: Any) -> str:
            text: str = os.fspath(path)
            return text if text.endswith(suffix) else text + suffix

        return ensure


class CassetteUse(Opened["VcrCassette | None"]):
    """What ``use_cassette`` gives: a context manager, sync and async, and a decorator."""

    def __init__(self, vcr: Vcr, path: Any, options: dict[str, Any]) -> None:
        self._vcr = vcr
        self._path = path
        self._options = options
        super().__init__()

    def __enter__(self) -> VcrCassette | None:
        if self._path is None:
            raise TypeError("use_cassette() needs a path, but for decorating a function")
        return self._begin(self._path)

    def __call__(self, function: Any) -> Any:
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def in_cassette(*args: Any, **kwargs: Any) -> Any:
                with self._named(function, args) as given:
                    return await function(*given, **kwargs)

        elif inspect.isgeneratorfunction(function):

            @wraps(function)
            def in_cassette(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                with self._named(function, args) as given:
                    return (yield from function(*given, **kwargs))

        else:

            @wraps(function)
            def in_cassette(*args: Any, **kwargs: Any) -> Any:
                with self._named(function, args) as given:
                    return function(*given, **kwargs)

        if self._injects():  # runners pass what they see in the signature
            own = inspect.signature(function).parameters.values()
            rest = [one for place, one in enumerate(own) if place != _before(function)]
            in_cassette.__signature__ = inspect.Signature(rest)  # type: ignore[attr-defined]
        return in_cassette

    @contextmanager
    def _named(self, function: Any, args: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """A use of its own, so that functions may call themselves; gives what to pass to the function."""
        use = copy(self)
        use._open = []
        if use._path is None:
            use._path = _path_of(function, self._vcr.get_merged_config(**self._options))
        with use as cassette:
            first = _before(function)
            yield (*args[:first], cassette, *args[first:]) if self._injects() else args

    def _injects(self) -> bool:
        return bool(self._vcr.get_merged_config(**self._options).get("inject_cassette"))

    def _begin(self, path: Any) -> VcrCassette | None:
        config = self._vcr.get_merged_config(**self._options)
        project, test_id, shown = _place(path, config)
        options = make_options(arguments(config, KNOWN, self._vcr.matchers, where="use_cassette()"))
        run = Run(project, test_id, options)
        run.begin()
        self._enter(run)
        return VcrCassette(run.session, shown) if run.session else None


class VcrCassette:
    """A session, as vcrpy's ``Cassette`` shows itself."""

    def __init__(self, session: Session, path: str = "") -> None:
        self._session = session
        self.path = path or session.test_id

    @property
    def data(self) -> list[tuple[PresentedRequest, Any]]:
        """Requests and responses, first those that were loaded; an exception where that was recorded."""
        return [(presented(item.request), _answer(item)) for item in self._items()]

    @property
    def requests(self) -> list[PresentedRequest]:
        """In vcrpy's form."""
        return [request for request, _ in self.data]

    @property
    def responses(self) -> list[Any]:
        """In vcrpy's form."""
        return [response for _, response in self.data]

    @property
    def play_counts(self) -> Counter[int]:
        """How often each interaction was played, by its place in ``data``."""
        found: Counter[int] = Counter()
        start = 0
        for _, traffic in distinct(self._session.traffic):
            found.update({start + place: times for place, times in traffic.played.items()})
            start += len(traffic.loaded)
        return found

    @property
    def play_count(self) -> int:
        """How many answers were replayed."""
        return self.play_counts.total()

    @property
    def all_played(self) -> bool:
        """Whether everything there is was replayed."""
        return len(self.play_counts) == len(self)

    @property
    def dirty(self) -> bool:
        """Whether something was recorded."""
        return any(traffic.recorded() for _, traffic in distinct(self._session.traffic))

    @property
    def record_mode(self) -> str:
        """The mode in force."""
        return str(self._session.settings.mode)

    @property
    def rewound(self) -> bool:
        """Whether there was something to load."""
        return bool(self._session.base)

    @property
    def write_protected(self) -> bool:
        """Whether nothing is recorded."""
        return self._session.strict

    def rewind(self) -> None:
        """Let everything be played again."""
        for _, traffic in distinct(self._session.traffic):
            traffic.rewind()

    def responses_of(self, request: Any) -> list[Any]:
        """The responses to a request, played or not.

        Raises
        ------
        UsageError
            When there is none.
        """
        matches = self._session.settings.matcher.key
        wanted = [
            response
            for (_, response), item in zip(self.data, self._items(), strict=True)
            if matches(item.request) == matches(self._clean(request))
        ]
        if not wanted:
            raise UsageError(f"{self.path} holds no {request.method} {request.uri}")
        return wanted

    def __len__(self) -> int:
        return len(self._items())

    def __contains__(self, request: Any) -> bool:
        matches = self._session.settings.matcher.key
        wanted = matches(self._clean(request))
        return any(
            matches(one) == wanted
            for _, traffic in distinct(self._session.traffic)
            for one in traffic.unplayed
        )

    def __repr__(self) -> str:
        return f"<Cassette containing {len(self)} recorded response(s)>"

    def _items(self) -> list[Interaction]:
        traffic = [one for _, one in distinct(self._session.traffic)]
        return [item for one in traffic for item in one.loaded] + [
            item for one in traffic for item in one.recorded()
        ]

    def _clean(self, request: Any) -> Any:
        from .compat.presented import understood
        from .recording.model import Request

        return self._session.settings.cleaner.request(understood(request, Request("", "")))


def shown(session: Any, path: str = "") -> VcrCassette | None:
    """A session in vcrpy's form; ``None`` for none, and where cassettes are off."""
    return VcrCassette(session, path) if hasattr(session, "traffic") else None


def _answer(item: Interaction) -> Any:
    return item.outcome if isinstance(item.outcome, Failure) else response_dict(item.outcome)


def _before(function: Any) -> int:
    """How many arguments come before an injected cassette: the object of a method."""
    return int(next(iter(inspect.signature(function).parameters), "") in ("self", "cls"))


def _path_of(function: Any, config: dict[str, Any]) -> str:
    """As vcrpy names a cassette by a function: beside it, or in the library directory."""
    if generator := config.get("func_path_generator"):
        return str(generator(function))
    if config.get("cassette_library_dir"):
        return str(function.__name__)
    return str(Path(inspect.getfile(function)).parent / function.__name__)


def _place(path: Any, config: dict[str, Any]) -> tuple[Project, str, str]:
    """The project, the id and the path that a cassette's path means."""
    text = os.fspath(path)
    for transform in _several(config.get("path_transformer")):
        text = transform(text)
    library = config.get("cassette_library_dir")
    if library and not text.startswith(os.fspath(library)):
        text = str(Path(os.fspath(library)) / text)
    runner = running()
    project = runner.project() if runner else project_at(Path.cwd())
    absolute = Path.cwd() / text
    return project, Path(os.path.relpath(absolute, project.config.root)).as_posix(), text


def _several(given: Any) -> Iterable[Callable[[str], str]]:
    return () if given is None else (given,)
