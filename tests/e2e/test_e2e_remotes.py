"""A team with a DVC remote, as the setup guide has it: on a share, on S3, behind SSH."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from e2e_remotes import (
    KINDS,
    MODULE,
    PREFIX,
    TESTS,
    Desk,
    Site,
    configure,
    only_readable,
    recorded,
    share_site,
    site,
)
from e2e_workspace import running_api

READ_ONLY = {"share": "permission denied", "s3": "allow s3:PutObject", "ssh": "an account that may write"}


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def there(kind, tmp_path) -> Site:
    return site(kind, tmp_path / "remote")


def begun(desk: Desk, there: Site) -> Desk:
    """The guide's "Initial Setup", with DVC's own commands."""
    desk.root.mkdir()
    desk.git("init", "--quiet", "--initial-branch=main")
    desk.git("config", "user.email", "ada@example.test")
    desk.git("config", "user.name", "Ada")
    name = "booktest-remote"
    commands = [["init", "-q"], ["remote", "add", "-q", "-d", name, there.url]]
    commands += [["remote", "modify", name, key, str(value)] for key, value in there.shared.items()]
    commands += [["remote", "modify", "--local", name, key, str(text)] for key, text in there.own.items()]
    desk.dvc(*commands)
    desk.use(name, "storage.dvc.manifest_path=booktest.manifest.yaml")
    desk.write(".gitignore", ".booktest_cache/\n__pycache__/\n.pytest_cache/\n")
    desk.commit()
    return desk


def test_the_guide_works_from_dvc_init_to_a_ci_that_can_only_read(kind, there, tmp_path):
    ada = begun(Desk(tmp_path / "ada", secrets=there.secrets), there)
    with running_api() as api:
        client = "requests" if kind == "share" else "httpx"  # loading vcrpy takes its time
        ada.write("test_api.py", MODULE.format(url=api.url, client=client))
        ada.done("run", "--", "-q")
    assert "POST" in ada.done("show", "test_api.py::test_orders")
    assert there.everything() == {}, "recording pushes nothing"
    assert "pushed: 3 blobs" in ada.done("approve", "--all")
    there.see(ada.manifest)
    origin = tmp_path / "origin.git"
    ada.git("clone", "--quiet", "--bare", str(ada.root), str(origin))
    ada.commit()
    ada.git("push", "--quiet", str(origin), "main")

    bob = ada.clone("bob", origin)
    bob.sign_in(there.own)
    assert "fetched 3 blobs" in bob.intact()
    bob.lose_the_cache()
    assert "fetched 3 blobs" in bob.intact()

    robot = bob.clone("robot", origin)
    robot.sign_in(there.reading)
    robot.variables |= there.variables
    workers = ["-n", "2"] if kind == "share" else []  # each is a process more
    with reading_only(robot, there):
        assert "fetched 3 blobs" in robot.intact(*workers, ci=True, BOOKTEST_REQUIRE_DVC="1")
    there.remove(next(path for path in there.everything() if PREFIX in path))
    before = there.everything()
    with reading_only(robot, there):
        assert READ_ONLY[kind] in robot.refused("push", ci=True)
    assert robot.git("status", "--porcelain") == ""
    assert there.everything() == before


@contextmanager
def reading_only(desk: Desk, there: Site) -> Iterator[None]:
    """What keeps CI from writing where credentials do not: the modes of a share's files."""
    with only_readable(there.root) if there.on_this_machine else nullcontext(()) as before:
        desk.before = before
        yield
    desk.before = ()


# --- some in Git, others on the remote; names that need care ------------------------------------------------

ODD = "Blåbær & \u6771 it's #1 100% \\\\server\\share"
OTHER = "the other one"


def test_a_mixed_project_with_odd_names_is_replayed_by_one_clone(kind, tmp_path):
    area = f"{ODD} [x]"  # pytest itself takes no brackets in a project's path
    there, default = (site(kind, tmp_path / name, area) for name in ("remote", "default"))
    prefix = "our own/blobs é"
    ada = Desk(tmp_path / ODD / "ada", secrets=[*there.secrets, *default.secrets])
    recorded(ada.root, default)
    configure(ada.root / ".dvc/config", OTHER, {"url": f"{there.url}/", **there.shared})
    ada.sign_in(there.own, OTHER)
    ada.use(OTHER, f"storage.remote_prefix={prefix}")

    ada.done("--storage-mode", "git", "approve", TESTS[0])
    assert there.everything() == {}
    assert f"to remote {OTHER!r}" in ada.done("approve", "--all")
    assert len(ada.payloads()) == 1
    assert set(there.everything()) == {f"{area}/{prefix}/{path}" for path in there.blobs(prefix)}
    assert len(there.everything()) == 2
    there.see(ada.manifest, prefix, but=ada.payloads())
    assert default.everything() == {}, "storage.remote picks another one"
    ada.commit()

    bob = ada.clone("bob")
    configure(bob.root / ".dvc/config", OTHER, {"url": there.url})  # with and without a slash
    bob.commit()
    bob.sign_in(there.own, OTHER)
    assert "fetched 2 blobs" in bob.intact(ci=True, BOOKTEST_REQUIRE_DVC="1")


def test_dvcs_own_commands_name_a_remote_with_spaces(tmp_path):
    there = share_site(tmp_path / ODD.encode("ascii", "ignore").decode())  # DVC writes ASCII only
    desk = Desk(tmp_path / "ada")
    shutil.copytree(recorded(tmp_path / "first", there).root, desk.root)
    shutil.rmtree(desk.root / ".dvc")
    desk.dvc(["init", "-q"], ["remote", "add", "-q", "-d", "our share", there.url])
    desk.use("Our Share")  # DVC does not tell letters apart by case
    desk.done("approve", "--all")
    there.see(desk.manifest)
    assert "our share" in desk.done("status")
