"""What several recorders made of one test becomes one recording."""

from __future__ import annotations

import subprocess
import sys

import pytest

from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import UsageError
from booktest_cassettes.recording import codec


@pytest.fixture(scope="module")
def combined():
    from booktest_cassettes.booktest_plugin.combining import combined

    return combined


def env(**values: str) -> dict[Kind, bytes]:
    return {Kind.ENV: codec.dump_env(values)}


def test_kinds_of_different_recorders_stand_side_by_side(combined) -> None:
    assert combined("t", [env(A="1"), {Kind.FUNC: b"f"}], {}) == {**env(A="1"), Kind.FUNC: b"f"}


def test_what_a_recorder_left_as_approved_does_not_count_against_another(combined) -> None:
    approved = {Kind.HTTP: Digest.of(b"old")}
    assert combined("t", [{Kind.HTTP: b"old"}, {Kind.HTTP: b"new"}], approved) == {Kind.HTTP: b"new"}
    assert combined("t", [{Kind.HTTP: b"old"}, {Kind.HTTP: b"old"}], approved) == {Kind.HTTP: b"old"}


def test_variables_of_both_are_kept(combined) -> None:
    assert combined("t", [env(A="1"), env(B="2")], {}) == env(A="1", B="2")


def test_the_same_traffic_twice_is_refused(combined) -> None:
    with pytest.raises(UsageError, match=r"t: its http traffic was recorded twice"):
        combined("t", [{Kind.HTTP: b"a"}, {Kind.HTTP: b"b"}], {})


def test_a_replay_under_pytest_loads_nothing_of_booktest() -> None:
    code = "import sys, booktest_cassettes.pytest_plugin; print(*(n for n in sys.modules if 'booktest' in n))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "booktest_cassettes.pytest_plugin" in loaded
    assert not [name for name in loaded if name.partition(".")[0] == "booktest" or "booktest_plugin" in name]
