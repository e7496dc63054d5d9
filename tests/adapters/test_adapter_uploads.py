"""Request bodies beside the matrix (tests/conformance): others are refused, states are http.client's own."""

from __future__ import annotations

import http.client
import xmlrpc.client
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uploads
from lab import ID, Lab

from booktest_cassettes import cassette
from booktest_cassettes.errors import UnhandledRequest


@pytest.mark.parametrize("client", ["requests", "http.client", "aiohttp", "tornado", "httpx"])
def test_another_body_is_refused(lab: Lab, client: str) -> None:
    def upload(content: bytes) -> Any:
        url = f"{lab.server.base}/framing"
        if client == "aiohttp":
            return uploads.by_aiohttp(lambda: content, url)
        one = {"requests": "data", "httpx": "content"}.get(client, "body")
        how = {
            "requests": uploads.by_requests,
            "http.client": uploads.by_http_client,
            "tornado": uploads.by_tornado,
            "httpx": partial(uploads.by_httpx, httpx),
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
