"""Teams whose recordings are on a share, on S3 or behind SSH: real servers, real Git, real commands."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from configobj import ConfigObj
from dvc_share import digest_of, files_below
from e2e_workspace import Done, Workspace, running_api
from s3_server import S3, Keys, running_s3
from ssh_server import Sshd, running_sshd

KINDS = ["share", "s3", "ssh"]
PREFIX = "booktest/blobs"
#: The directory of a site's url; what is beside it belongs to others.
AREA = "snapshots"
INTACT = "3 intact"
MODULE = """
import os
import {client} as client
from booktest_cassettes import cassette

URL = "{url}"

@cassette
def test_users():
    assert client.get(URL + "/users", params={{"page": 1}}).json()["path"] == "/users"

@cassette
def test_orders():
    assert client.post(URL + "/orders", json={{"item": "tea"}}).status_code == 201

@cassette(env=["REGION"])
def test_region():
    assert os.environ.get("REGION", "nowhere") == "nowhere"
"""
TESTS = [f"test_api.py::test_{name}" for name in ("orders", "region", "users")]

_DVC = """
import json, sys
from dvc.cli import main
for arguments in json.loads(sys.argv[1]):
    if code := main(arguments):
        sys.exit(f"{arguments}: ended with {code}")
"""
_HIDDEN = ("AWS_", "SSH_", "DVC_", "XDG_")
_servers = ExitStack()
atexit.register(_servers.close)


@cache
def s3_server() -> S3:
    """One per process of tests; it asks for credentials and for permission."""
    server = _servers.enter_context(running_s3())
    server.enforce_iam()
    return server


@cache
def ssh_server() -> Sshd:
    """One per process of tests."""
    return _servers.enter_context(running_sshd(_directory()))


def _directory() -> Path:
    return Path(_servers.enter_context(tempfile.TemporaryDirectory(prefix="cassettes-")))


# --- places that keep blobs ---------------------------------------------------------------------------


@dataclass
class Site:
    """What a DVC remote is, and a way to look at it that is not ours.

    Attributes
    ----------
    url, shared:
        What the team commits to ``.dvc/config``.
    own, reading:
        What a developer, and what CI, has in ``.dvc/config.local``.
    variables:
        What CI has in its environment.
    secrets:
        What no output may hold.
    area:
        The path of ``url`` below what :meth:`everything` shows.
    root:
        The directory that it is, where it is one.
    on_this_machine:
        Whether its modes of files are what stops a command.
    """

    url: str
    shared: dict[str, object] = field(default_factory=dict)
    own: dict[str, object] = field(default_factory=dict)
    reading: dict[str, object] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    area: str = AREA
    root: Path = Path()
    on_this_machine = False

    def everything(self) -> dict[str, bytes]:
        """Every file, those of others too."""
        raise NotImplementedError

    def put(self, path: str, data: bytes) -> None:
        """A file of somebody else, as :meth:`everything` calls it."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        raise NotImplementedError

    def blobs(self, prefix: str = PREFIX) -> dict[str, bytes]:
        """What is below our prefix, but for what a killed process had not written to its end."""
        ours = f"{self.area}/{prefix}/"
        found = {path: data for path, data in self.everything().items() if not path.endswith(".tmp")}
        return {path.removeprefix(ours): data for path, data in found.items() if path.startswith(ours)}

    def see(self, manifest: str, prefix: str = PREFIX, but: Sequence[Path] = ()) -> None:
        """Every digest of a manifest is here, under its name with its bytes, ``but`` for payloads in Git."""
        blobs = self.blobs(prefix)
        in_git = {digest_of(path.read_bytes()) for path in but}
        named = {(kind, digest) for kind, digest in digests(manifest) if digest not in in_git}
        assert len(named) == len(digests(manifest)) - len(but)
        for kind, digest in named:
            hexadecimal = digest.removeprefix("sha256:")
            stored = blobs[f"{kind}/sha256/{hexadecimal[:2]}/{hexadecimal}"]
            assert digest_of(stored) == digest


def digests(manifest: str) -> set[tuple[str, str]]:
    """The kinds and digests of a manifest, read by a YAML parser."""
    entries = yaml.safe_load(manifest)
    assert entries.pop("storage_mode") in ("dvc", "git")
    found = {(kind, digest) for kinds in entries.values() for kind, digest in kinds.items()}
    assert found, "a manifest that names nothing proves nothing"
    return found


@dataclass
class Disk(Site):
    """A directory: a share's, or the SSH server's."""

    def everything(self) -> dict[str, bytes]:
        return files_below(self.root)

    def put(self, path: str, data: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def remove(self, path: str) -> None:
        (self.root / path).unlink()


class Share(Disk):
    """A directory that is the remote."""

    on_this_machine = True


@dataclass
class Bucket(Site):
    """A bucket of moto's."""

    name: str = ""

    def everything(self) -> dict[str, bytes]:
        client = s3_server().client
        return {
            key: client.get_object(Bucket=self.name, Key=key)["Body"].read()
            for key in s3_server().keys(self.name)
        }

    def put(self, path: str, data: bytes) -> None:
        s3_server().client.put_object(Bucket=self.name, Key=path, Body=data)

    def remove(self, path: str) -> None:
        s3_server().client.delete_object(Bucket=self.name, Key=path)


def site(kind: str, root: Path, area: str = AREA) -> Site:
    """A new, empty place; ``root`` is for those that are on this machine."""
    return {"share": share_site, "s3": s3_site, "ssh": ssh_site}[kind](root, area)


def share_site(root: Path, area: str = AREA) -> Share:
    (root / area).mkdir(parents=True)
    return Share(str(root / area), root=root, area=area)


def s3_site(_root: Path, area: str = AREA) -> Bucket:
    server = s3_server()
    name = server.bucket()
    writer = server.bucket_user(name, "s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject")
    reader = server.read_only_user(name)
    return Bucket(
        f"s3://{name}/{area}",
        shared={"endpointurl": server.endpoint, "region": "us-east-1"},
        own=dict(writer.settings),
        variables={"AWS_ACCESS_KEY_ID": reader.access, "AWS_SECRET_ACCESS_KEY": reader.secret},
        secrets=secrets_of(writer, reader),
        area=area,
        name=name,
    )


def secrets_of(*keys: Keys) -> list[str]:
    return [text for each in keys for text in (each.access, each.secret)]


def ssh_site(root: Path, area: str = AREA) -> Disk:
    server = ssh_server()
    (root / area).mkdir(parents=True)
    keys = [server.keyfile, server.read_only_keyfile]
    return Disk(
        server.url(root / area),
        shared={"port": server.port, "user": server.user},
        own={"keyfile": str(server.keyfile)},
        reading={"keyfile": str(server.read_only_keyfile)},
        secrets=[line for key in keys for line in key.read_text().splitlines()[1:-1]],
        area=area,
        root=root,
    )


# --- who works there ----------------------------------------------------------------------------------


class Desk(Workspace):
    """One person's clone: with nothing of the machine's keys and settings, and with a look at all output.

    Attributes
    ----------
    before:
        What every command is started through.
    variables:
        The environment of every command.
    """

    def __init__(self, root: Path, *, secrets: list[str] | None = None) -> None:
        super().__init__(root)
        home = root.with_name(f"{root.name}-home")
        home.mkdir(parents=True, exist_ok=True)
        names = ("HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR")
        self.secrets = secrets or []
        self.before: tuple[str, ...] = ()
        self.variables = {
            **dict.fromkeys(names, str(home)),
            "DVC_NO_ANALYTICS": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # what else is installed here is not the project's
            "PYTEST_PLUGINS": "booktest_cassettes.pytest_plugin,xdist.plugin",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run(self, *command: str, ci: bool = False, **variables: str) -> Done:
        """See Workspace; no output holds a credential."""
        hidden = [f"--unset={name}" for name in os.environ if name.startswith(_HIDDEN)]
        done = super().run("env", *hidden, *self._command(command, variables), ci=ci)
        for secret in self.secrets:
            assert secret not in done.text
        return done

    def _command(self, command: tuple[str, ...], variables: Mapping[str, str]) -> list[str]:
        given = self.variables | variables
        return [*(f"{name}={value}" for name, value in given.items()), *self.before, *command]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One of our commands, under way; its pid is the command's own."""
        hidden = [f"--unset={name}" for name in os.environ if name.startswith((*_HIDDEN, "BOOKTEST_"))]
        command = self._command((sys.executable, "-m", "booktest_cassettes", *arguments), {})
        return subprocess.Popen(
            ["env", *hidden, "--unset=CI", *command],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def dvc(self, *commands: list[str]) -> str:
        """DVC's own commands, one after another in one process of theirs; each has to succeed."""
        done = self.run(sys.executable, "-c", _DVC, json.dumps(commands))
        assert done.code == 0, done.text
        return done.text

    def done(self, *arguments: str, **variables: str) -> str:
        """One of our commands, that has to succeed."""
        done = self.cli(*arguments, **variables)
        assert done.code == 0, done.text
        return done.text

    def refused(self, *arguments: str, ci: bool = False) -> str:
        """One of our commands, that the remote has to stop: 5, in words."""
        done = self.cli(*arguments, ci=ci)
        assert done.code == 5, done.text
        assert "Traceback" not in done.text
        assert "next: " in done.text
        return done.text

    def intact(self, *arguments: str, ci: bool = False, **variables: str) -> str:
        """A run of all tests that has to find them intact, and the work tree clean."""
        done = self.pytest("-q", *arguments, ci=ci, **variables)
        assert done.code == 0, done.text
        assert INTACT in done.text
        assert self.git("status", "--porcelain") == ""
        return done.text

    def settle(self, site: Site, name: str = "booktest-remote") -> None:
        """A DVC repository with one remote, and ours with it, as the commands write them."""
        (self.root / ".dvc" / "tmp").mkdir(parents=True)
        self.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
        self.write(".dvcignore", "")
        configure(self.root / ".dvc/config", name, {"url": site.url, **site.shared}, default=True)
        self.sign_in(site.own, name)
        self.use(name)

    def use(self, name: str, *more: str) -> None:
        """Our settings, in the seeds' spelling."""
        lines = ["storage.mode=dvc", f"storage.dvc.remote={name}", *more]
        self.write(".booktest", "".join(f"{line}\n" for line in lines))

    def sign_in(self, settings: Mapping[str, object], name: str = "booktest-remote") -> None:
        """Settings of one's own: ``.dvc/config.local``."""
        if settings:
            configure(self.root / ".dvc/config.local", name, settings)

    def clone(self, name: str, origin: Path | None = None) -> Desk:
        """Another one's clone, with nothing but what Git has."""
        other = Desk(self.root.with_name(name), secrets=self.secrets)
        done = self.run("git", "clone", "--quiet", str(origin or self.root), str(other.root))
        assert done.code == 0, done.text
        other.git("config", "user.email", f"{name}@example.test")
        other.git("config", "user.name", name)
        return other

    def lose_the_cache(self) -> None:
        shutil.rmtree(self.root / ".booktest_cache")

    def kept(self) -> dict[str, bytes]:
        """The approved blobs of this machine, by path; each has the bytes that its name says."""
        cache = files_below(self.root / ".booktest_cache")
        found = {name: data for name, data in cache.items() if name.split("/")[1:2] == ["sha256"]}
        for name, data in found.items():
            assert digest_of(data) == f"sha256:{name.rpartition('/')[2]}"
        return found

    def staged(self) -> dict[str, bytes]:
        """What waits for review, with its records."""
        return files_below(self.root / ".booktest_cache/staging")


def configure(file: Path, name: str, settings: Mapping[str, object], *, default: bool = False) -> None:
    """Options of a remote, as ``dvc remote modify`` writes them."""
    config: Any = ConfigObj(str(file), encoding="utf-8")
    if default:
        config["core"] = {"remote": name}
    section = config.setdefault(f'remote "{name}"', {})
    section.update({option: str(value) for option, value in settings.items()})
    config.write()


@cache
def _recorded() -> Path:
    """A project whose three tests wait for review; the API that they asked is gone."""
    desk = Desk(_directory() / "project")
    desk.root.mkdir()
    desk.begin()
    for name in ("booktest.toml", "pytest.ini"):
        (desk.root / name).unlink()
    desk.write(".booktest", "storage.mode=git\n")
    desk.write(".gitignore", "__pycache__/\n.pytest_cache/\n")
    with running_api() as api:
        desk.write("test_api.py", MODULE.format(url=api.url, client="httpx"))
        done = desk.cli("run", "--", "-q")
    assert "3 new" in done.text, done.text
    return desk.root


def recorded(root: Path, site: Site) -> Desk:
    """A project at ``root`` whose remote is a site, and whose three tests wait for review."""
    shutil.copytree(_recorded(), root)
    desk = Desk(root, secrets=site.secrets)
    desk.settle(site)
    return desk


def shared(root: Path, site: Site) -> Desk:
    """The same, approved and committed."""
    desk = recorded(root, site)
    desk.done("approve", "--all")
    desk.commit()
    return desk


# --- what may be wrong with the world -------------------------------------------------------------------


@contextmanager
def only_readable(root: Path) -> Iterator[tuple[str, ...]]:
    """A directory that a command cannot write, if it is started through what this gives."""
    modes = {path: path.stat().st_mode for path in [root, *root.rglob("*")]}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield powerless()
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def powerless() -> tuple[str, ...]:
    """How to start a command that modes of files stop, which those of root do not."""
    return ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.getuid() == 0 else ()


def on_a_full_disk(root: Path) -> tuple[str, ...]:
    """How to start a command for which another disk is at ``root``, which is full."""
    fill = f"cat /dev/zero > '{root}/filler' 2>/dev/null"
    script = f"mount -t tmpfs -o size=16k tmpfs '{root}' && {{ {fill}; exec \"$@\"; }}"
    return ("unshare", "-rm", "sh", "-c", script, "sh")
