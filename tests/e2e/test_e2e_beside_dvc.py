"""Our blobs and DVC's own files on one remote: neither side deletes, lists or stumbles over the other's."""

from __future__ import annotations

import re
import shutil
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from e2e_remotes import (
    AREA,
    KINDS,
    PREFIX,
    Site,
    powerless,
    recorded,
    secrets_of,
    share_site,
    shared,
    site,
)
from s3_server import Keys
from s3_stub import BUCKET, Stub, running_stub

#: Of others, around us; DVC's garbage collection knows what is its own by the shape of its name.
FOREIGN = {
    "elsewhere/notes.txt": b"beside the remote's directory",
    f"{AREA}/README.md": b"in it",
    f"{AREA}/booktest/notes.txt": b"beside our prefix",
    f"{AREA}/booktest/blobs-of-others/http/sha256/ab/{'ab' * 32}": b"begins like our prefix",
    f"{AREA}/{PREFIX}/notes.txt": b"below our prefix",
    f"{AREA}/{PREFIX}/http/sha256/ab/notes.txt": b"among our blobs",
}


def beset(there: Site) -> dict[str, bytes]:
    for path, data in FOREIGN.items():
        there.put(path, data)
    return FOREIGN


def dvcs_own(there: Site) -> dict[str, bytes]:
    return {path: data for path, data in there.everything().items() if path.startswith(f"{AREA}/files/md5/")}


@pytest.mark.parametrize("kind", KINDS)
def test_dvc_collects_its_own_garbage_and_moves_its_own_data_around_our_blobs(kind, tmp_path):
    there = site(kind, tmp_path / "remote")
    beset(there)
    desk = shared(tmp_path / "ada", there)
    ours = there.everything()
    assert len(ours) == len(FOREIGN) + 3
    data, old = desk.root / "data.csv", desk.root / "old.csv"
    data.write_text("kept")
    old.write_text("given up")
    desk.dvc(["add", "-q", "data.csv", "old.csv"], ["push", "-q"])
    assert sorted(dvcs_own(there).values()) == [b"given up", b"kept"]
    (desk.root / "old.csv.dvc").unlink()
    old.unlink()
    desk.commit()
    desk.dvc(
        ["gc", "-c", "-w", "-f"],
        ["gc", "-w", "-c", "--all-branches", "--all-tags", "-f"],
        ["status", "-c", "-q"],
        ["push", "-q"],
    )
    assert list(dvcs_own(there).values()) == [b"kept"], "it did look at the remote"
    data.unlink()
    shutil.rmtree(desk.root / ".dvc/cache")
    desk.dvc(["pull", "-q"])
    assert data.read_text() == "kept"
    both = there.everything()
    assert both == ours | dvcs_own(there)

    desk.lose_the_cache()
    assert "pulled: 3 blobs" in desk.done("pull")
    assert there.everything() == both
    there.see(desk.manifest)
    assert desk.git("status", "--porcelain") == ""


def test_every_request_of_ours_to_a_bucket_names_our_prefix(tmp_path):
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    with running_stub() as stub:
        shown = {"endpointurl": stub.endpoint, "region": "us-east-1"}
        there = Site(f"s3://{BUCKET}/{AREA}", shared=shown, own=dict(keys.settings), secrets=secrets_of(keys))
        for path, data in FOREIGN.items():
            stub.put(f"{BUCKET}/{path}", data)
        asked = _log(stub)
        desk = recorded(tmp_path / "ada", there)
        for command in (["push", "--staged"], ["approve", "--all"], ["push", "--deep"]):
            desk.done(*command)
        desk.commit()
        bob = desk.clone("bob")
        bob.sign_in(there.own)
        for command in (["status", "--ci"], ["pull", "--staged"], ["pull"]):
            bob.done(*command)
        assert {method for method, _ in asked} >= {"GET", "HEAD", "PUT"}
        assert any(target.startswith(f"/{BUCKET}?") for _, target in asked), "there was a listing"
        assert [request for request in asked if not _is_ours(*request)] == []
        left = {path.removeprefix(f"{BUCKET}/"): stored.data for path, stored in stub.objects.items()}
    assert {path: left[path] for path in FOREIGN} == FOREIGN
    assert all(path.startswith(f"{AREA}/{PREFIX}/") for path in left.keys() - FOREIGN.keys())


def _log(stub: Stub) -> list[tuple[str, str]]:
    """Method and target of each request from now on; one that deletes many is one for each."""
    asked: list[tuple[str, str]] = []
    answer = stub.answer

    def logged(method: str, target: str, head: bytes, body: bytes) -> bytes:
        doomed = re.findall("<Key>(.*?)</Key>", body.decode()) if target == f"/{BUCKET}?delete" else ()
        asked.extend(("DELETE", f"/{BUCKET}/{key}") for key in doomed)
        if not doomed:
            asked.append((method, target))
        return answer(method, target, head, body)

    stub.answer = logged
    return asked


def _is_ours(method: str, target: str) -> bool:
    path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
    if path.rstrip("/") == f"/{BUCKET}":  # a listing, or the question whether the bucket is there
        ours = query.get("prefix", [""])[0].startswith(f"{AREA}/{PREFIX}/")
        return (method == "GET" and ours) or (method == "HEAD" and not query)
    return unquote(path).startswith(f"/{BUCKET}/{AREA}/{PREFIX}/")


def test_directories_of_others_on_a_share_are_not_looked_into(tmp_path):
    there = share_site(tmp_path / "remote")
    closed = [there.root / path for path in ("elsewhere", f"{AREA}/theirs", f"{AREA}/booktest/theirs")]
    for path in closed:
        path.mkdir(parents=True)
        path.chmod(0)
    desk = recorded(tmp_path / "ada", there)
    desk.before = powerless()
    for command in ("push --staged", "approve --all", "push --deep", "verify --remote", "pull --staged"):
        desk.done(*command.split())
    for path in closed:
        path.chmod(0o755)
    there.see(desk.manifest)
