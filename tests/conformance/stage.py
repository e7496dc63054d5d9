"""What a cell of the matrix plays on: servers on loopback, each started when it is first asked for."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

from http2_server import running_http2_server
from loopback import Server, UnixServer, closed_port, full_port, running_server

CERTIFICATE = Path(__file__).parents[1] / "adapters" / "tls" / "cert.pem"


class Stage:
    """The servers of one cell, and what reached them.

    Attributes
    ----------
    ca:
        The certificate that the servers with TLS show, to be trusted.
    """

    ca = str(CERTIFICATE)

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._servers: list[Server] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def arrivals(self) -> tuple[int, int]:
        """Requests and connections that reached any server so far."""
        return sum(one.hits for one in self._servers), sum(one.connections for one in self._servers)

    def reset(self) -> None:
        """Have the servers count from zero again in what they say."""
        for server in self._servers:
            server.reset()

    def _start(self, server: Server) -> Server:
        self._servers.append(server)
        return server

    @cached_property
    def server(self) -> Server:
        """Plain HTTP/1.1; a proxy, too."""
        return self._start(self._stack.enter_context(running_server()))

    @property
    def base(self) -> str:
        """Its URL."""
        return self.server.base

    @cached_property
    def tls(self) -> str:
        """The URL of a server with TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))
        server = self._start(self._stack.enter_context(running_server(context)))
        return f"https://localhost:{server.server_port}"

    @cached_property
    def http2(self) -> str:
        """The URL of a server that speaks HTTP/2 over TLS, and nothing else."""
        server = self._stack.enter_context(running_http2_server(CERTIFICATE))
        self._servers.append(server)
        return server.base

    @cached_property
    def ipv6(self) -> str:
        """The URL of a server on ``[::1]``."""
        return self._start(self._stack.enter_context(running_server(host="::1"))).base

    @cached_property
    def socket_path(self) -> str:
        """The path of a server on a Unix socket."""
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="stage"))
        path = os.path.join(directory, "s")  # noqa: PTH118 - short: a socket's path has 107 bytes
        self._start(self._stack.enter_context(running_server(make=lambda: UnixServer(path))))
        return path

    @cached_property
    def closed(self) -> str:
        """A URL at which nothing listens."""
        return closed_port()

    @cached_property
    def deaf(self) -> str:
        """A URL that accepts connections and never reads from one."""
        return self._stack.enter_context(_deaf_port())

    @cached_property
    def full(self) -> str:
        """A URL that accepts no connection: its backlog is full."""
        return self._stack.enter_context(full_port())


@contextmanager
def _deaf_port() -> Iterator[str]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
