"""Bodies of httpx and httpx2: recorded while the client reads them, replayed in their pieces."""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, NoReturn, Self

from ..digest import Kind
from ..recording.bodies import Body
from ..recording.model import Failure, Request, Response, header
from ..session import Session
from .cancelling import CANCELLED, cancelled_again, is_cancellation
from .failures import exception_of, failure_of
from .serving import Piece, has_body, kept, read_too_far, served_headers, wire_pieces


@cache
def stream_classes(library: Any) -> Any:
    """A byte stream that httpx and respx read lazily: their own ByteStream would be read at once."""

    class Pieces(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        def __init__(
            self,
            parts: Sequence[Piece],
            at_end: Callable[[], Exception] | None,
            waiting: Callable[[], Awaitable[NoReturn]] | None,
        ) -> None:
            self._parts = parts
            self._at_end = at_end
            self._waiting = waiting

        def __iter__(self) -> Iterator[bytes]:
            yield from map(bytes, self._parts)
            if self._at_end is not None:
                raise self._at_end()

        def __aiter__(self) -> AsyncIterator[bytes]:
            return _Awaited(map(bytes, self._parts) if self._waiting else iter(self), self._waiting)

    return Pieces


class _Awaited:
    """An async iterator over what is there already; a generator left half way would need closing."""

    def __init__(self, parts: Iterator[bytes], waiting: Callable[[], Awaitable[NoReturn]] | None) -> None:
        self._parts = parts
        self._waiting = waiting

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for part in self._parts:
            return part
        if self._waiting is not None:
            await self._waiting()
        raise StopAsyncIteration


def served_response(
    library: Any, stream_class: Any, session: Session, request: Request, recorded: Response
) -> Any:
    """A recorded response as a transport would return it."""
    parts = wire_pieces(recorded) if has_body(request.method, recorded) else []
    headers = served_headers(request.method, recorded, sum(map(len, parts)))
    waiting = partial(cancelled_again, session, request) if recorded.error == CANCELLED else None
    extensions = {"http_version": recorded.http_version.encode("ascii")}
    if recorded.http_version.startswith("HTTP/1"):  # later ones have no reason, and httpx makes one up
        extensions["reason_phrase"] = recorded.reason.encode("latin-1")
    return library.Response(
        recorded.status,
        headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        stream=stream_class(parts, _at_end(session, request, recorded), waiting),
        extensions=extensions,
    )


def _at_end(session: Session, request: Request, recorded: Response) -> Callable[[], Exception] | None:
    if recorded.cut or recorded.error == CANCELLED:
        return read_too_far(session, request)
    if recorded.error is None:
        return None
    error = recorded.error
    return lambda: exception_of(error)


class Recording:
    """One response on its way to the client."""

    def __init__(self, session: Session, clean: Request, request: Any) -> None:
        self.session = session
        self.method = request.method
        self.slot = session.traffic[Kind.HTTPX].record(clean)
        self.response: Any = None
        self.ended = False
        self._data = io.BytesIO()  # gives its bytes away without a copy
        self._ends: list[int] = []

    def take(self, part: bytes) -> None:
        """A part that the client gets now."""
        self._data.write(part)
        self._ends.append(self._data.tell())

    def drop(self) -> None:
        """Interrupted before an answer: nothing to keep."""
        self.slot.drop()

    def failed(self, failure: Failure) -> None:
        """The transport raised instead of answering."""
        self.slot.finish(failure)

    def wrap(self, response: Any) -> Any:
        """Put this recording between the response and its stream."""
        self.response = response
        self.stream = response.stream
        response.stream = _recording_stream(library_of(type(response)))(self)
        self.slot.unfinished = self.outcome
        return response

    def parts_of(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """The live parts, each kept as it passes."""
        try:
            for part in stream:
                self.take(part)
                yield part
            self.ended = True
        except Exception as error:
            self.done(failure_of(error))
            raise

    def done(self, failure: Failure | None = None) -> None:
        """The client will read no more."""
        if self.slot.outcome is None:
            self.slot.finish(self.outcome(failure))

    def outcome(self, failure: Failure | None = None) -> Response:
        """The response as far as it was read."""
        raw = self.response.headers.raw
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
        extensions = self.response.extensions
        version = extensions.get("http_version", b"HTTP/1.1").decode("ascii", "replace")
        recorded = Response(
            status=self.response.status_code,
            reason=extensions.get("reason_phrase", b"").decode("latin-1"),
            http_version=version,
            headers=headers,
            body=Body.from_wire(self._data.getvalue(), header(headers, "content-encoding")),
            splits=tuple(self._ends[:-1]),
            error=failure,
        )
        cut = (
            failure is None
            and not self.ended
            and has_body(self.method, recorded)
            and not self._whole(headers)
        )
        return kept(self.session, replace(recorded, cut=cut))

    def _whole(self, headers: tuple[tuple[str, str], ...]) -> bool:
        length = header(headers, "content-length")
        return length.isdigit() and self._data.tell() >= int(length)


def library_of(message_class: type) -> Any:
    """``httpx`` or ``httpx2``, whichever a request or response is from."""
    return sys.modules[message_class.__module__.partition(".")[0]]


@cache
def _recording_stream(library: Any) -> Any:
    class Tee(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, recording: Recording) -> None:
            self._recording = recording

        def __iter__(self) -> Iterator[bytes]:
            return self._recording.parts_of(self._recording.stream)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return _AwaitedRecording(self._recording)

        def close(self) -> None:
            self._recording.stream.close()
            self._recording.done()

        async def aclose(self) -> None:
            await self._recording.stream.aclose()
            self._recording.done()

    return Tee


class _AwaitedRecording:
    """Like :meth:`Recording.parts_of`, for async streams; no generator, see :class:`_Awaited`."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._live = aiter(recording.stream)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        recording = self._recording
        try:
            part: bytes = await anext(self._live)
        except StopAsyncIteration:
            recording.ended = True
            raise
        except Exception as error:
            recording.done(failure_of(error))
            raise
        except BaseException as error:
            if is_cancellation(error):
                recording.done(CANCELLED)
            raise
        recording.take(part)
        return part
