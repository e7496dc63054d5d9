"""``migrate`` as people run it: cassettes that stock vcrpy recorded, replayed by ours without a network."""

from __future__ import annotations

import json
import sys

import pytest

RECORD = """
import sys, vcr
url = sys.argv[1]
key = {{"Authorization": "Bearer x1y2"}}
def requests_get(): import requests; return requests.get(url + "/users", headers=key)
def httpx_get(): import httpx; return httpx.get(url + "/users", headers=key)
def httpx_post(): import httpx; return httpx.post(url + "/things", json={{"a": 1}})
for path, calls in {plan!r}.items():
    with vcr.VCR().use_cassette(path):
        for call in calls:
            print(path, globals()[call]().status_code)
"""
SUITE = """
import httpx, pytest, requests
from booktest_cassettes import cassette

@cassette()
def test_requests():
    assert requests.get("{url}/users").json()["user"] == "ada"

@cassette()
def test_httpx():
    assert httpx.get("{url}/users").json()["user"] == "ada"
    assert httpx.post("{url}/things", json={{"a": 1}}).json() == {{"received": {{"a": 1}}}}

@cassette(unused="error")
@pytest.mark.parametrize("name", ["a/b"])
def test_each(name):
    assert httpx.get("{url}/users").status_code == 200
"""
PLAN = {
    "cassettes/test_it/test_requests.yaml": ["requests_get"],
    "cassettes/test_it/test_httpx.yaml": ["httpx_get", "httpx_post"],
    "cassettes/test_it/test_each[a-b].yaml": ["httpx_get"],
}


@pytest.fixture
def recorded(workspace, api):
    """A suite of our own tests, and what stock vcrpy recorded for them when they were its."""
    workspace.write("record.py", RECORD.format(plan=PLAN))
    done = workspace.run(sys.executable, "record.py", api.url)
    assert done.code == 0, done.text
    (workspace.root / "record.py").unlink()
    workspace.write("test_it.py", SUITE.format(url=api.url))
    api.stop()
    return workspace


def test_what_vcrpy_recorded_replays_in_ci_without_cassettes_or_network(recorded):
    done = recorded.cli("migrate", "--from", "pytest-recording", "--delete-originals")
    assert done.code == 0, done.text
    assert "request header authorization: 3" in done.text
    assert "migrated: 3 taken (4 interactions" in done.text
    assert "deleted: 3 originals" in done.text
    assert not (recorded.root / "cassettes").exists()
    done = recorded.pytest("-q", ci=True)
    assert done.code == 0, done.text
    assert "3 passed" in done.text


def test_an_unplayed_interaction_is_told_once_whichever_client_asks(recorded):
    recorded.cli("migrate", "--from", "auto")
    source = (recorded.root / "test_it.py").read_text()
    recorded.write("test_it.py", source.replace('    assert httpx.get("', '    0 and httpx.get("', 2))
    done = recorded.pytest("-q", ci=True)
    assert done.code == 1, done.text
    assert "test_it.py::test_each[a/b]: 1 recorded and never played:" in done.text
    assert "recorded and not played: 1\n  test_it.py::test_httpx  (1 interaction)" in done.text


def test_an_unrecorded_request_is_refused_with_the_nearest_whichever_client_asks(recorded):
    recorded.cli("migrate", "--from", "auto")
    source = (recorded.root / "test_it.py").read_text()
    recorded.write("test_it.py", source.replace("/users", "/people"))
    done = recorded.pytest("-q", ci=True)
    assert done.code == 1, done.text
    assert done.text.count("nearest recorded: GET") >= 3


def test_a_migrated_recording_made_anew_gets_the_kind_of_its_client(workspace, api):
    cassette = {
        "interactions": [
            {
                "request": {"method": "GET", "uri": f"{api.url}/users", "body": None, "headers": {}},
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": {},
                    "body": {"string": "{}"},
                },
            }
        ],
        "version": 1,
    }
    workspace.write("cassettes/test_it/test_users.json", json.dumps(cassette))
    workspace.write("test_it.py", (
        "import httpx\nfrom booktest_cassettes import cassette\n"
        f"@cassette()\ndef test_users():\n    assert httpx.get('{api.url}/users').status_code == 200\n"
    ))  # fmt: skip
    done = workspace.cli("migrate", "--from", "vcr", "--map", "test_users.json=test_it.py::test_users")
    assert done.code == 0, done.text
    assert "  http:" in workspace.manifest
    assert workspace.pytest("-q").code == 0
    assert api.hits == 0
    assert workspace.cli("run", "-S", "--", "-q").code == 0
    assert workspace.cli("approve", "--all").code == 0
    assert "  httpx:" in workspace.manifest
    assert "  http:" not in workspace.manifest
    assert workspace.pytest("-q", ci=True).code == 0


def test_a_suite_with_its_own_vcr_goes_on_with_our_persister(recorded):
    done = recorded.cli("migrate", "--from", "vcr", "cassettes", "--delete-originals")
    assert done.code == 0, done.text
    url = (recorded.root / "test_it.py").read_text().partition('requests.get("')[2].partition("/users")[0]
    recorded.write("test_it.py", f"""\
        import requests, vcr, booktest_cassettes
        my_vcr = vcr.VCR(record_mode="none")
        my_vcr.register_persister(booktest_cassettes.vcr_persister())

        @my_vcr.use_cassette("cassettes/test_it/test_requests.yaml")
        def test_it():
            assert requests.get("{url}/users").json()["user"] == "ada"
        """)  # fmt: skip
    done = recorded.pytest("-q", ci=True)
    assert done.code == 0, done.text


def test_the_second_run_says_so_and_changes_nothing(recorded):
    recorded.cli("migrate", "--from", "auto")
    recorded.commit()
    done = recorded.cli("migrate", "--from", "auto")
    assert "migrated: 3 already there" in done.text
    assert recorded.git("status", "--porcelain") == ""


def test_json_and_exit_codes_are_for_machines(recorded):
    recorded.write("cassettes/test_it/broken.yaml", "interactions: [\n")
    recorded.write(
        "cassettes/test_it/evil.yaml", "interactions: !!python/object/apply:os.system ['touch ran']\n"
    )
    done = recorded.cli("migrate", "--from", "pytest-recording", "--json", "--dry-run")
    assert done.code == 4
    report = json.loads(done.text)
    assert report["dry_run"] is True
    assert report["totals"]["taken"] == 3
    assert report["totals"]["refused"] == 2
    assert {row["status"]: row["next"] for row in report["recordings"]}["refused"]
    assert not (recorded.root / "ran").exists()
    assert recorded.manifest == ""


def test_mappings_are_pairs_or_a_file(recorded):
    recorded.write("map.yaml", "test_httpx: [a.py::test_x, 'a.py::test_y[k=v]']\n")
    done = recorded.cli(
        "migrate", "--from", "vcr", "--map", "map.yaml",
        "--map", "cassettes/test_it/test_each[a-b].yaml=b.py::test_z[p=q]",
    )  # fmt: skip
    assert done.code == 0, done.text
    ids = [line.strip('":') for line in recorded.manifest.splitlines()[2:] if not line.startswith(" ")]
    assert ids == [
        "a.py::test_x",
        "a.py::test_y[k=v]",
        "b.py::test_z[p=q]",
        "cassettes/test_it/test_requests.yaml",
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "say --from FORMAT or --to MODE"),
        (("--from", "vcr", "--to", "git"), "say --from FORMAT or --to MODE"),
        (("--to", "git", "--force"), "--to takes no options of --from"),
        (("--from", "vrc"), "unknown format"),
        (("--from", "vcr", "nowhere"), "no such file"),
        (("--from", "vcr", "--map", "x"), "neither a file nor CASSETTE=TEST"),
        (("--from", "vcr", "--map", "x=a.py::b"), "fits no recording"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(workspace, arguments, text):
    done = workspace.cli("migrate", *arguments)
    assert done.code == 2, done.text
    assert text in done.text


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_commit_on_approve_commits_what_was_approved_and_nothing_else(recorded, flags):
    recorded.commit()
    recorded.write("booktest.toml", '[storage]\nmode = "git"\n[review]\ncommit_on_approve = true\n')
    done = recorded.cli("migrate", "--from", "auto", *flags)
    assert done.code == 0, done.text
    assert recorded.git("log", "-1", "--format=%s").strip() == "Migrate 3 recordings"
    assert recorded.git("status", "--porcelain").split() == ["M", "booktest.toml"]
