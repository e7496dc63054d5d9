"""moto's S3 and IAM on a free loopback port, and projects whose DVC remote is there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

REGION = "us-east-1"
_SECRET = {"access_key_id", "secret_access_key", "session_token", "password"}
_READ = ["s3:GetObject", "s3:ListBucket"]


@dataclass(frozen=True)
class Keys:
    """Credentials of a user."""

    access: str
    secret: str

    @property
    def settings(self) -> dict[str, str]:
        """As DVC's remote takes them."""
        return {"access_key_id": self.access, "secret_access_key": self.secret}


@dataclass
class S3:
    """A running server.

    Attributes
    ----------
    admin:
        May do everything.
    """

    endpoint: str
    admin: Keys = field(default_factory=lambda: Keys("testing", "testing"))
    _numbers: Iterator[int] = field(default_factory=count)

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def enforce_iam(self) -> None:
        """From now on every request needs a known key, its signature, and a policy that allows it."""
        self.admin = self.user({"Effect": "Allow", "Action": "*", "Resource": "*"})
        self.__dict__.pop("client", None)
        kind = {"Content-Type": "text/plain"}  # a form is read by the server before moto sees it
        request = Request(f"{self.endpoint}/moto-api/reset-auth", data=b"0", headers=kind, method="POST")
        with urlopen(request, timeout=10):
            pass

    def user(self, *statements: Mapping[str, Any]) -> Keys:
        """A new user with a policy of its own."""
        iam, name = self._boto("iam"), f"user-{next(self._numbers)}"
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(key["AccessKeyId"], key["SecretAccessKey"])

    def bucket_user(self, bucket: str, *actions: str) -> Keys:
        """A new user who may do what is named, with one bucket and what is in it."""
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        return self.user({"Effect": "Allow", "Action": list(actions), "Resource": resources})

    def read_only_user(self, bucket: str) -> Keys:
        """A new user who may read and list."""
        return self.bucket_user(bucket, *_READ)

    def keys(self, bucket: str) -> list[str]:
        """What is in a bucket, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", ()))

    def settings(self, keys: Keys | None = None) -> dict[str, str]:
        """The options of a DVC remote, but for its url."""
        return {"endpointurl": self.endpoint, "region": REGION, **(keys or self.admin).settings}

    @cached_property
    def client(self) -> Any:
        """boto3's, as the admin."""
        return self._boto("s3")

    def _boto(self, service: str) -> Any:
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.admin.access,
            aws_secret_access_key=self.admin.secret,
        )


@contextmanager
def running_s3() -> Iterator[S3]:
    """A server in a process of its own; it ends with this one, whatever happens to this one."""
    command = [sys.executable, "-W", "ignore", __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()  # written once it listens
            if not port:
                raise RuntimeError("moto's server did not start")
            yield S3(f"http://127.0.0.1:{port}")
        finally:
            process.stdin.close()
            process.kill()


def dvc_project(
    path: Path, url: str, settings: Mapping[str, object], *, name: str = "storage", cli: bool = False
) -> Path:
    """A Git and DVC repository with one remote, the default one; secrets go to ``config.local``.

    Parameters
    ----------
    settings:
        Options of the remote.
    cli:
        Ask DVC's own commands; else write what they write, which takes a hundredth of the time.
    """
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    if cli:
        _by_dvc(path, url, settings, name)
    else:
        (path / ".dvc" / "tmp").mkdir(parents=True)
        (path / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
        (path / ".dvc" / "config").write_text("")
        (path / ".dvcignore").write_text(
            "# Add patterns of files dvc should ignore, which could improve\n"
            "# the performance. Learn more at\n"
            "# https://dvc.org/doc/user-guide/dvcignore\n"
        )
        add_remote(path, name, url, settings, default=True)
    return path


def add_remote(
    path: Path, name: str, url: str, settings: Mapping[str, object], *, default: bool = False
) -> None:
    """Another remote of a project, as DVC would write it."""
    from configobj import ConfigObj  # DVC's own writer

    shown = {option: value for option, value in settings.items() if option not in _SECRET}
    hidden = {option: value for option, value in settings.items() if option in _SECRET}
    for file, options in (("config", {"url": url, **shown}), ("config.local", hidden)):
        if not options:
            continue
        config = ConfigObj(str(path / ".dvc" / file), encoding="utf-8")
        if default and file == "config":
            config["core"] = {"remote": name}
        config[f'remote "{name}"'] = options
        config.indent_type = "    "
        config.write()


def _by_dvc(path: Path, url: str, settings: Mapping[str, object], name: str) -> None:
    def dvc(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=path, check=True, capture_output=True)

    dvc("init", "-q")
    dvc("remote", "add", "-d", name, url)
    for option, value in settings.items():
        local = ["--local"] if option in _SECRET else []
        dvc("remote", "modify", *local, name, option, str(value))


def _serve() -> None:
    from threading import Thread

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()  # ends when the parent does


if __name__ == "__main__":
    _serve()
