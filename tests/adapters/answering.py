"""What the small servers of the tests have in common."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler


class Answering(BaseHTTPRequestHandler):
    """Answers whole, and tells nobody."""

    def answer(self, data: bytes, kind: str = "application/json", **headers: str) -> None:
        """200, with that body."""
        self.send_response(200)
        for name, value in {"Content-Type": kind, **headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass
