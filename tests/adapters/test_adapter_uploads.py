"""Request bodies of every sort: sent as they were live, matched on replay, with a stable digest."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import urllib.request
import xmlrpc.client
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
import pytest
import requests
import trio
import urllib3
from clients import CONTEXT
from lab import ID, Lab
from tornado.httpclient import AsyncHTTPClient

from booktest_cassettes import cassette
from booktest_cassettes.errors import UnhandledRequest

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


@pytest.fixture(autouse=True)
def _close_files() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


Upload = Callable[[str], Any]


def _requests(make: Callable[[], dict[str, Any]], url: str) -> Any:
    return requests.post(url, timeout=5, **make()).json()


def _urllib3(make: Callable[[], dict[str, Any]], url: str) -> Any:
    with urllib3.PoolManager() as pool:
        return pool.request("POST", url, timeout=5.0, **make()).json()


def _http_client(make: Callable[[], dict[str, Any]], url: str) -> Any:
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


def _urlopen(make: Callable[[], Any], headers: dict[str, str], url: str) -> Any:
    request = urllib.request.Request(url, data=make(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def _aiohttp(make: Callable[[], Any], url: str) -> Any:
    async def talk() -> Any:
        async with aiohttp.ClientSession() as session, session.post(url, data=make()) as response:
            return await response.json()

    return asyncio.run(talk())


def _tornado(make: Callable[[], dict[str, Any]], url: str) -> Any:
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


def _httpx(library: Any, make: Callable[[], dict[str, Any]], url: str) -> Any:
    with library.Client(timeout=5, verify=CONTEXT) as client:
        return client.post(url, **make()).json()


def _async_httpx(library: Any, run: Any, make: Callable[[], dict[str, Any]], url: str) -> Any:
    async def talk() -> Any:
        async with library.AsyncClient(timeout=5, verify=CONTEXT) as client:
            return (await client.post(url, **make())).json()

    return run(talk)


def _files() -> dict[str, Any]:
    return {"files": {"file": ("é.txt", b"content\r\n--x", "text/plain")}, "data": {"name": "Ada"}}


UPLOADS: dict[str, Upload] = {
    "requests generator": partial(_requests, lambda: {"data": generated()}),
    "requests file": partial(_requests, lambda: {"data": opened()}),
    "requests BytesIO read before": partial(_requests, lambda: {"data": _half_read()}),
    "requests files": partial(_requests, _files),
    "requests open file in files": partial(_requests, lambda: {"files": {"f": opened()}}),
    "requests text": partial(_requests, lambda: {"data": "text é"}),
    "urllib3 generator": partial(_urllib3, lambda: {"body": generated()}),
    "urllib3 chunked bytes": partial(_urllib3, lambda: {"body": b"bytes", "chunked": True}),
    "urllib3 file": partial(_urllib3, lambda: {"body": opened()}),
    "urllib3 fields": partial(_urllib3, lambda: {"fields": {"a": "é", "f": ("n.txt", b"\0\1")}}),
    "http.client iterable": partial(_http_client, lambda: {"body": generated()}),
    "http.client list": partial(_http_client, lambda: {"body": [b"a", b"b"]}),
    "http.client file": partial(_http_client, lambda: {"body": opened()}),
    "http.client text file": partial(_http_client, lambda: {"body": io.StringIO("café")}),
    "http.client text": partial(_http_client, lambda: {"body": "caf\xe9"}),
    "http.client sized iterable": partial(
        _http_client, lambda: {"body": generated(), "headers": {"Content-Length": "269"}}
    ),
    "http.client pieces": partial(_by_pieces, _send_in_pieces),
    "http.client chunked pieces": partial(_by_pieces, _send_chunked),
    "http.client whole": partial(_by_pieces, _send_at_once),
    "urlopen bytes": partial(_urlopen, lambda: b"bytes", {}),
    "urlopen iterable": partial(_urlopen, generated, {}),
    "urlopen file": partial(_urlopen, opened, {"Content-Length": str(Path(__file__).stat().st_size)}),
    "aiohttp async generator": partial(_aiohttp, async_generated),
    "aiohttp file": partial(_aiohttp, opened),
    "aiohttp BytesIO": partial(_aiohttp, lambda: io.BytesIO(b"bytes")),
    "aiohttp form": partial(_aiohttp, _form),
    "aiohttp text": partial(_aiohttp, lambda: "text é"),
    "tornado bytes": partial(_tornado, lambda: {"body": bytes(range(256))}),
    "tornado text": partial(_tornado, lambda: {"body": "text é"}),
    "tornado producer": partial(_tornado, lambda: {"body_producer": _produced}),
    "tornado sized producer": partial(
        _tornado, lambda: {"body_producer": _produced, "headers": {"Content-Length": "269"}}
    ),
    "tornado producer that is expected": partial(
        _tornado, lambda: {"body_producer": _produced, "expect_100_continue": True}
    ),
    "tornado multipart": partial(_tornado, _multipart),
}
for _name, _library in {"httpx": httpx, "httpx2": httpx2}.items():
    UPLOADS[f"{_name} generator"] = partial(_httpx, _library, lambda: {"content": generated()})
    UPLOADS[f"{_name} file"] = partial(_httpx, _library, lambda: {"content": opened()})
    UPLOADS[f"{_name} files"] = partial(_httpx, _library, _files)
    UPLOADS[f"{_name} text"] = partial(_httpx, _library, lambda: {"content": "text é"})
    for _engine, _run in {"asyncio": lambda main: asyncio.run(main()), "trio": trio.run}.items():
        UPLOADS[f"{_name} {_engine} generator"] = partial(
            _async_httpx, _library, _run, lambda: {"content": async_generated()}
        )
        UPLOADS[f"{_name} {_engine} files"] = partial(_async_httpx, _library, _run, _files)


def _half_read() -> io.BytesIO:
    data = io.BytesIO(b"skipped, sent")
    data.seek(9)
    return data


@pytest.mark.parametrize("upload", UPLOADS.values(), ids=UPLOADS.keys())
def test_a_body_is_sent_as_it_would_be_and_matched_by_what_it_holds(lab: Lab, upload: Upload) -> None:
    lab.conform(lambda base: upload(f"{base}/framing"))


@pytest.mark.parametrize("client", ["requests", "http.client", "aiohttp", "tornado", "httpx"])
def test_another_body_is_refused(lab: Lab, client: str) -> None:
    def upload(content: bytes) -> Any:
        url = f"{lab.server.base}/framing"
        if client == "aiohttp":
            return _aiohttp(lambda: content, url)
        one = {"requests": "data", "httpx": "content"}.get(client, "body")
        how = {
            "requests": _requests,
            "http.client": _http_client,
            "tornado": _tornado,
            "httpx": partial(_httpx, httpx),
        }
        return how[client](lambda: {one: content}, url)

    lab.record()
    with cassette(ID):
        upload(b"right")
    lab.approve()
    counters = lab.counters
    with cassette(ID):
        upload(b"right")
    with pytest.raises(UnhandledRequest, match="is not in its http"), cassette(ID):
        upload(b"wrong")
    assert lab.counters == counters


def test_an_xmlrpc_call_is_replayed(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with xmlrpc.client.ServerProxy(f"{base}/xmlrpc") as proxy:
            return proxy.add(1, 2)

    assert lab.conform(scenario) == 3


def test_connection_state_errors_are_http_clients_own(lab: Lab) -> None:
    def scenario(base: str) -> list[str]:
        found = []
        with closing(http.client.HTTPConnection(urlsplit(base).netloc, timeout=5)) as connection:
            for step in (
                connection.getresponse,
                lambda: connection.putheader("a", "b"),
                connection.endheaders,
                lambda: connection.request("GET", "/text"),
                lambda: connection.request("GET", "/text"),
                lambda: connection.getresponse().read(3),
                lambda: connection.request("GET", "/json"),
                connection.getresponse,
            ):
                try:
                    step()
                    found.append("fine")
                except http.client.HTTPException as error:
                    found.append(type(error).__name__)
        return found

    lab.conform(scenario)
