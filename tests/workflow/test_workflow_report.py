"""The report: what it finds, and what becomes of recorded text on its way into Markdown, JSON and a page."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from markdown_it import MarkdownIt
from remote_bench import RemoteBench
from workflow_bench import LOGIN, ORDERS, USERS, env, http

from booktest_cassettes import cli
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import UsageError
from booktest_cassettes.manifest import Manifest, save
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.store.pending import Pending, ResultChange
from booktest_cassettes.workflow.report import format_of, render
from booktest_cassettes.workflow.report.collect import Run, collect, problem_of
from booktest_cassettes.workflow.report.contents import content_of

ONE, TWO = http("one"), http("two")
INVISIBLE = "\u202e\u2066\u200f\x00\x1b[2J\u2028\u2029\u0085\ufeff"


def states(report) -> dict[str, str]:
    return {test.id: test.state for test in report.tests}


def exchange(url: str = "https://api.example/x", status: int = 200, body: bytes = b"", **more) -> Interaction:
    return Interaction(Request("GET", url, **more), Response(status, "OK", body=Body(body)))


def blob(*items: Interaction) -> bytes:
    return codec.dump_interactions(Kind.HTTP, items)


def embedded(page: str) -> dict:
    """The page's data, as a browser's parser cuts it out: up to the first closing tag."""
    start = page.index('<script id="data" type="application/json">') + len(
        '<script id="data" type="application/json">'
    )
    return json.loads(page[start : page.index("</script", start)])


# -- what is found -----------------------------------------------------------------------------------


def test_the_project_alone_tells_what_is_approved_pending_and_lost(bench):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.approved(ORDERS, http=ONE, env=env(A="2"))
    bench.approved("tests/test_lost.py::test_it", http=http("lost"))
    bench.stage(ORDERS, http=TWO, env=None)
    bench.stage(LOGIN, http=TWO)
    bench.payload("tests/test_lost.py::test_it").write_bytes(b"{}")
    report = collect(bench.project())
    assert states(report) == {
        USERS: "APPROVED",
        ORDERS: "UPDATED",
        LOGIN: "NEW",
        "tests/test_lost.py::test_it": "LOST",
    }
    assert dict(report.counts) == {"LOST": 1, "NEW": 1, "UPDATED": 1, "GONE": 1, "APPROVED": 2}
    assert [test.state for test in report.urgent] == ["LOST", "NEW", "UPDATED"]
    lost = next(test for test in report.tests if test.state == "LOST")
    assert [problem.what for problem in lost.problems] == ["BlobCorrupt"]
    updated = next(test for test in report.tests if test.id == ORDERS)
    assert [(diff.against, sorted(diff.changes)) for diff in updated.diffs] == [("approved", ["env", "http"])]


def test_a_run_tells_more_than_the_project(bench):
    for test_id in (USERS, ORDERS, LOGIN):
        bench.approved(test_id, http=blob(exchange("https://a.example/1"), exchange("https://a.example/2")))
    run = Run(
        states={USERS: {"http": "INTACT"}, ORDERS: {"http": "FAIL"}},
        problems={ORDERS: [problem_of("UnhandledRequest", "not recorded", "run -s")]},
        missing={"tests/test_new.py::test_it"},
        unplayed={USERS: {"http": []}, ORDERS: {"http": [1]}},
        next="do this",
    )
    report = collect(bench.project(), run=run)
    assert states(report) == {
        USERS: "INTACT",
        ORDERS: "FAIL",
        LOGIN: "NOT RUN",
        "tests/test_new.py::test_it": "MISSING",
    }
    assert [report.unused(test) for test in report.tests if test.id in (USERS, ORDERS)] == [
        ["GET https://a.example/2"],
        [],
    ]
    assert report.next == "do this"


def test_the_base_revision_shows_what_changed_came_and_went(bench):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=ONE)
    bench.init_git()
    bench.approved(USERS, http=TWO)
    bench.approved(LOGIN, http=ONE)
    lines = bench.manifest_path.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if ORDERS in line)
    bench.manifest_path.write_text("".join(lines[:at] + lines[at + 2 :]))
    report = collect(bench.project(), base="HEAD")
    assert states(report) == {USERS: "APPROVED", LOGIN: "APPROVED", ORDERS: "REMOVED"}
    assert all(diff.against == "HEAD" for test in report.tests for diff in test.diffs)
    changed = next(test for test in report.tests if test.id == USERS).diffs[0]
    (change,) = changed.changes["http"]
    assert [(place.old, place.new) for place in change.places if not place.noise] == [("one", "two")]


def test_a_result_that_waits_is_told_even_of_a_test_without_a_recording(bench):
    bench.project().pending.save(Pending(USERS, {}, ResultChange(None, "# Users\n\n3 in all\n")))
    report = collect(bench.project())
    assert states(report) == {USERS: "NEW"}
    assert dict(report.counts) == {"NEW": 1}
    assert report.tests[0].diffs[0].result[0].new.startswith("# Users")
    assert "+ # Users" in " ".join(render(report, "md").split())


def test_a_run_that_wrote_the_approved_result_does_not_count_what_waits_as_its_doing(bench):
    bench.approved(USERS, http=blob(exchange()), result="# one\n")
    bench.stage(USERS, http=blob(exchange(status=404)), result="# two\n")
    told = {"states": {USERS: {"http": "INTACT"}}, "results": {USERS: "INTACT"}}
    assert states(collect(bench.project(), run=Run(**told))) == {USERS: "INTACT"}
    assert states(collect(bench.project())) == {USERS: "UPDATED"}


def test_a_revision_that_is_none_is_a_usage_error(bench):
    bench.approved(USERS, http=ONE)
    bench.init_git()
    with pytest.raises(UsageError):
        collect(bench.project(), base="no-such-branch")


def test_what_only_the_remote_has_is_fetched_and_without_it_the_rest_is_reported(tmp_path):
    bench = RemoteBench(tmp_path / "project", tmp_path / "share")
    bench.approved(USERS, http=ONE)
    other = bench.colleague()
    assert states(collect(other.project(), fetch=False)) == {USERS: "REMOTE"}
    report = collect(other.project())
    assert states(report) == {USERS: "APPROVED"}
    assert render(report, "md").count("remote ") == 1, "once, before its name"
    other.lose_the_cache()
    shutil.rmtree(bench.share)
    report = collect(other.project())
    assert states(report) in ({USERS: "REMOTE"}, {USERS: "LOST"})
    assert report.notes or report.tests[0].problems
    assert [blob.where for blob in report.blobs] in (["remote"], ["lost"])


def test_blobs_are_listed_by_size_with_who_shares_them_and_what_is_unpushed(tmp_path):
    bench = RemoteBench(tmp_path / "project", tmp_path / "share")
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=ONE)
    bench.unpushed(LOGIN, http=http("long" * 500))
    found = collect(bench.project()).blobs
    assert [(one.tests, one.unpushed, one.where) for one in found] == [
        (1, True, "local"),
        (2, False, "local"),
    ]
    assert found[0].size > found[1].size


def test_redactions_are_counted_by_the_name_that_gave_them_away():
    body = b'{"user": "ada", "token": "REDACTED", "deep": {"token": "REDACTED"}}'
    item = exchange(
        "https://a.example/?api_key=REDACTED&page=1",
        body=body,
        headers=(("Authorization", "Bearer REDACTED"),),
    )
    found = content_of(Kind.HTTP, blob(item, item)).redactions
    assert {one.place: one.count for one in found} == {
        "query api_key": 2,
        "request header authorization": 2,
        "response field token": 4,
    }
    (secret,) = content_of(Kind.ENV, env(API_KEY="REDACTED", HOME="/root")).redactions
    assert (secret.place, secret.count) == ("variable API_KEY", 1)


def test_bodies_are_told_by_what_they_are_and_clipped_with_their_full_size():
    items = [
        exchange(body=b"\xff\xfe" * 4000),
        exchange(body=b"x" * 1_000_000),
        exchange(body=("é" * 40_000).encode()),
        Interaction(Request("GET", "https://a.example/"), Failure("httpx.ReadTimeout", "timed out")),
    ]
    binary, long, accents, failed = content_of(Kind.HTTP, blob(*items)).exchanges
    assert binary.response.body.form == "binary"
    assert binary.response.body.text.startswith("ff fe ff fe")
    assert binary.response.body.digest.startswith("sha256:")
    assert (long.response.body.size, len(long.response.body.text)) == (1_000_000, 16_384)
    assert accents.response.body.text == "é" * 16_384
    assert all(one.response.body.clipped for one in (binary, long, accents))
    assert failed.status is None
    assert failed.response.line == "raised httpx.ReadTimeout: timed out"


# -- what becomes of recorded text -------------------------------------------------------------------


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- <script>",
    "]]>",
    "{{data}} {{script}}",
    f"invisible {INVISIBLE} text",
    "| a | b |\n|---|---|",
    "```\n# heading\n```",
    "@everyone [click](javascript:alert(1)) https://evil.example www.evil.example #1",
    "a`b``c```d",
)


@pytest.fixture
def hostile(bench):
    """A project in which every place that takes text holds all of that."""
    text = "\n".join(HOSTILE)
    inline = re.sub(r"[^ -~]", "", text)
    headers = (("X-Hostile", inline),)
    for number, bit in enumerate(HOSTILE):
        plain = re.sub(r"[^ -~]", "", bit)
        test_id = f"tests/test_h.py::test_it[{number} {plain}]"
        url = f"https://a.example/{inline}"
        bench.approved(test_id, http=blob(exchange(url, body=text.encode(), headers=headers)))
        bench.stage(test_id, http=blob(exchange(url, body=(text + bit).encode(), headers=headers)))
    return bench


def test_recorded_text_never_leaves_the_page_s_data_and_nothing_invisible_is_in_the_file(hostile):
    page = render(collect(hostile.project()), "html")
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert not {char for char in set(INVISIBLE) & set(page) if not char.isprintable()}
    data = embedded(page)
    shown = json.dumps(data, ensure_ascii=False)
    assert "<img src=x onerror=alert(1)>" in shown
    assert r"\\u202e" in shown
    assert "{{data}} {{script}}" in shown


def test_markdown_renders_to_text_and_code_alone_whatever_was_recorded(hostile):
    text = render(collect(hostile.project()), "md")
    page = MarkdownIt("commonmark").enable("table").render(text)
    tags = set(re.findall(r"</?([a-z0-9]+)", page))
    tables = {"table", "thead", "tbody", "tr", "th", "td"}
    assert tags <= tables | {"h2", "h3", "p", "code", "pre", "strong", "details", "summary"}
    outside = re.sub(r"<(code|pre)\b.*?</\1>", "", page, flags=re.S)
    assert "evil" not in outside
    assert "@" not in outside
    assert "alert" not in outside
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    assert {row.count("<td") + row.count("<th") for row in rows} == {3}
    assert len(rows) == len(HOSTILE) + 1


@pytest.mark.parametrize("name", ["x" * 40, "|" * 3000, "`" * 3000, "é" * 3000])
def test_markdown_stays_below_60_000_characters_and_ends_with_the_next_command(bench, name):
    for number in range(70):
        items = [exchange(f"https://api.example/{number}/{at}/{name[:50]}") for at in range(12)]
        bench.stage(f"tests/test_h.py::test_it[{name}{number}]", http=blob(*items))
    text = render(collect(bench.project()), "md")
    assert len(text) < 60_000
    assert text.splitlines()[-1] == "next: `booktest-cassettes review`"
    assert "more test" in text


def test_markdown_lists_as_many_unplayed_interactions_as_fit_and_says_how_many_more(bench):
    items = [exchange(f"https://api.example/{at}/{'u' * 300}") for at in range(50)]
    names = [f"{'t' * 290}{number:03}" for number in range(100)]
    for name in names:
        bench.stage(name, http=blob(items[0]))
    bench.approved(names[0], http=blob(*items))
    problems = {name: [problem_of("Error", "m" * 300, "")] for name in names}
    run = Run(problems=problems, unplayed={names[0]: {"http": range(50)}}, next="the next command")
    text = render(collect(bench.project(), run=run), "md")
    assert len(text) < 60_000
    shown = text.count("`GET https://api.example/")
    assert 0 < shown < 50
    assert f"- ... and {50 - shown} more" in text
    assert text.endswith("next: `the next command`\n")


def test_markdown_says_in_one_line_that_all_is_well(bench):
    bench.approved(USERS, http=ONE)
    text = render(collect(bench.project()), "md")
    assert text.startswith("## ✅ Recordings: 1 approved\n\n1 test · 1 interaction · storage git")
    assert "|" not in text


def test_a_page_of_large_bodies_stays_below_5_mb_and_says_what_is_clipped(bench):
    letters = "<&>x" * 5_000
    blobs = [
        blob(*[exchange(body=f"{one} {at} {letters}".encode()) for at in range(10)]) for one in range(40)
    ]
    for data in blobs:
        bench.project().keep.put(BlobKey(Kind.HTTP, Digest.of(data)), data)
    entries = {f"t.py::test_it[{at}]": {Kind.HTTP: Digest.of(data)} for at, data in enumerate(blobs)}
    save(bench.manifest_path, Manifest().with_changes(entries))
    page = render(collect(bench.project()), "html")
    assert len(page.encode()) < 5_000_000
    found = embedded(page)["bodies"]
    assert len(found) == 400
    assert all(body["clipped"] and body["size"] > 20_000 for body in found)


def test_json_is_the_same_data_and_reads_back(hostile):
    report = collect(hostile.project())
    data = json.loads(render(report, "json"))
    assert data["version"] == 1
    assert [test["id"] for test in data["tests"]] == [test.id for test in report.tests]
    assert set(data["contents"]) == set(report.contents)
    assert data["counts"] == dict(report.counts)


# -- the command -------------------------------------------------------------------------------------


@pytest.fixture
def command(bench, monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(bench.root)
        monkeypatch.setattr("sys.argv", ["booktest-cassettes", "report", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, *capsys.readouterr()

    return run


def test_without_an_option_the_page_goes_to_the_report_directory(bench, command):
    bench.approved(USERS, http=ONE)
    code, out, _ = command()
    assert code == 0
    path = out.removeprefix("report: ").strip()
    assert path.endswith("books/_reports/cassettes.html")
    assert embedded((bench.root / path).read_text())["tests"][0]["id"] == USERS


def test_each_format_goes_where_it_should_and_a_dash_is_standard_output(bench, command):
    bench.approved(USERS, http=ONE)
    code, out, err = command("--html", "a.html", "--json", "b.json", "--md", "-")
    assert code == 0
    assert out.startswith("## ✅ Recordings")
    assert err == "report: a.html\nreport: b.json\n"
    assert json.loads((bench.root / "b.json").read_text())["storage"] == "git"
    assert (bench.root / "a.html").read_text().startswith("<!doctype html>")


def test_what_cannot_be_is_told_before_anything_is_written(bench, command):
    bench.approved(USERS, http=ONE)
    bench.init_git()
    assert command("--md", "-", "--json", "-")[0] == 2
    assert command("--html", "a.html", "--from", "no-such-branch")[0] == 2
    assert not (bench.root / "a.html").exists()
    (bench.root / "taken").write_text("")
    code, _, err = command("--html", "taken/a.html")
    assert code == 4
    assert "taken" in err


@pytest.mark.parametrize(
    ("path", "form"), [("a.html", "html"), ("A.HTM", "html"), ("a/b.md", "md"), ("x.json", "json")]
)
def test_the_suffix_says_the_format(path, form):
    assert format_of(path) == form


@pytest.mark.parametrize("path", ["a.txt", "html", ".md/x", ""])
def test_another_suffix_is_a_usage_error(path):
    with pytest.raises(UsageError):
        format_of(path)
