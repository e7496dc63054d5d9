"""vcrpy's options in ours: hosts, patches, the object that users configure."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace

import pytest

import booktest_cassettes
from booktest_cassettes.adapters.patches import patched
from booktest_cassettes.config import load_config
from booktest_cassettes.errors import UsageError
from booktest_cassettes.options import Options, resolve


def config(tmp_path):
    return load_config(tmp_path, environ={})


def test_ignored_hosts_may_be_compiled_expressions_which_match_whole_names(tmp_path):
    settings = resolve(config(tmp_path), Options(ignore_hosts=["api.test", re.compile(r"meta\d+\.internal")]))
    assert settings.leaves_alone("http://meta12.internal/x")
    assert settings.leaves_alone("http://api.test/x")
    assert not settings.leaves_alone("http://xmeta12.internal.example/x")


def test_filters_by_name_redact_and_filters_with_a_replacement_are_vcrpys(tmp_path):
    cleaner = resolve(config(tmp_path), Options(filter_headers=["x-mine", ("x-gone", None)])).cleaner
    assert cleaner.redactor.header_list((("X-Mine", "1"), ("X-Gone", "2"))) == (
        ("X-Mine", "REDACTED"),
        ("X-Gone", "2"),
    )
    assert cleaner.hooks is not None
    assert resolve(config(tmp_path), Options(filter_headers=["x-mine"])).cleaner.hooks is None


def test_custom_patches_hold_while_a_cassette_is_in_use_and_vcrpys_connections_are_passed_over():
    from vcr.stubs import VCRHTTPConnection

    library = SimpleNamespace(retries=3, connection=object)
    with (
        pytest.raises(ZeroDivisionError),
        patched([(library, "retries", 0), (library, "connection", VCRHTTPConnection)]),
    ):
        assert (library.retries, library.connection) == (0, object)
        raise ZeroDivisionError
    assert library.retries == 3


def test_what_is_set_later_counts_and_what_a_use_says_counts_more():
    vcr = booktest_cassettes.vcr(record_mode="none", before_record=print)
    vcr.record_mode = "all"
    vcr.ignore_localhost = True
    merged = vcr.get_merged_config(match_on=["method"])
    assert (merged["record_mode"], merged["ignore_localhost"], merged["match_on"]) == (
        "all",
        True,
        ["method"],
    )
    assert merged["before_record_request"] is print


def test_an_option_that_nobody_has_is_refused_when_it_is_given():
    with pytest.raises(UsageError, match=r"vcr\(\) has no option 'record_mod'") as caught:
        booktest_cassettes.vcr(record_mod="none")
    assert caught.value.hint == "did you mean record_mode?"


def test_an_injected_cassette_is_no_argument_that_a_runner_would_fill():
    use = booktest_cassettes.vcr(inject_cassette=True).use_cassette("a.yaml")

    def function(cassette, other):
        """Nothing."""

    class Case:
        @use
        def method(self, cassette, other):
            """Nothing."""

    assert list(inspect.signature(use(function)).parameters) == ["other"]
    assert list(inspect.signature(Case.method).parameters) == ["self", "other"]


def test_a_method_gets_the_injected_cassette_behind_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    vcr = booktest_cassettes.vcr(inject_cassette=True, cassette_library_dir="tapes")

    class Case:
        @vcr.use_cassette
        def method(self, cassette, other):
            return self, cassette.path, len(cassette), cassette.write_protected, other

    case = Case()
    assert case.method(7) == (case, "tapes/method", 0, False, 7)


def test_functions_may_call_themselves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "git"\n')

    @booktest_cassettes.vcr().use_cassette("deep.yaml")
    def countdown(number):
        return number and countdown(number - 1)

    @booktest_cassettes.vcr().use_cassette("steps.yaml")
    def steps():
        yield from (1, 2)

    assert countdown(3) == 0
    assert list(steps()) == [1, 2]
