"""github3.py's betamax cassettes: all migrate, and `requests` gets back what betamax would have played."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.recording.normalisation import Normaliser
from booktest_cassettes.recording.redaction import Redactor
from booktest_cassettes.traffic import Cleaner

sys.path.append(str(Path(__file__).parents[1] / "e2e"))
from e2e_workspace import Workspace

REPLAY = """
import base64, json
import requests
from booktest_cassettes import cassette

done = 0
for test_id, exchanges in json.load(open("expected.json")).items():
    with cassette(test_id, record_mode="none", unused="error"):
        for one in exchanges:
            answer = requests.request(
                one["method"], one["url"], headers=one["headers"], data=base64.b64decode(one["body"]),
                allow_redirects=False,
            )
            assert answer.status_code == one["status"], (test_id, one["url"])
            assert answer.reason == one["reason"], (test_id, one["url"])
            assert answer.content == base64.b64decode(one["answer"]), (test_id, one["url"])
            done += 1
print("replayed", done)
"""


def content(message: dict[str, Any]) -> bytes:
    """A body as betamax gives it to `requests`, which opens what is compressed."""
    body = message["body"]
    if isinstance(body, str):
        return body.encode()
    if body.get("base64_string"):
        data = base64.b64decode(body["base64_string"])
        coding = str(
            {name.lower(): value for name, value in message["headers"].items()}.get("content-encoding")
        )
        return gzip.decompress(data) if "gzip" in coding else data
    text: str = body.get("string", "")
    return text.encode(body.get("encoding") or "utf-8")


def exchange(item: dict[str, Any]) -> dict[str, Any]:
    asked, said = item["request"], item["response"]
    headers = {
        name: value[0] if isinstance(value, list) else value for name, value in asked["headers"].items()
    }
    answer = redacted(said["headers"], content(said))
    status = said.get("status") or {"code": said["status_code"], "message": "OK"}
    return {
        "method": asked["method"], "url": asked["uri"],
        "headers": {name: value for name, value in headers.items() if name.lower() != "content-length"},
        "body": base64.b64encode(content(asked)).decode(), "status": status["code"],
        "reason": status["message"], "answer": base64.b64encode(answer).decode(),
    }  # fmt: skip


def redacted(headers: dict[str, Any], content: bytes) -> bytes:
    """What every recording goes through is no difference."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    kind = kind[0] if isinstance(kind, list) else kind
    response = Response(200, headers=(("Content-Type", kind),), body=Body(content))
    clean = Cleaner(Normaliser(), Redactor()).interaction(Interaction(Request("GET", "http://a/"), response))
    assert clean is not None
    assert isinstance(clean.outcome, Response)
    return clean.outcome.body.content


@pytest.fixture(scope="module")
def expected(corpus: Path) -> dict[str, Any]:
    files = sorted((corpus / "github3.py" / "cassettes").glob("*.json"))
    return {
        f"tests/test_all.py::test_replay[{path.stem}]": [
            exchange(item) for item in json.loads(path.read_text())["http_interactions"]
        ]
        for path in files
    }


@pytest.fixture(scope="module")
def github(corpus: Path, expected: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("github3")
    cassettes = root / "tests" / "cassettes"
    shutil.copytree(corpus / "github3.py" / "cassettes", cassettes, copy_function=shutil.copyfile)
    cassettes.chmod(0o755)
    workspace = Workspace(root)
    workspace.git("init", "--quiet")
    workspace.write("booktest.toml", '[storage]\nmode = "git"\n')
    names = {f"{test_id.partition('[')[2][:-1]}.json": test_id for test_id in expected}
    workspace.write("map.json", json.dumps({f"tests/cassettes/{name}": test for name, test in names.items()}))
    return workspace


def migrate(github: Workspace, *more: str) -> dict[str, Any]:
    done = github.cli("migrate", "--from", "betamax", "--map", "map.json", "--json", *more)
    assert done.code == 0, done.text
    report: dict[str, Any] = json.loads(done.text)
    return report


@pytest.fixture(scope="module")
def report(github: Workspace) -> dict[str, Any]:
    return migrate(github)


def test_all_go_in_and_the_numbers_are_right(report, expected):
    rows = {row["test"]: row for row in report["recordings"]}
    assert rows.keys() == expected.keys()
    assert {row["status"] for row in rows.values()} == {"taken"}
    for test_id, row in rows.items():
        assert row["interactions"] == len(expected[test_id])
    assert report["totals"]["interactions"] == sum(map(len, expected.values()))


def test_a_second_run_changes_nothing(github, report, expected):
    before = github.manifest
    assert migrate(github)["totals"]["there"] == len(expected)
    assert github.manifest == before


def test_requests_gets_what_betamax_would_have_played(github, report, expected):
    github.write("expected.json", json.dumps(expected))
    github.write("replay.py", REPLAY)
    done = github.run(sys.executable, "replay.py", ci=True)
    assert done.code == 0, done.text
    assert done.text.strip().endswith(f"replayed {sum(map(len, expected.values()))}")


def test_a_cassette_that_no_test_is_known_to_use_is_an_orphan(github, expected):
    done = github.cli("migrate", "--from", "betamax", "--json", "--dry-run")
    rows = json.loads(done.text)["recordings"]
    assert {row["status"] for row in rows} == {"orphan"}
    assert "--map" in rows[0]["next"]
