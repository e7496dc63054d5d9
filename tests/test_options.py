"""Options: checked when they are given, resolved with the configuration."""

from __future__ import annotations

import pytest

from booktest_cassettes.config import load_config
from booktest_cassettes.errors import RecordingRefused, UsageError
from booktest_cassettes.modes import RecordMode
from booktest_cassettes.options import Options, make_options, record_mode, resolve


def config(tmp_path, text="", environ=None, **overrides):
    (tmp_path / "booktest.toml").write_text(text)
    return load_config(tmp_path, overrides=overrides, environ=environ or {})


def test_a_typo_in_an_option_names_the_nearest_one():
    with pytest.raises(UsageError, match="no option 'match_onn'") as caught:
        make_options({"match_onn": ("method",)})
    assert "match_on" in caught.value.hint


@pytest.mark.parametrize("name", ["env", "match_on", "allow_hosts", "secrets"])
def test_a_bare_string_where_a_list_belongs_is_refused(name):
    with pytest.raises(UsageError, match="expected a list"):
        make_options({name: "abc"})


@pytest.mark.parametrize(("name", "value"), [("record_mode", "onec"), ("unused", "fail"), ("chunks", "raw")])
def test_an_unknown_choice_is_refused(name, value):
    with pytest.raises(UsageError, match="unknown value"):
        make_options({name: value})


def test_an_unknown_matcher_is_refused_when_the_test_begins(tmp_path):
    with pytest.raises(UsageError, match="unknown matcher 'boddy'"):
        resolve(config(tmp_path), Options(match_on=["boddy"]))


def test_the_mode_is_once_unless_somebody_says_otherwise(tmp_path):
    assert record_mode(config(tmp_path)) is RecordMode.ONCE


def test_the_command_line_goes_before_the_test_and_the_test_before_the_files(tmp_path):
    file = '[cassettes]\nrecord_mode = "all"\n'
    test = Options(record_mode="rewrite")
    assert record_mode(config(tmp_path, file)) is RecordMode.ALL
    assert record_mode(config(tmp_path, file), test) is RecordMode.REWRITE
    assert record_mode(config(tmp_path, file, record_mode="none"), test) is RecordMode.NONE
    assert record_mode(config(tmp_path, file, {"BOOKTEST_RECORD_MODE": "none"}), test) is RecordMode.NONE


@pytest.mark.parametrize("mode", ["all", "rewrite", "once", "new_episodes", "off"])
def test_in_ci_the_mode_is_none_whatever_files_and_tests_say(tmp_path, mode):
    found = config(tmp_path, f'[cassettes]\nrecord_mode = "{mode}"\n', {"CI": "true"})
    assert record_mode(found, Options(record_mode=mode)) is RecordMode.NONE


@pytest.mark.parametrize("mode", ["all", "rewrite", "once", "new_episodes", "off"])
def test_in_ci_asking_for_more_on_the_command_line_is_refused(tmp_path, mode):
    with pytest.raises(RecordingRefused):
        record_mode(config(tmp_path, environ={"CI": "1"}, record_mode=mode))
    with pytest.raises(RecordingRefused):
        record_mode(config(tmp_path, environ={"CI": "1", "BOOKTEST_RECORD_MODE": mode}))


def test_in_ci_a_nightly_job_may_verify_and_a_file_may_not(tmp_path):
    for environ in ({"CI": "1", "BOOKTEST_RECORD_MODE": "verify"}, {"CI": "1"}):
        asked = {} if len(environ) == 2 else {"record_mode": "verify"}
        assert record_mode(config(tmp_path, environ=environ, **asked)) is RecordMode.VERIFY
    file = '[cassettes]\nrecord_mode = "verify"\n'
    assert record_mode(config(tmp_path, file, {"CI": "1"}), Options(record_mode="verify")) is RecordMode.NONE
    assert record_mode(config(tmp_path, file)) is RecordMode.VERIFY


def test_in_ci_asking_for_drift_to_be_staged_is_refused_and_a_file_that_says_so_is_passed_over(tmp_path):
    asked = {"CI": "1", "BOOKTEST_RECORD_MODE": "verify", "BOOKTEST_CASSETTES_STAGE_DRIFT": "1"}
    with pytest.raises(RecordingRefused, match="environment BOOKTEST_CASSETTES_STAGE_DRIFT asks for drift"):
        record_mode(config(tmp_path, environ=asked))
    file = "[cassettes]\nstage_drift = true\n"
    found = config(tmp_path, file, {"CI": "1", "BOOKTEST_RECORD_MODE": "verify"})
    assert resolve(found, Options()).stages_drift is False
    assert resolve(config(tmp_path, file), Options()).stages_drift is True


def test_in_ci_asking_for_none_is_fine(tmp_path):
    assert record_mode(config(tmp_path, environ={"CI": "1"}, record_mode="none")) is RecordMode.NONE


@pytest.mark.parametrize(
    ("url", "alone"),
    [
        ("http://db.internal/x", True),
        ("http://DB.Internal./x", True),
        ("http://api.test:8080/x", True),
        ("http://api.test/x", False),
        ("http://internal.example/x", False),
    ],
)
def test_allowed_hosts_are_patterns_over_host_and_port(tmp_path, url, alone):
    settings = resolve(config(tmp_path), Options(allow_hosts=["*.internal"], ignore_hosts=["API.test:8080"]))
    assert settings.leaves_alone(url) is alone


def test_ignore_localhost_leaves_loopback_alone_and_nothing_else(tmp_path):
    settings = resolve(config(tmp_path), Options(ignore_localhost=True))
    assert settings.leaves_alone("http://localhost:5000/")
    assert settings.leaves_alone("http://127.0.0.1/")
    assert settings.leaves_alone("http://[::1]:80/")
    assert not settings.leaves_alone("http://localhost.example/")
    assert not resolve(config(tmp_path), Options()).leaves_alone("http://localhost:5000/")


def test_a_secret_variable_is_a_secret_wherever_its_value_occurs(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICE_TOKEN", "value-of-the-token")
    monkeypatch.setenv("REGION", "eu-north")
    redact = resolve(config(tmp_path), Options(env=["SERVICE_TOKEN", "REGION"])).cleaner.redactor.text
    assert redact("it is value-of-the-token in eu-north") == "it is REDACTED in eu-north"
