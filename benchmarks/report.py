"""The report of a large suite: how long it takes to make, how big it is, how fast a browser opens it.

    ./do bench report

TESTS tests (300) of ten interactions each, and a tenth of them: what grows linearly is ten times as much.
The budget: 3,000 interactions in under 5 MB, to be used in a headless Chromium in under 2 s.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.manifest import Manifest, save
from booktest_cassettes.project import Project
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.codec import dump_interactions
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.workflow.report import render
from booktest_cassettes.workflow.report.collect import collect

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "e2e"))
from e2e_browser import Browser, chromium

TESTS = int(os.environ.get("BENCH_TESTS", "300"))
EACH = 10
ASKED = (("User-Agent", "python-requests/2.32"), ("Accept-Encoding", "gzip"), ("Accept", "*/*"))
READY = "return document.documentElement.dataset.ready ? performance.now() : 0"


def interaction(test: int, number: int, random: Random) -> Interaction:
    """One exchange with a body of a few hundred to a few thousand characters, none like the other."""
    items = [
        {"id": test * 1000 + at, "name": f"user-{random.randrange(10**9)}", "score": random.random()}
        for at in range(random.randrange(2, 40))
    ]
    status = random.choice([200] * 8 + [201, 204, 304, 404, 429, 500])
    body = b"" if status in (204, 304) else json.dumps({"page": number, "items": items}).encode()
    answered = (
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("ETag", f'"{random.randrange(16**8):x}"'),
        ("Cache-Control", "max-age=60"),
    )
    method, host = random.choice(["GET", "GET", "POST"]), random.choice(["api", "auth", "files"])
    url = f"https://{host}.example.com/v1/tests/{test}/items/{number}?page={number}&limit=50"
    sent = json.dumps({"query": f"n{random.randrange(10**6)}"}).encode() if method == "POST" else b""
    response = Response(status, "OK", headers=answered, body=Body(body))
    return Interaction(Request(method, url, ASKED, sent), response)


def approve(root: Path, tests: int) -> Project:
    """A project with this many approved tests."""
    (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    project = Project.open(root)
    changes = {}
    for test in range(tests):
        random = Random(test)
        data = dump_interactions(Kind.HTTP, [interaction(test, number, random) for number in range(EACH)])
        name = f"tests/test_part_{test % 12}.py::TestApi::test_items[{test}]"
        changes[name] = {Kind.HTTP: Digest.of(data)}
        project.keep.put(BlobKey(Kind.HTTP, Digest.of(data)), data)
    save(project.config.manifest, Manifest().with_changes(changes))
    return Project.open(root)


def opened(browser: Browser, page: Path) -> tuple[float, float]:
    """Seconds until the page can be used, and until a search has found its tests; the best of three."""
    best = []
    for _ in range(3):
        browser.open(page)
        ready = browser.run(READY)
        searched = browser.run(
            "const start = performance.now(); const box = document.getElementById('search');"
            "box.value = 'items/7 404'; box.dispatchEvent(new Event('input', {bubbles: true}));"
            "document.body.offsetHeight; return performance.now() - start"
        )
        timing = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
        best.append((max(browser.run(timing), 0) / 1000, searched / 1000))
        assert ready, "the page's script did not come to its end"
        assert not browser.console(), "the console is not empty"
    return min(best)


def main() -> None:
    print("tests  interactions   build CPU s   HTML MB   Markdown k   open s   search s   peak MB")
    with chromium() as browser, tempfile.TemporaryDirectory() as name:
        for tests in (TESTS // 10, TESTS):
            root = Path(name) / str(tests)
            root.mkdir()
            project = approve(root, tests)
            started = time.process_time()
            found = collect(project)
            html = render(found, "html")
            seconds = time.process_time() - started
            page = root / "report.html"
            page.write_text(html, encoding="utf-8")
            ready, searched = opened(browser, page)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            size, markdown = page.stat().st_size / 1e6, len(render(found, "md")) / 1000
            print(
                f"{tests:>5,}  {tests * EACH:>12,}   {seconds:>11.2f} {size:>9.2f}   {markdown:>10.1f}",
                end="",
            )
            print(f"   {ready:>6.2f}   {searched:>8.3f}   {peak:>7.0f}", flush=True)


if __name__ == "__main__":
    main()
