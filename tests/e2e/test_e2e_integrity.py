"""What is stored is what was approved, holds no secret, and bad input loses nothing."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from e2e_workspace import Workspace, running_api

TEST = """
import requests, httpx
from booktest_cassettes import cassette

@cassette(env=["REGION"])
def test_it():
    open("body-ran", "w").close()
    requests.get("{url}/users")
    httpx.get("{url}/items")
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A recorded project; its server is gone, as in CI."""
    workspace = Workspace(tmp_path_factory.mktemp("template")).begin()
    with running_api() as api:
        workspace.write("test_it.py", TEST.format(url=api.url))
        workspace.record()
    (workspace.root / "body-ran").unlink()
    return workspace


@pytest.fixture
def recorded(template, tmp_path):
    return template.copy(tmp_path)


@pytest.mark.parametrize("kind", ["env", "http", "httpx"])
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_flipped_byte_is_refused_before_the_test_body_runs(recorded, kind, where):
    payload = recorded.root / f"books/test_it.py/test_it/_snapshots/{kind}.json"
    data = bytearray(payload.read_bytes())
    data[{"first": 0, "last": len(data) - 1}[where]] ^= 1
    payload.write_bytes(data)
    done = recorded.pytest("-q", ci=True)
    assert done.code == 4, done.text
    assert payload.relative_to(recorded.root).as_posix() in done.text.replace("\nE     ", "")
    assert not (recorded.root / "body-ran").exists()
    assert payload.read_bytes() == data, "a corrupt payload is evidence: it stays"


def test_a_lost_payload_is_another_error_than_a_corrupt_one(recorded):
    payload = recorded.root / "books/test_it.py/test_it/_snapshots/http.json"
    payload.unlink()
    done = recorded.pytest("-q", ci=True)
    assert done.code == 4
    assert "BlobMissing" in done.text
    assert "git checkout" in done.text
    assert not (recorded.root / "body-ran").exists()
    status = recorded.cli("status", "--ci")
    assert status.code == 4
    assert "lost: test_it.py::test_it http" in status.text


def test_a_replay_writes_nothing(recorded):
    recorded.commit()
    before = _tree(recorded.root)
    assert recorded.pytest("-q", "-p", "no:cacheprovider", ci=True).code == 0
    (recorded.root / "body-ran").unlink()
    assert _tree(recorded.root) == before


def _tree(root):
    return {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not {".git", "__pycache__"} & set(path.parts)
    }


SECRETS = {
    "bearer": "bearer-value-8151",
    "cookie": "cookie-value-4242",
    "query": "query-key-77231",
    "json": "json-password-9",
    "form": "form-secret-5150",
    "declared": "declared/secret+1",
    "answer": "tok-0123456789",
    "env": "env-api-key-31337",
    "userinfo": "basic-passw0rd",
}


def test_secrets_are_in_no_file_and_the_replay_still_matches(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import os, requests, httpx
        from booktest_cassettes import cassette

        def secret(name):
            return os.environ.get("S_" + name.upper(), "other-" + name)

        def talk(post, get):
            get("{api.url}/users?api_key=" + secret("query"), headers={{
                "Authorization": "Bearer " + secret("bearer"), "Cookie": "sid=" + secret("cookie"),
                "X-Declared": secret("declared")}})
            post("{api.url}/login", json={{"user": "ada", "password": secret("json"),
                "echo": secret("declared"), "again": os.environ["MY_API_KEY"]}})
            get("{api.url.replace("//", "//ada:{}@")}/users".format(secret("userinfo")))

        @cassette(env=["MY_API_KEY"], secrets=[secret("declared")])
        def test_requests():
            talk(requests.post, requests.get)

        @cassette(env=["MY_API_KEY"], secrets=[secret("declared")])
        def test_httpx():
            talk(httpx.post, httpx.get)
        """,
    )
    variables = {f"S_{name.upper()}": value for name, value in SECRETS.items()}
    done = workspace.cli("run", "--", "-q", MY_API_KEY=SECRETS["env"], **variables)
    assert done.code == 0, done.text
    _no_secret_in(workspace, done.text)
    assert workspace.cli("approve", "--all").code == 0
    _no_secret_in(workspace, workspace.cli("show", "test_it.py::test_requests").text)
    api.stop()
    replayed = workspace.pytest("-q", ci=True)
    assert replayed.code == 0, replayed.text


def _no_secret_in(workspace, output):
    for name, value in SECRETS.items():
        assert value not in output, name
        found = subprocess.run(
            ["grep", "-rlF", "--", value, "."], cwd=workspace.root, capture_output=True, text=True
        )
        assert found.stdout == "", f"{name} is in {found.stdout}"
        for path in workspace.root.rglob("*"):
            if path.is_file() and path.read_bytes()[:2] == b"\x1f\x8b":
                import gzip

                assert value.encode() not in gzip.decompress(path.read_bytes()), f"{name} is in {path}"


BAD_MANIFESTS = {
    "duplicate": ("a.py::t:\n  http: {d}\na.py::t:\n  http: {d}\n", "5"),
    "unknown kind": ("a.py::t:\n  htp: {d}\n", "4"),
    "digest": ('a.py::t:\n  http: "sha256:123"\n', "4"),
    "markers": ("<<<<<<< HEAD\na.py::t:\n  http: {d}\n=======\n>>>>>>> x\n", "3"),
    "newer": ("format: 2\n", "3"),
}


@pytest.mark.parametrize("text", BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_a_broken_manifest_is_refused_with_file_and_line_and_left_alone(recorded, text):
    body, line = text
    digest = f'"sha256:{"0" * 64}"'
    broken = "# hand\nstorage_mode: git\n" + body.format(d=digest)
    recorded.write("booktest.manifest.yaml", broken)
    for done in (recorded.pytest("-q", ci=True), recorded.cli("status"), recorded.cli("approve", "--all")):
        assert done.code == 4, done.text
        assert f"booktest.manifest.yaml:{line}:" in done.text
        assert "next:" in done.text
    assert recorded.manifest == broken
    assert len(recorded.payloads()) == 3


def test_an_unknown_configuration_key_names_the_nearest_one(recorded):
    recorded.write("booktest.toml", '[storage]\nmoed = "git"\n')
    for done in (recorded.pytest("-q", ci=True), recorded.cli("status")):
        assert done.code == 2, done.text
        assert "booktest.toml:2" in done.text
        assert "storage.mode" in done.text


def test_a_snapshot_directory_that_is_a_file_loses_nothing(workspace, api):
    workspace.write("test_it.py", TEST.format(url=api.url))
    assert workspace.cli("run", "--", "-q").code == 0
    workspace.write("books", "not a directory")
    done = workspace.cli("approve", "--all")
    assert done.code == 4, done.text
    assert "books" in done.text
    assert workspace.manifest == ""
    (workspace.root / "books").unlink()
    assert workspace.cli("approve", "--all").code == 0
    assert len(workspace.payloads()) == 3


def test_a_cache_that_is_a_file_is_a_clear_error(workspace, api):
    workspace.write("test_it.py", TEST.format(url=api.url))
    workspace.write(".booktest_cache", "")
    done = workspace.cli("run", "--", "-q")
    assert done.code == 4, done.text
    assert ".booktest_cache" in done.text


def test_patterns_that_mean_nothing_are_refused(recorded):
    for command in ("approve", "reject"):
        done = recorded.cli(command, "test_tpyo.py")
        assert done.code == 2
        assert "test_tpyo.py" in done.text
    assert recorded.cli("approve").code == 2
    assert recorded.cli("show", "test_it.py::test_its").code == 2


def test_reject_forgets_the_recording_and_keeps_the_approved(recorded, api):
    manifest = recorded.manifest
    recorded.write("test_it.py", TEST.format(url=api.url).replace("/users", "/others"))
    assert recorded.cli("run", "-S", "--", "-q").code == 0
    assert "http updated" in recorded.cli("status").text
    assert recorded.cli("reject", "test_it.py").code == 0
    assert recorded.manifest == manifest
    assert "pending review: 0" in recorded.cli("status").text
    assert not list(recorded.root.glob(".booktest_cache/staging/*/sha256/*/*"))


def test_a_deleted_cache_loses_nothing_that_was_approved(recorded):
    shutil.rmtree(recorded.root / ".booktest_cache")
    assert recorded.pytest("-q", ci=True).code == 0
