"""Migration: whose recording a file is, what is taken, what is left alone and why."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from remote_bench import RemoteBench
from workflow_bench import Bench, http

from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import RemoteError, UsageError
from booktest_cassettes.recording import codec
from booktest_cassettes.workflow import migration
from booktest_cassettes.workflow.migration import Asked, How, Report

USERS = "tests/test_api.py::test_users"
CASSETTE = "tests/cassettes/test_api/test_users.yaml"


def cassette(
    answer: str = "hello", *, url: str = "http://api.test/users", count: int = 1, **headers: str
) -> str:
    item = {
        "request": {
            "method": "GET",
            "uri": url,
            "body": None,
            "headers": {k: [v] for k, v in headers.items()},
        },
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": answer}},
    }
    return yaml.dump({"interactions": [item] * count, "version": 1})


PLAIN = How()


class Mover(Bench):
    """A project with cassettes and the tests that use them."""

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def plan(
        self, source: str = "pytest-recording", *paths: str, ids: str = "", **table: str
    ) -> migration.Plan:
        named = {name: [test] for name, test in table.items()}
        return migration.make(self.project(), Asked(source, [self.root / path for path in paths], named, ids))

    def migrate(self, *arguments: str, how: How = PLAIN, table: dict[str, list[str]] | None = None) -> Report:
        source, *paths = arguments or ("pytest-recording",)
        asked = Asked(source, [self.root / path for path in paths], table or {})
        project = self.project()
        return migration.execute(project, migration.make(project, asked), how)

    def used(self, plan: migration.Plan) -> dict[str, list[str]]:
        project = self.project()
        return {item.test_id: [project.relative(file) for file in item.files] for item in plan.items}


@pytest.fixture
def mover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mover:
    """Its suite is collected without the plugins of our own tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Mover(tmp_path / "project")


def suite(mover: Mover, text: str) -> None:
    mover.write("tests/test_api.py", text)


def statuses(report: Report) -> dict[str, str]:
    return {" ".join(row.paths): row.status for row in report.rows}


# -- whose recording it is ------------------------------------------------------------------------------


def test_pytest_recordings_names_are_understood(mover):
    suite(mover, """\
        import pytest

        @pytest.mark.vcr
        def test_users(): ...

        @pytest.mark.vcr
        @pytest.mark.parametrize("path", ["a/b", "c-d"])
        def test_each(path): ...

        @pytest.mark.vcr
        class TestApi:
            def test_in_class(self): ...
            class TestInner:
                def test_deep(self): ...

        @pytest.mark.vcr
        @pytest.mark.default_cassette("own_name")
        def test_named(): ...

        @pytest.mark.vcr("shared.yaml", "more/extra.yaml")
        def test_with_extras(): ...

        @pytest.mark.vcr("shared.yaml")
        def test_with_extra(): ...

        def test_without_marker(): ...

        @pytest.mark.vcr
        def LONG(): ...
        """.replace("LONG", f"test_{'x' * 300}"))  # fmt: skip
    import hashlib

    long = f"test_{'x' * 300}"
    short = f"{long[: 255 - 5 - 32 - 3]}...{hashlib.md5(long.encode()).hexdigest()}"
    expected = {
        USERS: ["test_users"],
        "tests/test_api.py::test_each[a/b]": ["test_each[a-b]"],
        "tests/test_api.py::test_each[c-d]": ["test_each[c-d]"],
        f"tests/test_api.py::{long}": [short],
        "tests/test_api.py::TestApi::test_in_class": ["TestApi.test_in_class"],
        "tests/test_api.py::TestApi::TestInner::test_deep": ["TestInner.test_deep"],
        "tests/test_api.py::test_named": ["own_name"],
        "tests/test_api.py::test_with_extras": ["test_with_extras", "shared", "more/extra"],
        "tests/test_api.py::test_with_extra": ["test_with_extra", "shared"],
    }
    for name in {name for names in expected.values() for name in names} | {"test_without_marker", "gone"}:
        if len(name) < 251:
            mover.write(f"tests/cassettes/test_api/{name}.yaml", cassette())
    plan = mover.plan()
    found = mover.used(plan)
    assert found == {
        test: [f"tests/cassettes/test_api/{name}.yaml" for name in names] for test, names in expected.items()
        if test in found
    }  # fmt: skip
    assert len(found) == len(expected)
    orphans = {orphan.file.stem: orphan for orphan in plan.orphans}
    assert set(orphans) == {"gone", "test_without_marker"}
    assert "--map" in orphans["gone"].hint


def test_fixtures_that_move_cassettes_are_asked_without_running_a_test(mover):
    mover.write("tests/conftest.py", """\
        import os, pytest

        @pytest.fixture(scope="session")
        def base():
            return os.path.join(os.path.dirname(__file__), "data")

        @pytest.fixture(scope="module")
        def vcr_cassette_dir(request, base):
            return os.path.join(base, request.module.__name__)

        @pytest.fixture(scope="session")
        def vcr_config():
            return {"serializer": "json", "filter_headers": ["x"]}
        """)  # fmt: skip
    suite(mover, """\
        import pytest
        @pytest.mark.vcr
        def test_users():
            open("ran", "w")
        """)  # fmt: skip
    mover.write("tests/data/test_api/test_users.json", json.dumps(yaml.safe_load(cassette())))
    assert mover.used(mover.plan()) == {USERS: ["tests/data/test_api/test_users.json"]}
    assert not list(mover.root.rglob("ran"))


def test_a_fixture_that_overrides_another_gets_that_ones_value_and_wide_ones_are_asked_once(mover):
    mover.write("tests/conftest.py", """\
        import pytest
        @pytest.fixture(scope="session")
        def vcr_config():
            with open("asked", "a") as file:
                file.write("x")
            return {"serializer": "json"}
        """)  # fmt: skip
    suite(mover, """\
        import pytest
        @pytest.fixture
        def vcr_config(vcr_config):
            return {**vcr_config, "match_on": ["uri"]}
        @pytest.mark.vcr
        def test_users(): ...
        @pytest.mark.vcr
        def test_orders(): ...
        """)  # fmt: skip
    for name in ("users", "orders"):
        text = json.dumps(yaml.safe_load(cassette(name)))
        mover.write(f"tests/cassettes/test_api/test_{name}.json", text)
    assert set(mover.used(mover.plan())) == {USERS, "tests/test_api.py::test_orders"}
    assert (mover.root / "asked").read_text() == "x"


@pytest.mark.parametrize(
    ("scope", "name"), [("module", "test_api.py"), ("class", "TestApi"), ("function", "test_users")]
)
def test_a_fixture_sees_the_node_of_its_scope(mover, scope, name):
    mover.write("tests/conftest.py", f"""\
        import pytest
        @pytest.fixture(scope="{scope}")
        def vcr_cassette_dir(request):
            return str(request.path.parent / "data" / request.node.name)
        """)  # fmt: skip
    suite(mover, "import pytest\n@pytest.mark.vcr\nclass TestApi:\n    def test_users(self): ...\n")
    path = f"tests/data/{name}/TestApi.test_users.yaml"
    mover.write(path, cassette())
    assert mover.used(mover.plan()) == {"tests/test_api.py::TestApi::test_users": [path]}


def test_a_directory_that_only_a_set_up_could_tell_is_not_guessed(mover):
    mover.write("tests/conftest.py", """\
        import pytest
        @pytest.fixture(scope="module")
        def vcr_cassette_dir(tmp_path_factory):
            yield str(tmp_path_factory.mktemp("x"))
        """)  # fmt: skip
    suite(mover, "import pytest\n@pytest.mark.vcr\ndef test_users(): ...\n")
    mover.write(CASSETTE, cassette())
    (orphan,) = mover.plan().orphans
    assert "vcr_cassette_dir needs a set-up" in orphan.why


def test_a_fixture_that_skips_leaves_its_tests_cassette_an_orphan_and_the_others_migrate(mover):
    suite(mover, """\
        import pytest

        class TestOther:
            @pytest.fixture
            def vcr_config(self):
                pytest.skip("not today")

            @pytest.mark.vcr
            def test_skipped(self): ...

        @pytest.mark.vcr
        @pytest.mark.parametrize("n", ["a-b"])
        def test_users(n): ...
        """)  # fmt: skip
    mover.write("tests/cassettes/test_api/test_users[a-b].yaml", cassette())
    mover.write("tests/cassettes/test_api/TestOther.test_skipped.yaml", cassette())
    plan = mover.plan()
    assert list(mover.used(plan)) == [f"{USERS}[a-b]"]
    assert "not today" in plan.orphans[0].why


def test_deselected_tests_count_too_and_broken_modules_do_not_hide_the_others(mover):
    mover.write("pytest.ini", "[pytest]\naddopts = -m 'not slow' --strict-markers\nmarkers = slow: x\n")
    suite(mover, "import pytest\n@pytest.mark.slow\n@pytest.mark.vcr\ndef test_users(): ...\n")
    mover.write("tests/test_broken.py", "import nothing_like_this\n")
    mover.write(CASSETTE, cassette())
    plan = mover.plan()
    assert mover.used(plan) == {USERS: [CASSETTE]}
    assert "not all of the suite was collected" in plan.notes[0]


def test_collecting_uses_no_network(mover):
    suite(mover, """\
        import socket, pytest
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=0.1)
        except OSError as error:
            assert "without the network" in str(error), error
        @pytest.mark.vcr
        def test_users(): ...
        """)  # fmt: skip
    mover.write(CASSETTE, cassette())
    plan = mover.plan()
    assert (mover.used(plan), plan.notes) == ({USERS: [CASSETTE]}, ())


@pytest.fixture
def uncollectable(mover: Mover) -> Mover:
    mover.write("tests/conftest.py", "import nothing_like_this\n")
    return mover


def test_where_the_suite_cannot_be_collected_only_sure_names_count(uncollectable):
    mover = uncollectable
    suite(mover, """\
        import pytest
        def test_users(): ...
        class TestApi:
            def test_x(self): ...
        @pytest.mark.parametrize("p", ["a", "b-c"])
        def test_each(p): ...
        """)  # fmt: skip
    for name in ("test_users", "TestApi.test_x", "test_each[a]", "test_each[b-c]", "test_users[a]", "gone"):
        mover.write(f"tests/cassettes/test_api/{name}.yaml", cassette())
    mover.write("tests/cassettes/test_other/test_users.yaml", cassette())
    plan = mover.plan()
    assert set(mover.used(plan)) == {
        USERS, "tests/test_api.py::TestApi::test_x", "tests/test_api.py::test_each[a]"
    }  # fmt: skip
    assert len(plan.orphans) == 4
    assert "the suite was not collected" in plan.notes[0]


def test_use_cassette_in_a_test_names_its_cassettes(mover):
    suite(mover, """\
        import vcr
        my_vcr = vcr.VCR()

        @my_vcr.use_cassette("fixtures/users.yaml")
        def test_users(): ...

        def test_two():
            with my_vcr.use_cassette("first"):
                pass
            with my_vcr.use_cassette("second"):
                pass

        def helper():
            with my_vcr.use_cassette("helper.yaml"):
                pass
        """)  # fmt: skip
    for name in ("users", "first", "second", "helper"):
        mover.write(f"tests/fixtures/{name}.yaml", cassette())
    plan = mover.plan()
    assert mover.used(plan) == {
        USERS: ["tests/fixtures/users.yaml"],
        "tests/test_api.py::test_two": ["tests/fixtures/first.yaml", "tests/fixtures/second.yaml"],
    }
    assert [orphan.file.stem for orphan in plan.orphans] == ["helper"]


def test_a_name_that_fits_two_cassettes_is_no_mapping(mover):
    suite(mover, "def test_users():\n    with v.use_cassette('users.yaml'): ...\n")
    for directory in ("a", "b"):
        mover.write(f"tests/{directory}/users.yaml", cassette())
    assert mover.plan().items == ()
    with pytest.raises(UsageError, match="fits 2 recordings"):
        migration.make(mover.project(), Asked("vcr", [], {"users.yaml": [USERS]}))


@pytest.mark.parametrize("how", ["by path", "by map", "by directory"])
def test_a_name_is_looked_up_among_all_files_not_only_those_to_migrate(mover, monkeypatch, how):
    for name in "ab":
        mover.write(f"tests/{name}/test_{name}.py", f"def test_{name}():\n    v.use_cassette('users.yaml')\n")
        mover.write(f"tests/{name}/fix/users.yaml", cassette(name))
    table, paths = {}, ()
    if how == "by path":
        paths = ("tests/b",)
    elif how == "by map":
        table = {"tests/a/fix/users.yaml": "tests/a/test_a.py::test_a"}
    else:
        monkeypatch.chdir(mover.root / "tests/b/fix")
    used = mover.used(mover.plan("auto", *paths, **table))
    assert used == {test: [file] for file, test in table.items()}


@pytest.mark.parametrize("path", ["", "b"])
def test_betamax_cassettes_of_one_name_in_two_directories_are_no_ones(mover, path):
    suite(mover, "class TestX:\n    def test_y(self): ...\n")
    for name in "ab":
        mover.write(f"{name}/TestX.test_y.json", '{"http_interactions": [], "recorded_with": "betamax"}')
    assert mover.plan("betamax", path).items == ()
    (mover.root / "a/TestX.test_y.json").unlink()
    assert list(mover.used(mover.plan("betamax"))) == ["tests/test_api.py::TestX::test_y"]


def test_an_inherited_test_is_none_of_the_class_it_is_inherited_from(mover):
    suite(mover, """\
        class Base:
            def test_users(self):
                with v.use_cassette("users.yaml"): ...

        class TestOne(Base): ...
        """)  # fmt: skip
    mover.write("tests/users.yaml", cassette())
    assert mover.plan().items == ()


def test_the_id_of_a_plain_cassette_is_its_path_as_the_persister_has_it(mover):
    mover.write("fixtures/users.yaml", cassette())
    report = mover.migrate("vcr")
    assert list(mover.lines()) == ["fixtures/users.yaml"]
    assert report.exit_code == 0


def test_ids_can_be_asked_for_over_the_formats_own_way(mover):
    suite(mover, "def test_users():\n    with v.use_cassette('users.yaml'): ...\n")
    mover.write("tests/fixtures/users.yaml", cassette())
    assert list(mover.used(mover.plan("vcr"))) == ["tests/fixtures/users.yaml"]
    assert list(mover.used(mover.plan("vcr", ids="test"))) == [USERS]
    assert list(mover.used(mover.plan("auto"))) == [USERS]
    assert list(mover.used(mover.plan("auto", ids="path"))) == ["tests/fixtures/users.yaml"]


def test_a_mapping_counts_more_than_any_rule(mover):
    mover.write("fixtures/users.yaml", cassette())
    mover.migrate("vcr", table={"users": [USERS, "tests/test_api.py::test_again"]})
    assert set(mover.lines()) == {USERS, "tests/test_api.py::test_again"}


def test_a_mapping_of_a_cassette_that_is_not_there_is_an_error(mover):
    with pytest.raises(UsageError, match="fits no recording"):
        mover.migrate("vcr", table={"users": [USERS]})


def test_two_cassettes_of_one_test_are_one_recording(mover):
    mover.write("a/users.yaml", cassette("a"))
    mover.write("b/users.yaml", cassette("b"))
    (row,) = mover.migrate("vcr", table={"b/users.yaml": [USERS], "a/users.yaml": [USERS]}).rows
    assert (row.paths, row.interactions) == (("a/users.yaml", "b/users.yaml"), 2)


def test_recordings_of_two_tools_are_not_put_over_each_other(mover):
    har = {"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": [], "pages": []}}
    mover.write("a/users.har", json.dumps(har))
    mover.write("b/users.yaml", cassette("b"))
    mover.write("c/users.yaml", cassette("c"))
    report = mover.migrate("auto", table={"a/users.har": [USERS], "b/users.yaml": [USERS]})
    assert sum(row.status == "taken" for row in report.rows) <= 1
    assert statuses(report)["c/users.yaml"] == "orphan"


# -- what is taken ----------------------------------------------------------------------------------------


def one(mover: Mover, text: str | None = None) -> Mover:
    suite(mover, "def test_users(): ...\n")
    mover.write(CASSETTE, text or cassette())
    return mover


TABLE = {CASSETTE: [USERS]}


def test_a_taken_recording_is_approved_and_its_bytes_are_what_recording_makes(mover):
    report = one(mover).migrate(table=TABLE)
    (row,) = report.rows
    assert (row.status, row.test_id, row.interactions) == ("taken", USERS, 1)
    assert mover.lines()[USERS]["http"] == row.kinds["http"]
    assert mover.pending() == []
    assert mover.staged_files() == []
    data = mover.payload(USERS).read_bytes()
    assert row.size == len(data)
    (item,) = codec.load_interactions(data, name="x")
    assert codec.dump_interactions(Kind.HTTP, [item]) == data
    mover.see_that_everything_named_can_be_read()


def test_the_second_run_changes_no_byte(mover):
    one(mover).migrate(table=TABLE)
    before = mover.files()
    report = mover.migrate(table=TABLE)
    assert statuses(report) == {CASSETTE: "there"}
    assert report.exit_code == 0
    assert mover.files() == before


def test_a_dry_run_says_the_same_and_writes_nothing(mover):
    one(mover)
    before = mover.files()
    dry = mover.migrate(how=How(dry_run=True), table=TABLE)
    assert mover.files() == before
    real = mover.migrate(table=TABLE)
    assert dry.rows == real.rows
    assert dry.totals == real.totals


def test_originals_stay_unless_asked_and_then_only_those_taken_go(mover):
    one(mover).write("tests/cassettes/test_api/gone.yaml", cassette())
    mover.write("tests/cassettes/test_api/broken.yaml", "interactions: [\n")
    mover.migrate(table=TABLE)
    assert (mover.root / CASSETTE).exists()
    report = mover.migrate(how=How(delete_originals=True), table=TABLE)
    assert report.deleted == (CASSETTE,)
    assert not (mover.root / CASSETTE).exists()
    left = sorted(path.name for path in (mover.root / "tests/cassettes/test_api").iterdir())
    assert left == ["broken.yaml", "gone.yaml"]
    mover.see_that_everything_named_can_be_read()


def test_an_original_whose_approved_snapshot_is_lost_is_kept(mover):
    one(mover).migrate(table=TABLE)
    mover.payload(USERS).unlink()
    shutil.rmtree(mover.root / ".booktest_cache")
    assert mover.migrate(how=How(delete_originals=True), table=TABLE).deleted == ()
    assert (mover.root / CASSETTE).exists()


def test_a_cassette_of_several_tests_goes_only_when_all_of_them_have_it(mover):
    test = "@pytest.mark.vcr\n@pytest.mark.default_cassette('shared')\ndef test_{}(): ...\n"
    suite(mover, "import pytest\n" + "".join(map(test.format, "ab")))
    shared = mover.write("tests/cassettes/test_api/shared.yaml", cassette())
    mover.approved("tests/test_api.py::test_b", http=http("other"))
    report = mover.migrate(how=How(delete_originals=True))
    assert [row.status for row in report.rows] == ["taken", "skipped"]
    assert shared.exists()
    report = mover.migrate(how=How(delete_originals=True, force=True))
    assert not shared.exists()
    assert len({kinds["http"] for kinds in mover.lines().values()}) == 1


def test_an_original_that_a_recording_left_alone_links_to_stays(mover):
    file = mover.write("cassettes/a.yaml", cassette())
    (mover.root / "cassettes/b.yaml").symlink_to("a.yaml")
    mover.approved("cassettes/b.yaml", http=http("other"))
    report = mover.migrate("vcr", how=How(delete_originals=True))
    assert statuses(report) == {"cassettes/a.yaml": "taken", "cassettes/b.yaml": "skipped"}
    assert (report.deleted, file.exists()) == ((), True)


def test_an_original_that_is_edited_meanwhile_stays(mover, monkeypatch):
    file = mover.write("cassettes/a.yaml", cassette())
    plain = migration.execute.__globals__["_Run"].flush

    def flush(run):
        plain(run)
        file.write_text(cassette("edited"))

    monkeypatch.setattr(migration.execute.__globals__["_Run"], "flush", flush)
    report = mover.migrate("vcr", how=How(delete_originals=True))
    assert (statuses(report), report.deleted) == ({"cassettes/a.yaml": "taken"}, ())
    assert "edited" in file.read_text()


def test_what_is_approved_with_another_digest_stays_unless_forced(mover):
    mover.approved(USERS, http=http("mine"))
    before = mover.manifest()
    (row,) = one(mover).migrate(table=TABLE).rows
    assert (row.status, row.hint) == ("skipped", "migrate --force replaces it")
    assert mover.manifest() == before
    mover.migrate(table=TABLE, how=How(force=True))
    assert mover.manifest() != before
    mover.see_that_everything_named_can_be_read()


def test_a_test_recorded_anew_with_httpx_is_not_given_its_old_recording_back(mover):
    mover.approved(USERS, httpx=http("mine").replace(b'"http"', b'"httpx"'))
    (row,) = one(mover).migrate(table=TABLE).rows
    assert row.status == "skipped"
    mover.migrate(table=TABLE, how=How(force=True))
    assert set(mover.lines()[USERS]) == {"http"}


def test_other_kinds_of_the_test_stay(mover):
    mover.approved(USERS, env=codec.dump_env({"A": "b"}))
    (row,) = one(mover).migrate(table=TABLE).rows
    assert row.status == "taken"
    assert set(mover.lines()[USERS]) == {"env", "http"}


def test_what_waits_for_review_is_not_replaced(mover):
    mover.stage(USERS, http=http("mine"))
    (row,) = one(mover).migrate(table=TABLE).rows
    assert (row.status, row.hint) == ("skipped", f"booktest-cassettes review {USERS}")
    assert mover.pending() == [USERS]


@pytest.mark.parametrize("at", ["stage", "save"])
def test_a_killed_migration_is_completed_by_the_next(mover, monkeypatch, at):
    from booktest_cassettes.workflow import approve

    class Killed(BaseException):
        pass

    def kill(*_args: object, **_options: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(approve, "plan_of" if at == "stage" else "save", kill)
        with pytest.raises(Killed):
            one(mover).migrate(table=TABLE)
    report = mover.migrate(table=TABLE)
    assert statuses(report) == {CASSETTE: "taken"}
    assert mover.pending() == []
    mover.see_that_everything_named_can_be_read()


def test_batches_are_whole_approvals(mover, monkeypatch):
    monkeypatch.setattr(sys.modules[migration.execute.__module__], "_BATCH", 1)
    for number in range(5):
        mover.write(f"fixtures/{number}.yaml", cassette(str(number)))
    assert mover.migrate("vcr").totals["taken"] == 5
    assert len(mover.lines()) == 5
    mover.see_that_payloads_are_what_the_manifest_says()


def test_a_cassette_without_interactions_is_skipped(mover):
    (row,) = one(mover, "interactions: []\nversion: 1\n").migrate(table=TABLE).rows
    assert (row.status, row.why) == ("skipped", "holds no interactions")
    assert mover.manifest() is None


def test_the_digest_does_not_depend_on_the_day_of_the_migration(mover):
    item = yaml.safe_load(cassette())
    item["interactions"][0]["response"]["headers"] = {
        "Expires": ["Sat, 20 Nov 2027 10:00:00 GMT"],
        "Set-Cookie": [
            "a=1; Expires=Mon, 01 Jan 2024 00:00:00 GMT",
            "b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ],
    }
    one(mover, yaml.dump(item)).migrate(table=TABLE)
    (found,) = codec.load_interactions(mover.payload(USERS).read_bytes(), name="x")
    assert found.outcome.headers == (
        ("Expires", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("Set-Cookie", "a=REDACTED; Expires=Fri, 31 Dec 9999 23:59:59 GMT"),
        ("Set-Cookie", "b=REDACTED; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
    )


# -- with a remote ------------------------------------------------------------------------------------


class RemoteMover(RemoteBench, Mover):
    """Whose approved snapshots go to a share."""


@pytest.fixture
def far(tmp_path: Path) -> RemoteMover:
    return RemoteMover(tmp_path / "project", tmp_path / "share")


def test_what_is_taken_is_on_the_remote_before_the_manifest_names_it(far):
    for number in range(3):
        far.write(f"fixtures/{number}.yaml", cassette(str(number)))
    report = far.migrate("vcr", how=How(delete_originals=True))
    assert report.totals["taken"] == 3
    assert len(report.deleted) == 3
    far.see_that_the_remote_has_what_the_manifest_names()
    assert far.waiting() == []


def test_a_remote_that_is_gone_changes_nothing_and_the_next_run_completes_it(far):
    far.write("fixtures/users.yaml", cassette())
    away = far.share.with_name("away")
    far.share.rename(away)
    with pytest.raises(RemoteError):
        far.migrate("vcr", how=How(delete_originals=True))
    assert far.manifest() is None
    assert (far.root / "fixtures/users.yaml").exists()
    away.rename(far.share)
    report = far.migrate("vcr", how=How(delete_originals=True))
    assert (report.totals["taken"], report.deleted) == (1, ("fixtures/users.yaml",))
    far.see_that_the_remote_has_what_the_manifest_names()


def test_a_dry_run_needs_no_remote(far):
    far.write("fixtures/users.yaml", cassette())
    far.share.rename(far.share.with_name("away"))
    assert far.migrate("vcr", how=How(dry_run=True)).totals["taken"] == 1


# -- secrets ------------------------------------------------------------------------------------------------

TOKEN = "ghp_" + "a1B2" * 9


def test_redactions_are_counted_by_place_and_no_value_is_told(mover):
    body = json.dumps({"access_token": TOKEN, "password": "hunter2", "name": "Ada"})
    url = f"http://api.test/users?api_key={TOKEN}&page=1"
    mover = one(mover, cassette(body, url=url, count=3, Authorization=f"Bearer {TOKEN}", Accept="*/*"))
    report = mover.migrate(table=TABLE)
    assert report.redactions == {
        "request header authorization": 3,
        "request url api_key": 3,
        "response body access_token": 3,
        "response body password": 3,
    }
    told = json.dumps(report.as_json()) + "".join(line.text for line in report.lines())
    everything = b"".join(data for name, data in mover.files().items() if name != CASSETTE)
    for secret in (TOKEN, "hunter2"):
        assert secret not in told
        assert secret.encode() not in everything


def test_what_still_looks_like_a_secret_is_refused_and_the_others_go_on(mover):
    mover.write("fixtures/bad.yaml", cassette(f"log: {TOKEN}"))
    mover.write("fixtures/good.yaml", cassette())
    report = mover.migrate("vcr")
    assert statuses(report) == {"fixtures/bad.yaml": "refused", "fixtures/good.yaml": "taken"}
    assert report.exit_code == 4
    (row,) = [row for row in report.rows if row.status == "refused"]
    assert "GitHub token" in row.why
    assert TOKEN not in json.dumps(report.as_json())
    assert TOKEN.encode() not in b"".join(
        data for name, data in mover.files().items() if not name.startswith("fixtures")
    )
    assert mover.migrate("vcr", how=How(allow_secrets=True)).totals["taken"] == 1


def test_the_projects_own_rules_count(mover):
    (mover.root / "booktest.toml").write_text('[storage]\nmode = "git"\n[redact]\nheaders = ["x-mine"]\n')
    report = one(mover, cassette(**{"X-Mine": "abc"})).migrate(table=TABLE)
    assert report.redactions == {"request header x-mine": 1}


# -- bad input ------------------------------------------------------------------------------------------


BAD = {
    "malformed": "interactions: [\n",
    "truncated": cassette()[:-40],
    "binary": "\0\1\2interactions",
    "duplicate": f"{cassette()}version: 1\n",
    "python": "interactions: !!python/object/apply:os.system ['touch ran']\n",
    "bomb": "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
    + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
    ),
    "empty": "",
    "prose": "hello",
}


def test_bad_files_are_told_one_by_one_and_the_good_ones_migrate(mover, monkeypatch):
    monkeypatch.chdir(mover.root)
    for name, text in BAD.items():
        mover.write(f"cassettes/{name}.yaml", text)
    with (mover.root / "cassettes/huge.yaml").open("wb") as file:
        file.truncate(50_000_000)
    mover.write("cassettes/good.yaml", cassette())
    report = mover.migrate("vcr")
    assert statuses(report) == {
        "cassettes/good.yaml": "taken",
        **{f"cassettes/{name}.yaml": "refused" for name in [*BAD, "huge"]},
    }
    assert report.exit_code == 4
    for row in report.rows:
        assert row.status == "taken" or (row.paths[0] in row.why and row.hint)
    assert not (mover.root / "ran").exists()
    assert list(mover.lines()) == ["cassettes/good.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "interactions: *{0}\nversion: 1\n",
        "interactions: !{0} []\nversion: 1\n",
        '{{"interactions": [], "{0}": 1, "{0}": 2}}',
    ],
)
def test_a_credential_that_an_error_would_quote_is_not_told(mover, text):
    secret = "ghp_" + "aB3dE6" * 6
    mover.write("cassettes/x.yaml", text.format(secret))
    report = mover.migrate("vcr")
    assert statuses(report) == {"cassettes/x.yaml": "refused"}
    assert secret not in json.dumps(report.as_json())


def test_files_that_are_no_recordings_are_none_of_our_business(mover):
    mover.write("compose.yaml", "services: {}\n")
    mover.write("package.json", '{"name": "x"}')
    mover.write(".venv/lib/a.yaml", cassette())
    mover.write("env/pyvenv.cfg", "")
    mover.write("env/a.yaml", cassette())
    mover.approved("cassettes/x.yaml", http=http("mine"))
    assert mover.migrate("auto").rows == ()


def test_what_lies_beside_a_recording_is_suspected_by_its_ending_and_never_in_the_root(mover):
    for directory in ("", "tests/data/"):
        mover.write(f"{directory}good.yaml", cassette())
        mover.write(f"{directory}other.yaml", "a: 1\n")
        mover.write(f"{directory}package.json", '{"name": "x"}')
        mover.write(f"{directory}setup.toml", "a = 1\n")
    assert {
        file: status for file, status in statuses(mover.migrate("auto")).items() if status != "orphan"
    } == {"tests/data/other.yaml": "refused"}


def test_a_project_below_a_directory_called_cassettes_is_not_full_of_broken_ones(tmp_path):
    mover = Mover(tmp_path / "cassettes/project")
    mover.write("compose.yaml", "services: {}\n")
    mover.write("tests/data.json", "{}")
    assert mover.migrate("auto").rows == ()


def test_json_in_a_file_called_yaml_is_a_cassette(mover):
    whole = yaml.safe_load(cassette("caf\u00e9 \U0001f600"))
    text = json.dumps({"version": 1, "interactions": whole["interactions"]}, indent=4)
    mover.write("cassettes/users.json.yaml", text)
    mover.write("other/users.yml", text)
    assert statuses(mover.migrate("vcr")) == {
        "cassettes/users.json.yaml": "taken",
        "other/users.yml": "taken",
    }


def test_a_pipe_or_a_broken_link_among_cassettes_stops_nothing(mover):
    mover.write("cassettes/good.yaml", cassette())
    os.mkfifo(mover.root / "cassettes/pipe.yaml")
    (mover.root / "cassettes/link.yaml").symlink_to("nowhere.yaml")
    assert statuses(mover.migrate("vcr")) == {"cassettes/good.yaml": "taken"}


def test_a_file_that_cannot_be_opened_is_told_and_the_others_migrate(mover, monkeypatch):
    mover.write("cassettes/good.yaml", cassette())
    mover.write("cassettes/locked.yaml", cassette())
    plain = Path.open

    def refusing(path, *arguments, **options):
        if path.name == "locked.yaml":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    report = mover.migrate("vcr")
    assert statuses(report) == {"cassettes/good.yaml": "taken", "cassettes/locked.yaml": "refused"}
    assert report.exit_code == 4


def test_a_named_file_that_is_no_recording_is_an_error(mover):
    mover.write("compose.yaml", "services: {}\n")
    with pytest.raises(UsageError, match="not recognised"):
        mover.migrate("auto", "compose.yaml")
    assert mover.migrate("vcr", "compose.yaml").exit_code == 4
    with pytest.raises(UsageError, match="no such file"):
        mover.migrate("vcr", "nothing.yaml")


def test_a_broken_orphan_is_refused_rather_than_left_without_a_reason(mover):
    suite(mover, "def test_users(): ...\n")
    mover.write("tests/cassettes/test_api/broken.yaml", "interactions: [\n")
    report = mover.migrate()
    assert statuses(report) == {"tests/cassettes/test_api/broken.yaml": "refused"}
    assert report.exit_code == 4
