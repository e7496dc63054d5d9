"""The report in a real browser, and out of a real test run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from e2e_browser import Browser, chromium
from e2e_workspace import Done, Workspace, running_api

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.manifest import Manifest, save
from booktest_cassettes.project import Project
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.store.pending import Change, Pending
from booktest_cassettes.workflow.report import render
from booktest_cassettes.workflow.report.collect import Run, collect

PHONE = 390
ESCAPE = "\ue00c"
TITLE = "bookshop: recordings"
EVIL = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
BODIES = {
    "markup": EVIL.encode(),
    "comment": b"<!-- <script> --><!--",
    "handlers": b"<svg onload=window.hacked=1><iframe srcdoc='<script>parent.hacked=1</script>'>",
    "link": b"javascript:window.hacked=1",
    "marks": "\u202eevil\u202c \u2066x\u2069 \u200f \ufeff \u2028 \u2029".encode(),
    "nulls": b"\x00\x01\x1b[31m\x07",
    "not utf-8": b"\xff\xfe<script>\xc3\x28",
    "long": b"a" * 200_000,
    "deep": b'{"a":' * 500 + b'"bottom"' + b"}" * 500,
    "odd json": b'{"__proto__": {"x": "</script>"}, "constructor": 1e999, "n": 123456789012345678901}',
    "wrong json": b'{"a": [1, 2}',
    "events": b"event: " + EVIL.encode() + b"\ndata: 1\n\ndata: 2\n\n",
    "form": b"a=%3Cimg+src%3Dx+onerror%3Dwindow.hacked%3D1%3E&b=%E2%80%AEx&c=%ZZ",
}
TYPES = {"events": "text/event-stream", "form": "application/x-www-form-urlencoded"}
HOSTILE = f"tests/test_h.py::test_it[{EVIL} ?# %2e &amp; é 🙂]"


def exchange(
    url: str, status: int = 200, body: bytes = b"", kind: str = "application/json", method: str = "GET"
):
    headers = (("Content-Type", kind), ("X-Evil", EVIL))
    request = Request(method, url, headers, body if method == "POST" else b"")
    return Interaction(request, Response(status, EVIL[:40], headers=headers, body=Body(body)))


def hostile_blob() -> bytes:
    items = [
        exchange(
            f"https://evil.example/{EVIL}?{name}",
            body=body,
            kind=TYPES.get(name, "application/json"),
            method="POST",
        )
        for name, body in BODIES.items()
    ]
    items.append(Interaction(Request("GET", "javascript:window.hacked=1"), Failure(EVIL, EVIL)))
    return codec.dump_interactions(Kind.HTTP, items)


def plain_blob(test: int) -> bytes:
    statuses = (200, 201, 404) if test % 2 else (200, 302, 500)
    hosts = ("api.example.com", "files.example.com:8443", "api.example.com")
    items = [
        exchange(f"https://{host}/tests/{test}/{number}", status, json.dumps({"n": [test, number]}).encode())
        for number, (status, host) in enumerate(zip(statuses, hosts, strict=True))
    ]
    return codec.dump_interactions(Kind.HTTP, items)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a hostile test and of 150 plain ones, after a run; one waits for review."""
    root = tmp_path_factory.mktemp("report") / "bookshop"
    root.mkdir()
    (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    project = Project.open(root)
    blobs = {
        f"tests/test_api.py::test_it[{number}]": (Kind.HTTP, plain_blob(number)) for number in range(150)
    }
    blobs[HOSTILE] = (Kind.HTTP, hostile_blob())
    blobs["tests/test_env.py::test_it"] = (Kind.ENV, codec.dump_env({"EVIL": EVIL, "KEY": "REDACTED"}))
    changes = {}
    for test_id, (kind, data) in blobs.items():
        project.keep.put(BlobKey(kind, Digest.of(data)), data)
        changes[test_id] = {kind: Digest.of(data)}
    save(project.config.manifest, Manifest().with_changes(changes))
    new = plain_blob(7).replace(b'"n"', b'"m"')
    project.staging.put(BlobKey(Kind.HTTP, Digest.of(new)), new)
    waiting = "tests/test_api.py::test_it[8]"
    project.pending.save(Pending(waiting, {Kind.HTTP: Change(changes[waiting][Kind.HTTP], Digest.of(new))}))
    run = Run(
        mode="none",
        states={
            test_id: {kind.value: "INTACT"} for test_id, (kind, _) in blobs.items() if test_id != waiting
        },
        unplayed={HOSTILE: {"http": [1]}, "tests/test_api.py::test_it[3]": {"http": []}},
        notices={EVIL},
    )
    path = root / "report.html"
    path.write_text(render(collect(Project.open(root), run=run), "html"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def at(test_id: str, place: str = "") -> str:
    return f"#{quote(test_id, safe='')}{place}"


def names(browser: Browser) -> list[str]:
    return browser.texts("#list .row .name")


def see_that_nothing_ran(browser: Browser) -> None:
    assert browser.console() == []
    assert browser.driver.title == TITLE
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.querySelectorAll('script').length") == 2
    assert browser.all("img, iframe, svg, object, embed, link, base, meta[http-equiv=refresh]") == []
    links = browser.run("return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert links
    assert [link for link in links if not link.startswith("#")] == []


def test_recorded_text_stays_text_in_every_view(browser, page):
    browser.open(page, at(HOSTILE))
    see_that_nothing_ran(browser)
    assert browser.one("#detail h2").text == HOSTILE
    browser.run("for (const one of document.querySelectorAll('details.exchange')) one.open = true")
    browser.driver.set_script_timeout(20)
    browser.driver.execute_async_script(  # unfold everything, as deep as it goes
        """const done = arguments[0];
        const step = () => {
          const folded = [...document.querySelectorAll('#detail details:not([open])')];
          if (!folded.length) return setTimeout(done);
          folded.forEach((one) => { one.open = true; });
          setTimeout(step);
        };
        step();"""
    )
    see_that_nothing_ran(browser)
    shown = browser.one("#detail").get_attribute("textContent")
    for text in (
        EVIL,
        "<!-- <script> --><!--",
        "<svg onload=",
        '"bottom"',
        "123456789012345678901",
        r"\u202eevil",
        r"\x1b[31m",
    ):
        assert text in shown
    assert browser.run("return document.querySelectorAll('#detail .kids').length") >= 60
    for view in ("#?findings", "#?storage", "#?tests", "#%E0%A4%A", "#?nonsense"):
        browser.go(view)
        see_that_nothing_ran(browser)


def test_invisible_characters_are_written_out_wherever_they_could_hide(browser, page):
    browser.open(page, at(HOSTILE, "?http.13"))
    assert browser.texts(".exchange[open] .form td")[:3] == [
        "<img src=x onerror=window.hacked=1>",
        "%E2%80%AEx",
        "%ZZ",
    ]
    text = browser.run("return document.documentElement.textContent")
    assert (
        re.findall(
            r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text
        )
        == []
    )


def test_the_policy_runs_nothing_and_asks_nobody_even_if_a_page_s_text_could(browser, page):
    browser.open(page)
    browser.run(
        """const script = document.createElement('script'); script.textContent = 'window.hacked = 1';
        document.body.append(script);
        const image = document.createElement('img'); image.src = 'https://evil.example/x.png';
        document.body.append(image);
        document.body.setAttribute('onclick', 'window.hacked = 1'); document.body.click();"""
    )
    assert browser.run("return window.hacked") is None
    said = browser.console()
    assert len(said) == 3
    assert all("Content Security Policy" in line for line in said)


def test_it_opens_from_disk_and_loads_nothing_else(browser, page):
    browser.open(page)
    assert browser.run("return location.protocol") == "file:"
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.run("return document.documentElement.dataset.ready") == "true"


def test_search_and_filters_show_what_fits_and_nothing_else(browser, page):
    browser.open(page)
    assert browser.one("#found").text == "152 tests"
    assert 0 < len(names(browser)) < 152  # made as far as they are looked at
    box = browser.one("#search")
    box.send_keys("test_api 500")
    assert browser.one("#found").text == "74 of 152 tests"
    assert all(int(re.search(r"\[(\d+)\]", name)[1]) % 2 == 0 for name in names(browser))
    box.send_keys(" tests/42/")
    assert names(browser) == ["tests/test_api.py::test_it[42]"]
    assert browser.texts("#list .hits a") == ["GET https://api.example.com/tests/42/2 500"]
    browser.one("#reset").click()
    browser.settle()
    assert browser.one("#found").text == "152 tests"
    expected = {
        ("kind", "env"): 1,
        ("host", "files.example.com:8443"): 150,
        ("status", "4xx"): 76,
        ("status", "error"): 1,
    }
    expected |= {("with", "changes"): 1, ("with", "unused interactions"): 1, ("with", "redactions"): 1}
    for (name, value), count in expected.items():
        choose(browser, name, value)
        assert browser.one("#found").text == f"{count} of 152 tests", (name, value)
        choose(browser, name, "")
    browser.one(".tile[data-state=UPDATED]").click()
    assert names(browser) == ["tests/test_api.py::test_it[8]"]
    browser.one(".tile[data-state=UPDATED]").click()
    box.send_keys("nothing has this")
    assert browser.one("#list").text == "No test fits. Clear the search or a filter."


def choose(browser: Browser, name: str, value: str) -> None:
    browser.run(
        "const box = document.getElementById(arguments[0]); box.value = arguments[1];"
        "if (box.value !== arguments[1]) throw new Error('no such choice');"
        "box.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def test_a_pending_change_is_shown_old_beside_new(browser, page):
    browser.open(page, at("tests/test_api.py::test_it[8]"))
    assert browser.texts("#detail .diff h3") == ["What changed, against what is approved"]
    assert any("/tests/7/0" in text for text in browser.texts(".change .url"))
    assert browser.texts(".change.removed, .change.changed")


def test_deep_links_open_the_test_and_the_interaction(browser, page):
    browser.open(page, at("tests/test_api.py::test_it[31]", "?http.2"))
    assert browser.one("#detail h2").text == "tests/test_api.py::test_it[31]"
    assert len(browser.all(".exchange[open]")) == 1
    assert browser.texts(".exchange[open] .path") == ["/tests/31/1"]
    assert browser.texts(".exchange[open] .message h4") == ["Request", "Response"]
    request, response = (one.rect for one in browser.all(".exchange[open] .message"))
    assert request["y"] == response["y"]
    browser.all(".lane")[0].find_elements("css selector", ".beat")[1].click()
    assert browser.run("return document.activeElement.closest('details').dataset.place") == "http.3"


def test_the_keyboard_searches_and_walks(browser, page):
    browser.open(page)

    def types(*keys: str) -> str:
        for key in keys:
            browser.run("return document.activeElement").send_keys(key)
            browser.settle()
        return browser.one("#detail h2").text

    first = types("j")
    assert first == "tests/test_api.py::test_it[8]"  # what somebody has to look at comes first
    assert types("j") == "tests/test_api.py::test_it[0]"
    assert types("j") == "tests/test_api.py::test_it[1]"
    assert types("k", "k") == types("k") == first
    types("/")
    assert browser.run("return document.activeElement.id") == "search"
    assert types("j", "k") == first  # typed, not walked
    assert browser.one("#search").get_attribute("value") == "jk"
    types(ESCAPE, ESCAPE)
    assert browser.run("return location.hash") == "#?tests"


def test_played_and_unplayed_are_told_apart(browser, page):
    browser.open(page, at(HOSTILE))
    assert len(browser.all(".beat.unplayed")) == len(browser.all(".exchange.unplayed")) == 1
    assert "not played" in browser.one(".exchange.unplayed summary").text


@pytest.mark.parametrize(
    "place",
    ["", "#?findings", "#?storage", at(HOSTILE), at(HOSTILE, "?http.8"), at("tests/test_api.py::test_it[8]")],
)
def test_a_phone_never_scrolls_sideways(browser, page, place):
    browser.open(page, place, width=PHONE)
    assert browser.run("return document.documentElement.scrollWidth") <= PHONE
    assert browser.console() == []


def test_on_a_phone_the_list_gives_way_to_the_test_and_response_stands_below_request(browser, page):
    browser.open(page, at("tests/test_api.py::test_it[31]", "?http.2"), width=PHONE)
    assert not browser.one("#browse").is_displayed()
    request, response = (one.rect for one in browser.all(".exchange[open] .message"))
    assert response["y"] >= request["y"] + request["height"]
    browser.one(".back a").click()
    assert browser.one("#browse").is_displayed()


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_light_and_dark(browser, page, dark):
    browser.open(page, at(HOSTILE, "?http.10"), dark=dark)
    poor = browser.run(CONTRAST)
    assert poor == []


#: Contrast by WCAG 2 of every visible text against what is behind it; 4.5 is level AA.
CONTRAST = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
  .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
  .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
const behind = (node) => {
  for (let one = node; one; one = one.parentElement) {
    const colour = rgb(getComputedStyle(one).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const poor = new Set();
for (const node of document.body.querySelectorAll("*")) {
  const own = [...node.childNodes].some((kid) => kid.nodeType === 3 && kid.data.trim());
  if (!own || !node.checkVisibility() || node.tagName === "SCRIPT" || node.tagName === "OPTION") continue;
  const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
  const found = (a + 0.05) / (b + 0.05);
  if (found < 4.5) poor.add(`${node.tagName}.${node.className} ${found.toFixed(2)}`);
}
return [...poor];
"""


# -- out of a test run -------------------------------------------------------------------------------

TESTS = """
import os, pytest, requests
from booktest_cassettes import cassette

def get(path):
    return requests.get(os.environ.get("API_URL", "http://127.0.0.1:9") + path).json()

@cassette(env=["API_URL"])
def test_intact():
    assert get("/intact")["path"] == "/intact"

@cassette(env=["API_URL"])
def test_unused():
    get("/one")
    {unused}

@cassette(env=["API_URL"])
def test_refused():
    {refused}

{more}
"""
MORE = "@cassette\ndef test_missing():\n    get('/missing')\n"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Recorded and approved; since then one test plays less, one asks for more, and one is new."""
    workspace = Workspace(tmp_path_factory.mktemp("run")).begin()
    workspace.write("test_api.py", TESTS.format(unused="get('/two')", refused="get('/known')", more=""))
    with running_api() as api:
        done = workspace.cli("run", "--", "-q", API_URL=api.url)
        assert done.code == 0, done.text
    assert workspace.cli("approve", "--all").code == 0
    refused = "try:\n        get('/unknown')\n    except Exception:\n        pass"
    workspace.write("test_api.py", TESTS.format(unused="", refused=refused, more=MORE))
    return workspace


@pytest.fixture(scope="module")
def serial(recorded: Workspace) -> Done:
    """A strict run of it in one process, with every kind of report."""
    paths = [f"--cassettes-report=out/report.{suffix}" for suffix in ("html", "md", "json")]
    return recorded.pytest("-q", "-p", "no:xdist", *paths, ci=True)


def test_a_failing_run_writes_every_report_with_what_was_refused_and_why(recorded, serial):
    assert serial.code == 3, serial.text
    assert serial.text.count("cassettes: report in ") == 3
    data = json.loads((recorded.root / "out/report.json").read_text())
    tests = {test["id"]: test for test in data["tests"]}
    assert {test_id.partition("::")[2]: test["state"] for test_id, test in tests.items()} == {
        "test_intact": "INTACT",
        "test_unused": "INTACT",
        "test_refused": "FAIL",
        "test_missing": "MISSING",
    }
    (problem,) = tests["test_api.py::test_refused"]["problems"]
    assert problem["what"] == "UnhandledRequest"
    assert "/unknown is not in its http cassette" in problem["message"]
    assert problem["hint"].startswith("booktest-cassettes run -S -- test_api.py::test_refused")
    unplayed = {one["kind"]: one.get("unplayed") for one in tests["test_api.py::test_unused"]["snapshots"]}
    assert unplayed == {"env": None, "http": [1]}
    markdown = (recorded.root / "out/report.md").read_text()
    assert "| MISSING | `test_api.py::test_missing` |" in markdown
    assert re.search(r"`test_api.py::test_unused`: `GET http://127.0.0.1:\d+/two`", markdown)
    assert (recorded.root / "out/report.html").read_text().startswith("<!doctype html>")


def test_parallel_workers_give_the_same_report_as_one_process(recorded, serial):
    done = recorded.pytest("-q", "-n", "2", "--cassettes-report=report.json", ci=True)
    assert done.code == serial.code, done.text
    one, two = (json.loads((recorded.root / path).read_text()) for path in ("out/report.json", "report.json"))
    assert one == two
    assert len(one["tests"]) == 4


def test_a_worker_that_crashed_is_told_for_it_took_what_it_knew_along(recorded):
    crash = "import os\ndef test_crash(): os._exit(3)\n"
    recorded.write("test_crash.py", crash)
    try:
        done = recorded.pytest("-q", "-n", "1", "--cassettes-report=crash.json", "test_crash.py", ci=True)
    finally:
        (recorded.root / "test_crash.py").unlink()
    assert done.code != 0, done.text
    (note,) = json.loads((recorded.root / "crash.json").read_text())["notes"]
    assert note == "worker gw0 crashed: what its tests did is not in this report"


def test_a_run_that_is_stopped_before_any_cassette_leaves_an_empty_report_that_says_so(workspace, browser):
    workspace.write("test_plain.py", "import pytest\ndef test_it(): pytest.exit('enough <b>')\n")
    done = workspace.pytest("-q", "--cassettes-report=r.json", "--cassettes-report=r.html", ci=True)
    assert done.code == 2, done.text
    data = json.loads((workspace.root / "r.json").read_text())
    assert (data["tests"], data["counts"], data["source"]) == ([], {}, "pytest")
    assert data["notes"] == ["the run was stopped: enough <b>"]
    browser.open(workspace.root / "r.html")
    assert browser.one("#list").text == "No test has a recording."
    assert browser.texts(".notice")[-1] == "the run was stopped: enough <b>"
    assert browser.console() == []


def test_a_report_that_cannot_be_written_fails_the_run_and_one_of_another_kind_never_starts(workspace):
    workspace.write("test_plain.py", "def test_it(): pass\n")
    workspace.write("taken", "")
    done = workspace.pytest("-q", "--cassettes-report=taken/r.json")
    assert done.code == 4
    assert "cassettes: no report: " in done.text
    done = workspace.pytest("-q", "--cassettes-report=r.pdf")
    assert done.code == 4
    assert "--cassettes-report=r.pdf: a report is a file that ends in one of" in done.text
    assert "passed" not in done.text
