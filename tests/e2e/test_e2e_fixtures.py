"""Fixtures wider than a test: their traffic is their own, whichever test meets them first."""

from __future__ import annotations

import pytest

TESTS = """
    import pytest, requests
    from booktest_cassettes import cassette

    @pytest.fixture(scope="{scope}")
    {cassette}
    def token():
        yield requests.get("{url}/token").json()["path"]
        requests.get("{url}/goodbye")

    @cassette
    def test_one(token):
        assert token == "/token"
        assert requests.get("{url}/one").ok

    @cassette
    def test_two(token):
        assert token == "/token"
        assert requests.get("{url}/two").ok
"""


@pytest.mark.parametrize(
    ("scope", "decorated"),
    [
        pytest.param("module", "@cassette", id="module-decorated"),
        pytest.param("session", "", id="session-plain"),
        # The others say the same of what lies between.
        *(
            pytest.param(scope, decorated, id=f"{scope}-{name}", marks=pytest.mark.nightly)
            for scope, decorated, name in (
                ("module", "", "plain"),
                ("package", "@cassette", "decorated"),
                ("package", "", "plain"),
                ("session", "@cassette", "decorated"),
            )
        ),
    ],
)
def test_a_wide_fixture_has_a_snapshot_of_its_own(workspace, api, scope, decorated) -> None:
    workspace.write("test_it.py", TESTS.format(scope=scope, url=api.url, cassette=decorated))
    workspace.record()
    assert workspace.manifest.count("::token:") == 1
    for name, other in (("one", "two"), ("two", "one")):
        shown = workspace.cli("show", f"test_it.py::test_{name}").text
        assert f"/{name}" in shown
        assert f"/{other}" not in shown
        assert "/token" not in shown
    shown = workspace.cli("show", "test_it.py::token").text
    assert "/token" in shown
    assert "/goodbye" in shown
    hits = api.hits
    for order in (["test_it.py::test_two", "test_it.py::test_one"], ["test_it.py::test_two"], ["-n", "2"]):
        done = workspace.pytest("-q", "-p", "no:randomly", *order, ci=True)
        assert done.code == 0, done.text
    assert api.hits == hits


def test_each_parameter_has_its_own(workspace, api) -> None:
    workspace.write(
        "test_it.py",
        f"""
        import pytest, requests
        from booktest_cassettes import cassette

        @pytest.fixture(scope="module", params=["red", object()])
        def page(request):
            name = request.param if request.param == "red" else "other"
            return requests.get(f"{api.url}/{{name}}").json()["path"]

        @cassette
        def test_it(page):
            assert page in ("/red", "/other")
        """,
    )
    workspace.record()
    assert "test_it.py::page[red]:" in workspace.manifest
    assert "test_it.py::page[page1]:" in workspace.manifest
    api.stop()
    assert workspace.pytest("-q", ci=True).code == 0


@pytest.mark.parametrize("swallowed", [False, True])
def test_a_wide_fixture_that_was_not_recorded_is_refused(workspace, api, swallowed) -> None:
    call = f'requests.get("{api.url}/token")'
    body = f"with contextlib.suppress(Exception): {call}" if swallowed else call
    workspace.write(
        "test_it.py",
        f"""
        import contextlib, pytest, requests
        from booktest_cassettes import cassette

        @pytest.fixture(scope="module", autouse=True)
        def token():
            {body}
            yield

        @cassette
        def test_it():
            pass
        """,
    )
    done = workspace.pytest("-q", ci=True)
    assert done.code == 3, done.text
    assert "test_it.py::token: its request GET" in done.text
    assert "next: booktest-cassettes run -- test_it.py::test_it" in done.text
    assert api.hits == 0


def test_async_and_conftest_fixtures_have_theirs_and_quiet_ones_have_none(workspace, api) -> None:
    workspace.write(
        "sub/conftest.py",
        f"""
        import httpx, pytest_asyncio, pytest

        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def user():
            async with httpx.AsyncClient() as client:
                yield (await client.get("{api.url}/user")).json()["path"]
                await client.get("{api.url}/goodbye")

        @pytest.fixture(scope="session")
        def quiet():
            return 1
        """,
    )
    workspace.write(
        "sub/test_it.py",
        """
        import pytest
        from booktest_cassettes import cassette

        @cassette
        @pytest.mark.asyncio(loop_scope="module")
        async def test_it(user, quiet):
            assert (user, quiet) == ("/user", 1)
        """,
    )
    workspace.record()
    assert "sub/test_it.py::user:" in workspace.manifest
    assert "quiet" not in workspace.manifest
    assert "test_it.py::test_it" not in workspace.manifest
    api.stop()
    assert workspace.pytest("-q", ci=True).code == 0


def test_a_test_without_a_cassette_that_meets_it_first_changes_nothing(workspace, api) -> None:
    workspace.write(
        "test_it.py",
        f"""
        import pytest, requests
        from booktest_cassettes import cassette

        @pytest.fixture(scope="module")
        def token():
            yield requests.get("{api.url}/token").json()["path"]
            requests.get("{api.url}/goodbye")

        def test_plain(token):
            assert token == "/token"

        @cassette
        def test_covered(token):
            assert requests.get("{api.url}/one").ok
        """,
    )
    workspace.record()
    api.stop()
    assert workspace.pytest("-q", "-p", "no:randomly", ci=True).code == 0
    assert workspace.pytest("-q", "-k", "covered", ci=True).code == 0


CLASSES = """
    import unittest
    import pytest, requests
    from booktest_cassettes import cassette

    def setup_module():
        requests.get("{url}/setup-module")

    def teardown_module():
        requests.get("{url}/teardown-module")

    class TestPlain:
        @pytest.fixture(scope="class")
        def wide(self):
            return requests.get("{url}/wide").json()["path"]

        def setup_class(self):
            requests.get("{url}/setup-class")

        @pytest.mark.cassette
        def test_1(self, cassette, wide):
            assert wide == "/wide"

        @pytest.mark.cassette
        def test_2(self, wide):
            assert wide == "/wide"

    @cassette
    class Case(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            requests.get("{url}/set-up-class")

        @classmethod
        def tearDownClass(cls):
            requests.get("{url}/tear-down-class")

        def test_1(self):
            assert requests.get("{url}/one").ok

        def test_2(self):
            assert requests.get("{url}/two").ok
"""


def test_class_fixtures_and_set_ups_have_theirs(workspace, api) -> None:
    workspace.write("test_it.py", CLASSES.format(url=api.url))
    workspace.record()
    for name in ("setup_module", "TestPlain::wide", "TestPlain::setup_class", "Case::setUpClass"):
        assert f"test_it.py::{name}:" in workspace.manifest
    assert "/tear-down-class" in workspace.cli("show", "test_it.py::Case::setUpClass").text
    api.stop()
    for chosen in ([], ["-k", "test_2"], ["-n", "2"]):
        done = workspace.pytest("-q", *chosen, ci=True)
        assert done.code == 0, done.text


def test_fixtures_that_differ_have_ids_that_differ(workspace, api) -> None:
    workspace.write(
        "conftest.py",
        f"""
        import pytest, requests

        @pytest.fixture(scope="module")
        def by_module(request):
            return requests.get(f"{api.url}/{{request.module.__name__}}").json()["path"]

        def make(name):
            @pytest.fixture(scope="session", name=name)
            def made():
                return requests.get(f"{api.url}/{{name}}").json()["path"]
            return made

        one, two = make("one"), make("two")

        @pytest.fixture(scope="session", params=[1, "1", "long" * 99], ids=[None, None, None])
        def value(request):
            return requests.get(f"{api.url}/{{request.param!r:.9}}").json()["path"]
        """,
    )
    test = """
        from booktest_cassettes import cassette

        @cassette
        def test_it(by_module, one, two, value):
            assert by_module == f"/{__name__}" and (one, two) == ("/one", "/two")
        """
    workspace.write("test_a.py", test)
    workspace.write("test_b.py", test)
    workspace.record()
    ids = "test_a.py::by_module", "test_b.py::by_module", "conftest.py::one", "conftest.py::two"
    for name in (*ids, "conftest.py::value[1-0]", "conftest.py::value[1-1]", "conftest.py::value[value2]"):
        assert f"{name}:" in workspace.manifest
    api.stop()
    assert workspace.pytest("-q", ci=True).code == 0
