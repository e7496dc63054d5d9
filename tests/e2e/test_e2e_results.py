"""Result files as a user has them: written by tests, reviewed once, compared from then on."""

from __future__ import annotations

import json
import sys

import e2e_workspace

RESULT = "books/test_it.py/test_users/result.md"
TEST = """
    import os
    import requests
    from booktest_cassettes import cassette

    @cassette
    def test_users():
        user = requests.get("URL/users").json()["user"]
        cassette.result.h1("Users")
        cassette.result.line(f"{os.environ.get('COUNT', 1)} user")
        cassette.result.check("is known", user == "ada")
    """


def _files(workspace) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(workspace.root.rglob("*"))
        if path.is_file() and not {"__pycache__", ".pytest_cache", ".git"} & set(path.parts)
    }


def test_a_result_is_recorded_reviewed_and_compared_beside_the_recording(workspace, api):
    workspace.write("test_it.py", TEST.replace("URL", api.url))
    workspace.record()
    assert (workspace.root / RESULT).read_text() == "# Users\n\n1 user\n\n- [x] is known\n"
    assert "result" not in workspace.manifest
    workspace.commit()
    assert RESULT in workspace.git("ls-files")
    api.stop()
    before = _files(workspace)

    done = workspace.pytest("-q", ci=True, COUNT="2")
    assert done.code == 1, done.text
    assert "test_it.py::test_users: its result is not the approved one:" in done.text
    assert "- 1 user" in done.text
    assert "+ 2 user" in done.text
    assert _files(workspace) == before, "strict replay writes nothing"

    done = workspace.pytest("-q", COUNT="2")
    assert done.code == 1, done.text
    assert "test_it.py::test_users  (result updated)" in done.text
    done = workspace.cli("approve", "--all")
    assert "approved: 1 result of 1 test" in done.text
    assert workspace.git("status", "--porcelain").split() == ["M", RESULT]
    done = workspace.pytest("-q", ci=True, COUNT="2")
    assert done.code == 0, done.text
    assert "results: 1 intact" in done.text


def test_drift_that_is_staged_brings_the_result_of_the_live_answers_along(workspace, api, monkeypatch):
    code = TEST.replace("URL", api.url).replace("os.environ.get('COUNT', 1)", "user")
    workspace.write("test_it.py", code.replace('"ada"', "user"))
    workspace.record()
    monkeypatch.setattr(
        e2e_workspace._Handler, "do_GET", lambda handler: handler._answer(200, {"user": "grace"})
    )
    done = workspace.cli("run", "--record", "verify", "--stage", "--", "-q")
    assert done.code == 1, done.text
    pending = json.loads(workspace.cli("status", "--json").text)["pending"]["test_it.py::test_users"]
    assert set(pending) == {"http", "result"}
    assert "ada user" in pending["result"]["approved"]
    assert "grace user" in pending["result"]["staged"]


def test_results_of_parametrised_tests_are_compared_on_all_workers(workspace):
    workspace.write(
        "test_it.py",
        """
        import os
        import pytest

        LONG = "x" * 4000

        @pytest.mark.parametrize("what", ["GET", "get", "a/b", "é", LONG, "../z"])
        def test_one(what, cassette):
            cassette.result.line(f"{what[:20]} {len(what)}")
            if os.environ.get("MORE") == what:
                cassette.result.line("more")
        """,
    )
    done = workspace.pytest("-q", "-n", "2")
    assert done.code == 0, done.text
    assert "results: 6 new" in done.text
    assert workspace.cli("approve", "--all").code == 0
    files = list(workspace.root.glob("books/**/result.md"))
    assert len({str(path).casefold() for path in files}) == 6
    assert sorted(path.read_text() for path in files) == sorted(
        ["GET 3\n", "get 3\n", "a/b 3\n", "é 1\n", f"{'x' * 20} 4000\n", "../z 4\n"]
    )
    done = workspace.pytest("-q", "-n", "2", ci=True, MORE="get")
    assert done.code == 1, done.text
    assert "results: 5 intact, 1 failed" in done.text


def test_every_sort_of_test_writes_into_its_own_result(workspace):
    workspace.write(
        "test_it.py",
        """
        import asyncio
        import threading
        import unittest
        import pytest
        from booktest_cassettes import cassette

        @pytest.fixture
        def before():
            cassette.result.line("written before")

        @pytest.mark.cassette
        def test_users(before):
            cassette.result.line("written in it")

        @cassette
        async def test_tasks():
            await asyncio.gather(task("x"))
            cassette.result.line("async")

        async def task(name):
            cassette.result.line(name)

        @cassette
        def test_threads():
            thread = threading.Thread(target=lambda: cassette.result.line("from a thread"))
            thread.start()
            thread.join()

        class Case(unittest.TestCase):
            @cassette
            def test_case(self):
                cassette.result.line("unittest")

        @pytest.fixture(scope="module")
        @cassette
        def wide():
            cassette.result.line("a fixture's own")

        @cassette
        def test_wide(wide):
            cassette.result.line("beside it")

        @cassette
        def test_context():
            with cassette("inner::one") as inner:
                inner.result.line("inner")
            cassette.result.line("outer")
        """,
    )
    workspace.record()
    found = {
        path.parent.relative_to(workspace.root / "books").as_posix().partition("-")[0]: path.read_text()
        for path in workspace.root.glob("books/**/result.md")
    }
    assert found == {
        "test_it.py/test_users": "written before\nwritten in it\n",
        "test_it.py/test_tasks": "x\nasync\n",
        "test_it.py/test_threads": "from a thread\n",
        "test_it.py/Case/test_case": "unittest\n",
        "test_it.py/wide": "a fixture's own\n",
        "test_it.py/test_wide": "beside it\n",
        "inner/one": "inner\n",
        "test_it.py/test_context": "outer\n",
    }
    done = workspace.pytest("-q", ci=True)
    assert done.code == 0, done.text


def test_what_does_not_belong_to_a_result_is_refused_where_it_is_written(workspace):
    workspace.write(
        "test_it.py",
        """
        import pytest
        from booktest_cassettes import cassette

        def test_without_a_cassette():
            cassette.result.line("nowhere")

        @pytest.fixture
        def late(cassette):
            yield
            cassette.result.line("too late")

        @cassette
        def test_late(late):
            pass

        @cassette
        def test_skipped():
            cassette.result.line("half")
            pytest.skip("not today")

        @cassette
        def test_failing():
            cassette.result.line("half")
            assert False

        @pytest.mark.parametrize("number", [1, 2])
        def test_same_id(number):
            with cassette("shared/id"):
                cassette.result.line(number)
        """,
    )
    done = workspace.pytest("-q")
    assert "cassette.result is used where no cassette is in use" in done.text
    assert "it takes nothing more" in done.text
    assert "shared/id: was recorded twice in this run" in done.text
    assert "pending review: 0" in workspace.cli("status").text


def test_mode_off_compares_nothing_but_counts_checks(workspace):
    workspace.write(
        "test_it.py",
        """
        from booktest_cassettes import cassette as use

        @use
        def test_fine():
            use.result.line("a")
            use.result.check("fine", True)

        def test_fixture(cassette):
            cassette.result.check("not fine", False)
        """,
    )
    done = workspace.pytest("-q", "--cassettes=off")
    assert done.code == 1, done.text
    assert "1 failed, 1 passed" in done.text
    assert "- [ ] not fine" in done.text
    assert not (workspace.root / "books").exists()


def test_a_script_writes_a_result_without_any_runner(workspace):
    workspace.write(
        "report.py",
        """
        import os
        from booktest_cassettes import cassette

        with cassette("report.py::main"):
            cassette.result.line(os.environ.get("COUNT", "1"))
        """,
    )
    assert workspace.run(sys.executable, "report.py").code == 0
    assert workspace.cli("approve", "--all").code == 0
    assert workspace.run(sys.executable, "report.py", ci=True).code == 0
    done = workspace.run(sys.executable, "report.py", ci=True, COUNT="2")
    assert "ResultDiffers" in done.text
    assert "the same command with BOOKTEST_RECORD_MODE=once" in done.text
