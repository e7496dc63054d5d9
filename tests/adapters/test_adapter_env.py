"""Environment variables: as they were recorded inside, as they were before outside, whatever happens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from lab import ID, Lab

from booktest_cassettes import active, cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import SnapshotMissing

NAMES = ["LAB_URL", "LAB_ABSENT", "LAB_EMPTY"]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def _now() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in NAMES}


def _record(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    monkeypatch.setenv("LAB_URL", "http://recorded.test/é")
    monkeypatch.setenv("LAB_EMPTY", "")
    lab.record()
    with cassette(ID, env=NAMES):
        recorded = _now()
    lab.approve()
    monkeypatch.setenv("LAB_URL", "http://changed.test")
    monkeypatch.setenv("LAB_ABSENT", "not any more")
    monkeypatch.delenv("LAB_EMPTY")
    return recorded


def test_variables_are_restored_inside_and_put_back_outside(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = _record(lab, monkeypatch)
    assert recorded == {"LAB_URL": "http://recorded.test/é", "LAB_ABSENT": None, "LAB_EMPTY": ""}
    before = _now()
    with cassette(ID, env=NAMES):
        assert _now() == recorded
    assert _now() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_they_are_put_back_whatever_the_test_raises(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    _record(lab, monkeypatch)
    before = _now()
    with pytest.raises(error), cassette(ID, env=NAMES):
        os.environ["LAB_URL"] = "changed by the test"
        del os.environ["LAB_EMPTY"]
        raise error
    assert _now() == before


def test_they_are_put_back_when_the_cassette_refuses_something(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    _record(lab, monkeypatch)
    before = _now()
    with pytest.raises(Exception, match="a look-up"), cassette(ID, env=NAMES):
        import socket

        socket.getaddrinfo("api.example.test", 80)
    assert _now() == before


def test_they_are_put_back_when_a_cassette_cannot_begin(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    _record(lab, monkeypatch)
    before = _now()
    with pytest.raises(SnapshotMissing, match="LAB_OTHER"), cassette(ID, env=[*NAMES, "LAB_OTHER"]):
        pass
    assert _now() == before


def test_a_generator_has_them_only_while_it_runs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = _record(lab, monkeypatch)
    before = _now()

    @cassette(ID, env=NAMES)
    def fixture() -> Iterator[dict[str, str | None]]:
        yield _now()
        yield _now()

    generator = fixture()
    assert next(generator) == recorded
    assert _now() == before
    assert next(generator) == recorded
    generator.close()
    assert _now() == before


def test_nested_cassettes_peel_off_one_by_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = _record(lab, monkeypatch)
    before = _now()
    with cassette(ID, env=NAMES):
        os.environ["LAB_URL"] = "by the outer test"
        lab.runner.use("rewrite")
        with cassette("x.py::inner", env=["LAB_URL"]):
            assert os.environ["LAB_URL"] == "by the outer test"
            os.environ["LAB_URL"] = "by the inner test"
        assert os.environ["LAB_URL"] == "by the outer test"
        assert os.environ.get("LAB_ABSENT") == recorded["LAB_ABSENT"]
    assert _now() == before


def test_a_coroutine_has_them(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = _record(lab, monkeypatch)

    @cassette(ID, env=NAMES)
    async def main() -> dict[str, str | None]:
        await asyncio.sleep(0)
        return _now()

    assert asyncio.run(main()) == recorded


def test_secret_variables_are_redacted_in_the_blob_and_set_on_replay(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_API_KEY", "sk-0123456789abcdefghij")
    lab.record()
    with cassette(ID, env=["LAB_API_KEY"]):
        assert os.environ["LAB_API_KEY"] == "sk-0123456789abcdefghij"
    lab.approve()
    assert b"sk-0123456789" not in lab.blob(Kind.ENV)
    monkeypatch.delenv("LAB_API_KEY")
    with cassette(ID, env=["LAB_API_KEY"]):
        assert os.environ["LAB_API_KEY"]
    assert "LAB_API_KEY" not in os.environ


def test_a_variable_that_cannot_be_set_leaves_no_cassette_active(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_URL", "http://recorded.test")
    lab.record()
    with cassette(ID, env=NAMES):
        pass
    lab.approve()
    monkeypatch.setenv("LAB_URL", "http://changed.test")
    before = _now()

    def refuse(_name: str, _value: str) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no"):
        patch.setattr(type(os.environ), "__setitem__", lambda _self, name, value: refuse(name, value))
        with cassette(ID, env=["LAB_URL"]):
            raise AssertionError("never entered")
    assert active.current() is None
    assert _now()["LAB_URL"] == before["LAB_URL"]
