"""Serves big bodies piece by piece, from a process of its own: its memory is not the client's.

    memory_server.py    # prints its port

``/SHAPE/MEGABYTES`` is always the same body of that many million bytes (before compression); no two of
its pieces are equal, so an exchange of two of them would be seen.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1_000_000
#: What a body is made of, its content type, and its framing.
SHAPES = {
    "binary": ("bytes", "application/octet-stream", "length"),
    "chunked": ("bytes", "application/octet-stream", "chunked"),
    "gzip": ("bytes", "application/octet-stream", "gzip"),
    "text": ("lines", "text/plain; charset=utf-8", "length"),
    "octets": ("lines", "application/octet-stream", "length"),
    "emoji": ("emoji", "text/plain; charset=utf-8", "length"),
    "line": ("line", "text/plain; charset=utf-8", "length"),
    "json": ("line", "application/json", "length"),
}


def content(made_of: str, count: int) -> Iterator[bytes]:
    """The pieces of a body: incompressible bytes, lines of JSON (with emoji), or one line of JSON."""
    for number in range(count):
        mark = b"%08d" % number
        if made_of == "bytes":
            yield mark + _noise()[len(mark) :]
        elif made_of != "line":
            yield _item(mark, PIECE - 1, "\U0001f600" if made_of == "emoji" else "é") + b"\n"
        elif number < count - 1:
            yield (b"," if number else b"[") + _item(mark, PIECE - 1, "é")
        else:
            yield (b"," if number else b"[") + _item(mark, PIECE - 2, "é") + b"]"


@cache
def _noise() -> bytes:
    return random.Random(1).randbytes(PIECE)


@cache
def _words(extra: str) -> bytes:
    """Half a piece of JSON texts, prose to a compressor; U+2028 is no line end here."""
    chosen = random.Random(2)
    letters = f"abcdefghijklmnopqrstuvwxyz\u2028{extra}"
    words = '","'.join("".join(chosen.choices(letters, k=60)) for _ in range(10_000))
    return words.encode()[: PIECE // 2].rpartition(b'","')[0]


def _item(mark: bytes, size: int, extra: str) -> bytes:
    """One JSON value of so many bytes."""
    text = b'{"mark":"%b","words":["%b"],"pad":"' % (mark, _words(extra))
    return text + b"-" * (size - len(text) - 2) + b'"}'


def pressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Gzip as most servers make it: level 6, no timestamp."""
    press = zlib.compressobj(6, zlib.DEFLATED, 31)
    for piece in pieces:
        yield press.compress(piece)
    yield press.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        _, shape, megabytes = self.path.split("/")
        made_of, kind, framing = SHAPES[shape]
        count = int(megabytes)
        pieces = content(made_of, count)
        self.send_response_only(200)
        self.send_header("Content-Type", kind)
        if framing == "length":
            self.send_header("Content-Length", str(count * PIECE))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        if framing == "gzip":
            self.send_header("Content-Encoding", "gzip")
            pieces = pressed(pieces)
        self.end_headers()
        for piece in filter(None, pieces):
            self.wfile.write(piece if framing == "length" else b"%x\r\n%b\r\n" % (len(piece), piece))
        if framing != "length":
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_args: object) -> None:
        pass


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()
