"""An HTTP/2 server over TLS on loopback: as much of it as the matrix needs."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError


class Http2Server:
    """Echoes requests, each connection in a thread of its own."""

    def __init__(self, certificate: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, certificate.with_name("key.pem"))
        self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"https://localhost:{self._listener.getsockname()[1]}"
        self.hits = 0
        self.connections = 0

    def reset(self) -> None:
        """Nothing it says depends on what it said before."""

    def serve(self) -> None:
        """Accept until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Stop accepting."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _talk(self, plain: socket.socket) -> None:
        with suppress(OSError, ProtocolError), self._context.wrap_socket(plain, server_side=True) as sock:
            connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
            connection.initiate_connection()
            sock.sendall(connection.data_to_send())
            requests: dict[int, dict[str, str]] = {}
            bodies: dict[int, bytes] = {}
            while data := sock.recv(65_536):
                for event in connection.receive_data(data):
                    if isinstance(event, RequestReceived):
                        requests[event.stream_id] = dict(event.headers)
                    elif isinstance(event, DataReceived):
                        stream = event.stream_id
                        bodies[stream] = bodies.get(stream, b"") + event.data
                        connection.acknowledge_received_data(event.flow_controlled_length, stream)
                    elif isinstance(event, StreamEnded):
                        stream = event.stream_id
                        self._answer(connection, stream, requests[stream], bodies.get(stream, b""))
                sock.sendall(connection.data_to_send())

    def _answer(self, connection: H2Connection, stream: int, request: dict[str, str], body: bytes) -> None:
        self.hits += 1
        seen = {name: request[name] for name in (":method", ":path", ":scheme")}
        headers = [
            (":status", "200"),
            ("content-type", "application/json"),
            ("x-repeat", "first"),
            ("x-repeat", "second"),
            ("set-cookie", "a=REDACTED; Path=/"),
            ("set-cookie", "b=REDACTED; Path=/"),
        ]
        connection.send_headers(stream, headers)
        for part in (json.dumps(seen).encode(), b"\n", body):
            if part:
                connection.send_data(stream, part)
        connection.end_stream(stream)


@contextmanager
def running_http2_server(certificate: Path) -> Iterator[Http2Server]:
    """A server on a free port, closed at the end."""
    server = Http2Server(certificate)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
