"""Hosts that are left alone (not recorded, not replayed, not refused), and the ways of TLS."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from clients import CLIENTS, Ask, on_asyncio
from lab import ID, Lab, raised
from loopback import Server, running_server
from tornado.httpclient import AsyncHTTPClient

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


# -- IPv6 and proxies -------------------------------------------------------------------------------


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("name", CLIENTS)
def test_an_ipv6_address_keeps_its_brackets(lab: Lab, name: str) -> None:
    with running_server(host="::1") as server:
        lab.server = server
        lab.conform(lambda base: CLIENTS[name](base, Ask("/json")))
        assert recorded_urls(lab) == [f"{server.base}/json"]


def recorded_urls(lab: Lab) -> list[str]:
    """The URLs of an approved test."""
    kinds = lab.runner.project().manifest.entries[ID]
    blobs = [lab.blob(Kind(kind)) for kind in kinds]
    return [item.request.url for blob in blobs for item in codec.load_interactions(blob, name="x")]


def _proxied_requests(proxy: str, url: str) -> Any:
    return requests.get(
        url, proxies={"http": proxy, "https": proxy}, verify=str(CERTIFICATE), timeout=5
    ).json()


def _proxied_urllib3(proxy: str, url: str) -> Any:
    with urllib3.ProxyManager(proxy, ca_certs=str(CERTIFICATE)) as pool:
        return pool.request("GET", url).json()


def _proxied_urlopen(proxy: str, url: str) -> Any:
    handlers = [ProxyHandler({"http": proxy, "https": proxy}), HTTPSHandler(context=_trusting())]
    with build_opener(*handlers).open(url, timeout=5) as response:
        return json.load(response)


def _proxied_httpx(library: Any, proxy: str, url: str) -> Any:
    with library.Client(proxy=proxy, verify=_trusting()) as client:
        return client.get(url).json()


def _proxied_aiohttp(proxy: str, url: str) -> Any:
    async def talk() -> Any:
        async with aiohttp.ClientSession() as session:
            async with session.get(url, proxy=proxy, ssl=_trusting()) as response:
                return await response.json()

    return on_asyncio(talk)


PROXIED = {
    "requests": _proxied_requests,
    "urllib3": _proxied_urllib3,
    "urlopen": _proxied_urlopen,
    "httpx": partial(_proxied_httpx, httpx),
    "httpx2": partial(_proxied_httpx, httpx2),
    "aiohttp": _proxied_aiohttp,
}


@pytest.mark.parametrize("client", PROXIED.values(), ids=PROXIED.keys())
def test_a_request_through_a_proxy_is_known_by_the_url_it_is_for(lab: Lab, client: Any) -> None:
    lab.conform(lambda base: client(base, "http://api.example.test/json"))
    assert recorded_urls(lab) == ["http://api.example.test/json"]
    hits = lab.server.hits
    with cassette(ID, unused="error"):  # the proxy of the person who recorded it does not matter
        client("http://127.0.0.1:9", "http://api.example.test/json")
    assert lab.server.hits == hits


@pytest.mark.parametrize("client", PROXIED.values(), ids=PROXIED.keys())
def test_a_tunnel_through_a_proxy_is_replayed_without_one(lab: Lab, tls_server: Server, client: Any) -> None:
    url = f"https://localhost:{tls_server.server_port}/json"
    lab.conform(lambda base: client(base, url), counts=False)
    assert tls_server.hits == 3
    assert lab.server.paths == [f"CONNECT localhost:{tls_server.server_port}"] * 3
    assert recorded_urls(lab) == [url]


def _from_environment_requests(url: str) -> Any:
    return requests.get(url, timeout=5).json()


def _from_environment_urllib(url: str) -> Any:
    with build_opener().open(url, timeout=5) as response:
        return json.load(response)


def _from_environment_httpx(library: Any, url: str) -> Any:
    return library.get(url, verify=_trusting()).json()


def _from_environment_aiohttp(url: str) -> Any:
    async def talk() -> Any:
        async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as response:
            return await response.json()

    return on_asyncio(talk)


FROM_ENVIRONMENT = {
    "requests": _from_environment_requests,
    "urllib": _from_environment_urllib,
    "httpx": partial(_from_environment_httpx, httpx),
    "httpx2": partial(_from_environment_httpx, httpx2),
    "aiohttp": _from_environment_aiohttp,
}


@pytest.mark.parametrize("client", FROM_ENVIRONMENT.values(), ids=FROM_ENVIRONMENT.keys())
def test_a_proxy_from_the_environment_changes_no_recording(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, client: Any
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", lab.server.base)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def scenario(base: str) -> Any:
        return [client("http://api.example.test/json"), client(f"{base}/json")]

    lab.conform(scenario)
    assert recorded_urls(lab) == ["http://api.example.test/json", f"{lab.server.base}/json"]
    assert lab.server.paths == ["GET http://api.example.test/json", "GET /json"] * 3
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with cassette(ID, unused="error"):
        scenario(lab.server.base)
    monkeypatch.delenv("http_proxy")
    with cassette(ID, unused="error"):
        scenario(lab.server.base)
    assert lab.server.hits == 6


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_mounted_transports_are_recorded(lab: Lab, library: Any) -> None:
    def scenario(base: str) -> Any:
        mounts = {
            "all://api.example.test": library.HTTPTransport(proxy=base, verify=_trusting()),
            "all://127.0.0.1": library.HTTPTransport(verify=_trusting()),
        }
        with library.Client(mounts=mounts, verify=_trusting()) as client:
            urls = ["http://api.example.test/json", f"{base}/json"]
            return [client.get(url).json() for url in urls]

    lab.conform(scenario)
    assert recorded_urls(lab) == ["http://api.example.test/json", f"{lab.server.base}/json"]


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


def _tornado(base: str) -> Any:
    async def talk() -> Any:
        client = AsyncHTTPClient(force_instance=True, defaults={"ca_certs": str(CERTIFICATE)})
        try:
            found = await client.fetch(f"{base}/json")
            return found.body, (await client.fetch(f"{base}/redirect/1")).effective_url
        finally:
            client.close()

    return on_asyncio(talk)


def _urlopen(base: str) -> Any:
    import urllib.request

    with urllib.request.urlopen(f"{base}/json", context=_trusting(), timeout=5) as response:
        return response.read(), response.url


def _http_client(base: str) -> Any:
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
    "tornado": _tornado,
}


@pytest.mark.parametrize("client", SECURE.values(), ids=SECURE.keys())
def test_https_by_a_private_authority_is_recorded_and_replayed_under_its_own_url(
    lab: Lab, tls_server: Server, client: Any
) -> None:
    lab.server = tls_server
    base = tls_server.base.replace("http:", "https:")
    lab.conform(lambda _: client(base))
    assert all(url.startswith(base) for url in recorded_urls(lab))


@pytest.mark.parametrize("name", sorted(CLIENTS.keys() - {"http.client", "putrequest"}))
def test_an_untrusted_certificate_is_untrusted_again(lab: Lab, tls_server: Server, name: str) -> None:
    lab.server = tls_server
    base = tls_server.base.replace("http:", "https:")
    lab.conform(lambda _: raised(lambda: CLIENTS[name](base, Ask("/json"))), counts=False)


@pytest.mark.parametrize("verify", [False, str(CERTIFICATE)], ids=["unverified", "verified"])
def test_a_certificate_that_is_not_checked_is_warned_of_as_live(
    lab: Lab, tls_server: Server, verify: Any
) -> None:
    lab.server = tls_server
    base = tls_server.base.replace("http:", "https:")

    def scenario(_: str) -> Any:
        with warnings.catch_warnings(record=True) as found, requests.Session() as session:
            warnings.simplefilter("always")
            session.trust_env = False
            for _ in range(2):
                session.get(f"{base}/json", verify=verify, timeout=5)
        return [str(warning.message) for warning in found]

    assert len(lab.conform(scenario)) == (0 if verify else 2)
