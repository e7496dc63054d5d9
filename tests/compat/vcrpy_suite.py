"""Run vcrpy's own tests with our persister in the place of its own.

    python tests/compat/vcrpy_suite.py --sdist PATH [--python PYTHON] [-- PYTEST ARGS]

PATH is an unpacked source distribution of the vcrpy that PYTHON has, which also needs pytest-httpbin and
the clients to test (aiohttp, boto3, httplib2, httpx, requests, tornado, urllib3). The tests run twice in
a copy: as they are, and with every cassette kept as a blob, approved as soon as it is saved. What fails
only the second time must be what docs/vcrpy.md lists, no more and no less; otherwise the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = ROOT / "docs" / "vcrpy.md"
CONFTEST = '''
import json, os, pathlib
import vcr.cassette, vcr.config
import pytest

failed, passed = set(), set()

if os.environ["PERSISTER"] == "ours":
    from booktest_cassettes.adapters import persister
    from booktest_cassettes.workflow import approve

    ours = persister.BlobPersister()

    class Approving:
        """Ours, with a person who approves at once: vcrpy's tests replay what they have just recorded."""

        @classmethod
        def load_cassette(cls, path, serializer):
            return ours.load_cassette(path, serializer)

        @classmethod
        def save_cassette(cls, path, data, serializer):
            ours.save_cassette(path, data, serializer)
            project, _ = persister._place(path)
            approve.execute(project, approve.plan(project, allow_secrets=True))

    vcr.config.FilesystemPersister = vcr.cassette.FilesystemPersister = Approving

def pytest_runtest_logreport(report):
    if report.failed:
        failed.add(report.nodeid)
    elif report.when == "call" and report.passed:
        passed.add(report.nodeid)

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    found = {"failed": sorted(failed), "passed": sorted(passed - failed)}
    pathlib.Path(os.environ["OUTCOME"]).write_text(json.dumps(found))
'''


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sdist", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--keep", type=Path, help="work there, and leave everything")
    parser.add_argument("rest", nargs="*")
    asked = parser.parse_args()
    if not (asked.sdist / "tests").is_dir():
        parser.error(f"{asked.sdist} has no tests: unpack the source distribution first")
    home = asked.keep or Path(tempfile.mkdtemp(prefix="vcrpy-suite-"))
    try:
        plain = run(asked.python, asked.sdist, home / "plain", asked.rest)
        ours = run(asked.python, asked.sdist, home / "ours", asked.rest)
        if ours["failed"] - plain["failed"]:  # a server that hung up once, under load, is nobody's failure
            again = run(asked.python, asked.sdist, home / "again" / "ours", asked.rest)
            ours["failed"] &= again["failed"]
    finally:
        if not asked.keep:
            shutil.rmtree(home, ignore_errors=True)
    return verdict(plain, ours)


def run(python: str, sdist: Path, home: Path, rest: list[str]) -> dict[str, set[str]]:
    """One run in a directory of its own."""
    for name in ("tests", "pyproject.toml", "README.rst", "setup.cfg"):
        home.mkdir(parents=True, exist_ok=True)
        if (sdist / name).is_dir():
            shutil.copytree(sdist / name, home / name)
        elif (sdist / name).is_file():
            shutil.copy(sdist / name, home / name)
    (home / "conftest.py").write_text(CONFTEST)
    (home / ".editorconfig").write_text("root = true\n")  # a test uploads it; the distribution lacks it
    (home / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    bundle = subprocess.check_output([python, "-m", "pytest_httpbin.certs"], text=True).strip()
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    environment = {
        **kept,
        "PYTHONPATH": str(ROOT / "src"),
        "REQUESTS_CA_BUNDLE": bundle,
        "PERSISTER": home.name,
        "OUTCOME": str(home / "outcome.json"),
    }
    if home.name == "ours":  # what lies there as files is brought along, as a user would do
        migrate = [python, "-m", "booktest_cassettes", "migrate", "--from", "vcr", "tests"]
        subprocess.run(migrate, cwd=home, env=environment, stdout=subprocess.DEVNULL, check=False)
    temporary = home / "tests" / "tmp"
    command = [python, "-m", "pytest", "-q", "-m", "not online", f"--basetemp={temporary}"]
    command += ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:booktest_cassettes", "--tb=short"]
    with (home / "log.txt").open("w") as log:
        subprocess.run([*command, *rest, "tests"], cwd=home, env=environment, stdout=log, check=False)
    return {name: set(ids) for name, ids in json.loads((home / "outcome.json").read_text()).items()}


def verdict(plain: dict[str, set[str]], ours: dict[str, set[str]]) -> int:
    """Compare, print, and say whether it is as documented."""
    known = set(re.findall(r"^\s*- `(tests/[^`]+)`", LIST.read_text(encoding="utf-8"), re.MULTILINE))
    failed = ours["failed"] - plain["failed"]
    named = {one for one in failed if one in known or one.partition("[")[0] in known}
    gone = {one for one in known if any(test.startswith(one) for test in ours["passed"])} - named
    print(f"stock: {len(plain['passed'])} passed, {len(plain['failed'])} failed")
    print(f"ours:  {len(ours['passed'])} passed, {len(failed)} more failed, {len(named)} of them listed")
    for one in sorted(failed - named):
        print(f"not in {LIST.name}: {one}")
    for one in sorted(gone - {test.partition("[")[0] for test in failed}):
        print(f"listed, and passes: {one}")
    return 1 if failed - named else 0


if __name__ == "__main__":
    sys.exit(main())
