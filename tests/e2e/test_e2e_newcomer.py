"""What a newcomer trips over: each of these once went wrong."""

from __future__ import annotations

import pytest

FIXTURES = """
import pytest, requests, unittest
from booktest_cassettes import cassette

@pytest.fixture
def users():
    yield requests.get("{url}/users").json()
    requests.get("{url}/goodbye")

@cassette
def test_decorated(users):
    assert users["path"] == "/users"

@cassette
async def test_decorated_async(users):
    assert users["path"] == "/users"

@cassette
class Case(unittest.TestCase):
    def setUp(self):
        self.users = requests.get("{url}/users").json()

    def test_it(self):
        self.assertEqual(self.users["path"], "/users")
"""


def test_a_decorated_test_has_the_traffic_of_its_fixtures_and_set_up(workspace, api):
    workspace.write("test_it.py", FIXTURES.format(url=api.url))
    workspace.record()
    api.stop()
    done = workspace.pytest("-q", ci=True)
    assert done.code == 0, done.text
    assert "3 intact" in done.text


def test_a_fixture_with_a_cassette_of_its_own_keeps_its_traffic_there(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import pytest, requests
        from booktest_cassettes import cassette

        @pytest.fixture
        @cassette
        def token():
            yield requests.get("{api.url}/token").json()["path"]

        @cassette
        def test_it(token):
            assert requests.get("{api.url}/users").ok
        """,
    )
    workspace.record()
    assert "test_it.py::token:" in workspace.manifest
    shown = workspace.cli("show", "test_it.py::test_it").text
    assert "/users" in shown
    assert "/token" not in shown
    api.stop()
    assert workspace.pytest("-q", ci=True).code == 0


def test_one_id_recorded_twice_with_different_traffic_is_refused(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import pytest, requests
        from booktest_cassettes import cassette

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(n):
            with cassette("shared/id"):
                requests.get(f"{api.url}/{{n}}")
        """,
    )
    done = workspace.cli("run", "--", "-q", "-p", "no:randomly")
    assert done.code == 2, done.text
    assert "shared/id: was recorded twice in this run, with different traffic" in done.text
    assert "shared/id" not in workspace.cli("status").text, "what was refused is left to be approved"


def test_the_next_command_names_the_test_that_ran_where_the_id_is_no_test(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import requests
        from booktest_cassettes import cassette

        def test_it():
            with cassette("my id"):
                requests.get("{api.url}/users")
        """,
    )
    done = workspace.pytest("-q", ci=True)
    assert done.code == 3
    assert "booktest-cassettes run -- test_it.py::test_it" in done.text
    assert "booktest-cassettes review 'my id'" in done.text
    assert workspace.cli("run", "--", "-q", "test_it.py::test_it").code == 0
    assert workspace.cli("approve", "my id").code == 0
    assert workspace.pytest("-q", ci=True).code == 0


def test_an_update_that_waits_for_review_is_said_to_wait(workspace, api):
    text = f"""
        import requests
        from booktest_cassettes import cassette

        @cassette
        def test_it():
            requests.get("{api.url}/users")
        """
    workspace.write("test_it.py", text)
    workspace.record()
    workspace.write("test_it.py", text.replace("/users", "/others"))
    assert workspace.cli("run", "-S", "--", "-q").code == 0
    done = workspace.pytest("-q", ci=True)
    assert done.code == 3, done.text
    assert "waits for review" in done.text
    assert "booktest-cassettes review test_it.py::test_it" in done.text


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_broken_configuration_is_said_once_not_in_every_test(workspace, api, workers):
    workspace.write(
        "test_it.py",
        f"""
        import pytest, requests
        from booktest_cassettes import cassette

        @pytest.mark.parametrize("n", range(20))
        @cassette
        def test_it(n):
            requests.get("{api.url}/users")
        """,
    )
    workspace.write("booktest.toml", '[cassettes]\nunsed = "error"\n')
    done = workspace.pytest("-q", *workers, ci=True)
    assert done.code == 2, done.text
    assert done.text.count("cassettes.unused") <= 2, done.text


def test_status_in_ci_notices_an_edited_payload(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import requests
        from booktest_cassettes import cassette

        @cassette
        def test_it():
            requests.get("{api.url}/users")
        """,
    )
    workspace.record()
    assert workspace.cli("status", "--ci").code == 0
    (payload,) = workspace.payloads()
    payload.write_bytes(payload.read_bytes().replace(b"users", b"usurs"))
    done = workspace.cli("status", "--ci")
    assert done.code == 4
    assert "git checkout -- books/test_it.py/test_it/_snapshots/http.json" in done.text
