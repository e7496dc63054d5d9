"""What is exported, in the hands of a real reader: the HAR import of Chromium's developer tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from e2e_browser import chromium

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.workflow import export

URL = "https://api.example/"
ITEMS = [
    Interaction(
        Request("GET", f"{URL}a?x=1&y=", (("Accept", "*/*"), ("Cookie", "a=b; c=d"))),
        Response(
            200,
            "OK",
            headers=(("Content-Type", "application/json"), ("Set-Cookie", "s=1; Path=/; HttpOnly")),
            body=Body('{"größe": 3}'.encode()),
        ),
    ),
    Interaction(
        Request("POST", f"{URL}b", (("Content-Type", "application/x-www-form-urlencoded"),), b"q=1&r=2"),
        Response(302, "Found", headers=(("Location", "/c"),)),
    ),
    Interaction(
        Request("GET", f"{URL}c"),
        Response(200, "OK", headers=(("Content-Type", "image/png"),), body=Body(b"\x89PNG\x00\xff")),
    ),
    Interaction(Request("GET", f"{URL}d"), Failure("httpx.ConnectTimeout", "slow")),
]
# What the button "Import HAR file" of the network panel does with the text of a file.
_IMPORT = """
const [text, done] = arguments;
(async () => {
  const har = await import("/devtools/models/har/har.js");
  const root = new har.HARFormat.HARRoot(JSON.parse(text));
  const requests = har.Importer.Importer.requestsFromHARLog(root.log);
  const read = async (request) => ({
    method: request.requestMethod,
    url: request.url(),
    status: request.statusCode,
    mime: request.mimeType,
    asked: await request.requestFormData(),
    answer: await request.requestContentData().then((data) => data.isTextContent ? data.text : data.base64),
    cookies: (request.responseCookies || []).map((cookie) => cookie.name()),
  });
  return Promise.all(requests.map(read));
})().then(done, (error) => done(String(error.stack || error)));
"""


def _imported(text: str) -> Any:
    # The tools' own pages come from the browser itself, on loopback.
    with chromium("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1") as browser:
        address = browser.driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        port = address.rpartition(":")[2]
        browser.driver.get(f"http://127.0.0.1:{port}/devtools/devtools_app.html")
        return browser.driver.execute_async_script(_IMPORT, text)


def test_the_developer_tools_of_chromium_import_a_har(tmp_path: Path):
    blobs = {Kind.HTTP: codec.dump_interactions(Kind.HTTP, ITEMS)}
    found = _imported(export.export("tests/test_api.py::test_users", blobs, "har").data.decode())
    assert isinstance(found, list), found
    assert [(one["method"], one["url"], one["status"]) for one in found] == [
        ("GET", f"{URL}a?x=1&y=", 200),
        ("POST", f"{URL}b", 302),
        ("GET", f"{URL}c", 200),
        ("GET", f"{URL}d", 0),
    ]
    assert json.loads(found[0]["answer"]) == {"größe": 3}
    assert (found[0]["mime"], found[0]["cookies"]) == ("application/json", ["s"])
    assert found[1]["asked"] == "q=1&r=2"
    assert found[2]["answer"] == "iVBORwD/"
