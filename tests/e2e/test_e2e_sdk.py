"""A user's tests of language models: replayed without keys, refused though they catch everything."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

import pytest
from answering import Answering

TESTS = """
import os, anthropic, openai
from booktest_cassettes import cassette

PROMPT = os.environ.get("PROMPT", "hello")
UNUSED = "error" if PROMPT == "hello" else "ignore"
ASK = dict(model="any", messages=[{{"role": "user", "content": PROMPT}}], max_tokens=9)

def ask_openai():
    with openai.OpenAI(base_url="{url}/v1", max_retries=1) as client:
        return client.chat.completions.create(**ASK).choices[0].message.content

def ask_anthropic():
    with anthropic.Anthropic(base_url="{url}", max_retries=1) as client:
        return client.messages.create(**ASK).content[0].text

@cassette(env=["OPENAI_API_KEY"], unused=UNUSED)
def test_openai():
    try:
        assert ask_openai() == "Grüße 🦊"
    except Exception:
        pass

@cassette(unused=UNUSED)
def test_anthropic():
    try:
        assert ask_anthropic() == "Grüße 🦊"
    except Exception:
        pass
"""
KEYS = {"OPENAI_API_KEY": "sk-live-openai-0123456789", "ANTHROPIC_API_KEY": "sk-ant-live-0123456789"}
#: OpenAI's comes back with the environment.
DUMMIES = {"ANTHROPIC_API_KEY": "dummy"}


class _Handler(Answering):
    server: _Server

    def do_POST(self) -> None:
        self.server.hits += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        text, usage = "Grüße 🦊", {"input_tokens": 1, "output_tokens": 2}
        message = {"type": "message", "content": [{"type": "text", "text": text}], "usage": usage}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        data = {"id": "x", "model": "any", "role": "assistant", **message, "choices": [choice]}
        body = json.dumps(data).encode()
        self.answer(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hits = 0


@contextmanager
def _running() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def model() -> Iterator[_Server]:
    with _running() as server:
        yield server


def test_answers_are_replayed_without_keys_and_other_prompts_fail(workspace, model):
    workspace.write("test_it.py", TESTS.format(url=f"http://127.0.0.1:{model.server_port}"))
    done = workspace.cli("run", "--", "-q", "test_it.py", **KEYS)
    assert done.code == 0, done.text
    assert workspace.cli("approve", "--all").code == 0
    assert model.hits == 2
    for path in workspace.root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(key.encode() in content for key in KEYS.values()), path
    done = workspace.pytest("-q", "--strict-markers", ci=True, **DUMMIES)
    assert done.code == 0, done.text
    assert "3 intact of 2 tests" in done.text

    done = workspace.pytest("-q", ci=True, PROMPT="bye", **DUMMIES)
    assert done.code == 1, done.text
    for name in ("openai", "anthropic"):
        assert f"booktest-cassettes run -S -- test_it.py::test_{name}" in done.text
    assert done.text.count("nearest recorded: POST") >= 2
    assert '"bye" now, "hello" recorded' in done.text
    assert model.hits == 2, "a request reached the network in strict replay"


@pytest.mark.parametrize("when", ["before", "inside"])
def test_a_script_in_which_nothing_else_uses_httpx(workspace, model, when):
    """The SDKs import httpx2 alone; what intercepts it imports httpx in its turn."""
    asking = f"""
    client = openai.OpenAI(api_key="dummy", base_url="http://127.0.0.1:{model.server_port}/v1", max_retries=0)
    print(client.chat.completions.create(model="any", messages=[]).id)
    """
    begin, rest = ("import openai", "") if when == "before" else ("", "import openai")
    workspace.write(
        "script.py",
        f"""
{begin}
from booktest_cassettes import cassette
with cassette("script.py::main"):
    {rest}
    {asking.strip()}
""",
    )
    done = workspace.run(sys.executable, "script.py")
    assert done.code == 0, done.text
    assert workspace.cli("approve", "--all").code == 0
    done = workspace.run(sys.executable, "script.py", ci=True)
    assert (done.code, done.text.splitlines()[0], model.hits) == (0, "x", 1), done.text
