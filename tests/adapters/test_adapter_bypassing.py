"""Clients below Python's sockets are refused; modules of their shape stand in for those that are not here."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from lab import ID, Lab

from booktest_cassettes import cassette
from booktest_cassettes.errors import UnhandledRequest

_MODES = pytest.mark.parametrize("mode", ["rewrite", "once", "new_episodes", "all", "none"])

CURL = """
    class Curl:
        def setopt(self, option, value):
            self.url = value
        def perform(self):
            return self.url
"""
NIQUESTS = """
    class Session:
        def send(self, request, **options):
            return request.url
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Any]]:
    """Import a module that looks like one of a library that is not there."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(name: str, text: str) -> Any:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return import_module(name)

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


@_MODES
def test_curl_cffi_is_refused_when_it_is_told_a_url(lab: Lab, stand_in: Any, mode: str) -> None:
    lab.runner.use(mode)
    with cassette("x.py::installs"):
        pass
    curl = stand_in("curl_cffi.curl", CURL).Curl()
    for url in ("https://api.example.test/x", b"http://127.0.0.1:9/x"):
        with pytest.raises(UnhandledRequest, match="/x is asked through curl_cffi"), cassette(ID):
            curl.setopt(47, 1)
            with suppress(Exception):
                curl.setopt(10002, url)
        host = urlsplit(url if isinstance(url, str) else url.decode()).hostname or ""
        with cassette(ID, allow_hosts=[host]):
            curl.setopt(10002, url)
        curl.setopt(10002, url)
        assert curl.perform() == url


@_MODES
def test_niquests_is_refused_when_it_sends(lab: Lab, stand_in: Any, mode: str) -> None:
    lab.runner.use(mode)
    with cassette("x.py::installs"):
        pass
    session = stand_in("niquests.sessions", NIQUESTS).Session()
    request = requests.Request("GET", "https://api.example.test/x").prepare()
    with pytest.raises(UnhandledRequest, match="asked through niquests"), cassette(ID):
        session.send(request)
    assert session.send(request) == request.url


@_MODES
def test_pycurl_makes_no_handle_in_a_cassette(lab: Lab, stand_in: Any, mode: str) -> None:
    lab.runner.use(mode)
    with cassette("x.py::installs"):
        pass
    pycurl = stand_in("pycurl", "class Curl: pass")
    assert pycurl.Curl()
    with pytest.raises(UnhandledRequest, match="pycurl was used"), cassette(ID):
        with suppress(Exception):
            pycurl.Curl()
