"""A recording that does not say which client made it answers either one (ADR-0015)."""

from __future__ import annotations

import pytest

from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import UnhandledRequest
from booktest_cassettes.options import Options, resolve
from booktest_cassettes.project import Project
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.session import Session
from booktest_cassettes.workflow import approve

ID = "tests/test_api.py::test_users"


def request(path: str) -> Request:
    return Request("GET", f"http://api.test{path}")


def exchange(path: str) -> Interaction:
    return Interaction(request(path), Response(200, "OK", body=Body(path.encode())))


class Lab:
    """A test with approved snapshots, and clients that ask for them."""

    def __init__(self, root):
        self.root = root
        (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')

    def approve(self, **paths: list[str]) -> None:
        project = Project.open(self.root)
        blobs = {
            Kind(kind): codec.dump_interactions(Kind(kind), list(map(exchange, found)))
            for kind, found in paths.items()
        }
        project.stage(ID, blobs)
        approve.execute(project, approve.plan(project))

    def session(self, mode: str = "none") -> Session:
        project = Project.open(self.root, {"record_mode": mode})
        return Session(project, ID, resolve(project.config, Options(unused="error")))

    def approved(self) -> dict[str, list[str]]:
        project = Project.open(self.root)
        return {
            kind.value: [
                item.request.url.removeprefix("http://api.test")
                for item in codec.load_interactions(project.approved(ID, kind, digest), name="x")
            ]
            for kind, digest in project.manifest.get(ID).items()
        }


def ask(session: Session, kind: Kind, path: str) -> str:
    """What an adapter does; ``live`` for what went to the network."""
    traffic = session.traffic[kind]
    clean = traffic.clean(request(path))
    item = traffic.play(clean)
    if item is not None:
        assert isinstance(item.outcome, Response)
        return item.outcome.body.content.decode()
    if session.strict:
        raise session.miss(kind, clean)
    traffic.record(clean).finish(Response(200, "OK", body=Body(b"live")))
    return "live"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    for name in ("CI", "BOOKTEST_RECORD_MODE"):
        monkeypatch.delenv(name, raising=False)
    return Lab(tmp_path)


def test_a_recording_of_kind_http_alone_answers_both_clients_each_interaction_once(lab):
    lab.approve(http=["/a", "/b"])
    session = lab.session()
    assert ask(session, Kind.HTTPX, "/a") == "/a"
    assert ask(session, Kind.HTTP, "/b") == "/b"
    assert session.unused() == []
    assert session.verdict() is None
    for kind in (Kind.HTTP, Kind.HTTPX):
        with pytest.raises(UnhandledRequest, match="recorded once and is made once more"):
            raise session.miss(kind, request("/a"))


def test_what_neither_client_asks_for_is_unplayed_once(lab):
    lab.approve(http=["/a", "/b"])
    session = lab.session()
    ask(session, Kind.HTTPX, "/a")
    assert [(kind, found.url) for kind, found in session.unused()] == [(Kind.HTTP, "http://api.test/b")]
    assert [result.kind for result in session.results(passed=True)] == [Kind.HTTP]


def test_a_miss_names_the_nearest_of_the_other_kind(lab):
    lab.approve(http=["/users"])
    with pytest.raises(UnhandledRequest, match=r"nearest recorded: GET http://api\.test/users"):
        ask(lab.session(), Kind.HTTPX, "/user")


@pytest.mark.parametrize("recorded", [{"httpx": ["/a"]}, {"httpx": ["/b"], "http": ["/a"]}])
def test_a_recording_whose_client_is_known_is_that_clients_own(lab, recorded):
    lab.approve(**recorded)
    (kind,) = [Kind(kind) for kind, paths in recorded.items() if paths == ["/a"]]
    other = Kind.HTTP if kind is Kind.HTTPX else Kind.HTTPX
    with pytest.raises(UnhandledRequest):
        ask(lab.session(), other, "/a")
    assert ask(lab.session(), kind, "/a") == "/a"


def test_new_episodes_are_added_to_it_and_nothing_is_recorded_twice(lab):
    lab.approve(http=["/a", "/b"])
    session = lab.session("new_episodes")
    assert ask(session, Kind.HTTPX, "/a") == "/a"
    assert ask(session, Kind.HTTPX, "/c") == "live"
    session.results(passed=True)
    approve.execute(session.project, approve.plan(session.project))
    assert lab.approved() == {"http": ["/a", "/b", "/c"]}
    again = lab.session()
    assert [ask(again, Kind.HTTPX, path) for path in ("/a", "/b", "/c")] == ["/a", "/b", "live"]
    assert again.verdict() is None


def test_all_records_anew_what_is_asked_and_keeps_the_rest_within_reach(lab):
    lab.approve(http=["/a", "/b"])
    session = lab.session("all")
    assert ask(session, Kind.HTTPX, "/a") == "live"
    session.results(passed=True)
    approve.execute(session.project, approve.plan(session.project))
    again = lab.session()
    assert {ask(again, Kind.HTTPX, path) for path in ("/a", "/b")} == {"live", "/b"}


def test_a_rewrite_gives_it_the_kind_of_its_client(lab):
    lab.approve(http=["/a", "/b"])
    session = lab.session("rewrite")
    assert ask(session, Kind.HTTPX, "/a") == "live"
    session.results(passed=True)
    approve.execute(session.project, approve.plan(session.project))
    assert lab.approved() == {"httpx": ["/a"]}


def test_verify_compares_either_client_with_it(lab):
    lab.approve(http=["/a"])
    session = lab.session("verify")
    traffic = session.traffic[Kind.HTTPX]
    clean = traffic.clean(request("/a"))
    assert traffic.play(clean) is None
    traffic.record(clean).finish(Response(200, "OK", body=Body(b"/a")))
    assert session.verdict() is None
    assert session.unused() == []
