"""A real HTTP server on loopback with the answers that tell clients apart, and counters to catch leaks.

Cookies have the value that redaction would give them, so that answers can be compared to the byte.
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import struct
import threading
import xmlrpc.client
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import brotli
import zstandard

EVENTS = [f'id: {n}\ndata: {{"n": {n}, "text": "één {n}"}}\n\n'.encode() for n in range(5)]
JSON = json.dumps({"name": "Ada", "list": [1, 2.5, None, True], "text": "één"}, ensure_ascii=False).encode()
TEXT = ("The quick brown fox jumps over the lazy dog. " * 40).encode()
BINARY = bytes(range(256)) * 300
PIECES = [b"plain ", "caf\u00e9".encode()[:-1], "\u00e9".encode()[-1:] + b" and", b" more"]
GATE_SECONDS = 3.0


def gzipped(data: bytes) -> bytes:
    """gzip as it looks once its timestamp is taken out (ADR-0003), so that bytes can be compared."""
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + gzip.compress(data)[10:]


class Server(ThreadingHTTPServer):
    """Counts what reaches it; ``gate`` holds streams back until the client has read a piece."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listen((host, 0))

    def _listen(self, address: Any) -> None:
        super().__init__(address, Handler)
        self.hits = 0
        self.connections = 0
        self.paths: list[str] = []
        self.numbers: dict[str, Iterator[int]] = {}
        self.lock = threading.Lock()
        self.gate = threading.Semaphore(0)
        self.stalls = 0
        self.stopping = threading.Event()

    def server_bind(self) -> None:
        """Without http.server's look-up of the address's name, which may ask a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    @property
    def base(self) -> str:
        host = self.server_address[0]
        return f"http://[{host}]:{self.server_port}" if ":" in host else f"http://{host}:{self.server_port}"

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up early are part of the job."""

    def number(self, name: str) -> int:
        """0, 1, 2... for each name."""
        with self.lock:
            return next(self.numbers.setdefault(name, count()))

    def reset(self) -> None:
        """Count from zero again, and forget what was read ahead."""
        self.numbers.clear()
        self.open_gate()
        self.gate = threading.Semaphore(0)

    def open_gate(self) -> None:
        """Let handlers of clients that have gone run to their end."""
        self.gate.release(100)


class UnixServer(Server):
    """The same on a Unix socket."""

    address_family = socket.AF_UNIX

    def __init__(self, path: str) -> None:
        self._listen(path)

    def server_bind(self) -> None:
        """Without a port."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    timeout = 20

    def log_message(self, *args: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def handle_any(self) -> None:
        with self.server.lock:
            self.server.hits += 1
            self.server.paths.append(f"{self.command} {self.path}")
        self.gate = self.server.gate
        self.body = self._read_body()
        parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        first, _, self.rest = parts.path.strip("/").partition("/")
        getattr(self, "at_" + first.replace("-", "_"), self.at_unknown)()

    def handle_expect_100(self) -> bool:
        """Refuse some uploads before their body is sent."""
        if not self.path.startswith("/bucket/forbidden"):
            return super().handle_expect_100()
        self.server.hits += 1
        self.rest, self.close_connection = "forbidden", True
        self.at_bucket()
        return False

    def do_CONNECT(self) -> None:
        """Open a tunnel, whatever its name says, to the port it names on this machine."""
        self.server.paths.append(f"CONNECT {self.path}")
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as other:
            self.raw(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(other, self.connection))
            back.start()
            _pump(self.connection, other)
            back.join()
        self.close_connection = True

    # -- saying things -----------------------------------------------------------------------------

    def raw(self, *parts: bytes) -> None:
        self.wfile.write(b"".join(parts))
        self.wfile.flush()

    def answer(
        self,
        body: bytes = b"",
        *headers: tuple[str, str],
        status: str = "200 OK",
        kind: str = "text/plain; charset=utf-8",
        version: str = "HTTP/1.1",
        length: bool = True,
    ) -> None:
        lines = [f"{version} {status}"]
        if kind:
            lines.append(f"Content-Type: {kind}")
        lines += [f"{name}: {value}" for name, value in headers]
        if length:
            lines.append(f"Content-Length: {len(body)}")
        self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"), b"" if self.command == "HEAD" else body)

    def chunks(self, *parts: bytes) -> None:
        for part in parts:
            self.raw(b"%x\r\n%b\r\n" % (len(part), part))

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():  # trailers
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def pass_gate(self) -> None:
        """Wait until the client says it has read the last piece."""
        if not self.gate.acquire(timeout=GATE_SECONDS):
            self.server.stalls += 1

    def _hang_up(self) -> None:
        """Close with a FIN that nothing follows, whatever is still unread."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_WR)

    # -- answers -----------------------------------------------------------------------------------

    def at_unknown(self) -> None:
        self.answer(b"no such page", status="404 Not Found")

    def at_echo(self) -> None:
        names = ("content-type", "x-sent", "accept")
        seen = {name: self.headers.get_all(name) for name in names if name in self.headers}
        seen["crumbs"] = self.headers.get_all("cookie")  # "cookie" would be redacted, as it should
        body = base64.b64encode(self.body).decode()
        data = {"method": self.command, "path": self.path, "headers": seen, "body": body}
        self.answer(json.dumps(data).encode(), kind="application/json")

    def at_framing(self) -> None:
        """How a body was sent, and what was in it apart from a random boundary."""
        boundary = self.headers.get_boundary() or "-"
        data = {
            "chunked": self.headers.get("Transfer-Encoding"),
            "length": self.headers.get("Content-Length"),
            "kind": (self.headers.get("Content-Type") or "").replace(boundary, "boundary"),
            "body": self.body.replace(boundary.encode(), b"boundary").decode("latin-1"),
            "twice": self.headers.get_all("X-Twice"),
            "agent": "User-Agent" in self.headers,
            "encoding": self.headers.get_all("Accept-Encoding"),
        }
        self.answer(json.dumps(data).encode(), kind="application/json")

    def at_size(self) -> None:
        data = {"size": len(self.body), "encoding": self.headers.get("Content-Encoding")}
        self.answer(json.dumps(data).encode(), kind="application/json")

    def at_bucket(self) -> None:
        """As much of S3 as a test needs."""
        headers = [("ETag", '"0123456789abcdef"'), ("x-amz-request-id", "TX0001")]
        if self.rest == "forbidden":
            body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
            self.answer(body, *headers, status="403 Forbidden", kind="application/xml")
        else:
            self.answer(TEXT if self.command == "GET" else b"", *headers, kind="binary/octet-stream")

    def at_big(self) -> None:
        self.answer(b"0123456789" * 300_000, kind="application/octet-stream")

    def at_big_gzip(self) -> None:
        self.answer(gzipped(b"0123456789" * 300_000), ("Content-Encoding", "gzip"))

    def at_xmlrpc(self) -> None:
        self.answer(xmlrpc.client.dumps((3,), methodresponse=True).encode(), kind="text/xml")

    def at_json(self) -> None:
        self.answer(JSON, kind="application/json")

    def at_text(self) -> None:
        self.answer(TEXT)

    def at_latin_text(self) -> None:
        self.answer("café".encode("latin-1"), kind="text/plain; charset=iso-8859-1")

    def at_binary(self) -> None:
        self.answer(BINARY, kind="application/octet-stream")

    def at_untyped(self) -> None:
        self.answer(b"what am I", kind="")

    def at_empty(self) -> None:
        self.answer()

    def at_gzip(self) -> None:
        self.answer(gzipped(TEXT), ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))

    def at_gzip_chunked(self) -> None:
        data = gzipped(TEXT)
        self.answer(b"", ("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked"), length=False)
        self.chunks(data[:7], data[7:20], data[20:])
        self.raw(b"0\r\n\r\n")

    def at_deflate(self) -> None:
        self.answer(zlib.compress(TEXT), ("Content-Encoding", "deflate"))

    def at_raw_deflate(self) -> None:
        press = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.answer(press.compress(TEXT) + press.flush(), ("Content-Encoding", "deflate"))

    def at_brotli(self) -> None:
        self.answer(brotli.compress(TEXT), ("Content-Encoding", "br"))

    def at_zstd(self) -> None:
        self.answer(zstandard.ZstdCompressor().compress(TEXT), ("Content-Encoding", "zstd"))

    def at_stacked(self) -> None:
        self.answer(gzipped(zlib.compress(TEXT)), ("Content-Encoding", "deflate, gzip"))

    def at_corrupt(self) -> None:
        """A body that is not in the coding it says it is."""
        self.answer(b"\x07not at all compressed" * 20, ("Content-Encoding", self.rest))

    def at_corrupt_gzip(self) -> None:
        data = bytearray(gzipped(TEXT))
        data[12:20] = b"\xff" * 8
        self.answer(bytes(data), ("Content-Encoding", "gzip"))

    def at_no_content(self) -> None:
        self.answer(b"", status="204 No Content", kind="", length=False)

    def at_not_modified(self) -> None:
        self.answer(b"", ("ETag", '"abc"'), status="304 Not Modified", kind="", length=False)

    def at_cookies(self) -> None:
        self.answer(
            b"two",
            ("Set-Cookie", "a=REDACTED; Path=/"),
            ("X-Between", "yes"),
            ("Set-Cookie", "b=REDACTED; Path=/; HttpOnly"),
            ("set-cookie", "c=REDACTED; Path=/echo"),
        )

    def at_headers(self) -> None:
        self.answer(
            b"headers",
            ("x-lower", "1"),
            ("X-UPPER", "2"),
            ("X-Mixed-cAsE", "3"),
            ("X-Repeat", "first"),
            ("x-other", "between"),
            ("x-repeat", "second"),
            ("X-Latin", "caf\xe9 \xff"),
            ("X-Utf8", "één".encode().decode("latin-1")),
            ("X-Empty", ""),
            ("X-Spaces", "  inside  and  "),
            ("X-Colon", "a:b:c"),
        )

    def at_reason(self) -> None:
        reasons = {"custom": "Totally Fine", "latin": "Caf\xe9", "empty": ""}
        self.answer(b"reason", status=f"200 {reasons[self.rest]}")

    def at_no_reason(self) -> None:
        self.answer(b"reason", status="200")

    def at_status(self) -> None:
        self.answer(b"status " + self.rest.encode(), status=f"{self.rest} Whatever")

    def at_chunked(self) -> None:
        self.answer(b"", ("Transfer-Encoding", "chunked"), length=False)
        self.chunks(b"alpha,", b"beta,", b"gamma")
        self.raw(b"0\r\n\r\n")

    def at_lines(self) -> None:
        self.answer(b"", ("Transfer-Encoding", "chunked"), length=False, kind="application/x-ndjson")
        for n in range(4):
            self.chunks(b'{"n": %d}\n' % n)
        self.raw(b"0\r\n\r\n")

    def at_until_close(self) -> None:
        self.close_connection = True
        self.answer(TEXT, length=False)

    def at_http10(self) -> None:
        self.close_connection = True
        self.answer(TEXT, version="HTTP/1.0", length=False)

    def at_sse(self) -> None:
        self.answer(b"", ("Transfer-Encoding", "chunked"), length=False, kind="text/event-stream")
        for event in EVENTS:
            self.chunks(event)
            self.pass_gate()
        self.raw(b"0\r\n\r\n")

    def at_pieces(self) -> None:
        """Plain text in chunks that arrive one by one, one of them ending inside of a character."""
        self.answer(b"", ("Transfer-Encoding", "chunked"), length=False)
        for piece in PIECES:
            self.chunks(piece)
            self.pass_gate()
        self.raw(b"0\r\n\r\n")

    def at_events_until_close(self) -> None:
        self.close_connection = True
        self.answer(b"", length=False, kind="text/event-stream")
        for event in EVENTS:
            self.raw(event)
            self.pass_gate()

    def at_cut(self) -> None:
        self.answer(b"", ("Content-Length", "1000"), length=False)
        self.raw(b"only this")
        self._hang_up()

    def at_cut_chunked(self) -> None:
        self.answer(b"", ("Transfer-Encoding", "chunked"), length=False)
        self.chunks(b"only this")
        self._hang_up()

    def at_reset(self) -> None:
        """A body torn off by a RST."""
        self.answer(b"", ("Content-Length", "1000"), length=False)
        self.raw(b"only this")
        self.pass_gate()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def at_torn(self) -> None:
        """Chunks torn off by a RST, once the client has read one."""
        self.answer(b"", ("Transfer-Encoding", "chunked"), length=False)
        self.chunks(b"only this")
        self.pass_gate()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def at_hang_up(self) -> None:
        self._hang_up()

    def at_garbage(self) -> None:
        self.raw(b"this is not HTTP at all\r\n\r\n")
        self._hang_up()

    def at_hang(self) -> None:
        self.server.stopping.wait(10)
        self.close_connection = True

    def at_hang_in_body(self) -> None:
        self.answer(b"", ("Content-Length", "1000"), length=False)
        self.raw(b"only this")
        self.server.stopping.wait(10)
        self.close_connection = True

    def at_redirect(self) -> None:
        left = int(self.rest)
        target = f"/redirect/{left - 1}?from={left}" if left else "../final?x=1"
        statuses = {2: "301 Moved Permanently", 1: "307 Temporary Redirect"}
        self.answer(
            b"moved", ("Location", target), ("Set-Cookie", f"hop{left}=REDACTED; Path=/"),
            status=statuses.get(left, "303 See Other"),
        )  # fmt: skip

    def at_final(self) -> None:
        self.at_echo()

    def at_loop(self) -> None:
        self.answer(b"", ("Location", "/loop"), status="302 Found")

    def at_count(self) -> None:
        self.answer(b"%d" % self.server.number(self.path))

    def at_flaky(self) -> None:
        if self.server.number(self.path) < 2:
            self.answer(b"busy", ("Retry-After", "0"), status="503 Service Unavailable")
        else:
            self.answer(b"at last")

    def at_continue(self) -> None:
        self.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.answer(b"continued")

    def at_oauth(self) -> None:
        """Takes the second token it is shown."""
        if self.server.number("oauth") % 2:
            self.answer(b"welcome")
        else:
            self.answer(b"expired", status="401 Unauthorized")

    def at_digest(self) -> None:
        if "Authorization" in self.headers:
            self.answer(b"welcome")
        else:
            challenge = 'Digest realm="r", nonce="abc", qop="auth", algorithm=MD5'
            self.answer(b"who?", ("WWW-Authenticate", challenge), status="401 Unauthorized")


def closed_port() -> str:
    """A URL at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def full_port() -> Iterator[str]:
    """A URL that accepts no connection: its backlog is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            other = stack.enter_context(socket.socket())
            other.settimeout(0)
            other.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def running_server(
    tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", make: Callable[[], Any] | None = None
) -> Iterator[Any]:
    """A server on a free port, stopped and closed at the end. It is a proxy, too, for any host."""
    server = make() if make else Server(host)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.open_gate()
        server.shutdown()
        server.server_close()
        thread.join()
