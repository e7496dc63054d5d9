"""Every way in which the clients take a body to send."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import httpx
import httpx2
import requests
import trio
import urllib3
from clients import CONTEXT
from tornado.httpclient import AsyncHTTPClient

PARTS = [b"first ", b"", b"second ", bytes(range(256))]


def generated() -> Iterator[bytes]:
    yield from (part for part in PARTS if part)


async def async_generated() -> AsyncIterator[bytes]:
    for part in generated():
        yield part


_open: list[Any] = []


def opened() -> Any:
    _open.append(Path(__file__).open("rb"))  # noqa: SIM115 - the client reads it; the fixture closes it
    return _open[-1]


def close_files() -> None:
    """Close what :func:`opened` opened."""
    while _open:
        _open.pop().close()


Upload = Callable[[str], Any]


def by_requests(make: Callable[[], dict[str, Any]], url: str) -> Any:
    return requests.post(url, timeout=5, **make()).json()


def by_urllib3(make: Callable[[], dict[str, Any]], url: str) -> Any:
    with urllib3.PoolManager() as pool:
        return pool.request("POST", url, timeout=5.0, **make()).json()


def by_http_client(make: Callable[[], dict[str, Any]], url: str) -> Any:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=5)) as connection:
        connection.request("POST", parts.path, **make())
        return json.load(connection.getresponse())


def _by_pieces(send: Callable[[Any], None], url: str) -> Any:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=5)) as connection:
        connection.putrequest("POST", parts.path, skip_accept_encoding=True)
        connection.putheader("X-Twice", "1", "2")
        connection.putheader("X-Twice", b"3")
        connection.putheader("Content-Type", "text/plain")
        send(connection)
        return json.load(connection.getresponse())


def _send_in_pieces(connection: Any) -> None:
    connection.putheader("Content-Length", "12")
    connection.endheaders()
    connection.send(b"first ")
    connection.send(io.BytesIO(b"second"))


def _send_chunked(connection: Any) -> None:
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(generated(), encode_chunked=True)


def _send_at_once(connection: Any) -> None:
    connection.putheader("Content-Length", "5")
    connection.endheaders(b"whole")


def by_urlopen(make: Callable[[], Any], headers: dict[str, str], url: str) -> Any:
    request = urllib.request.Request(url, data=make(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def by_aiohttp(make: Callable[[], Any], url: str) -> Any:
    async def talk() -> Any:
        async with aiohttp.ClientSession() as session, session.post(url, data=make()) as response:
            return await response.json()

    return asyncio.run(talk())


def by_tornado(make: Callable[[], dict[str, Any]], url: str) -> Any:
    async def talk() -> Any:
        client = AsyncHTTPClient(force_instance=True)
        try:
            return json.loads((await client.fetch(url, method="POST", **make())).body)
        finally:
            client.close()

    return asyncio.run(talk())


async def _produced(write: Callable[[bytes], Any]) -> None:
    for part in PARTS:
        await write(part)


def _multipart() -> dict[str, Any]:
    boundary = uuid4().hex
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\né\r\n--{boundary}--\r\n'
    return {"body": body, "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}


def _form() -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("name", "Ada é")
    form.add_field("file", opened(), filename="a.py", content_type="text/x-python")
    form.add_field("bytes", b"\0\1", filename="b.bin")
    return form


def by_httpx(library: Any, make: Callable[[], dict[str, Any]], url: str) -> Any:
    with library.Client(timeout=5, verify=CONTEXT) as client:
        return client.post(url, **make()).json()


def by_async_httpx(library: Any, run: Any, make: Callable[[], dict[str, Any]], url: str) -> Any:
    async def talk() -> Any:
        async with library.AsyncClient(timeout=5, verify=CONTEXT) as client:
            return (await client.post(url, **make())).json()

    return run(talk)


def _files() -> dict[str, Any]:
    return {"files": {"file": ("é.txt", b"content\r\n--x", "text/plain")}, "data": {"name": "Ada"}}


UPLOADS: dict[str, Upload] = {
    "requests generator": partial(by_requests, lambda: {"data": generated()}),
    "requests file": partial(by_requests, lambda: {"data": opened()}),
    "requests BytesIO read before": partial(by_requests, lambda: {"data": _half_read()}),
    "requests files": partial(by_requests, _files),
    "requests open file in files": partial(by_requests, lambda: {"files": {"f": opened()}}),
    "requests text": partial(by_requests, lambda: {"data": "text é"}),
    "urllib3 generator": partial(by_urllib3, lambda: {"body": generated()}),
    "urllib3 chunked bytes": partial(by_urllib3, lambda: {"body": b"bytes", "chunked": True}),
    "urllib3 file": partial(by_urllib3, lambda: {"body": opened()}),
    "urllib3 fields": partial(by_urllib3, lambda: {"fields": {"a": "é", "f": ("n.txt", b"\0\1")}}),
    "http.client iterable": partial(by_http_client, lambda: {"body": generated()}),
    "http.client list": partial(by_http_client, lambda: {"body": [b"a", b"b"]}),
    "http.client file": partial(by_http_client, lambda: {"body": opened()}),
    "http.client text file": partial(by_http_client, lambda: {"body": io.StringIO("café")}),
    "http.client text": partial(by_http_client, lambda: {"body": "caf\xe9"}),
    "http.client sized iterable": partial(
        by_http_client, lambda: {"body": generated(), "headers": {"Content-Length": "269"}}
    ),
    "http.client pieces": partial(_by_pieces, _send_in_pieces),
    "http.client chunked pieces": partial(_by_pieces, _send_chunked),
    "http.client whole": partial(_by_pieces, _send_at_once),
    "urlopen bytes": partial(by_urlopen, lambda: b"bytes", {}),
    "urlopen iterable": partial(by_urlopen, generated, {}),
    "urlopen file": partial(by_urlopen, opened, {"Content-Length": str(Path(__file__).stat().st_size)}),
    "aiohttp async generator": partial(by_aiohttp, async_generated),
    "aiohttp file": partial(by_aiohttp, opened),
    "aiohttp BytesIO": partial(by_aiohttp, lambda: io.BytesIO(b"bytes")),
    "aiohttp form": partial(by_aiohttp, _form),
    "aiohttp text": partial(by_aiohttp, lambda: "text é"),
    "tornado bytes": partial(by_tornado, lambda: {"body": bytes(range(256))}),
    "tornado text": partial(by_tornado, lambda: {"body": "text é"}),
    "tornado producer": partial(by_tornado, lambda: {"body_producer": _produced}),
    "tornado sized producer": partial(
        by_tornado, lambda: {"body_producer": _produced, "headers": {"Content-Length": "269"}}
    ),
    "tornado producer that is expected": partial(
        by_tornado, lambda: {"body_producer": _produced, "expect_100_continue": True}
    ),
    "tornado multipart": partial(by_tornado, _multipart),
}
for _name, _library in {"httpx": httpx, "httpx2": httpx2}.items():
    UPLOADS[f"{_name} generator"] = partial(by_httpx, _library, lambda: {"content": generated()})
    UPLOADS[f"{_name} file"] = partial(by_httpx, _library, lambda: {"content": opened()})
    UPLOADS[f"{_name} files"] = partial(by_httpx, _library, _files)
    UPLOADS[f"{_name} text"] = partial(by_httpx, _library, lambda: {"content": "text é"})
    for _engine, _run in {"asyncio": lambda main: asyncio.run(main()), "trio": trio.run}.items():
        UPLOADS[f"{_name} {_engine} generator"] = partial(
            by_async_httpx, _library, _run, lambda: {"content": async_generated()}
        )
        UPLOADS[f"{_name} {_engine} files"] = partial(by_async_httpx, _library, _run, _files)


def _half_read() -> io.BytesIO:
    data = io.BytesIO(b"skipped, sent")
    data.seek(9)
    return data
