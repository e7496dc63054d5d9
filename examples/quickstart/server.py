"""A bookshop with a JSON API, on Python's standard library: something real for the quickstart to talk to.

    python server.py --port 8000             # then: curl localhost:8000/books?genre=poetry

GET /books?genre=&page=    a page of the catalogue, compressed for clients that accept gzip
GET /books/<id>            one book
POST /orders               {"book_id": 3, "quantity": 2}: 201 and a Location, or 422 and what is wrong
GET /orders/<id>           an order placed since the server started
GET /account               needs `Authorization: Bearer <anything>`, answers with a session cookie
POST /assistant            {"question": "..."}: the answer as server-sent events, word by word

Bodies depend on the request alone. Headers do what headers of live services do: the date, a request id, a
rate-limit counter, the cookie and gzip's time stamp differ from one answer to the next.
"""

import argparse
import gzip
import itertools
import json
import os
import re
import secrets
import socket
import socketserver
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

PAGE_SIZE = 3
PAUSE = 0.05  # seconds between two words of the assistant
BIGGEST_BODY = 1_000_000
REQUESTS_PER_HOUR = 5_000

CATALOGUE: tuple[dict[str, Any], ...] = (
    {"id": 1, "title": "Leaves of Grass", "author": "Walt Whitman", "genre": "poetry", "price": "9.50"},
    {"id": 2, "title": "The Waste Land", "author": "T. S. Eliot", "genre": "poetry", "price": "7.00"},
    {"id": 3, "title": "Kalevala", "author": "Elias Lönnrot", "genre": "poetry", "price": "14.90"},
    {"id": 4, "title": "Ariel", "author": "Sylvia Plath", "genre": "poetry", "price": "8.20"},
    {"id": 5, "title": "Solaris", "author": "Stanisław Lem", "genre": "science fiction", "price": "10.00"},
    {"id": 6, "title": "Kindred", "author": "Octavia Butler", "genre": "science fiction", "price": "11.30"},
    {"id": 7, "title": "Cosmos", "author": "Carl Sagan", "genre": "science", "price": "12.40"},
)
BOOKS = {book["id"]: book for book in CATALOGUE}


@dataclass(frozen=True)
class Request:
    """What a route sees of a request; `query` keeps the last of repeated fields."""

    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object; raises `Refusal` (422) when it is none."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_body", body="must be a JSON object")
        return content


@dataclass(frozen=True)
class Reply:
    """An answer: `content` is sent as JSON, or `events` one by one as server-sent events."""

    content: object = None
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    events: Iterable[str] | None = None
    compressible: bool = False


class Refusal(Exception):
    """A request answered with an error: a status, a code for programs, and what is wrong field by field."""

    def __init__(self, status: HTTPStatus, code: str, **fields: str) -> None:
        super().__init__(code)
        self.reply = Reply({"error": {"code": code, "fields": fields}}, status)


class Bookshop:
    """The shop itself: each path with its one method, and the orders it remembers."""

    def __init__(self) -> None:
        self._orders: dict[int, dict[str, Any]] = {}
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[..., Reply]], ...] = (
            ("GET", re.compile(r"/books"), self.list_books),
            ("GET", re.compile(r"/books/(\d{1,9})"), self.show_book),
            ("POST", re.compile(r"/orders"), self.place_order),
            ("GET", re.compile(r"/orders/(\d{1,9})"), self.show_order),
            ("GET", re.compile(r"/account"), self.show_account),
            ("POST", re.compile(r"/assistant"), self.ask_assistant),
        )

    def answer(self, method: str, request: Request) -> Reply:
        """The reply of the route that fits; HEAD is a GET whose body the transport leaves out."""
        method = "GET" if method == "HEAD" else method
        for verb, path, act in self._routes:
            if not (match := path.fullmatch(request.path)):
                continue
            if verb != method:
                error = {"error": {"code": "wrong_method", "fields": {}}}
                return Reply(error, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": verb})
            try:
                return act(request, *match.groups())
            except Refusal as refusal:
                return refusal.reply
        return Refusal(HTTPStatus.NOT_FOUND, "no_such_path").reply

    def list_books(self, request: Request) -> Reply:
        """One page of the books of a genre, or of all books."""
        genre, page = request.query.get("genre"), request.query.get("page", "1")
        if not re.fullmatch(r"[1-9][0-9]{0,5}", page):
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_page", page="must be a number from 1 up")
        found = [book for book in CATALOGUE if genre in (None, book["genre"])]
        start = (int(page) - 1) * PAGE_SIZE
        more = start + PAGE_SIZE < len(found)
        content = {
            "items": found[start : start + PAGE_SIZE],
            "total": len(found),
            "next": "/books?" + urlencode({**request.query, "page": int(page) + 1}) if more else None,
        }
        return Reply(content, headers={"Vary": "Accept-Encoding"}, compressible=True)

    def show_book(self, _request: Request, book_id: str) -> Reply:
        """One book by its id."""
        return Reply(_known(BOOKS, int(book_id), "no_such_book"))

    def place_order(self, request: Request) -> Reply:
        """Check and remember an order; equal orders have equal ids, so a second run answers as the first."""
        order = request.json_object()
        if wrong := dict(_order_mistakes(order)):
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_order", **wrong)
        number = 1001 + zlib.crc32(f"{order['book_id']} x {order['quantity']}".encode()) % 8999
        self._orders[number] = {**order, "id": number, "status": "accepted"}
        return Reply(self._orders[number], HTTPStatus.CREATED, {"Location": f"/orders/{number}"})

    def show_order(self, _request: Request, number: str) -> Reply:
        """One order by its id."""
        return Reply(_known(self._orders, int(number), "no_such_order"))

    def show_account(self, request: Request) -> Reply:
        """The account of whoever holds a key, with a fresh session cookie; every key is good."""
        if not re.fullmatch(r"Bearer \S+", request.headers.get("Authorization", "")):
            challenge = {"WWW-Authenticate": 'Bearer realm="bookshop"'}
            return Reply({"error": {"code": "no_key", "fields": {}}}, HTTPStatus.UNAUTHORIZED, challenge)
        cookie = f"session={secrets.token_hex(16)}; Path=/; HttpOnly; SameSite=Lax"
        return Reply({"name": "Ada", "tier": "reader"}, headers={"Set-Cookie": cookie})

    def ask_assistant(self, request: Request) -> Reply:
        """A recommendation, streamed the way language models do."""
        question = request.json_object().get("question")
        if not isinstance(question, str) or not question.strip():
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_question", question="must be text")
        return Reply(events=_spoken(question))


def _known(shelf: Mapping[int, dict[str, Any]], number: int, code: str) -> dict[str, Any]:
    if number not in shelf:
        raise Refusal(HTTPStatus.NOT_FOUND, code)
    return shelf[number]


def _order_mistakes(order: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    book_id, quantity = order.get("book_id"), order.get("quantity")
    if type(book_id) is not int or book_id not in BOOKS:
        yield "book_id", "must be the id of a book"
    if type(quantity) is not int or not 1 <= quantity <= 99:
        yield "quantity", "must be a number from 1 to 99"


def _spoken(question: str) -> Iterator[str]:
    """Five pieces of an answer, then `[DONE]`."""
    book = next((book for book in CATALOGUE if str(book["genre"]) in question), CATALOGUE[0])
    pieces = ("You ", "might ", "enjoy ", f"{book['title']} ", f"by {book['author']}.")
    for index, piece in enumerate(pieces):
        yield json.dumps({"index": index, "delta": piece})
        time.sleep(PAUSE)
    yield "[DONE]"


class _Server(ThreadingHTTPServer):
    """Holds the shop and the request counter, and hangs up on everyone when closed."""

    request_queue_size = 128

    def __init__(self, port: int) -> None:
        self.shop = Bookshop()
        self.counter = itertools.count(1)
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's full name, which may ask a DNS server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection, remembered until it ends."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """End one connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening and end the kept-alive connections: a closed shop answers nobody."""
        super().server_close()
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report faults of ours; a client that hangs up is none."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Bytes on the wire: reads a `Request`, writes a `Reply`."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def _handle(self) -> None:
        try:
            reply = self.server.shop.answer(self.command, self._read())
        except Refusal as refusal:  # the body was not read: what follows on this connection is unknown
            self.close_connection = True
            reply = refusal.reply
        if reply.events is None:
            self._send_json(reply)
        else:
            self._send_events(reply, reply.events)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - http.server's names

    def _read(self) -> Request:
        if "Transfer-Encoding" in self.headers:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "length_required")
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_length")
        if int(length) > BIGGEST_BODY:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large")
        url = urlsplit(self.path)
        body = self.rfile.read(int(length))
        return Request(url.path, dict(parse_qsl(url.query)), self.headers, body)

    def _send_json(self, reply: Reply) -> None:
        body = json.dumps(reply.content, ensure_ascii=False).encode() + b"\n"
        compress = reply.compressible and self._accepts_gzip()
        if compress:
            body = gzip.compress(body)  # on purpose with the time in its header, as many servers do
        self._send_head(reply, "application/json; charset=utf-8")
        if compress:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_events(self, reply: Reply, events: Iterable[str]) -> None:
        chunked = self.request_version != "HTTP/1.0"
        self._send_head(reply, "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")))
        self.end_headers()
        for event in events:
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, reply: Reply, content_type: str) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", content_type)
        self.send_header("X-Request-Id", secrets.token_hex(8))
        self.send_header("X-RateLimit-Limit", str(REQUESTS_PER_HOUR))
        used = next(self.server.counter) % REQUESTS_PER_HOUR
        self.send_header("X-RateLimit-Remaining", str(REQUESTS_PER_HOUR - used))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")

    def _accepts_gzip(self) -> bool:
        accepted = self.headers.get("Accept-Encoding", "").replace(" ", "").split(",")
        return any(re.fullmatch(r"gzip(;q=(1|0\.\d*[1-9]).*)?", coding) for coding in accepted)

    def version_string(self) -> str:
        """The Server header."""
        return "Bookshop/1.0"

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - http.server's name
        """Nothing: the tests' own output is what there is to see."""


@contextmanager
def serve(port: int = 0) -> Iterator[str]:
    """A running bookshop on loopback; yields its base URL. Port 0 takes a free one."""
    server = _Server(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="bookshop", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_port(file: Path, port: int) -> None:
    """Put the port into `file` in one step: a reader sees no file or the whole number."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    draft.write_text(f"{port}\n", encoding="utf-8")
    draft.replace(file)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A bookshop with a JSON API.")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 takes a free port")
    parser.add_argument("--port-file", type=Path, help="a file to write the port to, once listening")
    options = parser.parse_args()
    with serve(options.port) as url, suppress(KeyboardInterrupt):
        print(f"bookshop: {url}", flush=True)
        if options.port_file:
            write_port(options.port_file, urlsplit(url).port or 0)
        threading.Event().wait()


if __name__ == "__main__":
    main()
