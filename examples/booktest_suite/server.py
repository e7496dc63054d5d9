"""Open the shop while a command runs: something real to record from, on Python's standard library.

    python server.py booktest -s -a

The command finds the shop's address in SHOP_URL and a key in SHOP_KEY. When it ends, the shop is closed, and
what comes after it has to do without. `--port 8000` opens it where it was the last time.

GET /books?genre=          the titles of a genre, or all of them
GET /books/<title>/rating  {"stars": 4.5, "votes": 210}, or 404
POST /orders               {"title": ..., "copies": ...}: 201, or 422 and what is wrong
GET /account               needs `Authorization: Bearer <anything>`
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

GENRES = {
    "Leaves of Grass": "poetry",
    "Kalevala": "poetry",
    "Solaris": "science fiction",
    "Kindred": "science fiction",
    "Cosmos": "science",
}
RATINGS = {"Kalevala": (4.5, 210), "Solaris": (4.25, 1300), "Kindred": (4.75, 900)}


class Shop(BaseHTTPRequestHandler):
    """The routes; a body depends on the request alone, and headers on the day, as everywhere."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Books, ratings, the account."""
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.split("/")[1:]]
        match parts:
            case ["books"]:
                genre = parse_qs(url.query).get("genre", [""])[0]
                self.say(200, [title for title, its in GENRES.items() if genre in ("", its)])
            case ["books", title, "rating"] if title in RATINGS:
                stars, votes = RATINGS[title]
                self.say(200, {"title": title, "stars": stars, "votes": votes})
            case ["account"] if self.headers.get("Authorization", "").startswith("Bearer "):
                self.say(200, {"name": "Elias Lönnrot", "credit": "12.50 €"})
            case ["account"]:
                self.say(401, {"error": "who are you?"})
            case _:
                self.say(404, {"error": "not here"})

    def do_POST(self) -> None:
        """An order."""
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if order["title"] in GENRES:
            self.say(201, {"order": f"{order['copies']} x {order['title']}", "status": "accepted"})
        else:
            self.say(422, {"error": f"no book is called {order['title']}"})

    def say(self, status: int, content: Any) -> None:
        """One answer, with an id of its own."""
        data = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("X-Request-Id", secrets.token_hex(8))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing: the command's own output is what there is to see."""


@contextmanager
def open_shop(port: int = 0) -> Iterator[str]:
    """The shop on loopback; yields its address. Port 0 takes a free one."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Shop)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def main() -> int:
    """Run the command while the shop is open; its exit code is ours."""
    parser = argparse.ArgumentParser(description="Run a command while the shop is open.")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 takes a free port")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, with its arguments")
    options = parser.parse_args()
    if not options.command:
        parser.error("say what to run while the shop is open")
    with open_shop(options.port) as url:
        shop = {"SHOP_URL": url, "SHOP_KEY": secrets.token_hex(16)}
        return subprocess.run(options.command, env=os.environ | shop, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
