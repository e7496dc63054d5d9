"""Test ids that a shell completes: what a real bash offers."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_workspace import Workspace

MANIFEST = """\
storage_mode: git
{}"""
LINE = '{}:\n  http: "sha256:{}"\n'
IDS = [
    "tests/test_api.py::test_orders",
    "tests/test_api.py::test_users[a b]",
    "tests/test_login.py::Login::test_in",
    "tests/test_login.py::test_out",
]
PROGRAM = """\
#!{python}
import click
from booktest_cassettes.cli.arguments import TestName

@click.command()
@click.argument("tests", nargs=-1, type=TestName(pending={pending}))
def main(tests):
    print(*tests, sep="\\n")

main()
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    lines = "".join(LINE.format(shlex.quote(name).replace("'", '"'), "0" * 64) for name in IDS)
    workspace.write("booktest.manifest.yaml", MANIFEST.format(lines))
    program(workspace)
    return workspace


def program(workspace: Workspace, *, pending: bool = False) -> None:
    path = workspace.write("bin/look", PROGRAM.format(python=sys.executable, pending=pending))
    path.chmod(0o755)


def completed(workspace: Workspace, *words: str, name: str = "look") -> list[str]:
    """What bash offers for the last word, by the function that a person's shell evaluates."""
    variable = f"_{name.upper().replace('-', '_')}"
    path = f"{workspace.root / 'bin'}:{Path(sys.executable).parent}"
    script = (
        f'PATH="{path}:$PATH"; eval "$({variable}_COMPLETE=bash_source {name})";'
        f" COMP_WORDS=({shlex.join([name, *words])}); COMP_CWORD={len(words)};"
        f' {variable.lower()}_completion {name}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=workspace.root, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def test_files_come_first_and_then_the_tests_of_one(project):
    assert completed(project, "") == ["tests/test_api.py", "tests/test_login.py"]
    assert completed(project, "tests/test_l") == IDS[2:]
    assert completed(project, "tests/test_api.py::test_u") == IDS[1:2]
    assert completed(project, IDS[0], "tests/test_login.py::L") == IDS[2:3], "a second one, too"
    assert completed(project, "nothing") == []


def test_what_waits_for_review_is_offered_alone_where_only_that_is_meant(project, api):
    project.write("booktest.manifest.yaml", "storage_mode: git\n")
    project.write(
        "test_new.py",
        f"""\
        import requests
        from booktest_cassettes import cassette

        @cassette
        def test_it():
            requests.get("{api.url}")
        """,
    )
    assert project.cli("run", "--", "-q").code == 0
    assert completed(project, "") == ["test_new.py::test_it"]
    program(project, pending=True)
    assert completed(project, "test_") == ["test_new.py::test_it"]
    assert project.cli("approve", "--all").code == 0
    assert completed(project, "") == []


@pytest.mark.parametrize(
    ("name", "text"), [("booktest.manifest.yaml", "<<<<<<< ours\n"), ("booktest.toml", "[storage")]
)
def test_a_broken_project_completes_nothing_without_a_word(project, name, text):
    project.write(name, text)
    assert completed(project, "tests/") == []


def test_our_own_command_completes_its_commands(project):
    assert completed(project, "doc", name="booktest-cassettes") == ["doctor"]


def test_what_a_shell_could_not_take_is_not_offered(project):
    project.write("booktest.manifest.yaml", MANIFEST.format(LINE.format('"a.py::\\u202Ex"', "0" * 64)))
    assert completed(project, "a") == []
