"""Suites that were written for pytest-recording, with ours installed and theirs removed."""

from __future__ import annotations

import sys

import pytest
from e2e_workspace import passes


@pytest.fixture
def suite(workspace, api):
    """Writes a suite whose ``{url}`` is the API's."""

    def write(text, name="test_it.py"):
        workspace.write(name, "import pytest, requests, httpx\nURL = " + repr(api.url) + "\n" + text)
        return workspace

    return write


def replays(workspace, api, count):
    """Approve what was recorded, stop the API, and replay."""
    passes(workspace.cli("approve", "--all"))
    api.stop()
    return passes(workspace.pytest("-q", ci=True), count)


def test_marked_tests_record_and_replay_with_the_cassette_that_vcrpy_shows(suite, api):
    workspace = suite(
        """
pytestmark = pytest.mark.vcr

@pytest.mark.default_cassette("shared.yaml")
@pytest.mark.vcr("extra.yaml")
@pytest.mark.parametrize("name", ["a/b", "a?b"])
def test_users(vcr, name):
    before = vcr.play_count
    assert requests.get(URL + "/users", params={"n": name}).json()["path"] == "/users"
    assert httpx.get(URL + "/teams").json()["path"] == "/teams"
    assert [request.path for request in vcr.requests] == ["/users", "/teams"]
    assert [response["status"]["code"] for response in vcr.responses] == [200, 200]
    assert b"/users" in vcr.responses[0]["body"]["string"]
    assert (vcr.play_count - before, vcr.all_played, vcr.dirty) in [(0, False, True), (2, True, False)]
    assert len(vcr) == 2

class TestBoth:
    def test_it(self, vcr_cassette_dir, default_cassette_name, record_mode):
        assert vcr_cassette_dir.replace(chr(92), "/").endswith("/cassettes/test_it")
        assert default_cassette_name == "TestBoth.test_it"
        assert record_mode in ("once", "none")
        assert requests.get(URL + "/both").status_code == 200

def test_fixture_only_says_what_the_mark_says(vcr):
    assert vcr is not None
"""
    )
    passes(workspace.pytest("-q", "--strict-markers", "--record-mode=once"), 4)
    assert not (workspace.root / "cassettes").exists()
    replays(workspace, api, 4)


def test_classes_of_unittest_and_workers_of_xdist_are_no_different(suite, api):
    workspace = suite(
        """
import unittest

@pytest.fixture(scope="session")
def server():
    return requests.get(URL + "/up").status_code  # a live server is asked whether it is up

@pytest.mark.vcr
class TestOld(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        assert requests.get(URL + "/class").ok

    def setUp(self):
        assert requests.get(URL + "/setup").ok

    def test_it(self):
        assert requests.get(URL + "/old").json()["path"] == "/old"

@pytest.mark.vcr
async def test_with_a_fixture(server, vcr):
    async with httpx.AsyncClient() as client:
        assert (await client.get(URL + "/new")).json()["path"] == "/new"
    assert server == 200 and len(vcr) == 1
"""
    )
    passes(workspace.pytest("-q", "-n2", "--record-mode=once"), 2)
    passes(workspace.cli("approve", "--all"))
    ids = [line for line in workspace.manifest.splitlines() if "::" in line]
    assert ids == ["test_it.py::TestOld::test_it:", "test_it.py::test_with_a_fixture:"]  # no fixture's
    passes(workspace.pytest("-q", "-n2", ci=True), 2)


def test_vcr_config_of_any_scope_and_marks_are_merged_from_wide_to_narrow(suite, api):
    workspace = suite(
        """
@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": [("x-team", "TEAM")], "filter_query_parameters": ["stamp"], "allowed_hosts": []}

def ask(stamp):
    requests.get(URL + "/users", params={"stamp": stamp, "page": 1}, headers={"X-Team": str(stamp)})

import time

@pytest.mark.vcr
def test_filters(vcr):
    ask(time.time())
    (request,) = vcr.requests
    assert request.headers["x-team"] == "TEAM" and request.query == [("page", "1")]

@pytest.mark.vcr(filter_headers=[])
def test_own_mark_wins(vcr):
    ask(7)
    (request,) = vcr.requests
    assert request.headers["X-TEAM"] == "7" and request.query == [("page", "1")]
"""
    )
    passes(workspace.pytest("-q"), 2)
    replays(workspace, api, 2)


def test_the_command_line_overrides_a_mark(suite, api):
    workspace = suite(
        """
@pytest.mark.vcr(record_mode="all")
def test_it():
    requests.get(URL + "/users")
"""
    )
    done = workspace.pytest("-q", "--record-mode=none")
    assert done.code == 3, done.text
    assert api.hits == 0
    done = workspace.pytest("-q", "--record-mode", "once", ci=True)
    assert done.code == 2, done.text
    assert "CI only replays" in done.text


def test_run_rewrite_overrides_the_record_mode_in_addopts(suite, api):
    workspace = suite("@pytest.mark.vcr\ndef test_it():\n    requests.get(URL + '/users')\n")
    workspace.write("pytest.ini", "[pytest]\naddopts = --record-mode=none\n")
    assert workspace.pytest("-q").code == 3
    assert "1 new" in passes(workspace.cli("run", "-S")).text
    assert workspace.cli("run", "-S", "--", "--record-mode=none").code == 3  # typed


def test_a_failing_test_stages_nothing_unless_record_on_exception_says_so(suite, api):
    workspace = suite(
        """
@pytest.mark.vcr
def test_fails():
    requests.get(URL + "/users")
    assert False

@pytest.mark.vcr(record_on_exception=True)
def test_keeps():
    requests.get(URL + "/users")
    assert False
"""
    )
    assert workspace.pytest("-q").code == 1
    status = workspace.cli("status").text
    assert "test_keeps" in status
    assert "test_fails" not in status


def test_the_hook_of_a_conftest_registers_matchers(suite, api):
    workspace = suite(
        """
@pytest.mark.vcr
def test_it():
    requests.post(URL + "/a", json={"word": "dino"})
    with pytest.raises(Exception):
        requests.post(URL + "/a", json={"word": "bird"})
"""
    )
    workspace.write(
        "conftest.py",
        """
        def dinosaurs(r1, r2):
            assert r1.uri == r2.uri and b"dino" in r1.body, "no dinosaur"

        def pytest_recording_configure(config, vcr):
            vcr.register_matcher("dinosaurs", dinosaurs)
            vcr.match_on = ["method", "dinosaurs"]
        """,
    )
    test = (workspace.root / "test_it.py").read_text()
    bird = test.partition("    with pytest")[2]
    (workspace.root / "test_it.py").write_text(test.replace("    with pytest" + bird, ""))
    passes(workspace.pytest("-q"), 1)
    (workspace.root / "test_it.py").write_text(test)
    passes(workspace.cli("approve", "--all"))
    done = workspace.pytest("-q", ci=True)
    assert (
        "/a was recorded once and is made once more" in done.text or "not in its http cassette" in done.text
    )
    assert done.code == 1, done.text
    assert api.hits == 1


def test_options_that_somebody_else_has_are_left_to_them(suite, api):
    workspace = suite(
        "def test_it(request):\n    assert request.config.getoption('--record-mode') == 'theirs'\n"
    )
    workspace.write(
        "conftest.py",
        """
        def pytest_addoption(parser):
            parser.addoption("--record-mode", default="theirs")
        """,
    )
    passes(workspace.pytest("-q", "--block-network"), 1)


def test_recording_is_switched_off_by_the_old_option(suite, api):
    workspace = suite(
        """
@pytest.mark.vcr
def test_it(vcr):
    assert vcr is None
    requests.get(URL + "/users")
"""
    )
    passes(workspace.pytest("-q", "--disable-recording"), 1)
    assert api.hits == 1
    assert "pending review: 0" in workspace.cli("status").text


def test_a_typo_in_an_option_names_the_nearest(suite):
    workspace = suite("@pytest.mark.vcr(before_record_reponse=print)\ndef test_it():\n    pass\n")
    done = workspace.pytest("-q")
    assert done.code == 2, done.text
    assert "the vcr mark or vcr_config has no option 'before_record_reponse'" in done.text
    assert "did you mean before_record_response?" in done.text


def test_a_fixture_that_hides_ours_does_not_let_a_marked_test_use_the_network(suite, api):
    workspace = suite("@pytest.mark.vcr\ndef test_it():\n    requests.get(URL)\n")
    workspace.write("conftest.py", "import pytest\n\n@pytest.fixture\ndef cassette():\n    return 1\n")
    done = workspace.pytest("-q")
    assert done.code == 2, done.text
    assert "a fixture called cassette that hides ours" in done.text
    assert api.hits == 0


def test_what_says_how_a_file_is_written_is_accepted(suite, api):
    workspace = suite(
        """
@pytest.mark.vcr(serializer="json", cassette_library_dir="x", path_transformer=str, func_path_generator=str,
                 custom_patches=(), before_record=None)
def test_it():
    requests.get(URL + "/users")
"""
    )
    passes(workspace.pytest("-q"), 1)


RIVAL = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--record-mode", default="theirs")

@pytest.fixture(autouse=True)
def vcr():
    yield "theirs"
"""


@pytest.fixture
def rival(workspace):
    """A plugin by the name of pytest-recording's."""
    workspace.write("pytest_recording/__init__.py", "")
    workspace.write("pytest_recording/plugin.py", RIVAL)
    return ("-p", "pytest_recording.plugin")


def test_beside_pytest_recording_we_stand_back_and_say_so(suite, rival):
    workspace = suite("@pytest.mark.vcr\ndef test_it(vcr):\n    assert vcr == 'theirs'\n")
    done = passes(workspace.run(sys.executable, "-m", "pytest", *rival, PYTHONPATH=paths(workspace)), 1)
    assert "the vcr mark is handled by pytest-recording; pip uninstall pytest-recording" in done.text


def test_a_test_that_both_would_handle_ends_the_run_with_what_to_uninstall(suite, rival, api):
    workspace = suite("@pytest.mark.vcr\ndef test_it(vcr):\n    requests.get(URL + '/users')\n")
    workspace.record()
    done = workspace.run(sys.executable, "-m", "pytest", *rival, PYTHONPATH=paths(workspace))
    assert done.code == 2, done.text
    assert "test_it.py::test_it has an approved recording, and pytest-recording would handle" in done.text
    assert "pip uninstall pytest-recording, or keep it out of this run: pytest -p no:" in done.text
    found = workspace.run(sys.executable, "-m", "pytest", "--co", "-q", *rival, PYTHONPATH=paths(workspace))
    passes(found)


def paths(workspace):
    import os

    return os.pathsep.join([str(workspace.root), os.environ.get("PYTHONPATH", "")])
