"""Diff: pending against approved, and revision against revision, in real repositories."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import BlobCorrupt, BlobMissing, ManifestError, RemoteError, UsageError
from booktest_cassettes.recording.comparison import Comparison, Difference, Item
from booktest_cassettes.recording.scan import Finding
from booktest_cassettes.workflow import diff, diff_json, diff_markdown, reviewed
from booktest_cassettes.workflow.describe import describe, headline, width
from booktest_cassettes.workflow.diff import TestDiff
from booktest_cassettes.workflow.lines import Line
from booktest_cassettes.workflow.report.collect import collect
from booktest_cassettes.workflow.report.data import plain

JSON = {"Content-Type": "application/json"}
ADA, GRACE = http('{"name": "Ada"}', **JSON), http('{"name": "Grace"}', **JSON)
SHARED = '[storage]\nmode = "dvc"\n'


def text(found: TestDiff, *, full: bool = False) -> str:
    return "\n".join(line.text for line in describe(found, full=full))


def only(found: list[TestDiff]) -> TestDiff:
    (one,) = found
    return one


@pytest.fixture
def repo(bench: Bench) -> Bench:
    """Two approved tests, committed."""
    bench.approved(USERS, http=ADA, env=env(HOME="a"))
    bench.approved(ORDERS, http=http("orders"))
    bench.init_git()
    return bench


# --- pending ----------------------------------------------------------------------------------------


def test_what_waits_is_compared_with_what_is_approved(repo):
    repo.stage(USERS, http=GRACE)
    repo.stage(LOGIN, http=http("login"))
    changed, new = sorted(diff.pending(repo.project()), key=lambda found: found.test_id)
    assert (changed.test_id, new.test_id) == (USERS, LOGIN)
    (item,) = changed.comparisons[0].items
    assert item.differences == (Difference("response body $.name", '"Ada"', '"Grace"'),)
    assert new.comparisons[0].old is None
    assert headline(new) == "http: new"


def test_what_was_declared_secret_since_it_was_approved_is_shown_on_neither_side(repo):
    repo.approved(LOGIN, http=http('{"k": "cust-4711"}', **JSON))
    settings = '[storage]\nmode = "git"\n[redact]\npatterns = ["cust-[0-9]+"]\n'
    (repo.root / "booktest.toml").write_text(settings)
    repo.stage(LOGIN, http=http('{"k": "REDACTED"}', **JSON))
    found = only(list(diff.pending(repo.project())))
    (difference,) = found.comparisons[0].items[0].differences
    assert difference == Difference("response body $.k (a declared secret)", '"REDACTED"', '"REDACTED"')
    assert "4711" not in text(found, full=True) + json.dumps(plain(collect(repo.project())))


def test_a_kind_that_went_away_is_told(repo):
    repo.stage(USERS, env=None)
    assert headline(only(list(diff.pending(repo.project())))) == "env: gone"


def test_patterns_choose_and_a_pattern_that_means_nothing_is_refused(repo):
    repo.stage(USERS, http=GRACE)
    repo.stage(ORDERS, http=GRACE)
    assert [found.test_id for found in diff.pending(repo.project(), [ORDERS])] == [ORDERS]
    with pytest.raises(UsageError, match="nothing here matches"):
        list(diff.pending(repo.project(), ["tests/test_other.py"]))


def test_a_test_that_is_approved_and_waits_for_nothing_is_no_typo(repo):
    repo.stage(USERS, http=GRACE)
    assert list(diff.pending(repo.project(), [ORDERS])) == []
    assert reviewed.waiting(repo.project(), [ORDERS]) == []
    assert [found.test_id for found in reviewed.waiting(repo.project(), [ORDERS, USERS])] == [USERS]


def test_nothing_is_compared_with_a_manifest_in_conflict(repo):
    repo.manifest_path.write_text(f"<<<<<<< ours\n{repo.manifest}")
    with pytest.raises(ManifestError, match="merge conflict"):
        list(diff.pending(repo.project()))


def test_a_recording_that_somebody_else_approved_meanwhile_waits_for_nobody(repo):
    record = repo.stage(USERS, http=GRACE)
    other = repo.project()
    manifest = other.read_manifest().with_changes({USERS: {Kind.HTTP: Digest.of(GRACE)}})
    repo.manifest_path.write_text(manifest.dump())
    assert list(diff.pending(repo.project())) == []
    assert diff.of_record(repo.project(), record).comparisons == ()


def test_a_lost_staged_blob_is_a_problem_of_its_test_alone(repo):
    repo.stage(USERS, http=GRACE)
    repo.stage(ORDERS, http=GRACE)
    blob = repo.project().staging.path(BlobKey(Kind.HTTP, Digest.of(GRACE)))
    blob.unlink()
    repo.stage(LOGIN, http=http("login"))
    found = {one.test_id: one for one in diff.pending(repo.project())}
    assert found[LOGIN].problems == ()
    (problem,) = found[USERS].problems
    assert isinstance(problem, BlobMissing)
    assert Digest.of(ADA) in problem.message
    assert Digest.of(GRACE) in problem.message
    assert "booktest-cassettes run" in text(found[USERS])
    assert diff.exit_code(found.values()) == 4


def test_what_looks_like_a_credential_is_a_warning_that_does_not_show_it(repo):
    secret = "ghp_" + "a1" * 18
    repo.stage(USERS, http=http(f"a {secret} b"))
    found = only(list(diff.pending(repo.project())))
    warning = [line for line in describe(found) if line.style == "warning"]
    assert "GitHub token" in warning[0].text
    assert secret not in warning[0].text


# --- revisions --------------------------------------------------------------------------------------


def test_two_revisions_are_compared_by_what_their_manifests_name(repo):
    repo.approved(USERS, http=GRACE)
    repo.git("commit", "--quiet", "--all", "--message=two")
    repo.approved(LOGIN, http=http("login"))
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message=three")
    assert [one.test_id for one in diff.between(repo.project(), "HEAD~2", "HEAD~1")] == [USERS]
    assert [one.test_id for one in diff.between(repo.project(), "HEAD~2", "HEAD")] == [USERS, LOGIN]
    assert [one.test_id for one in diff.between(repo.project(), "HEAD~2", None, [LOGIN])] == [LOGIN]
    assert diff.between(repo.project(), "HEAD", None) == []
    back = only(diff.between(repo.project(), "HEAD~1", "HEAD~2"))
    assert back.comparisons[0].items[0].differences[-1] == Difference(
        "response body $.name", '"Grace"', '"Ada"'
    )


def test_payloads_of_the_past_are_read_from_git(repo):
    repo.approved(USERS, http=GRACE)
    shutil.rmtree(repo.root / ".booktest_cache")
    found = only(diff.between(repo.project(), "HEAD", None))
    assert found.problems == ()
    assert "Ada" in text(found)


def test_a_test_that_has_the_name_of_another_files_payload_keeps_its_own(repo):
    odd = "tests/test_api.py::test_list[a b/é\u2603 'x\"]"
    repo.approved(odd, http=ADA)
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message=odd")
    repo.approved(odd, http=GRACE)
    shutil.rmtree(repo.root / ".booktest_cache")
    assert only(diff.between(repo.project(), "HEAD", None)).problems == ()


def test_a_project_below_the_top_of_its_repository_is_compared_too(tmp_path):
    outer = Bench(tmp_path / "outer")
    inner = Bench(outer.root / "packages" / "inner")
    inner.approved(USERS, http=ADA)
    outer.init_git()
    inner.approved(USERS, http=GRACE)
    shutil.rmtree(inner.root / ".booktest_cache")
    assert [one.test_id for one in diff.between(inner.project(), "HEAD", None)] == [USERS]
    assert only(diff.between(inner.project(), "HEAD", None)).problems == ()


def test_a_commit_without_a_manifest_had_no_recordings(bench):
    bench.init_git()
    bench.approved(USERS, http=ADA)
    assert headline(only(diff.between(bench.project(), "HEAD", None))) == "http: new"


def test_a_manifest_that_cannot_be_read_is_named_with_its_commit(repo):
    repo.manifest_path.write_text("<<<<<<< ours\n")
    repo.git("commit", "--quiet", "--all", "--message=broken")
    repo.git("checkout", "--quiet", "HEAD~1")
    with pytest.raises(ManifestError, match=r"[0-9a-f]{12}:booktest.manifest.yaml:1"):
        diff.between(repo.project(), "HEAD", "main")


@pytest.mark.parametrize("revision", ["nowhere", "--all", "", "HEAD:booktest.toml", "-"])
def test_an_unknown_revision_is_refused_with_what_to_do(repo, revision):
    with pytest.raises(UsageError) as caught:
        diff.between(repo.project(), revision, None)
    assert caught.value.hint


def test_without_a_repository_revisions_are_refused(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    bench.approved(USERS, http=ADA)
    with pytest.raises(UsageError, match="in no Git repository"):
        diff.between(bench.project(), "HEAD", None)


def test_a_payload_that_nobody_has_is_a_problem_and_the_others_are_shown(repo):
    repo.approved(USERS, http=GRACE)
    repo.approved(ORDERS, http=GRACE)
    repo.payload(ORDERS).unlink()
    shutil.rmtree(repo.root / ".booktest_cache")
    lost = repo.payload(USERS)
    lost.write_bytes(b"other bytes")
    repo.payload(ORDERS).write_bytes(GRACE)
    found = {one.test_id: one for one in diff.between(repo.project(), "HEAD", None)}
    assert found[ORDERS].problems == ()
    assert isinstance(found[USERS].problems[0], BlobMissing)
    assert diff.exit_code(found.values()) == 4


def test_a_corrupt_copy_is_passed_over_where_another_is_whole(repo):
    repo.approved(USERS, http=GRACE)
    project = repo.project()
    path = project.keep.path(BlobKey(Kind.HTTP, Digest.of(ADA)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"corrupt")
    assert only(diff.between(project, "HEAD", None)).problems == ()
    other = project.keep.path(BlobKey(Kind.HTTP, Digest.of(GRACE)))
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(b"corrupt")
    repo.payload(USERS).unlink()
    assert isinstance(only(diff.between(repo.project(), "HEAD", None)).problems[0], BlobCorrupt)


# --- text -------------------------------------------------------------------------------------------


def changed(
    *differences: Difference, kind: Kind = Kind.HTTP, what: str = "changed", title: str = "GET http://x/"
) -> TestDiff:
    item = Item(what, title, 0, 0, differences, "200 OK")  # type: ignore[arg-type]
    digest = Digest.of(b"")
    return TestDiff("tests/t.py::t", (Comparison(kind, digest, digest, (item,), 7),))


def test_a_difference_reads_as_old_and_new_below_its_place():
    assert text(changed(Difference("response body $.users[0].name", '"Ada"', '"Grace"'))) == (
        "tests/t.py::t\n"
        "  http  updated  1 changed, 7 unchanged\n"
        "  ~ GET http://x/\n"
        "      response body $.users[0].name\n"
        '        - "Ada"\n'
        '        + "Grace"'
    )


def test_volatile_differences_are_counted_and_named_unless_all_is_asked_for():
    noisy = [Difference(f"response header {name}", "1", "2", "why") for name in ("etag", "age")]
    found = changed(Difference("status", "200 OK", "404 Not Found"), *noisy)
    assert text(found).endswith("      (2 volatile differences: header etag, header age)")
    assert "response header etag  (why)" in text(found, full=True)
    only_noise = changed(*noisy)
    assert "(1 more changed only in volatile values: header etag, header age)" in text(only_noise)
    assert headline(only_noise) == "http: 1 volatile only"


def test_a_test_shows_a_dozen_differences_and_says_how_many_more_there_are():
    found = changed(*(Difference(f"response body $.f{n}", "1", "2") for n in range(20)))
    assert "... and 8 more differences (--full shows all)" in text(found)
    assert "$.f19" in text(found, full=True)
    assert "more differences" not in text(found, full=True)


def test_long_values_are_shown_around_the_place_where_they_part():
    found = text(
        changed(Difference("response body", "a" * 500 + "OLD" + "z" * 500, "a" * 500 + "NEW" + "z" * 500))
    )
    assert "OLD" in found
    assert "NEW" in found
    assert "(1,003 characters)" in found
    assert all(len(line) <= 80 for line in found.splitlines())


def test_values_of_many_lines_are_cut_unless_all_is_asked_for():
    value = "".join(f"line {n}\n" for n in range(50))
    assert "+ ... 42 more lines" in text(changed(Difference("response body", None, value)))
    assert "line 49" in text(changed(Difference("response body", None, value)), full=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [("a", "a\n"), ("a", "a "), ("x\na", "x\na\n"), ("\x1b", "\\x1b"), ("\xe9", "e\u0301"), ("K", "\u212a")],
)
def test_values_that_look_alike_are_shown_so_that_one_sees_how_they_differ(old, new):
    *_, minus, plus = text(changed(Difference("response body", old, new))).splitlines()
    assert (minus.strip(), plus.strip()) == (f"- {old!a}", f"+ {new!a}")


def test_what_changed_in_items_that_moved_is_counted_and_shown_on_demand():
    items = (Item("moved", "GET http://x/", 1, 0, (Difference("response header etag", "1", "2", "why"),)),)
    found = TestDiff("t", (Comparison(Kind.HTTP, Digest.of(b"a"), Digest.of(b"b"), items, 4),))
    assert "(1 more changed only in volatile values: header etag)" in text(found)
    assert "+ 2" in text(found, full=True)


def test_moved_items_are_told_once():
    items = tuple(Item("moved", f"GET http://x/{n}", n + 1, n) for n in range(3))
    found = TestDiff("t", (Comparison(Kind.HTTP, Digest.of(b"a"), Digest.of(b"b"), items, 4),))
    assert text(found).splitlines()[1:] == ["  http  updated  3 moved, 4 unchanged", "  3 in another order"]


hostile = st.text(
    st.characters() | st.sampled_from("\x00\x1b\x07\r\n\u202e\u2066\u200b\ud800`|<>漢"), max_size=300
)
differences = st.lists(
    st.builds(Difference, hostile, st.none() | hostile, st.none() | hostile, hostile), max_size=3
)
items = st.builds(
    Item,
    st.sampled_from(["added", "removed", "changed", "moved"]),
    hostile,
    st.just(0),
    st.just(0),
    differences.map(tuple),
    hostile,
)
digests = st.none() | st.just(Digest.of(b""))
comparisons = st.builds(
    Comparison,
    st.sampled_from(Kind),
    digests,
    digests,
    st.lists(items, max_size=3).map(tuple),
    st.integers(0, 3),
)
problems = st.builds(lambda message, hint: RemoteError(message, hint=hint), hostile, hostile)
diffs = st.builds(
    TestDiff,
    hostile,
    st.lists(comparisons, max_size=2).map(tuple),
    differences.map(tuple),
    st.lists(st.tuples(st.sampled_from(Kind), st.builds(Finding, hostile, st.just(1))), max_size=1).map(
        tuple
    ),
    st.lists(problems, max_size=1).map(tuple),
)
DRIVES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@given(found=diffs, full=st.booleans())
def test_nothing_recorded_drives_the_terminal_that_shows_it(found, full):
    lines = list(describe(found, full=full))
    assert not DRIVES.search("".join(line.text for line in lines))
    assert not DRIVES.search(headline(found))
    if not full:  # problems are whole: commands are to be copied from them
        assert all(width(line.text) <= 80 for line in lines if not is_problem(line))


def is_problem(line: Line) -> bool:
    return (
        line.text.startswith(("  !", "    "))
        and line.style in ("warning", "dim")
        and "(" not in line.text[:8]
    )


@pytest.mark.parametrize("value", ["a" * 5_000_000, "\x1b漢" * 1_000_000, "x\n" * 1_000_000])
def test_a_large_value_costs_no_more_than_a_look_at_what_is_shown(value):
    lines = list(describe(changed(Difference("response body", value, value + "end"))))
    assert sum(len(line.text) for line in lines) < 4_000


# --- Markdown and JSON ------------------------------------------------------------------------------


@given(found=st.lists(diffs, max_size=3))
def test_markdown_holds_nothing_recorded_outside_of_its_fences(found):
    document = diff_markdown.document(found, "main", "HEAD")
    outside = []
    fence = ""
    for line in document.split("\n"):
        opening = re.match(r"(`{3,})diff\Z", line)
        if fence:
            fence = "" if line == fence else fence
        elif opening:
            fence = opening[1]
        else:
            outside.append(line)
    assert fence == ""
    rest = re.sub(
        r"</?(?:code|details|summary)>|&#\d+;|\*\*\d[^*]*\*\*|^### |^\|---\|---\|$",
        "",
        "\n".join(outside),
        flags=re.M,
    )
    assert not re.search(r"[<>`*_\[\]#]", rest.replace("`booktest-cassettes diff`", "")), rest
    assert not DRIVES.search(document.replace("\n", ""))


def test_markdown_stays_below_its_limit_and_says_what_is_left_out():
    found = [
        changed(*(Difference(f"response body $.{n}", "1" * 60, "2" * 60) for n in range(12)))
        for _ in range(300)
    ]
    document = diff_markdown.document(found, "main", "HEAD")
    assert len(document) < 60_000
    assert document.count("<details>") == document.count("</details>")
    left = re.search(r"(\d+) more tests are too long", document)
    assert left
    assert int(left[1]) + document.count("<details>") == 300


def test_markdown_stays_below_its_limit_whatever_its_tests_and_revisions_are_called():
    found = [
        TestDiff(f"{number}{'[_*]' * 60}", changed(Difference("a", "1", "2")).comparisons)
        for number in range(200)
    ]
    document = diff_markdown.document(found, "&" * 3_000, "@" * 3_000)
    assert len(document) <= diff_markdown.LIMIT
    assert re.search(r"\.\.\. and 1\d\d more", document)


def test_a_fence_is_longer_than_any_run_of_backticks_in_it():
    document = diff_markdown.document([changed(Difference("response body", "a", "`" * 7))], "a", "b")
    assert "`" * 8 + "diff\n" in document


def test_signs_stand_first_in_a_diff_block():
    document = diff_markdown.document([changed(Difference("status", "200 OK", "404 Not Found"))], "a", "b")
    assert "\n-         200 OK\n" in document
    assert "\n+         404 Not Found\n" in document


@given(found=st.lists(diffs, max_size=2))
def test_json_has_everything_and_is_json_for_any_text(found):
    document = json.loads(json.dumps(diff_json.document(found, "a", "b")))
    assert document["version"] == 1
    assert [one["test"] for one in document["tests"]] == [one.test_id for one in found]
    for one, told in zip(found, document["tests"], strict=True):
        assert [item["title"] for kind in told["snapshots"] for item in kind["items"]] == [
            item.title for comparison in one.comparisons for item in comparison.items
        ]
        assert len(told["problems"]) == len(one.problems)
