"""Other people's mocks inside and outside of a cassette: what they answer is neither recorded nor refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import responses
import vcr
from clients import CONTEXT
from lab import ID, Lab
from loopback import TEXT
from pytest_httpx import HTTPXMock

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import CassetteError
from booktest_cassettes.recording import codec

MOCKED = "http://mocked.test/"
_ORDERS = pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])


def recorded_urls(lab: Lab, kind: Kind) -> list[str]:
    return [item.request.url for item in codec.load_interactions(lab.blob(kind), name="x")]


# -- responses ---------------------------------------------------------------------------------------


@_ORDERS
def test_responses_answers_what_it_knows_and_the_cassette_the_rest(lab: Lab, inside: bool) -> None:
    def talk() -> Any:
        mock = responses.RequestsMock()
        with ExitStack() as stack:
            stack.enter_context(mock if not inside else cassette(ID, unused="error"))
            stack.enter_context(mock if inside else cassette(ID, unused="error"))
            mock.get(MOCKED, body="mocked", status=201)
            mock.add_passthru(lab.server.base)
            refused = None
            try:
                requests.get("http://unknown.test/", timeout=5)
            except requests.ConnectionError as error:
                refused = type(error)
            return (
                requests.get(MOCKED, timeout=5).text,
                requests.get(f"{lab.server.base}/text", timeout=5).content,
                refused,
            )

    lab.record()
    assert talk() == ("mocked", TEXT, requests.ConnectionError)
    lab.approve()
    assert recorded_urls(lab, Kind.HTTP) == [f"{lab.server.base}/text"]
    counters = lab.counters
    assert talk() == ("mocked", TEXT, requests.ConnectionError)
    assert lab.counters == counters


# -- pytest-httpx ------------------------------------------------------------------------------------


@pytest.mark.httpx_mock(should_mock=lambda request: request.url.host == "mocked.test")
def test_pytest_httpx_answers_what_it_mocks_and_the_cassette_the_rest(
    lab: Lab, httpx_mock: HTTPXMock
) -> None:
    async def ask(url: str) -> str:
        async with httpx.AsyncClient(verify=CONTEXT) as client:
            return (await client.get(url)).text

    def scenario(base: str) -> Any:
        return [
            httpx.get(MOCKED, verify=CONTEXT).text,
            asyncio.run(ask(MOCKED)),
            httpx.get(f"{base}/text", verify=CONTEXT).text,
            asyncio.run(ask(f"{base}/text")),
        ]

    httpx_mock.add_response(url=MOCKED, text="mocked", is_reusable=True)
    assert lab.conform(scenario) == ["mocked", "mocked", TEXT.decode(), TEXT.decode()]
    assert recorded_urls(lab, Kind.HTTPX) == [f"{lab.server.base}/text"] * 2


def test_pytest_httpx_refuses_what_it_does_not_know_whatever_is_recorded(
    lab: Lab, request: pytest.FixtureRequest
) -> None:
    lab.record()
    with cassette(ID):
        httpx.get(f"{lab.server.base}/text", verify=CONTEXT)
    lab.approve()
    counters = lab.counters
    with cassette(ID):
        httpx_mock = request.getfixturevalue("httpx_mock")  # inside: the cassette is there first
        httpx_mock.add_response(url=MOCKED, text="mocked")
        assert httpx.get(MOCKED, verify=CONTEXT).text == "mocked"
    assert lab.counters == counters


PYTEST_HTTPX = '''
import httpx
import pytest
from booktest_cassettes import cassette

def test_mocked(httpx_mock):
    """The first cassette of the process, and the mock is there before it."""
    httpx_mock.add_response(url="http://mocked.test/", text="mocked")
    with cassette("x.py::mocked"):
        assert httpx.get("http://mocked.test/").text == "mocked"

@pytest.mark.httpx_mock(should_mock=lambda request: request.url.host == "mocked.test")
def test_passed_on(httpx_mock):
    with cassette("x.py::unmocked"):
        httpx.get("http://127.0.0.1:9/", trust_env=False)

def test_unmocked():
    with cassette("x.py::unmocked"):
        httpx.get("http://127.0.0.1:9/", trust_env=False)

def test_async_unmocked():
    import asyncio
    async def ask():
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get("http://127.0.0.1:9/")
    with cassette("x.py::unmocked"):
        asyncio.run(ask())
'''


def test_a_mock_that_is_there_before_the_first_cassette_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / "booktest.toml").write_text("")
    (tmp_path / "test_x.py").write_text(PYTEST_HTTPX)
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "--cassettes=none", "-q", "test_x.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    # What was refused fails its test, swallowed or not; a connection that was tried would be a ConnectError.
    assert "1 passed" in result.stdout, result.stdout
    assert "3 failed" in result.stdout
    assert "has no approved httpx snapshot" in result.stdout
    assert "ConnectError" not in result.stdout


# -- vcrpy -------------------------------------------------------------------------------------------


def _ask(url: str, client: str) -> bytes:
    if client == "requests":
        return requests.get(url, timeout=5).content
    return httpx.get(url, verify=CONTEXT).content


@pytest.mark.parametrize("client", ["requests", "httpx"])
def test_a_recorded_cassette_of_vcrpy_inside_answers(lab: Lab, tmp_path: Path, client: str) -> None:
    path = str(tmp_path / "theirs.yaml")
    with vcr.use_cassette(path):
        _ask(f"{lab.server.base}/text", client)
    counters = lab.counters
    for mode in ("rewrite", "none"):
        lab.runner.use(mode)
        with cassette(ID, unused="error"):
            with vcr.use_cassette(path, record_mode="none") as theirs:
                assert _ask(f"{lab.server.base}/text", client) == TEXT
            assert theirs.play_count == 1
        assert not list(lab.runner.project().pending)
    assert lab.counters == counters


@pytest.mark.parametrize("client", ["requests", "httpx"])
def test_a_cassette_of_vcrpy_that_records_inside_of_a_strict_one_is_refused(
    lab: Lab, tmp_path: Path, client: str
) -> None:
    lab.runner.use("none")
    with pytest.raises(CassetteError, match="/text"), cassette(ID):
        with vcr.use_cassette(str(tmp_path / "theirs.yaml")), suppress(Exception):
            _ask(f"{lab.server.base}/text", client)
    assert lab.counters == (0, 0)


def test_inside_of_a_cassette_of_vcrpy_ours_is_asked_for_what_theirs_lacks(lab: Lab, tmp_path: Path) -> None:
    for run, mode in enumerate(("rewrite", "none")):
        with vcr.use_cassette(str(tmp_path / f"theirs{run}.yaml")):
            lab.runner.use(mode)
            with cassette(ID, unused="error"):
                assert _ask(f"{lab.server.base}/text", "requests") == TEXT
        if mode == "rewrite":
            lab.approve()
    assert lab.server.hits == 1


def test_what_vcrpy_passes_on_past_us_is_refused(lab: Lab, tmp_path: Path) -> None:
    """It keeps httpx's transports as they were when it was imported, maybe before we patched them."""
    for mode in ("rewrite", "none"):
        lab.runner.use(mode)
        with vcr.use_cassette(str(tmp_path / "theirs.yaml")):
            with pytest.raises(CassetteError), cassette(ID), suppress(Exception):
                _ask(f"{lab.server.base}/text", "httpx")
    assert lab.counters == (0, 0)
