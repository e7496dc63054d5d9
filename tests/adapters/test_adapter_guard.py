"""The network guard: whatever tries to leave this machine is refused, counted, and fails the test."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest
import requests
from clients import CONTEXT
from lab import ID, Lab

from booktest_cassettes import cassette
from booktest_cassettes.errors import NetworkRefused
from booktest_cassettes.session import Session

AWAY = "192.0.2.1"  # reserved for documentation: nothing answers there
NAME = "api.example.test"


class Firewall(OSError):
    """What got past the guard ends here, before a packet is sent."""


_firewall: set[str] = set()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    # The number of an address is no packet yet: asking for it may pass.
    away = {NAME} if event in ("socket.getaddrinfo", "socket.gethostbyname") else {AWAY, NAME}
    if _firewall and event.startswith("socket.") and away & set(_flat(arguments)):
        _firewall.add(event)
        raise Firewall(event)


def _flat(value: Any) -> Iterator[Any]:
    for item in value:
        if isinstance(item, tuple):
            yield from _flat(item)
        elif isinstance(item, (str, int)):
            yield item


@pytest.fixture
def firewall(lab: Lab) -> Iterator[set[str]]:
    """The events that got past the guard."""
    lab.record()
    with cassette(ID):
        requests.get(f"{lab.server.base}/text", timeout=5)
    lab.approve()
    with cassette(ID):  # so that the guard's hook comes before ours
        pass
    if not getattr(sys, "_booktest_test_firewall", False):
        sys.addaudithook(_hook)
        sys._booktest_test_firewall = True  # type: ignore[attr-defined]
    _firewall.add("on")
    yield _firewall
    _firewall.clear()


def _socket(kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET) -> Any:
    return closing(socket.socket(family, kind))


def _connect(address: Any, family: int = socket.AF_INET) -> None:
    with _socket(family=family) as sock:
        sock.connect(address)


def _connect_ex() -> None:
    with _socket() as sock:
        sock.connect_ex((AWAY, 80))


def _sendto(*args: Any) -> None:
    with _socket(socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", *args)


def _sendmsg() -> None:
    with _socket(socket.SOCK_DGRAM) as sock:
        sock.sendmsg([b"x"], [], 0, (AWAY, 53))


async def _streams() -> None:
    await asyncio.open_connection(AWAY, 80)


async def _datagrams() -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(AWAY, 53))


async def _async_lookup() -> None:
    await asyncio.get_running_loop().getaddrinfo(NAME, 80)


async def _async_connect() -> None:
    with _socket() as sock:
        sock.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(sock, (AWAY, 80))


async def _in_executor(attempt: Callable[..., Any], *args: Any) -> None:
    await asyncio.get_running_loop().run_in_executor(None, attempt, *args)


ATTEMPTS: dict[str, Callable[[], Any]] = {
    "create_connection": lambda: socket.create_connection((AWAY, 80), timeout=1),
    "create_connection by name": lambda: socket.create_connection((NAME, 80), timeout=1),
    "connect": lambda: _connect((AWAY, 80)),
    "connect by name": lambda: _connect((NAME, 80)),
    "connect by bytes": lambda: _connect((AWAY.encode(), 80)),
    "connect by a bytes name": lambda: _connect((NAME.encode(), 80)),
    "connect_ex": _connect_ex,
    "connect IPv6": lambda: _connect(("2001:db8::1", 80), socket.AF_INET6),
    "connect mapped": lambda: _connect((f"::ffff:{AWAY}", 80), socket.AF_INET6),
    "sendto": lambda: _sendto((AWAY, 53)),
    "sendto with flags": lambda: _sendto(0, (AWAY, 53)),
    "sendto by name": lambda: _sendto((NAME, 53)),
    "sendmsg": _sendmsg,
    "getaddrinfo": lambda: socket.getaddrinfo(NAME, 80),
    "getaddrinfo of bytes": lambda: socket.getaddrinfo(NAME.encode(), 80),
    "gethostbyname": lambda: socket.gethostbyname(NAME),
    "gethostbyname_ex": lambda: socket.gethostbyname_ex(NAME),
    "gethostbyaddr": lambda: socket.gethostbyaddr(AWAY),
    "getnameinfo": lambda: socket.getnameinfo((AWAY, 80), 0),
    "asyncio streams": lambda: asyncio.run(_streams()),
    "asyncio datagrams": lambda: asyncio.run(_datagrams()),
    "asyncio lookup": lambda: asyncio.run(_async_lookup()),
    "asyncio sock_connect": lambda: asyncio.run(_async_connect()),
    "run_in_executor": lambda: asyncio.run(_in_executor(_connect, (AWAY, 80))),
    "run_in_executor by name": lambda: asyncio.run(_in_executor(_connect, (NAME, 80))),
    "run_in_executor datagram": lambda: asyncio.run(_in_executor(_sendto, (AWAY, 53))),
    "to_thread": lambda: asyncio.run(asyncio.to_thread(_connect, (AWAY, 80))),
    "to_thread by name": lambda: asyncio.run(asyncio.to_thread(_connect, (NAME, 80))),
    "to_thread datagram": lambda: asyncio.run(asyncio.to_thread(_sendto, (AWAY, 53))),
}


def _here(attempt: Callable[[], Any]) -> None:
    attempt()


def _in_pool(attempt: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(attempt).result()


def _in_thread(attempt: Callable[[], Any]) -> None:
    found: list[BaseException] = []

    def run() -> None:
        try:
            attempt()
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    raise found[0]


@pytest.mark.parametrize("where", [_here, _in_pool, _in_thread])
@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_an_attempt_is_refused_counted_and_fails_the_test_though_it_was_swallowed(
    firewall: set[str], attempt: Any, where: Any
) -> None:
    sessions: list[Session | None] = []
    with pytest.raises(NetworkRefused, match="was refused: replay is strict"):
        with cassette(ID) as session:
            sessions.append(session)
            with pytest.raises(NetworkRefused):
                where(attempt)
            with suppress(Exception):  # and what a careless caller makes of it
                where(attempt)
    assert sessions[0] is not None
    assert [type(problem) for problem in sessions[0].problems] == [NetworkRefused]
    assert firewall == {"on"}, "something got past the guard"
    with pytest.raises(Firewall):
        _connect((AWAY, 80))  # works again: the guard does not mind any more


def test_http_clients_are_refused_by_their_cassette_before_the_guard(firewall: set[str], lab: Lab) -> None:
    for get in (
        lambda: requests.get(f"http://{AWAY}/", timeout=1),
        lambda: httpx.get(f"http://{NAME}/", verify=CONTEXT),
    ):
        with pytest.raises(Exception, match="is not in its http"), cassette(ID):
            get()
    assert firewall == {"on"}


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
@pytest.mark.parametrize("host", [AWAY, NAME])
def test_a_socket_that_is_refused_a_connection_is_closed(firewall: set[str], method: str, host: str) -> None:
    """Code that opens sockets closes them on OSError, which a refusal is not."""
    with pytest.raises(NetworkRefused), cassette(ID), socket.socket() as sock:
        try:
            getattr(sock, method)((host, 80))
        finally:
            assert sock.fileno() == -1
    assert firewall == {"on"}


def test_create_connection_leaves_no_socket_open(firewall: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's name may be looked up, and be an address that may not be connected to."""
    made: list[socket.socket] = []

    class Socket(socket.socket):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(socket, "socket", Socket)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: [(2, 1, 6, "", (AWAY, 80))])
    with pytest.raises(NetworkRefused), cassette(ID):
        socket.create_connection((socket.gethostname(), 80), timeout=1)
    assert [sock.fileno() for sock in made] == [-1]


def test_a_datagram_socket_that_is_refused_an_address_can_send_to_another(firewall: set[str]) -> None:
    with pytest.raises(NetworkRefused), cassette(ID), _socket(socket.SOCK_DGRAM) as sock:
        with pytest.raises(NetworkRefused):
            sock.sendto(b"x", (AWAY, 53))
        assert sock.sendto(b"x", ("127.0.0.1", 9)) == 1


def test_an_allowed_host_passes_by_name_and_by_address(firewall: set[str]) -> None:
    with cassette(ID, allow_hosts=["*.example.test", AWAY]):
        for attempt in (lambda: _connect((AWAY, 80)), lambda: socket.getaddrinfo(NAME, 80)):
            with pytest.raises(Firewall):
                attempt()


def test_an_allowed_host_with_a_port_passes_on_that_port_only(firewall: set[str]) -> None:
    with pytest.raises(NetworkRefused, match=f"{AWAY}:81"), cassette(ID, allow_hosts=[f"{AWAY}:80"]):
        with pytest.raises(Firewall):
            _connect((AWAY, 80))
        _connect((AWAY, 81))


def test_a_name_that_is_allowed_lets_its_addresses_pass(
    firewall: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from booktest_cassettes import guard

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (AWAY, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", guard._remembering(lambda *_args, **_options: found))
    monkeypatch.setattr(guard, "_allowed_addresses", set())
    with cassette(ID, allow_hosts=["*.example.test"]), pytest.raises(Firewall):
        socket.create_connection((NAME, 80), timeout=1)


def test_loopback_and_unix_sockets_pass(lab: Lab, firewall: set[str]) -> None:
    port = lab.server.server_port
    with cassette(ID) as session:
        for host in ("127.0.0.1", "localhost", b"127.0.0.1"):
            with _socket() as sock:
                sock.connect((host, port))
        with _socket() as sock:
            assert sock.connect_ex(("127.0.0.1", port)) == 0
        with _socket(socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", ("127.0.0.1", 9))
        with closing(socket.create_connection(("localhost", port), timeout=1)):
            pass
        one, other = socket.socketpair()
        with closing(one), closing(other):
            one.sendall(b"x")
        socket.gethostbyname(socket.gethostname())
        asyncio.run(_loopback_streams(port))
        assert session is not None
        assert not session.problems


async def _loopback_streams(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()


def test_nothing_is_refused_while_recording(lab: Lab, firewall: set[str]) -> None:
    lab.record()
    with cassette(ID) as session, pytest.raises(Firewall):
        _connect((AWAY, 80))
    assert session is not None
    assert not session.problems


def test_the_guard_minds_the_cassette_of_the_context_not_its_neighbours(lab: Lab, firewall: set[str]) -> None:
    """One task replays strictly, the other records: only the first is watched."""

    async def strict() -> None:
        async with cassette(ID):
            ready.set()
            await done.wait()
            with pytest.raises(NetworkRefused):
                _connect((AWAY, 80))

    async def main() -> None:
        nonlocal ready, done
        ready, done = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(strict())
        await ready.wait()
        lab.record()
        async with cassette("x.py::other"):
            with pytest.raises(Firewall):
                _connect((AWAY, 80))
        done.set()
        with pytest.raises(NetworkRefused):
            await task

    ready = done = asyncio.Event()
    asyncio.run(main())
