"""The main job as a new user does it: record, approve, stop the server, replay in CI."""

from __future__ import annotations

import hashlib
import re
import sys

import pytest
import yaml

MODULE = """
import httpx
import pytest
import requests
from booktest_cassettes import cassette

URL = "{url}"

@cassette
def test_requests_get():
    answer = requests.get(URL + "/users", params={{"page": 1}})
    assert answer.json()["path"] == "/users"

@cassette
def test_requests_post():
    answer = requests.post(URL + "/users", json={{"name": "ada"}})
    assert answer.status_code == 201
    assert answer.json() == {{"received": {{"name": "ada"}}}}

@cassette
def test_httpx_sync():
    assert httpx.get(URL + "/items/1").json()["path"] == "/items/1"

@cassette
async def test_httpx_async():
    async with httpx.AsyncClient() as client:
        answers = [await client.get(f"{{URL}}/items/{{n}}") for n in range(3)]
    assert [answer.json()["path"] for answer in answers] == ["/items/0", "/items/1", "/items/2"]

@cassette
async def test_httpx_stream():
    async with httpx.AsyncClient() as client:
        async with client.stream("GET", URL + "/events") as answer:
            pieces = [piece async for piece in answer.aiter_bytes()]
    assert pieces == [b'data: {{"n": %d}}\\n\\n' % n for n in range(5)]
"""


@pytest.fixture
def module(workspace, api):
    workspace.write("test_users.py", MODULE.format(url=api.url))
    return workspace


def test_five_tests_are_recorded_approved_and_replayed_without_a_server(module, api):
    recorded = module.cli("run", "--", "test_users.py")
    assert recorded.code == 0, recorded.text
    assert "5 new" in recorded.text
    assert module.manifest == "", "recording approves nothing"

    approved = module.cli("approve", "--all")
    assert approved.code == 0, approved.text
    entries = yaml.safe_load(module.manifest)
    assert entries.pop("storage_mode") == "git"
    assert {test: list(kinds) for test, kinds in entries.items()} == {
        "test_users.py::test_requests_get": ["http"],
        "test_users.py::test_requests_post": ["http"],
        "test_users.py::test_httpx_sync": ["httpx"],
        "test_users.py::test_httpx_async": ["httpx"],
        "test_users.py::test_httpx_stream": ["httpx"],
    }
    assert len(module.payloads()) == 5
    module.commit()

    hits = api.hits
    api.stop()
    replayed = module.pytest("test_users.py", ci=True)
    assert replayed.code == 0, replayed.text
    assert "5 intact" in replayed.text
    assert "5 passed" in replayed.text
    assert api.hits == hits
    assert module.git("status", "--porcelain") == ""


def test_each_payload_has_the_sha256_of_its_manifest_line(module):
    module.record("test_users.py")
    in_manifest = sorted(re.findall(r"sha256:([0-9a-f]{64})", module.manifest))
    on_disk = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in module.payloads())
    assert in_manifest == on_disk


def test_recording_an_unchanged_api_again_changes_no_byte_of_the_manifest(module):
    module.record("test_users.py")
    first = module.manifest
    again = module.cli("run", "-S", "--", "-q", "test_users.py")
    assert again.code == 0, again.text
    assert "5 intact" in again.text
    assert "pending review: 0" in module.cli("status").text
    assert module.cli("approve", "--all").code == 0
    assert module.manifest == first


def test_four_workers_give_the_result_and_the_summary_of_one(module):
    recorded = [module.cli("run", "--", "-q", *workers, "test_users.py") for workers in ([], ["-n", "4"])]
    assert [done.code for done in recorded] == [0, 0]
    assert _summary(recorded[0].text) == _summary(recorded[1].text)
    module.cli("approve", "--all")
    replayed = [module.pytest("-q", *workers, "test_users.py", ci=True) for workers in ([], ["-n", "4"])]
    assert [done.code for done in replayed] == [0, 0]
    assert _summary(replayed[0].text) == _summary(replayed[1].text)
    assert "5 intact" in replayed[1].text


def _summary(text: str) -> list[str]:
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if "= cassettes =" in line)
    return [line for line in lines[start:] if not re.match(r"\d+ passed", line)]


def test_a_failing_test_stages_nothing(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import requests
        from booktest_cassettes import cassette

        @cassette
        def test_fails():
            requests.get("{api.url}/users")
            assert False
        """,
    )
    done = workspace.cli("run", "--", "-q", "test_it.py")
    assert done.code == 1
    assert api.hits == 1
    assert "pending review: 0" in workspace.cli("status").text
    assert not list(workspace.root.glob(".booktest_cache/**/sha256/*/*"))


def test_a_marker_and_the_fixture_need_no_conftest_and_no_import(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import pytest, requests, unittest

        @pytest.fixture
        def users():
            return requests.get("{api.url}/users").json()

        @pytest.mark.cassette
        def test_marked(users):
            assert users["path"] == "/users"

        def test_with_fixture(cassette, users):
            assert users["path"] == "/users"

        @pytest.mark.cassette(env=["WHO"])
        class TestGroup:
            def test_in_class(self):
                assert requests.get("{api.url}/a").ok

        @pytest.mark.cassette
        class Case(unittest.TestCase):
            def test_unit(self):
                self.assertTrue(requests.get("{api.url}/b").ok)
        """,
    )
    workspace.record("test_it.py")
    tests = [test for test in yaml.safe_load(workspace.manifest) if "::" in test]
    assert tests == [
        "test_it.py::Case::test_unit",
        "test_it.py::TestGroup::test_in_class",
        "test_it.py::test_marked",
        "test_it.py::test_with_fixture",
    ]
    api.stop()
    replayed = workspace.pytest("-q", ci=True)
    assert replayed.code == 0, replayed.text


def test_unittest_without_pytest_records_and_replays(workspace, api):
    workspace.write(
        "test_case.py",
        f"""
        import unittest, urllib.request
        from booktest_cassettes import cassette

        class Base(unittest.TestCase):
            @cassette
            def test_users(self):
                with urllib.request.urlopen("{api.url}/users") as answer:
                    self.assertEqual(answer.status, 200)

        class Other(Base):
            pass
        """,
    )
    recorded = workspace.run(sys.executable, "-m", "unittest", "-q", "test_case")
    assert recorded.code == 0, recorded.text
    assert workspace.cli("approve", "--all").code == 0
    assert "test_case.py::Base::test_users:" in workspace.manifest
    assert "test_case.py::Other::test_users:" in workspace.manifest
    api.stop()
    replayed = workspace.run(sys.executable, "-m", "unittest", "-q", "test_case", ci=True)
    assert replayed.code == 0, replayed.text


def test_a_script_uses_the_context_manager_with_an_id_of_its_own(workspace, api):
    workspace.write(
        "scripts/report.py",
        f"""
        import requests
        from booktest_cassettes import cassette

        with cassette("scripts/report.py::main"):
            print(requests.get("{api.url}/users").json()["path"])
        """,
    )
    assert workspace.run(sys.executable, "scripts/report.py").text == "/users\n"
    assert workspace.cli("approve", "scripts/report.py::main").code == 0
    api.stop()
    assert workspace.run(sys.executable, "scripts/report.py", ci=True).text == "/users\n"


def test_env_and_func_are_restored_from_the_snapshot(workspace):
    workspace.write("clock.py", "import random\ndef now():\n    return random.random()\n")
    workspace.write(
        "test_it.py",
        """
        import os
        from clock import now
        import clock
        from booktest_cassettes import cassette

        @cassette(env=["REGION", "NOT_SET", "API_KEY"], func=[clock.now])
        def test_both():
            with open("seen.txt", "a") as seen:
                print(os.environ.get("REGION"), os.environ.get("NOT_SET"), os.environ["API_KEY"], now(),
                      clock.now(), file=seen)

        def test_afterwards():
            assert clock.now.__name__ == "now" and not hasattr(clock.now, "__wrapped__")
            assert os.environ["REGION"] == os.environ["EXPECTED_REGION"]
        """,
    )
    variables = {"REGION": "eu", "API_KEY": "key-0123456789", "EXPECTED_REGION": "eu"}
    assert workspace.cli("run", "--", "-q", **variables).code == 0
    assert workspace.cli("approve", "--all").code == 0
    variables = {"REGION": "us", "API_KEY": "another", "NOT_SET": "set", "EXPECTED_REGION": "us"}
    replayed = workspace.pytest("-q", ci=True, **variables)
    assert replayed.code == 0, replayed.text
    recorded, replay = (workspace.root / "seen.txt").read_text().splitlines()
    assert recorded.split()[:3] == ["eu", "None", "key-0123456789"]
    assert replay.split()[:3] == ["eu", "None", "REDACTED"]
    assert recorded.split()[3:] == replay.split()[3:]
