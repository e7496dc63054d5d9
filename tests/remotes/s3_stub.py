"""A small S3 server that waits, refuses and lies as it is told.

Path-style addresses, any signature, objects in memory. It costs so little per request that a
benchmark against it measures the client; moto's server ends at about 300 requests a second::

    python s3_stub.py --port-file FILE --latency-ms 20

writes the port to FILE once it listens, and serves until it is killed. ``running_stub()`` is the same
in a thread of a test, whose switches the test may turn while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import threading
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape, unescape

#: The bucket that is there from the start; ``PUT /name`` makes others.
BUCKET = "bucket"

_SERVER = "Server: stub\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently"}


class Stored(NamedTuple):
    """An object, as the whole answer to a GET for it."""

    answer: bytes
    start: int
    etag: str
    modified: float

    @property
    def data(self) -> bytes:
        return self.answer[self.start :]


class Refusal(NamedTuple):
    """An error answer, in S3's terms."""

    status: int
    code: str
    message: str = "as it was told to"


@dataclass
class Stub:
    """The objects and the switches.

    Attributes
    ----------
    latency:
        Seconds before each answer.
    page_size:
        Keys in one page of a listing, at most.
    refuse:
        Error answers by operation (``"GetObject"``...), ``"*"`` for all of them.
    slow_down:
        How many of the next requests are answered with 503 SlowDown.
    drop_writes, truncate_writes, flip_writes:
        Answer 200 to a PUT, and store nothing, half of it, or with one bit changed.
    silent:
        Take requests and never answer.
    break_reads:
        How many of the next objects are sent but for their end, before the connection is closed.
    keep:
        Keys that DeleteObjects reports as errors.
    asked:
        How many requests of each operation came in.
    """

    latency: float = 0.0
    page_size: int = 1000
    refuse: dict[str, Refusal] = field(default_factory=dict)
    slow_down: int = 0
    drop_writes: bool = False
    truncate_writes: bool = False
    flip_writes: bool = False
    silent: bool = False
    break_reads: int = 0
    keep: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    buckets: set[str] = field(default_factory=lambda: {BUCKET})
    objects: dict[str, Stored] = field(default_factory=dict)  # by "bucket/key"
    port: int = 0
    _sorted: list[str] | None = None
    _uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def deny(self, *operations: str) -> None:
        """Refuse some operations as a policy would; all of them when none is named."""
        for operation in operations or ("*",):
            self.refuse[operation] = Refusal(403, "AccessDenied", "Access Denied")

    def full(self) -> None:
        """Have no space for another object, in MinIO's words."""
        refusal = Refusal(
            507, "XMinioStorageFull", "Storage backend has reached its minimum free drive threshold."
        )
        self.refuse.update(PutObject=refusal, UploadPart=refusal, CreateMultipartUpload=refusal)

    def put(self, path: str, data: bytes) -> Stored:
        """Store an object under ``bucket/key``, whatever the switches say."""
        modified = time()
        etag = f"{zlib.crc32(data):08x}{len(data):024x}"
        head = (
            f"HTTP/1.1 200 OK\r\n{_SERVER}Content-Type: binary/octet-stream\r\n"
            f"Content-Length: {len(data)}\r\nAccept-Ranges: bytes\r\n"
            f'ETag: "{etag}"\r\nLast-Modified: {formatdate(modified, usegmt=True)}\r\n\r\n'
        ).encode()
        stored = Stored(head + data, len(head), etag, modified)
        if path not in self.objects:
            self._sorted = None
        self.objects[path] = stored
        return stored

    def keys(self, bucket: str = BUCKET) -> list[str]:
        """What is in a bucket."""
        return [path.partition("/")[2] for path in self._paths() if path.startswith(f"{bucket}/")]

    def _paths(self) -> list[str]:
        if self._sorted is None:
            self._sorted = sorted(self.objects)
        return self._sorted

    def answer(self, method: str, target: str, head: bytes, body: bytes) -> bytes:
        """The whole answer to one request."""
        path, _, raw = target.partition("?")
        path = unquote(path[1:]) if "%" in path else path[1:]
        query = dict(parse_qsl(raw, keep_blank_values=True)) if raw else {}
        bucket, _, key = path.partition("/")
        operation = _operation(method, key, query)
        self.asked[operation] += 1
        refusal = self._refusal(operation, bucket)
        if refusal is None and operation in ("GetObject", "HeadObject") and path not in self.objects:
            refusal = Refusal(404, "NoSuchKey", "The specified key does not exist.")
        if refusal is not None:
            return _refused(refusal, method)
        handler = getattr(self, f"_do_{operation}", None)
        if handler is None:
            return _refused(Refusal(501, "NotImplemented", operation), method)
        return handler(_Request(path, query, head, body))

    def _refusal(self, operation: str, bucket: str) -> Refusal | None:
        if self.slow_down:
            self.slow_down -= 1
            return Refusal(503, "SlowDown", "Please reduce your request rate.")
        if self.refuse:
            refusal = self.refuse.get(operation) or self.refuse.get("*")
            if refusal is not None:
                return refusal
        if bucket not in self.buckets and operation != "CreateBucket":
            return Refusal(404, "NoSuchBucket", "The specified bucket does not exist")
        return None

    def _do_GetObject(self, request: _Request) -> bytes:
        stored = self.objects[request.path]
        wanted = re.search(rb"\r\nrange: *bytes=(\d*)-(\d*)", request.head, re.IGNORECASE)
        return stored.answer if wanted is None else _ranged(stored, wanted[1], wanted[2])

    def _do_HeadObject(self, request: _Request) -> bytes:
        stored = self.objects[request.path]
        return stored.answer[: stored.start]

    def _do_PutObject(self, request: _Request) -> bytes:
        return self._take(request.path, request.body)

    def _take(self, path: str, data: bytes) -> bytes:
        if self.drop_writes:
            return _reply(200, headers='ETag: "0"\r\n')
        if self.truncate_writes:
            data = data[: len(data) // 2]
        if self.flip_writes:
            data = data[:-1] + bytes([data[-1] ^ 1])
        return _reply(200, headers=f'ETag: "{self.put(path, data).etag}"\r\n')

    def _do_DeleteObject(self, request: _Request) -> bytes:
        self._drop(request.path)
        return _reply(204)

    def _do_DeleteObjects(self, request: _Request) -> bytes:
        bucket = request.path.partition("/")[0]
        rows = []
        for found in re.findall("<Key>(.*?)</Key>", request.body.decode(), re.DOTALL):
            key = unescape(found, {"&quot;": '"', "&apos;": "'", "&#13;": "\r", "&#10;": "\n"})
            if key in self.keep:
                why = "<Code>AccessDenied</Code><Message>Access Denied</Message>"
                rows.append(f"<Error><Key>{found}</Key>{why}</Error>")
            else:
                self._drop(f"{bucket}/{key}")
        return _xml("DeleteResult", "".join(rows))

    def _drop(self, path: str) -> None:
        if self.objects.pop(path, None) is not None:
            self._sorted = None

    def _do_CreateBucket(self, request: _Request) -> bytes:
        self.buckets.add(request.path.rstrip("/"))
        return _reply(200)

    def _do_HeadBucket(self, request: _Request) -> bytes:
        return _reply(200, headers="x-amz-bucket-region: us-east-1\r\n")

    def _do_GetBucketLocation(self, request: _Request) -> bytes:
        return _xml("LocationConstraint", "")

    def _do_ListObjectsV2(self, request: _Request) -> bytes:
        query = request.query
        page = self._page(request.path.partition("/")[0], query)
        url = query.get("encoding-type") == "url"

        def name(text: str) -> str:
            return quote(text, safe="/") if url else escape(text)

        rows = [
            f"<Contents><Key>{name(key)}</Key><LastModified>{_iso(stored.modified)}</LastModified>"
            f"<ETag>&quot;{stored.etag}&quot;</ETag><Size>{len(stored.answer) - stored.start}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, stored in page.found
        ]
        rows += [f"<CommonPrefixes><Prefix>{name(text)}</Prefix></CommonPrefixes>" for text in page.prefixes]
        if page.following:
            rows.append(f"<NextContinuationToken>{quote(page.following)}</NextContinuationToken>")
        return _xml(
            "ListBucketResult",
            f"<Prefix>{name(query.get('prefix', ''))}</Prefix>"
            f"<KeyCount>{len(page.found) + len(page.prefixes)}</KeyCount><MaxKeys>{self.page_size}</MaxKeys>"
            f"<IsTruncated>{str(bool(page.following)).lower()}</IsTruncated>"
            f"{'<EncodingType>url</EncodingType>' if url else ''}{''.join(rows)}",
        )

    def _page(self, bucket: str, query: dict[str, str]) -> _Page:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        size = min(int(query.get("max-keys") or self.page_size), self.page_size)
        after = unquote(query.get("continuation-token", "")) or query.get("start-after", "")
        paths = self._paths()
        at = max(
            bisect_left(paths, f"{bucket}/{prefix}"),
            bisect_left(paths, f"{bucket}/{after}\0") if after else 0,
        )
        found: list[tuple[str, Stored]] = []
        prefixes: list[str] = []
        last = ""
        while at < len(paths) and paths[at].startswith(f"{bucket}/{prefix}"):
            if len(found) + len(prefixes) == size:
                return _Page(found, prefixes, last)
            last = key = paths[at][len(bucket) + 1 :]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                found.append((key, self.objects[paths[at]]))
                at += 1
            else:
                prefixes.append(key[: cut + len(delimiter)])
                last = prefixes[-1] + "\U0010ffff"
                at = bisect_left(paths, f"{bucket}/{last}")
        return _Page(found, prefixes, "")

    def _do_CreateMultipartUpload(self, request: _Request) -> bytes:
        upload = f"upload{len(self._uploads)}"
        self._uploads[upload] = {}
        bucket, _, key = request.path.partition("/")
        return _xml(
            "InitiateMultipartUploadResult",
            f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><UploadId>{upload}</UploadId>",
        )

    def _do_UploadPart(self, request: _Request) -> bytes:
        self._uploads[request.query["uploadId"]][int(request.query["partNumber"])] = request.body
        return _reply(200, headers=f'ETag: "{zlib.crc32(request.body):08x}"\r\n')

    def _do_CompleteMultipartUpload(self, request: _Request) -> bytes:
        parts = self._uploads.pop(request.query["uploadId"])
        self._take(request.path, b"".join(parts[number] for number in sorted(parts)))
        bucket, _, key = request.path.partition("/")
        return _xml(
            "CompleteMultipartUploadResult",
            f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><ETag>&quot;0&quot;</ETag>",
        )

    def _do_AbortMultipartUpload(self, request: _Request) -> bytes:
        self._uploads.pop(request.query["uploadId"], None)
        return _reply(204)


class _Request(NamedTuple):
    path: str
    query: dict[str, str]
    head: bytes
    body: bytes


class _Page(NamedTuple):
    found: list[tuple[str, Stored]]
    prefixes: list[str]
    following: str


def _operation(method: str, key: str, query: dict[str, str]) -> str:
    """S3's name for a request."""
    if not key:
        if method == "GET":
            return "GetBucketLocation" if "location" in query else "ListObjectsV2"
        return {"HEAD": "HeadBucket", "PUT": "CreateBucket", "POST": "DeleteObjects"}.get(method, method)
    if "uploadId" in query:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}[
            method
        ]
    if "uploads" in query:
        return "CreateMultipartUpload"
    return {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[method]


def _reply(status: int, body: bytes = b"", headers: str = "") -> bytes:
    reason = _REASONS.get(status, "Refused")
    length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {status} {reason}\r\n{_SERVER}{headers}{length}\r\n".encode() + body


def _xml(root: str, inner: str, status: int = 200) -> bytes:
    namespace = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' if root != "Error" else ""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{namespace}>{inner}</{root}>'.encode()
    return _reply(status, body, "Content-Type: application/xml\r\n")


def _refused(refusal: Refusal, method: str) -> bytes:
    if method == "HEAD":  # has no body to say why
        return _reply(refusal.status)
    inner = f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message><RequestId>1</RequestId>"
    return _xml("Error", inner, refusal.status)


def _ranged(stored: Stored, first: bytes, last: bytes) -> bytes:
    data = stored.data
    if first:
        start, end = int(first), min(int(last or len(data)), len(data) - 1)
    else:
        start, end = max(len(data) - int(last), 0), len(data) - 1
    if start >= len(data):
        return _refused(Refusal(416, "InvalidRange", "The requested range is not satisfiable"), "GET")
    headers = (
        f"Content-Type: binary/octet-stream\r\nContent-Range: bytes {start}-{end}/{len(data)}\r\n"
        f'ETag: "{stored.etag}"\r\nLast-Modified: {formatdate(stored.modified, usegmt=True)}\r\n'
    )
    return _reply(206, data[start : end + 1], headers)


def _iso(modified: float) -> str:
    return datetime.fromtimestamp(modified, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class _Connection(asyncio.Protocol):
    """One client's requests, one after another, over a connection that is kept."""

    def __init__(self, stub: Stub, connections: set[_Connection]) -> None:
        self._stub = stub
        self._connections = connections
        self._later = asyncio.get_running_loop().call_later
        self._buffer = bytearray()
        self._need = 0  # bytes before it is worth looking again
        self._told = False  # to continue

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= self._need and self._buffer and self._serve():
            pass

    def _serve(self) -> bool:
        """Answer the first request of the buffer; False when it is not whole yet."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(buffer[:end])
        body, size = b"", end + 4
        if head[:1] == b"P":  # PUT, POST
            found = self._body(head.lower(), size)
            if found is None:
                return False
            body, size = found
        del buffer[:size]
        self._need, self._told = 0, False
        method, target, _ = head[: head.find(b"\r\n")].decode().split(" ")
        self._send(self._stub.answer(method, target, head, body))
        return True

    def _send(self, answer: bytes) -> None:
        if self._stub.silent:
            return
        if self._stub.break_reads and b"\r\nAccept-Ranges" in answer:
            self._stub.break_reads -= 1
            self._transport.write(answer[:-20])
            self._transport.close()
            return
        if self._stub.latency:
            self._later(self._stub.latency, self._transport.write, answer)
        else:
            self._transport.write(answer)

    def _body(self, head: bytes, start: int) -> tuple[bytes, int] | None:
        """The decoded body and where it ends, ``None`` when it is not all here."""
        if b"\r\nexpect:" in head and not self._told:
            self._told = True
            self._transport.write(_CONTINUE)
        if b"\r\ntransfer-encoding: chunked" in head:
            found = _dechunked(self._buffer, start)
        else:
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 : (head + b"\r\n").find(b"\r\n", at + 2)]) if at >= 0 else 0
            self._need = start + length
            if len(self._buffer) < self._need:
                return None
            found = bytes(self._buffer[start : self._need]), self._need
        if found is not None and b"aws-chunked" in head:
            whole = _dechunked(found[0], 0)
            return None if whole is None else (whole[0], found[1])
        return found


def _dechunked(buffer: bytes | bytearray, at: int) -> tuple[bytes, int] | None:
    """A chunked body (S3's own ``size;chunk-signature=...`` too), with trailers passed over."""
    pieces = []
    while (line := buffer.find(b"\r\n", at)) >= 0:
        size = int(bytes(buffer[at:line]).partition(b";")[0], 16)
        at = line + 2
        if size == 0:
            return _trailed(buffer, at, pieces)
        pieces.append(bytes(buffer[at : at + size]))
        at += size + 2
    return None


def _trailed(buffer: bytes | bytearray, at: int, pieces: list[bytes]) -> tuple[bytes, int] | None:
    while (line := buffer.find(b"\r\n", at)) > at:
        at = line + 2
    if line < 0 and at < len(buffer):  # a trailer of which the end is not here
        return None
    if line < 0 and isinstance(buffer, bytearray):  # the empty line is not here
        return None
    return b"".join(pieces), at + 2


async def serve(stub: Stub, ready: Callable[[int], object]) -> None:
    """Listen on a free port, tell it to ``ready``, and serve until cancelled."""
    loop = asyncio.get_running_loop()
    connections: set[_Connection] = set()
    server = await loop.create_server(lambda: _Connection(stub, connections), "127.0.0.1", 0, backlog=512)
    stub.port = server.sockets[0].getsockname()[1]
    ready(stub.port)
    try:
        await loop.create_future()
    finally:
        server.close()
        for connection in list(connections):
            connection.abort()
        await asyncio.sleep(0)  # they are told that they are lost


@contextlib.contextmanager
def running_stub(**switches: object) -> Iterator[Stub]:
    """A stub in a thread, on a free port of the loopback address."""
    stub = Stub(**switches)  # type: ignore[arg-type]
    loop, ready = asyncio.new_event_loop(), threading.Event()
    task = loop.create_task(serve(stub, lambda _: ready.set()))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=run, name="s3-stub", daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the stub does not listen")
    try:
        yield stub
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--page-size", type=int, default=1000)
    options = parser.parse_args()
    stub = Stub(latency=options.latency_ms / 1000, page_size=options.page_size)

    def ready(port: int) -> None:
        part = options.port_file.with_name(options.port_file.name + ".part")
        part.write_text(str(port))
        part.rename(options.port_file)  # whoever waits for the file finds it whole

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(stub, ready))


if __name__ == "__main__":
    main()
