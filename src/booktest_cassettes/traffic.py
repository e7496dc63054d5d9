"""The interactions of one session and kind: found in constant time, recorded in any order."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .digest import Kind
from .recording import legacy
from .recording.matching import Matcher
from .recording.model import Failure, Interaction, Request, Response
from .recording.normalisation import Normaliser
from .recording.redaction import Redactor

if TYPE_CHECKING:
    from .compat.hooks import Hooks

_NOTHING: deque[int] = deque()


@dataclass(frozen=True)
class Cleaner:
    """What every request and response goes through before it is matched or written down."""

    normaliser: Normaliser
    redactor: Redactor
    hooks: Hooks | None = None

    def request(self, request: Request, empty: bytes | None = None) -> Request:
        """Volatile and secret parts out of a request; ``empty``: a hook's idea of no body."""
        found = self.hooks.request(request, empty) if self.hooks else request
        clean = self.redactor.request(self.normaliser.request(found or request))
        return clean if found else LeftOut(clean.method, clean.url, clean.headers, clean.body)

    def interaction(self, item: Interaction) -> Interaction | None:
        """Volatile and secret parts out of an outcome; its request is clean already. ``None``: left out."""
        if self.hooks and isinstance(item.outcome, Response):
            response = self.hooks.response(item.outcome)
            if response is None:
                return None
            item = Interaction(item.request, response)
        return self.redactor.interaction(self.normaliser.interaction(item))

    def saved(self, items: list[Interaction]) -> list[Interaction]:
        """What goes into the blob; the user's hooks have no last word about secrets."""
        if not self.hooks or not self.hooks.saving:
            return items
        kept = (found for item in items if (found := self.hooks.saved(item)))
        cleaned = (Interaction(self._plain(item.request), item.outcome) for item in kept)
        return [self.redactor.interaction(self.normaliser.interaction(item)) for item in cleaned]

    def loaded(self, items: Sequence[Interaction]) -> Sequence[Interaction]:
        """What comes out of the blob."""
        if not self.hooks:
            return items
        kept = (found for item in items if (found := self.hooks.loaded(item)))
        return [Interaction(self._plain(item.request), item.outcome) for item in kept]

    def _plain(self, request: Request) -> Request:
        return self.redactor.request(self.normaliser.request(request))


class LeftOut(Request):
    """A request that a hook of the user's leaves out of the recording; never written down."""

    __slots__ = ()


class Slot:
    """The place of one interaction that is being recorded, taken when its request was sent."""

    __slots__ = ("_traffic", "open", "outcome", "request", "unfinished", "wave")

    def __init__(self, traffic: Traffic, request: Request) -> None:
        self._traffic = traffic
        self.request = request
        self.outcome: Response | Failure | None = None
        self.open = True
        #: Equal requests that were under way at once share one; a later one has a higher number.
        self.wave = 0
        #: What the adapter knows of an answer that is not finished, asked for when the session ends.
        self.unfinished: Callable[[], Response | Failure | None] | None = None

    def finish(self, outcome: Response | Failure) -> None:
        """Record the outcome; the first one counts."""
        if self.outcome is None:
            self.outcome = outcome
            self.settle()

    def drop(self) -> None:
        """Forget it: the request never had an outcome worth keeping."""
        self._traffic.drop(self)

    def settle(self) -> None:
        """The exchange is over; how much of its answer the client reads may still be open."""
        self._traffic.settled(self)


class Traffic:
    """Plays and records the interactions of one kind.

    Parameters
    ----------
    loaded:
        The approved interactions.
    replays:
        Whether requests may be answered from ``loaded``.
    repeats:
        As vcrpy's ``allow_playback_repeats``: the first that matches answers, as often as it is asked for.
    drops_unused:
        A recording does not keep what was not played.
    """

    def __init__(
        self,
        kind: Kind,
        loaded: Sequence[Interaction],
        *,
        matcher: Matcher,
        cleaner: Cleaner,
        replays: bool,
        repeats: bool = False,
        drops_unused: bool = False,
    ) -> None:
        self.kind = kind
        loaded = cleaner.loaded(loaded)
        self.loaded = loaded
        self.matcher = matcher
        self.cleaner = cleaner
        self.replays = replays
        self.repeats = repeats
        self.drops_unused = drops_unused
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, deque[int]] | None = None
        # By booktest's hash, until a request with that hash is made; then by that request.
        self._hashed = _by_hash(loaded)
        self._known: dict[Request, list[int]] = defaultdict(list)
        self._played: Counter[int] = Counter()
        self._slots: list[Slot] = []
        self._thread = threading.get_ident()
        self._open: Counter[Request] = Counter()
        self._waves: Counter[Request] = Counter()
        self._concurrent = False
        self._handed_over = False

    def clean(self, request: Request) -> Request:
        """The request as it is matched and written down."""
        clean = self.cleaner.request(request, b"" if self.kind is Kind.HTTPX else None)
        if self._hashed:
            self._identify(request, clean)
        return clean

    def play(self, request: Request) -> Interaction | None:
        """The next unplayed interaction for a clean request, marked as played; ``None`` if there is none."""
        if not self.replays or isinstance(request, LeftOut):
            return None
        key = self.matcher.key(request)
        with self._lock:
            waiting = self._index().get(key, _NOTHING)
            for place, position in enumerate(waiting):
                if self.matcher.agrees(request, self.loaded[position].request):
                    if not self.repeats:
                        del waiting[place]
                    self._played[position] += 1
                    return self.loaded[position]
            # A hash says all there is to match: no matcher narrows it down.
            for position in self._known.get(request, ()) if self._known else ():
                if position not in self._played or self.repeats:
                    self._played[position] += 1
                    return self.loaded[position]
        return None

    def record(self, request: Request) -> Slot:
        """Take a place for a clean request that goes to the network now."""
        slot = Slot(self, request)
        if isinstance(request, LeftOut):
            slot.open = False  # nothing waits for it, and nothing keeps it
            return slot
        # Any thread but the test's own counts as concurrent, even one request after the other: which
        # worker of a pool takes the next job is an accident.
        other_thread = threading.get_ident() != self._thread
        with self._lock:
            self._concurrent = self._concurrent or bool(self._open) or other_thread
            if request not in self._open:
                self._waves[request] += 1
            slot.wave = self._waves[request]
            self._open[request] += 1
            self._slots.append(slot)
        return slot

    def drop(self, slot: Slot) -> None:
        """Forget a slot."""
        self.settled(slot)
        with self._lock:
            if slot in self._slots:
                self._slots.remove(slot)

    def settled(self, slot: Slot) -> None:
        """The exchange of a slot is over."""
        with self._lock:
            if slot.open:
                slot.open = False
                self._open[slot.request] -= 1
                if not self._open[slot.request]:
                    del self._open[slot.request]

    @property
    def unplayed(self) -> list[Request]:
        """Approved requests that nothing asked for."""
        return [item.request for position, item in enumerate(self.loaded) if position not in self._played]

    @property
    def played(self) -> Mapping[int, int]:
        """How often what is approved was played, by its place."""
        with self._lock:
            return dict(self._played)

    def recorded(self) -> list[Interaction]:
        """What was recorded so far, as far as its exchanges are over."""
        with self._lock:
            done = [Interaction(slot.request, slot.outcome) for slot in self._slots if slot.outcome]
        return [item for one in done if (item := self.cleaner.interaction(one))]

    def rewind(self) -> None:
        """Forget what was played."""
        with self._lock:
            self._played.clear()
            self._waiting = None

    def times_recorded(self, request: Request) -> int:
        """How many approved interactions match a clean request, played or not."""
        key = self.matcher.key(request)
        by_key = sum(self.matcher.key(item.request) == key for item in self.loaded)
        return by_key + len(self._known.get(request, ()))

    def hand_over(self, *, keep_loaded: bool, replace_matching: bool) -> list[Interaction]:
        """What a recording amounts to. A second call raises: what was recorded is gone from here.

        Sequential traffic stays in order. Concurrent traffic is sorted by request, so that the
        order in which threads won does not change the digest; equal requests keep their order, but for
        those that were under way at once.
        """
        # What was recorded is handed over: a big body is not kept here while its blob is written.
        if self._handed_over:
            raise RuntimeError("this recording was handed over already")
        self._handed_over = True
        slots, self._slots = self._slots, []
        done = [(slot.wave, item) for slot in slots if (item := _finished(slot))]
        requests = [item.request for _, item in done] if self._known else []
        slots.clear()
        fresh = self._ordered(done)
        if not keep_loaded:
            return self.cleaner.saved(fresh)
        again = {self.matcher.key(item.request) for item in fresh} if replace_matching else set()
        for request in requests if replace_matching else ():
            again |= {self.matcher.key(self.loaded[at].request) for at in self._known.get(request, ())}
        kept = [
            item
            for position, item in enumerate(self.loaded)
            if self.matcher.key(item.request) not in again
            and not (self.drops_unused and position not in self._played)
        ]
        return self.cleaner.saved(kept + fresh)

    def _ordered(self, done: list[tuple[int, Interaction]]) -> list[Interaction]:
        """Clean interactions in an order that is no accident."""
        clean = ((wave, self.cleaner.interaction(item)) for wave, item in done)
        made = [(wave, item) for wave, item in clean if item is not None]
        if self._concurrent:
            made.sort(key=_rank)
        return [item for _, item in made]

    def _identify(self, request: Request, clean: Request) -> None:
        """Find what is known by the hash of a request, and remember it by the clean one."""
        with self._lock:
            for names in legacy.names(request):
                for name in names:
                    found = self._hashed.pop(name, None)
                    if found is None:
                        break
                    self._known[clean] += found

    def _index(self) -> dict[Hashable, deque[int]]:
        if self._waiting is None:
            self._waiting = defaultdict(deque)
            for position, item in enumerate(self.loaded):
                self._waiting[self.matcher.key(item.request)].append(position)
        return self._waiting


class LiveTraffic(Traffic):
    """Sends every request, and knows which of them the approved interactions hold.

    Parameters
    ----------
    admit:
        Raises for a clean request that nothing approved holds, where it may not be sent.
    """

    def __init__(self, *args: Any, admit: Callable[[Request], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._admit = admit
        #: What a comparison found missing: a request for another page of the same list is made all the same.
        self.not_made: frozenset[int] = frozenset(range(len(self.loaded)))

    def play(self, request: Request) -> None:
        """Mark what is approved of a request that goes out now; raises what ``admit`` raises."""
        if super().play(request) is None and not isinstance(request, LeftOut):
            self._admit(request)

    @property
    def unplayed(self) -> list[Request]:
        """See Traffic; as of the last comparison."""
        return [item.request for position, item in enumerate(self.loaded) if position in self.not_made]

    @property
    def is_answered(self) -> bool:
        """Whether the test has seen a live answer, or the beginning of one."""
        with self._lock:
            return any(slot.outcome is not None or slot.unfinished is not None for slot in self._slots)

    def progress(self) -> tuple[int, int]:
        """How many requests were made, and how many of their exchanges are over."""
        with self._lock:
            return len(self._slots), sum(not slot.open for slot in self._slots)

    def made(self, *, unfinished: bool) -> list[Interaction]:
        """What was exchanged so far, as a recording would have it.

        Parameters
        ----------
        unfinished:
            Also answers whose exchange is not over, as far as they were read.
        """
        with self._lock:
            slots = list(self._slots)
        for slot in slots:
            if unfinished or not slot.open:
                _finish(slot)
        return self._ordered(
            [(slot.wave, Interaction(slot.request, slot.outcome)) for slot in slots if slot.outcome]
        )


def shared(traffic: Mapping[Kind, Traffic]) -> Mapping[Kind, Traffic]:
    """The same for both kinds of HTTP where only ``http`` is recorded.

    Recordings of other tools do not say which client made them, so they are of that kind.
    """
    http = traffic[Kind.HTTP]
    return dict.fromkeys(traffic, http) if http.loaded and not traffic[Kind.HTTPX].loaded else traffic


def distinct(traffic: Mapping[Kind, Traffic]) -> list[tuple[Kind, Traffic]]:
    """Each one once, with its own kind."""
    return [(kind, one) for kind, one in traffic.items() if kind is one.kind]


def _by_hash(loaded: Sequence[Interaction]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for position, item in enumerate(loaded):
        if item.request.legacy_hash:
            found[item.request.legacy_hash].append(position)
    return found


def _rank(made: tuple[int, Interaction]) -> tuple[object, ...]:
    wave, item = made
    request, outcome = item.request, item.outcome
    answer = outcome.body.content if isinstance(outcome, Response) else outcome.message.encode()
    return request.url, request.method, request.body, request.headers, wave, answer


def _finish(slot: Slot) -> None:
    """Take what an adapter knows; it gives its bytes away, so it is asked once."""
    if slot.outcome is None and slot.unfinished is not None and (outcome := slot.unfinished()):
        slot.finish(outcome)


def _finished(slot: Slot) -> Interaction | None:
    outcome = slot.outcome or (slot.unfinished() if slot.unfinished else None)
    return Interaction(slot.request, outcome) if outcome else None
