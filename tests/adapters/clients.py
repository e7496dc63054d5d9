"""One function per HTTP client: make a request the way its users do, and tell everything it shows."""

from __future__ import annotations

import asyncio
import http.client
import json as jsonlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import certifi
import httpx
import httpx2
import requests
import trio
import urllib3
from lab import described
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse


@dataclass(frozen=True)
class Ask:
    """A request in words that every client can be told in."""

    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    json: Any = None
    form: dict[str, str] | None = None
    timeout: float = 5.0
    #: A certificate file to trust instead of the usual ones, and the proxy to go through.
    ca: str | None = None
    proxy: str | None = None

    def context(self) -> ssl.SSLContext:
        """What to trust."""
        return trusting(self.ca) if self.ca else CONTEXT

    def encoded(self) -> tuple[bytes | None, dict[str, str]]:
        """Body and headers, for clients that encode nothing themselves."""
        if self.json is not None:
            return jsonlib.dumps(self.json).encode(), {**self.headers, "Content-Type": "application/json"}
        if self.form is not None:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return urlencode(self.form).encode(), {**self.headers, **kind}
        return self.content, dict(self.headers)


#: Loading the system's certificates takes longer than the rest of a test.
CONTEXT = ssl.create_default_context(cafile=certifi.where())
Exchange = Callable[[str, Ask], dict[str, Any]]


@cache
def trusting(certificate: str) -> ssl.SSLContext:
    """A context that trusts one certificate."""
    return ssl.create_default_context(cafile=certificate)


def _named(ask: Ask, content: str = "data") -> dict[str, Any]:
    """Keyword arguments for clients that encode JSON and forms themselves."""
    found: dict[str, Any] = {"headers": dict(ask.headers)}
    if ask.json is not None:
        found["json"] = ask.json
    if ask.form is not None:
        found["data"] = ask.form
    if ask.content is not None:
        found[content] = ask.content
    return found


# -- http.client and what is built on it -----------------------------------------------------------


def told(ask: Callable[[], Any]) -> Any:
    """What a client tells, or the name of the exception it raises instead."""
    try:
        return ask()
    except Exception as error:
        return type(error).__name__


def attributes(found: Any, *names: str) -> dict[str, Any]:
    """What an object says of itself; a stand-in may lack some of it."""
    return {name: getattr(found, name, "absent") for name in names}


def see_http_client(response: http.client.HTTPResponse) -> dict[str, Any]:
    seen = {
        **attributes(response, "status", "reason", "version", "length", "chunked", "will_close"),
        "code": told(response.getcode),
        "headers": told(response.getheaders),
        "joined": told(lambda: response.getheader("set-cookie")),
        "url": response.geturl() if hasattr(response, "url") else None,
    }
    seen["body"] = response.read()
    seen["after"] = response.read()
    seen["closed"] = told(response.isclosed)
    return seen


def connected(base: str, ask: Ask) -> tuple[http.client.HTTPConnection, str]:
    """A connection as a user of http.client sets it up, and the target to ask it for."""
    secure = base.startswith("https:")
    if ask.proxy and not secure:
        return http.client.HTTPConnection(urlsplit(ask.proxy).netloc, timeout=ask.timeout), base + ask.path
    netloc = urlsplit(ask.proxy or base).netloc
    if not secure:
        return http.client.HTTPConnection(netloc, timeout=ask.timeout), ask.path
    connection = http.client.HTTPSConnection(netloc, timeout=ask.timeout, context=ask.context())
    if ask.proxy:
        connection.set_tunnel(urlsplit(base).netloc)
    return connection, ask.path


def by_http_client(base: str, ask: Ask) -> dict[str, Any]:
    connection, target = connected(base, ask)
    body, headers = ask.encoded()
    try:
        connection.request(ask.method, target, body, headers)
        return see_http_client(connection.getresponse())
    finally:
        connection.close()


def by_putrequest(base: str, ask: Ask) -> dict[str, Any]:
    connection, target = connected(base, ask)
    body, headers = ask.encoded()
    step = max(10, len(body or b"") // 10)
    try:
        connection.putrequest(ask.method, target)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        for start in range(0, len(body or b""), step):
            connection.send((body or b"")[start : start + step])
        return see_http_client(connection.getresponse())
    finally:
        connection.close()


def _opener(ask: Ask) -> Callable[..., Any]:
    if not (ask.ca or ask.proxy):
        return urllib.request.urlopen
    proxy = urllib.request.ProxyHandler({"http": ask.proxy, "https": ask.proxy} if ask.proxy else {})
    return urllib.request.build_opener(proxy, urllib.request.HTTPSHandler(context=ask.context())).open


def by_urlopen(base: str, ask: Ask) -> dict[str, Any]:
    body, headers = ask.encoded()
    request = urllib.request.Request(base + ask.path, data=body, headers=headers, method=ask.method)
    try:
        response = _opener(ask)(request, timeout=ask.timeout)
    except urllib.error.HTTPError as error:
        return {
            "error": type(error).__name__,
            "status": error.code,
            "reason": error.reason,
            "msg": error.msg,
            "headers": error.headers.items(),
            "url": error.geturl(),
            "body": error.read(),
        }
    with response:
        return {**see_http_client(response), "msg": response.msg, "info": response.info().items()}


def _see_urllib3(response: Any, body: bytes) -> dict[str, Any]:
    names = ("status", "reason", "version", "version_string", "length_remaining", "closed")
    return {
        **attributes(response, *names),
        "headers": list(response.headers.iteritems()),
        "cookies": response.headers.getlist("set-cookie"),
        "body": body,
        "url": response.geturl(),
        "retries": response.retries
        and [(entry.status, entry.redirect_location) for entry in response.retries.history],
        "redirect": response.get_redirect_location(),
        "told": told(response.tell),
        "pooled": getattr(response, "connection", None) is None,
    }


def _urllib3_arguments(ask: Ask) -> dict[str, Any]:
    if ask.form is not None:
        return {"fields": ask.form, "encode_multipart": False, "headers": dict(ask.headers)}
    found: dict[str, Any] = {"headers": dict(ask.headers)}
    if ask.json is not None:
        found["json"] = ask.json
    if ask.content is not None:
        found["body"] = ask.content
    return found


def urllib3_pool(ask: Ask) -> urllib3.PoolManager:
    """A pool manager as the request needs it."""
    if ask.proxy:
        return urllib3.ProxyManager(ask.proxy, ca_certs=ask.ca)
    return urllib3.PoolManager(ca_certs=ask.ca) if ask.ca else urllib3.PoolManager()


def by_urllib3(base: str, ask: Ask) -> dict[str, Any]:
    with urllib3_pool(ask) as pool:
        response = pool.request(ask.method, base + ask.path, timeout=ask.timeout, **_urllib3_arguments(ask))
        return _see_urllib3(response, response.data)


def by_urllib3_streaming(base: str, ask: Ask) -> dict[str, Any]:
    with urllib3_pool(ask) as pool:
        response = pool.request(
            ask.method, base + ask.path, preload_content=False, timeout=ask.timeout, **_urllib3_arguments(ask)
        )
        pieces = list(response.stream(7))
        response.release_conn()
        seen = _see_urllib3(response, b"".join(pieces))
        # The chunks of a plain body are not part of a recording (see test_adapter_streams.py).
        return seen if getattr(response, "chunked", False) else {**seen, "pieces": pieces}


def see_requests(response: requests.Response, pieces: list[bytes] | None = None) -> dict[str, Any]:
    raw = response.raw
    body = {"pieces": pieces} if pieces is not None else {"body": response.content, "text": response.text}
    return {
        "status": response.status_code,
        "reason": response.reason,
        "version": getattr(raw, "version", "absent"),
        "headers": list(raw.headers.iteritems()),
        "joined": list(response.headers.items()),
        **body,
        "encoding": response.encoding,
        "url": response.url,
        "cookies": [(cookie.name, cookie.value, cookie.path) for cookie in response.cookies],
        "history": [(past.status_code, past.url, past.content) for past in response.history],
        "sent": (response.request.method, response.request.url, response.request.body),
        "redirect": response.is_redirect,
        "links": response.links,
        "timed": told(lambda: response.elapsed.total_seconds() >= 0),
        "closed": getattr(raw, "closed", "absent"),
    }


def _requests_arguments(ask: Ask) -> dict[str, Any]:
    found: dict[str, Any] = {"timeout": ask.timeout, **_named(ask)}
    if ask.ca:
        found["verify"] = ask.ca
    if ask.proxy:
        found["proxies"] = {"http": ask.proxy, "https": ask.proxy}
    return found


def by_requests(base: str, ask: Ask) -> dict[str, Any]:
    return see_requests(requests.request(ask.method, base + ask.path, **_requests_arguments(ask)))


def by_requests_session(base: str, ask: Ask) -> dict[str, Any]:
    with requests.Session() as session:
        response = session.request(ask.method, base + ask.path, stream=True, **_requests_arguments(ask))
        pieces = list(response.iter_content(7))
        if getattr(response.raw, "chunked", False):
            pieces = [b"".join(pieces)]  # see by_urllib3_streaming
        seen = see_requests(response, pieces)
        jar = sorted((cookie.name, cookie.value, cookie.domain, cookie.path) for cookie in session.cookies)
        return {**seen, "body": b"".join(pieces), "jar": jar}


# -- aiohttp ---------------------------------------------------------------------------------------


async def see_aiohttp(response: aiohttp.ClientResponse) -> dict[str, Any]:
    seen: dict[str, Any] = {
        "status": response.status,
        "reason": response.reason,
        "version": tuple(response.version or ()),
        "headers": list(response.headers.items()),
        "raw_headers": told(lambda: list(response.raw_headers)),
        "url": str(response.url),
        "real_url": str(response.real_url),
        "method": response.method,
        "cookies": sorted((name, morsel.value, morsel["path"]) for name, morsel in response.cookies.items()),
        "history": [
            (past.status, str(past.url), told(lambda past=past: list(past.raw_headers)))
            for past in response.history
        ],
        "kind": response.content_type,
        "charset": response.charset,
        "ok": response.ok,
        "links": dict(response.links),
        "info": (response.request_info.method, str(response.request_info.url)),
        "sent": sorted(response.request_info.headers.items()),
    }
    try:
        seen["body"] = await response.read()
        seen["text"] = await response.text(errors="replace")
        seen["again"] = await response.read()
    except aiohttp.ClientError as error:
        seen["error"] = described(error)
    try:
        seen["json"] = await response.json()
    except (aiohttp.ContentTypeError, ValueError, aiohttp.ClientError) as error:
        seen["json"] = type(error).__name__
    seen["closed"] = response.closed
    return seen


def by_aiohttp(base: str, ask: Ask) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=ask.timeout)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            how = {"ssl": ask.context(), "proxy": ask.proxy, **_named(ask)}
            async with session.request(ask.method, base + ask.path, **how) as response:
                seen = await see_aiohttp(response)
            jar = sorted((cookie.key, cookie.value, cookie["path"]) for cookie in session.cookie_jar)
            return {**seen, "jar": jar}

    return asyncio.run(run())


# -- tornado ---------------------------------------------------------------------------------------


def see_tornado(response: HTTPResponse) -> dict[str, Any]:
    return {
        "status": response.code,
        "reason": response.reason,
        "headers": list(response.headers.get_all()),
        "body": response.body,
        "url": response.effective_url,
        "asked": (response.request.method, response.request.url),
        "error": response.error and described(response.error),
        "timed": (response.request_time or 0) >= 0,
        "times": type(response.time_info).__name__,
    }


def by_tornado(base: str, ask: Ask) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        body, headers = ask.encoded()
        proxy = urlsplit(ask.proxy or "")
        request = HTTPRequest(
            base + ask.path,
            ask.method,
            headers,
            body,
            connect_timeout=ask.timeout,
            request_timeout=ask.timeout,
            allow_nonstandard_methods=True,  # else it refuses some methods without a body
            ssl_options=ask.context(),
            proxy_host=proxy.hostname,
            proxy_port=proxy.port,
        )
        client = AsyncHTTPClient(force_instance=True)
        try:
            return see_tornado(await client.fetch(request, raise_error=False))
        finally:
            client.close()

    return asyncio.run(run())


# -- httpx and httpx2 ------------------------------------------------------------------------------


def see_httpx(response: Any) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "reason": response.reason_phrase,
        "version": response.http_version,
        "headers": response.headers.raw,
        "joined": response.headers.items(),
        "body": response.content,
        "text": response.text,
        "encoding": response.encoding,
        "url": str(response.url),
        "cookies": sorted((cookie.name, cookie.value, cookie.path) for cookie in response.cookies.jar),
        "history": [(past.status_code, str(past.url), past.content) for past in response.history],
        "sent": (response.request.method, str(response.request.url), response.request.headers.raw),
        "links": response.links,
        "next": response.next_request is not None,
        "downloaded": response.num_bytes_downloaded,
        "timed": told(lambda: response.elapsed.total_seconds() >= 0),
        "closed": (response.is_closed, response.is_stream_consumed),
        "extensions": {name: response.extensions.get(name) for name in ("http_version", "reason_phrase")},
    }


def _httpx_options(ask: Ask) -> dict[str, Any]:
    return {"follow_redirects": True, "timeout": ask.timeout, "verify": ask.context(), "proxy": ask.proxy}


def by_httpx(library: Any, base: str, ask: Ask) -> dict[str, Any]:
    with library.Client(**_httpx_options(ask)) as client:
        seen = see_httpx(client.request(ask.method, base + ask.path, **_named(ask, "content")))
        jar = sorted((cookie.name, cookie.value, cookie.path) for cookie in client.cookies.jar)
        return {**seen, "jar": jar}


def by_async_httpx(
    library: Any, run: Callable[[Callable[[], Awaitable[Any]]], Any], base: str, ask: Ask
) -> dict[str, Any]:
    async def talk() -> dict[str, Any]:
        async with library.AsyncClient(**_httpx_options(ask)) as client:
            seen = see_httpx(await client.request(ask.method, base + ask.path, **_named(ask, "content")))
            jar = sorted((cookie.name, cookie.value, cookie.path) for cookie in client.cookies.jar)
            return {**seen, "jar": jar}

    return dict(run(talk))


def on_asyncio(main: Callable[[], Any]) -> Any:
    return asyncio.run(main())


CLIENTS: dict[str, Exchange] = {
    "http.client": by_http_client,
    "putrequest": by_putrequest,
    "urlopen": by_urlopen,
    "urllib3": by_urllib3,
    "urllib3-streaming": by_urllib3_streaming,
    "requests": by_requests,
    "requests-session": by_requests_session,
    "aiohttp": by_aiohttp,
    "tornado": by_tornado,
    "httpx": partial(by_httpx, httpx),
    "httpx-asyncio": partial(by_async_httpx, httpx, on_asyncio),
    "httpx-trio": partial(by_async_httpx, httpx, trio.run),
    "httpx2": partial(by_httpx, httpx2),
    "httpx2-asyncio": partial(by_async_httpx, httpx2, on_asyncio),
    "httpx2-trio": partial(by_async_httpx, httpx2, trio.run),
}
