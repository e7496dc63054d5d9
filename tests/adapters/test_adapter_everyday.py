"""Every client, every everyday exchange: live, recorded and replayed look the same."""

from __future__ import annotations

from typing import Any

import pytest
from clients import CLIENTS, Ask, by_tornado
from lab import Lab, described

ASKS = {
    "get": Ask("/json?q=1&q=2&empty=&name=%C3%A9", headers={"X-Sent": "yes"}),
    "text": Ask("/text"),
    "latin-1 text": Ask("/latin-text"),
    "binary": Ask("/binary"),
    "no content type": Ask("/untyped"),
    "empty": Ask("/empty"),
    "post json": Ask("/echo", "POST", json={"b": [1, {"c": "é"}], "a": None}),
    "post form": Ask("/echo", "POST", form={"name": "Ada Lovelace", "note": "é&=+"}),
    "post bytes": Ask("/echo", "POST", {"Content-Type": "application/octet-stream"}, bytes(range(256))),
    "put": Ask("/echo", "PUT", {"Content-Type": "text/plain"}, b"text"),
    "patch": Ask("/echo", "PATCH", json=[1]),
    "delete": Ask("/echo", "DELETE"),
    "options": Ask("/echo", "OPTIONS"),
    "head": Ask("/text", "HEAD"),
    "head of gzip": Ask("/gzip", "HEAD"),
    "head of chunked": Ask("/no-content", "HEAD"),
    "gzip": Ask("/gzip", headers={"Accept-Encoding": "gzip"}),
    "gzip chunked": Ask("/gzip-chunked"),
    "deflate": Ask("/deflate"),
    "raw deflate": Ask("/raw-deflate"),
    "corrupt gzip": Ask("/corrupt-gzip"),
    "204": Ask("/no-content"),
    "304": Ask("/not-modified", headers={"If-None-Match": '"abc"'}),
    "404": Ask("/nowhere"),
    "500": Ask("/status/500"),
    "unknown status": Ask("/status/299"),
    "unknown high status": Ask("/status/799"),
    "cookies": Ask("/cookies"),
    "headers": Ask("/headers"),
    "custom reason": Ask("/reason/custom"),
    "latin reason": Ask("/reason/latin"),
    "empty reason": Ask("/reason/empty"),
    "no reason": Ask("/no-reason"),
    "chunked": Ask("/chunked"),
    "json lines": Ask("/lines"),
    "until close": Ask("/until-close"),
    "http 1.0": Ask("/http10"),
    "redirects": Ask("/redirect/2"),
    "post redirected": Ask("/redirect/2", "POST", json={"a": 1}),
    "redirect loop": Ask("/loop"),
    "100 continue": Ask("/continue"),
    "disconnect": Ask("/cut"),
    "disconnect in chunks": Ask("/cut-chunked"),
    "no answer": Ask("/hang-up"),
    "garbage": Ask("/garbage"),
}


_FAILING = ("corrupt gzip", "redirect loop", "disconnect", "disconnect in chunks", "no answer", "garbage")
#: What one client alone takes for garbage: RFC 9112 wants the space before a reason that is not there.
_REFUSED = ((by_tornado, "no reason"),)


# httpx leaves its own generators to the collector when decoding fails; trio says so, live too.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("name", ASKS)
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_a_replay_looks_like_the_recording_and_both_like_the_live_answer(
    lab: Lab, client: Any, name: str
) -> None:
    def scenario(base: str) -> dict[str, Any]:
        try:
            return dict(client(base, ASKS[name]))
        except Exception as error:
            if name not in _FAILING and (client, name) not in _REFUSED:
                raise
            return described(error)  # whatever it is, it must be the same each time

    lab.conform(scenario)
