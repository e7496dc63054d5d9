"""Real vcrpy cassettes: all of them migrate, the report is right, and stock vcrpy reads what we export.

"Equal" is said of what a client sees: method, URL, headers, and bodies as a client decodes them, once the
rules that every recording goes through (redaction, volatile headers) are applied to the original, too.
Content-Encoding and Content-Length are left out: the originals have decoded bodies under the headers of the
compressed ones; what we export has to be true in both.
"""

from __future__ import annotations

import gzip
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from vcr.serialize import deserialize
from vcr.serializers import yamlserializer

from booktest_cassettes.digest import Kind
from booktest_cassettes.options import Options, resolve
from booktest_cassettes.project import Project
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.traffic import Cleaner
from booktest_cassettes.workflow import export, migration
from booktest_cassettes.workflow.migration import Asked, How, Plan, Report

PROJECTS = ("llm-anthropic", "pystac-client")


class Migrated:
    """The cassettes of one public project, beside a suite that has nothing but its tests' names."""

    def __init__(self, root: Path, cassettes: Path) -> None:
        self.root = root
        tests = root / "tests"
        shutil.copytree(cassettes, tests / "cassettes", copy_function=shutil.copyfile)
        (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
        self.expected: dict[str, str] = {}
        for directory in sorted((tests / "cassettes").iterdir()):
            directory.chmod(0o755)
            (tests / f"{directory.name}.py").write_text("\n".join(self._module(directory)) + "\n")
        self.files = sorted((tests / "cassettes").rglob("*.yaml"))

    def _module(self, directory: Path) -> Iterator[str]:
        classes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for file in sorted(directory.iterdir()):
            name, bracket, parameter = file.stem.partition("[")
            owner, _, function = name.rpartition(".")
            classes[owner][function].append(bracket + parameter)
            whole = "::".join(filter(None, (owner, function + bracket + parameter)))
            self.expected[file.relative_to(self.root).as_posix()] = f"tests/{directory.name}.py::{whole}"
        yield "import pytest"
        for owner, functions in classes.items():
            if owner:
                yield f"class {owner}:"
            for function, parameters in functions.items():
                indent, own = ("    ", "self, ") if owner else ("", "")
                yield f"{indent}@pytest.mark.vcr"
                if parameters != [""]:
                    ids = [parameter[1:-1] for parameter in parameters]
                    yield f"{indent}@pytest.mark.parametrize('p', {ids!r}, ids={ids!r})"
                    yield f"{indent}def {function}({own}p): ..."
                else:
                    yield f"{indent}def {function}({own.rstrip(', ')}): ..."

    @property
    def project(self) -> Project:
        return Project.open(self.root)

    def plan(self) -> Plan:
        return migration.make(self.project, Asked("pytest-recording"))

    def run(self, plan: Plan, how: How) -> Report:
        return migration.execute(self.project, plan, how)

    def snapshot(self) -> dict[str, bytes]:
        files = (path for path in self.root.rglob("*") if path.is_file() and path.suffix != ".lock")
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module", params=PROJECTS)
def moved(
    request: pytest.FixtureRequest, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Migrated, Plan, Report]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI", raising=False)
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        migrated = Migrated(tmp_path_factory.mktemp("public"), corpus / request.param / "cassettes")
        plan = migrated.plan()
        return migrated, plan, migrated.run(plan, How())


def test_all_migrate_each_to_its_test(moved):
    migrated, _, report = moved
    assert {row.paths[0]: row.test_id for row in report.rows} == migrated.expected
    assert {row.status for row in report.rows} == {"taken"}
    assert report.exit_code == 0


def test_each_line_and_the_totals_match_an_independent_count(moved):
    migrated, _, report = moved
    total = 0
    for row in report.rows:
        text = (migrated.root / row.paths[0]).read_text(encoding="utf-8")
        count = len(re.findall(r"(?m)^- request:$", text))
        total += count
        assert (list(row.kinds), row.interactions) == (["http"], count)
        payload = migrated.project.payloads(row.test_id).path(row.test_id, Kind.HTTP)
        assert payload.stat().st_size == row.size
    assert report.totals == {
        "taken": len(migrated.files), "there": 0, "skipped": 0, "refused": 0, "orphan": 0,
        "files": len(migrated.files), "snapshots": len(migrated.files), "interactions": total,
        "bytes": sum(path.stat().st_size for path in (migrated.root / "books").rglob("*.json")),
    }  # fmt: skip
    assert len(migrated.project.manifest.entries) == len(migrated.files)


def test_headers_that_were_redacted_are_counted_as_a_plain_search_counts_them(moved):
    migrated, _, report = moved
    wanted: dict[str, int] = defaultdict(int)
    for file in migrated.files:
        for item in _loaded(file):
            for name, _ in item.request.headers:
                if name.lower() in ("authorization", "cookie", "x-api-key"):
                    wanted[f"request header {name.lower()}"] += 1
            for name, value in item.outcome.headers:
                if name.lower() == "set-cookie" and not value.partition("=")[2].startswith("REDACTED"):
                    wanted["response header set-cookie"] += 1
    told = {place: count for place, count in report.redactions.items() if " header " in place}
    assert told == wanted


def test_a_second_run_changes_nothing(moved):
    migrated, plan, report = moved
    before = migrated.snapshot()
    again = migrated.run(plan, How(force=True))
    assert {row.status for row in again.rows} == {"there"}
    assert again.redactions == report.redactions
    assert migrated.snapshot() == before


def test_exported_again_stock_vcrpy_reads_equal_requests_and_responses(moved, tmp_path):
    migrated, _, report = moved
    project = migrated.project
    cleaner = resolve(project.config, Options()).cleaner
    for row in report.rows:
        made = export.export(row.test_id, export.snapshots(project, row.test_id, pending=False), "vcr")
        assert made.left_out == ()
        again = tmp_path / "again.yaml"
        again.write_bytes(made.data)
        ours, theirs = list(_loaded(again)), list(_loaded(migrated.root / row.paths[0]))
        assert len(ours) == len(theirs) == row.interactions
        for one, other in zip(ours, theirs, strict=True):
            _check_true(one)
            assert _seen(one, cleaner) == _seen(other, cleaner)


def _loaded(file: Path) -> Iterator[Interaction]:
    """What stock vcrpy makes of a cassette, in our words."""
    requests, responses = deserialize(file.read_text(encoding="utf-8"), yamlserializer)
    for request, response in zip(requests, responses, strict=True):
        asked = Request(request.method, request.uri, _pairs(request.headers), bytes(request.body or b""))
        content = response["body"]["string"] or b""
        status = response["status"]
        yield Interaction(
            asked,
            Response(
                status["code"],
                status["message"] or "",
                headers=_pairs(response["headers"]),
                body=Body(content),
            ),
        )


def _pairs(headers) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value)
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    )


_OF_THE_BODY = ("content-length", "content-encoding")


def _check_true(item: Interaction) -> None:
    """Whether the headers of an exported response fit its body."""
    response = item.outcome
    assert isinstance(response, Response)
    said = {name.lower(): value for name, value in response.headers}
    assert (said.get("content-encoding") == "gzip") == response.body.content.startswith(b"\x1f\x8b")
    if item.request.method != "HEAD" and "content-length" in said:
        assert said["content-length"] == str(len(response.body.content))


def _seen(item: Interaction, cleaner: Cleaner) -> tuple[object, ...]:
    """What a client sees of an exchange."""
    response = item.outcome
    assert isinstance(response, Response)
    content = response.body.content
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    plain = Interaction(cleaner.request(item.request), Response(
        response.status, response.reason, headers=response.headers, body=Body(content)
    ))  # fmt: skip
    clean = cleaner.interaction(plain)
    assert clean is not None
    outcome = clean.outcome
    assert isinstance(outcome, Response)
    headers = [pair for pair in outcome.headers if pair[0].lower() not in _OF_THE_BODY]
    return clean.request, outcome.status, outcome.reason, headers, outcome.body.content
