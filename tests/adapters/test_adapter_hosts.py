"""Hosts that are left alone (not recorded, not replayed, not refused), and the ways of TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from clients import CLIENTS, Ask, on_asyncio
from lab import ID, Lab, raised
from loopback import Server, running_server

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import UnhandledRequest
from booktest_cassettes.recording import codec

CERTIFICATE = Path(__file__).parent / "tls" / "cert.pem"
KEY = CERTIFICATE.with_name("key.pem")


@pytest.mark.parametrize(
    "options",
    [
        {"allow_hosts": ["127.*"]},
        {"ignore_hosts": ["127.0.0.1"]},
        {"ignore_localhost": True},
        {"allow_hosts": ["127.0.0.1:PORT"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", CLIENTS)
def test_an_allowed_host_is_live_in_every_mode_and_never_recorded(
    lab: Lab, name: str, options: dict[str, Any]
) -> None:
    if "allow_hosts" in options:
        hosts = [host.replace("PORT", str(lab.server.server_port)) for host in options["allow_hosts"]]
        options = {"allow_hosts": hosts}
    for mode in ("rewrite", "once", "new_episodes", "none"):
        lab.runner.use(mode)
        hits = lab.server.hits
        with cassette(ID, **options):
            CLIENTS[name](lab.server.base, Ask("/text"))
            CLIENTS[name](lab.server.base, Ask("/redirect/1"))
        assert lab.server.hits == hits + 4 - ("http.client" in name or "putrequest" in name) * 2
        assert not list(lab.runner.project().pending)


@pytest.mark.parametrize("name", CLIENTS)
def test_an_allowed_port_does_not_open_its_neighbours(lab: Lab, name: str) -> None:
    with running_server() as other:
        lab.record()
        allowed = {"allow_hosts": [f"127.0.0.1:{other.server_port}"]}
        with cassette(ID, **allowed):
            CLIENTS[name](lab.server.base, Ask("/text"))
            CLIENTS[name](other.base, Ask("/text"))
        lab.approve()
        counters = lab.counters
        with cassette(ID, unused="error", **allowed):
            CLIENTS[name](lab.server.base, Ask("/text"))
            CLIENTS[name](other.base, Ask("/text"))
        assert lab.counters == counters
        assert other.hits == 2
        with pytest.raises(UnhandledRequest), cassette(ID, **allowed):
            CLIENTS[name](lab.server.base, Ask("/json"))
        assert lab.counters == counters


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def tls_server() -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    with running_server(context) as found:
        yield found


def _trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CERTIFICATE)


def _requests(base: str) -> Any:
    with requests.Session() as session:
        session.trust_env = False  # REQUESTS_CA_BUNDLE would win
        session.verify = str(CERTIFICATE)
        response = session.get(f"{base}/json", timeout=5)
        return response.url, response.json(), session.get(f"{base}/redirect/1", timeout=5).url


def _urllib3(base: str) -> Any:
    with urllib3.PoolManager(ca_certs=str(CERTIFICATE)) as pool:
        return pool.request("GET", f"{base}/json").json(), pool.request("GET", f"{base}/redirect/1").geturl()


def _httpx(library: Any, base: str) -> Any:
    with library.Client(verify=_trusting(), follow_redirects=True) as client:
        return client.get(f"{base}/json").json(), str(client.get(f"{base}/redirect/1").url)


def _aiohttp(base: str) -> Any:
    async def talk() -> Any:
        async with aiohttp.ClientSession() as session, session.get(f"{base}/json", ssl=_trusting()) as found:
            return await found.json(), str(found.url)

    return on_asyncio(talk)


def _urlopen(base: str) -> Any:
    import urllib.request

    with urllib.request.urlopen(f"{base}/json", context=_trusting(), timeout=5) as response:
        return response.read(), response.url


def _http_client(base: str) -> Any:
    import http.client

    connection = http.client.HTTPSConnection(base.removeprefix("https://"), context=_trusting())
    connection.request("GET", "/json")
    try:
        return connection.getresponse().read()
    finally:
        connection.close()


SECURE = {
    "requests": _requests,
    "urllib3": _urllib3,
    "urlopen": _urlopen,
    "http.client": _http_client,
    "httpx": partial(_httpx, httpx),
    "httpx2": partial(_httpx, httpx2),
    "aiohttp": _aiohttp,
}


@pytest.mark.parametrize("client", SECURE.values(), ids=SECURE.keys())
def test_https_by_a_private_authority_is_recorded_and_replayed_under_its_own_url(
    lab: Lab, tls_server: Server, client: Any
) -> None:
    lab.server = tls_server
    base = tls_server.base.replace("http:", "https:")
    lab.conform(lambda _: client(base))
    kinds = lab.runner.project().manifest.entries[ID]
    for kind in kinds:
        for item in codec.load_interactions(lab.blob(Kind(kind)), name="x"):
            assert item.request.url.startswith(base)


@pytest.mark.parametrize("name", sorted(CLIENTS.keys() - {"http.client", "putrequest"}))
def test_an_untrusted_certificate_is_untrusted_again(lab: Lab, tls_server: Server, name: str) -> None:
    lab.server = tls_server
    base = tls_server.base.replace("http:", "https:")
    lab.conform(lambda _: raised(lambda: CLIENTS[name](base, Ask("/json"))), counts=False)
