"""A TCP proxy on loopback that delays each direction, and limits nothing else; a program of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_CHUNK = 1 << 18


@dataclass(frozen=True)
class SlowProxy:
    """A running proxy: where it listens, and its process (to stop it for a while, or for good)."""

    port: int
    process: subprocess.Popen[str]


@contextmanager
def slow_proxy(behind: int, milliseconds: float, *, port: int = 0) -> Iterator[SlowProxy]:
    """A proxy in front of a loopback port, with a one-way delay in each direction."""
    command = [sys.executable, __file__, str(behind), str(milliseconds), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield SlowProxy(int(process.stdout.readline()), process)
        finally:
            process.kill()


@contextmanager
def delayed(port: int, milliseconds: float) -> Iterator[int]:
    """The port of a :func:`slow_proxy`."""
    with slow_proxy(port, milliseconds) as proxy:
        yield proxy.port


async def _serve(behind: int, delay: float, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", behind)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_carry(reader, back, delay), _carry(there, writer, delay))

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Pass everything on, each piece ``delay`` seconds after it came."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            data = await reader.read(_CHUNK)
        except OSError:
            data = b""
        loop.call_later(delay, _pass_on, writer, data)
        if not data:
            return


def _pass_on(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(data)
    else:
        writer.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 1000, int(sys.argv[3])))
