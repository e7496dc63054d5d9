"""HAR and curl: what other programs take from a recording."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.workflow import curl, har

PNG = b"\x89PNG\x00\xff"


def blob(*items: Interaction) -> dict[Kind, bytes]:
    return {Kind.HTTP: codec.dump_interactions(Kind.HTTP, items)}


def entry(item: Interaction) -> dict:
    document = json.loads(json.dumps(har.document("t", blob(item))))
    (found,) = document["log"]["entries"]
    return found


# --- HAR --------------------------------------------------------------------------------------------

# Required by http://www.softwareishard.com/blog/har-12-spec/, and asked for by browsers' import.
REQUIRED = {
    "": {"startedDateTime", "time", "request", "response", "cache", "timings"},
    "request": {
        "method",
        "url",
        "httpVersion",
        "cookies",
        "headers",
        "queryString",
        "headersSize",
        "bodySize",
    },
    "response": {
        "status",
        "statusText",
        "httpVersion",
        "cookies",
        "headers",
        "content",
        "redirectURL",
        "headersSize",
        "bodySize",
    },
    "timings": {"send", "wait", "receive"},
}
SENT = Request(
    "POST", "http://x/?a=1&b=%20", (("Content-Type", "application/json"), ("Cookie", "a=b; c=d")), b"{}"
)


@pytest.mark.parametrize(
    "outcome",
    [Response(200, "OK", body=Body(b"text")), Failure("httpx.ConnectTimeout", "slow")],
    ids=["answer", "failure"],
)
def test_every_required_field_is_there(outcome):
    found = entry(Interaction(SENT, outcome))
    for part, names in REQUIRED.items():
        assert names <= (found[part] if part else found).keys()
    assert {"size", "mimeType"} <= found["response"]["content"].keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["startedDateTime"])


def test_a_log_has_its_creator_and_a_page_for_each_kind():
    data = codec.dump_interactions(Kind.HTTPX, [Interaction(SENT, Response(204))])
    log = har.document("tests/t.py::t", {**blob(Interaction(SENT, Response(200))), Kind.HTTPX: data})["log"]
    assert log["version"] == "1.2"
    assert log["creator"].keys() >= {"name", "version"}
    assert [page["title"] for page in log["pages"]] == ["tests/t.py::t (http)", "tests/t.py::t (httpx)"]
    assert [one["pageref"] for one in log["entries"]] == [page["id"] for page in log["pages"]]


def test_a_request_is_taken_apart():
    request = entry(Interaction(SENT, Response(200)))["request"]
    assert request["queryString"] == [{"name": "a", "value": "1"}, {"name": "b", "value": " "}]
    assert request["cookies"] == [{"name": "a", "value": "b"}, {"name": "c", "value": "d"}]
    assert (request["postData"]["mimeType"], request["postData"]["text"]) == ("application/json", "{}")


def test_fields_of_a_form_are_listed():
    form = Request(
        "POST", "http://x/", (("Content-Type", "application/x-www-form-urlencoded"),), b"a=1&b=x+y"
    )
    assert entry(Interaction(form, Response(200)))["request"]["postData"]["params"] == [
        {"name": "a", "value": "1"},
        {"name": "b", "value": "x y"},
    ]


def test_binary_content_is_base64_and_says_so():
    content = entry(Interaction(SENT, Response(200, body=Body(PNG))))["response"]["content"]
    assert (content["encoding"], base64.b64decode(content["text"]), content["size"]) == ("base64", PNG, 6)


def test_a_compressed_answer_is_readable_and_says_what_it_saved():
    wire = gzip.compress(b"text " * 100)
    response = entry(Interaction(SENT, Response(200, body=Body.from_wire(wire, "gzip"))))["response"]
    assert response["content"]["text"] == "text " * 100
    assert (
        response["content"]["size"] - response["content"]["compression"] == response["bodySize"] == len(wire)
    )


def test_cookies_redirects_and_what_broke_off_are_told():
    headers = (("Location", "/next"), ("Set-Cookie", "sid=x; Path=/; HttpOnly; Secure"))
    response = entry(
        Interaction(
            SENT, Response(302, "Found", headers=headers, cut=True, error=Failure("OSError", "reset"))
        )
    )["response"]
    assert response["redirectURL"] == "/next"
    assert response["cookies"] == [
        {"name": "sid", "value": "x", "path": "/", "httpOnly": True, "secure": True}
    ]
    assert (response["_error"], response["_cut"]) == ("OSError: reset", True)


def test_a_request_without_an_answer_has_status_0_and_the_error():
    response = entry(Interaction(SENT, Failure("httpx.ConnectTimeout", "slow")))["response"]
    assert (response["status"], response["_error"]) == (0, "httpx.ConnectTimeout: slow")


@pytest.mark.parametrize("url", ["http://[", "", "\ud800"])
def test_what_is_no_url_is_written_down_all_the_same(url):
    assert entry(Interaction(Request("GET", url), Response(200)))["request"]["url"] == url


# --- curl, run by a real shell against a real server ------------------------------------------------


class _Echo(BaseHTTPRequestHandler):
    def do_ANY(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, list(self.headers.items()), body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_ANY

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def lines_of(item: Interaction) -> str:
    return "\n".join(curl.commands("t", blob(item))) + "\n"


CURL = pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", "/a?b=1&c=[x]{y}", (("X-One", 'it\'s "quoted" $HOME `id` \\'), ("X-Empty", "")), b""),
        ("POST", "/", (("Content-Type", "application/json"),), b'{"a": "it\'s", "b": "$(id)"}'),
        ("POST", "/", (), b"@/etc/passwd"),
        ("PUT", "/", (("Content-Type", "text/plain"),), "zwei\nZeilen ä\n".encode()),
        ("POST", "/", (("Content-Type", "image/png"),), PNG),
        ("POST", "/", (("Content-Type", "text/plain"),), b"\x1b[2Jclear %s \\n"),
        ("DELETE", "/x/1", (), b""),
        ("HEAD", "/x", (), b""),
    ],
)


@CURL
def test_a_command_asks_what_was_asked(echo, method, path, headers, body):
    url = f"http://127.0.0.1:{echo.server_port}{path}"
    script = lines_of(Interaction(Request(method, url, headers, body), Response(200)))
    echo.seen.clear()
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "no_proxy": "*"}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, timeout=20)
    assert done.returncode == 0, (script, done.stderr)
    ((asked, where, sent, content),) = echo.seen
    assert (asked, where, content) == (method, path, body)
    assert set(headers) <= set(sent)
    assert ("Content-Type" in dict(headers)) == ("Content-Type" in dict(sent))


def test_redacted_values_stay_redacted_with_a_word_on_it():
    script = lines_of(
        Interaction(Request("GET", "http://x/", (("Authorization", "REDACTED"),)), Response(200))
    )
    assert "--header 'Authorization: REDACTED'" in script
    assert re.search(r"(?m)^# REDACTED stands for", script)


def test_a_coded_answer_is_asked_for_compressed():
    coded = Response(200, headers=(("Content-Encoding", "gzip"),))
    assert "--compressed" in lines_of(Interaction(Request("GET", "http://x/"), coded))
    assert "--compressed" not in lines_of(Interaction(Request("GET", "http://x/"), Response(200)))


texts = st.text(
    st.characters(exclude_characters="\x00\ud800", exclude_categories=["Cs"])
    | st.sampled_from("'\"\\$`!\x1b\r%-"),
    max_size=20,
)


@given(text=texts)
def test_any_text_is_one_word_to_the_shell_and_drives_no_terminal(text):
    word = curl.quoted(text)
    assert all(char.isprintable() or char in "\t\n" for char in word)
    done = subprocess.run(["sh", "-c", f"printf %s. {word}"], capture_output=True, timeout=20)
    whole = text if word[0] != '"' else text.rstrip("\n")  # a substitution drops line ends
    assert done.stdout.decode() == whole + "."
