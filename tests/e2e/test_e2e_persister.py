"""A suite that keeps its own ``vcr.VCR`` and only swaps the persister."""

from __future__ import annotations

import pytest

SUITE = """
import os, requests, vcr
import booktest_cassettes

my_vcr = vcr.VCR(record_mode=os.environ.get("MODE", "once"), cassette_library_dir="cassettes",
                 filter_headers=["authorization"])
my_vcr.register_persister(booktest_cassettes.vcr_persister())

@my_vcr.use_cassette("users.yaml")
def test_users():
    answer = requests.get("{url}/users", headers={{"Authorization": "Bearer abcdefgh"}})
    assert answer.json()["path"] == "/users"
    assert requests.post("{url}/users", json={{"name": "ada"}}).status_code == 201
"""


@pytest.fixture
def suite(workspace, api):
    workspace.write("test_it.py", SUITE.format(url=api.url))
    done = workspace.cli("run", "--", "-q")
    assert done.code == 0, done.text
    return workspace


def test_it_records_to_staging_and_replays_what_was_approved(suite, api):
    assert "cassettes/users.yaml  (http new)" in suite.cli("status").text
    assert suite.cli("approve", "--all").code == 0
    assert "cassettes/users.yaml:" in suite.manifest
    assert not (suite.root / "cassettes").exists()
    api.stop()
    done = suite.pytest("-q", ci=True, MODE="none")
    assert done.code == 0, done.text


def test_a_matcher_of_theirs_finds_every_header_it_compares(workspace, api):
    matching = 'filter_headers=["authorization"], match_on=["method", "uri", "headers"]'
    workspace.write(
        "test_it.py", SUITE.replace('filter_headers=["authorization"]', matching).format(url=api.url)
    )
    workspace.record()
    api.stop()
    done = workspace.pytest("-q", ci=True, MODE="none")
    assert done.code == 0, done.text


def test_recording_again_changes_nothing(suite):
    suite.cli("approve", "--all")
    manifest = suite.manifest
    done = suite.cli("run", "--", "-q", MODE="all")
    assert done.code == 0, done.text
    assert "pending review: 0" in suite.cli("status").text
    assert suite.manifest == manifest


def test_a_corrupt_or_lost_blob_raises_instead_of_being_recorded_over(suite, api):
    suite.cli("approve", "--all")
    (payload,) = suite.payloads()
    hits = api.hits
    payload.write_bytes(payload.read_bytes()[:-10])
    for mode in ("none", "once", "new_episodes"):
        done = suite.pytest("-q", MODE=mode)
        assert done.code == 4, done.text
        assert "BlobCorrupt" in done.text
    payload.unlink()
    done = suite.pytest("-q", MODE="once")
    assert done.code == 4, done.text
    assert "BlobMissing" in done.text
    assert api.hits == hits


def test_recording_in_ci_is_refused(workspace, api):
    workspace.write("test_it.py", SUITE.format(url=api.url))
    done = workspace.pytest("-q", ci=True)
    assert done.code == 2, done.text
    assert "RecordingRefused" in done.text
