"""The examples run as their README says: the project replays its own recordings."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from booktest_cassettes.cli.commands import group

ROOT = Path(__file__).parent.parent


def test_the_quickstart_replays_strictly_from_the_manifest_of_this_repository():
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("API_", "BOOKTEST_"))
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/quickstart"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"CI": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 intact" in done.stdout
    assert "5 passed" in done.stdout


def _commands(text: str) -> list[list[str]]:
    """What a CI file calls our command with."""
    found = re.findall(r"booktest-cassettes (?!\[)([a-z][^\n;|]*)", re.sub(r"#.*", "", text))
    return [shlex.split(one.rstrip("; }")) for one in found]


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "ci").iterdir()), ids=lambda path: path.name)
def test_the_jobs_for_ci_call_commands_that_there_are_in_a_clone_that_has_what_they_need(path):
    text = path.read_text()
    commands = _commands(text)
    assert commands
    for name, *arguments in commands:
        command = group.get_command(click.Context(group), name)
        assert command is not None, name
        command.make_context(name, arguments)  # raises UsageError for an option that there is not
    if path.suffix == ".yml":
        assert yaml.safe_load(text)
    else:
        assert text.count("{") == text.count("}")
    whole = {"github": "fetch-depth: 0", "gitlab": 'GIT_DEPTH: "0"', "gc": "shallow: false"}
    assert whole[path.stem.split("-")[0]] in text, "ages and what is needed come from the whole history"


@pytest.mark.parametrize("name", ["github-gc.yml", "gitlab-gc.yml", "gc.Jenkinsfile"])
def test_the_nightly_collection_fetches_branches_tags_and_requests_and_really_collects(name):
    text = (ROOT / "examples" / "ci" / name).read_text()
    ((command, *arguments),) = _commands(text)
    assert command == "gc"
    assert {"--execute", "--remote", "--pr-refs"} <= set(arguments)
    assert "--yes-really" not in arguments
    glob = arguments[arguments.index("--pr-refs") + 1]
    assert f"+{glob}:{glob}" in text, "what counts has to be fetched first"
    if name != "github-gc.yml":  # whose checkout brings all branches
        assert "+refs/heads/*:refs/remotes/origin/*" in text
