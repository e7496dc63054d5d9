"""Configuration: every source, the ladder between them, and what a mistake in each of them says."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktest_cassettes.config import KEYS, Config, Key, find_root, load_config
from booktest_cassettes.errors import ConfigError

FILES = ("pyproject.toml", "booktest.toml", "booktest.ini", ".booktest")


class Project:
    """A directory with configuration files, loaded with a clean environment."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, *lines: str) -> Project:
        self.root.joinpath(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self

    def load(self, environ: dict[str, str] | None = None, **overrides: object) -> Config:
        return load_config(self.root, overrides=overrides, environ=environ or {})

    def error(self, environ: dict[str, str] | None = None, **overrides: object) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            self.load(environ, **overrides)
        assert caught.value.exit_code == 2
        return caught.value


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


# --- defaults


def test_without_any_source_every_field_has_its_documented_default(project: Project) -> None:
    config, root = project.load(), project.root
    assert config == Config(
        root=root,
        storage_mode="auto",
        fallback_mode="git",
        git_snapshot_size_limit=100_000,
        require_dvc_in_ci=False,
        manifest=root / "booktest.manifest.yaml",
        remote=None,
        remote_prefix="booktest/blobs",
        compress=True,
        snapshots_dir=root / "books",
        cache_dir=root / ".booktest_cache",
        report_dir=root / "books" / "_reports",
        commit_on_approve=False,
        diff_tool=None,
        runner="pytest",
        record_mode=None,
        match_on=("method", "uri", "body"),
        allow_hosts=(),
        ignore_hosts=(),
        ignore_localhost=False,
        ignore_json_paths=(),
        unused="warn",
        chunks="events",
        stage_drift=False,
        redact_headers=(),
        redact_query=(),
        redact_fields=(),
        redact_env=(),
        redact_secrets=(),
        redact_patterns=(),
        volatile_headers=(),
        ci=False,
        sources={},
    )
    assert set(config.sources.values()) == {"default"}


def test_every_field_but_the_computed_ones_has_exactly_one_row_in_the_table() -> None:
    computed = {"root", "ci", "sources"}
    assert sorted(key.field for key in KEYS) == sorted({field.name for field in fields(Config)} - computed)


def test_the_names_people_write_are_the_documented_ones() -> None:
    names: dict[str, list[str]] = {}
    for key in KEYS:
        names.setdefault(key.section, []).append(key.name)
    assert {section: " ".join(keys) for section, keys in names.items()} == {
        "storage": "mode fallback_mode git_snapshot_size_limit require_dvc_in_ci"
        " manifest remote remote_prefix compress",
        "paths": "snapshots_dir cache_dir report_dir",
        "review": "commit_on_approve diff_tool",
        "cassettes": "runner record_mode match_on allow_hosts ignore_hosts ignore_localhost ignore_json_paths"
        " unused chunks stage_drift",
        "redact": "headers query fields env secrets patterns volatile_headers",
    }


def test_no_two_rows_share_a_name_or_a_variable() -> None:
    names = [name for key in KEYS for name in (*key.dotted_names, *key.variables)]
    assert len(names) == len(set(names))


def test_every_field_knows_its_source(project: Project) -> None:
    config = project.load()
    assert set(config.sources) == {field.name for field in fields(Config)} - {"root", "sources"}


def test_a_configuration_cannot_be_changed(project: Project) -> None:
    with pytest.raises(AttributeError):
        project.load().compress = False  # type: ignore[misc]


def test_a_configuration_survives_the_way_to_a_worker_process(project: Project) -> None:
    config = project.write("booktest.toml", "[storage]", 'mode = "git"').load()
    there = pickle.loads(pickle.dumps(config))
    assert there == config == copy.deepcopy(config)
    assert there.sources == config.sources
    assert hash(there) == hash(config)


def test_configurations_with_the_same_values_are_equal_wherever_they_were_set(project: Project) -> None:
    from_environment = project.load({"BOOKTEST_STORAGE_MODE": "git"})
    assert from_environment == project.load(storage_mode="git")
    assert from_environment != project.load()


def test_a_relative_root_becomes_absolute(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "sub").mkdir()
    monkeypatch.chdir(project.root / "sub")
    config = load_config(Path(".."), environ={})
    assert config.root == project.root
    assert config.manifest == project.root / "booktest.manifest.yaml"


def test_the_environment_of_the_process_is_the_default_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKTEST_STORAGE_MODE", "dvc-pointers")
    assert load_config(project.root).storage_mode == "dvc-pointers"


# --- sources


def test_booktest_toml_sets_every_key_of_the_seeds(project: Project) -> None:
    project.write(
        "booktest.toml",
        "[storage]",
        'mode = "dvc-manifest"              # or "dvc-pointers"',
        'fallback_mode = "none"',
        'git_snapshot_size_limit = "1.5MB"',
        "require_dvc_in_ci = true",
        'manifest = "other.manifest.yaml"',
        'remote = "booktest-remote"',
        'remote_prefix = "team/blobs"',
        "compress = false",
        "[paths]",
        'snapshots_dir = "books/book/testsuite/test_dir/_snapshots"',
        "[review]",
        'report_dir = "books/book/testsuite/test_dir/_reports"',
        "commit_on_approve = true",
    )
    config, root = project.load(), project.root
    assert config.storage_mode == "dvc"
    assert config.fallback_mode == "none"
    assert config.git_snapshot_size_limit == 1_500_000
    assert config.require_dvc_in_ci is True
    assert config.manifest == root / "other.manifest.yaml"
    assert config.remote == "booktest-remote"
    assert config.remote_prefix == "team/blobs"
    assert config.compress is False
    assert config.snapshots_dir == root / "books/book/testsuite/test_dir/_snapshots"
    assert config.report_dir == root / "books/book/testsuite/test_dir/_reports"
    assert config.commit_on_approve is True


def test_toml_sets_the_sections_for_cassettes_and_redaction(project: Project) -> None:
    project.write(
        "booktest.toml",
        "[cassettes]",
        'record_mode = "new_episodes"',
        'match_on = ["method", "path"]',
        'allow_hosts = ["localhost"]',
        'ignore_hosts = ["telemetry.example"]',
        "ignore_localhost = true",
        'ignore_json_paths = ["$.id", "$.a[0]"]',
        'unused = "error"',
        'chunks = "exact"',
        "stage_drift = true",
        'runner = "booktest"',
        "[redact]",
        'headers = ["X-Team-Key"]',
        'query = ["sig"]',
        'fields = ["pin"]',
        'env = ["TEAM_TOKEN"]',
        'secrets = ["API_TOKEN"]',
        r"patterns = ['tk-\d{4,8}']",
        'volatile_headers = ["X-Served-By"]',
    )
    config = project.load()
    assert (config.record_mode, config.unused, config.chunks) == ("new_episodes", "error", "exact")
    assert config.match_on == ("method", "path")
    assert (config.allow_hosts, config.ignore_hosts) == (("localhost",), ("telemetry.example",))
    assert (config.ignore_localhost, config.stage_drift, config.runner) == (True, True, "booktest")
    assert config.ignore_json_paths == ("$.id", "$.a[0]")
    assert (config.redact_headers, config.redact_query) == (("X-Team-Key",), ("sig",))
    assert (config.redact_fields, config.redact_env) == (("pin",), ("TEAM_TOKEN",))
    assert (config.redact_secrets, config.redact_patterns) == (("API_TOKEN",), (r"tk-\d{4,8}",))
    assert config.volatile_headers == ("X-Served-By",)


def test_pyproject_has_the_same_tables_below_ours(project: Project) -> None:
    project.write(
        "pyproject.toml",
        "[project]",
        'name = "app"',
        "[tool.other]",
        'mode = "something"',
        "[tool.booktest-cassettes.storage]",
        'mode = "git"',
        "[tool.booktest-cassettes]",
        'redact.headers = ["X-Key"]',
    )
    config = project.load()
    assert (config.storage_mode, config.redact_headers) == ("git", ("X-Key",))
    assert config.sources["storage_mode"] == "pyproject.toml:6"
    assert config.sources["redact_headers"] == "pyproject.toml:8"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("storage_mode", ["auto", "dvc", "git", "dvc-pointers"]),
        ("fallback_mode", ["git", "none"]),
        ("record_mode", ["none", "once", "new_episodes", "all", "rewrite", "verify", "off"]),
        ("runner", ["pytest", "booktest"]),
        ("unused", ["ignore", "warn", "error"]),
        ("chunks", ["events", "exact"]),
    ],
)
def test_every_documented_word_is_taken_as_it_is(project: Project, field: str, words: list[str]) -> None:
    assert [getattr(project.load(**{field: word}), field) for word in words] == words


def test_every_part_of_a_request_can_be_matched_on(project: Project) -> None:
    parts = "method,uri,url,scheme,host,port,path,query,headers,body,raw_body"
    assert project.load({"BOOKTEST_CASSETTES_MATCH_ON": parts}).match_on == tuple(parts.split(","))


@pytest.mark.parametrize(
    "header",
    [
        "[tool.booktest-cassettes.storage]",
        "[ tool . booktest-cassettes . storage ]",
        '  [tool."booktest-cassettes".storage]',
        "[tool.'booktest-cassettes'.storage] # ours",
    ],
)
def test_every_spelling_of_our_table_is_found(project: Project, header: str) -> None:
    assert project.write("pyproject.toml", header, 'mode = "git"').load().storage_mode == "git"


def test_a_pyproject_that_only_depends_on_us_is_not_even_parsed(project: Project) -> None:
    project.write(
        "pyproject.toml", "# not [tool.booktest-cassettes]", 'dev = ["booktest-cassettes==1"]', "= broken"
    )
    assert project.load().storage_mode == "auto"


def test_the_dotfile_of_the_production_guide_works(project: Project) -> None:
    project.write(
        ".booktest",
        "# Storage configuration",
        "storage.mode=dvc",
        "storage.dvc.remote=booktest-remote",
        "storage.dvc.manifest_path=some.manifest.yaml",
        "storage.dvc.remote_prefix = team/blobs",
    )
    config = project.load()
    assert (config.storage_mode, config.remote, config.remote_prefix) == (
        "dvc",
        "booktest-remote",
        "team/blobs",
    )
    assert config.manifest == project.root / "some.manifest.yaml"
    assert config.sources["remote"] == ".booktest:3"


@pytest.mark.parametrize("name", ["booktest.ini", ".booktest"])
def test_flat_files_allow_comments_blank_lines_spaces_and_crlf(project: Project, name: str) -> None:
    text = "; one\r\n# two\r\n\r\n  storage.mode   =  git  \r\n\tcassettes.match_on = method , host,\r\n"
    project.root.joinpath(name).write_bytes(text.encode())
    config = project.load()
    assert (config.storage_mode, config.match_on) == ("git", ("method", "host"))
    assert config.sources["match_on"] == f"{name}:5"


def test_a_flat_file_may_have_section_headers(project: Project) -> None:
    project.write(
        "booktest.ini",
        "[storage]   ; ours",
        "mode = git",
        "dvc.remote = team",
        "[unrelated]",
        "mode = nonsense",
        "redact.headers = X-A",
        "[storage.dvc]",
        "manifest_path = m.yaml",
    )
    config = project.load()
    assert (config.storage_mode, config.remote, config.redact_headers) == ("git", "team", ("X-A",))
    assert config.manifest == project.root / "m.yaml"
    assert config.sources["manifest"] == "booktest.ini:8"


@pytest.mark.parametrize("first", ["storage.remote=team", "storage.remote=dGVhbQ="])
def test_a_key_with_a_value_takes_no_indented_lines(project: Project, first: str) -> None:
    config = project.write("booktest.ini", first, "    storage.mode=git").load()
    assert (config.remote, config.storage_mode) == (first.partition("=")[2], "git")


def test_an_indented_header_is_a_header_and_the_last_line_needs_no_end(project: Project) -> None:
    project.root.joinpath("booktest.ini").write_text("  [ storage ]\n  mode=git\n  remote=")
    config = project.load()
    assert (config.storage_mode, config.remote) == ("git", None)


def test_lines_are_counted_in_toml_with_crlf_too(project: Project) -> None:
    project.root.joinpath("booktest.toml").write_bytes(b'[storage]\r\n\r\nmode = "git"\r\n')
    assert project.load().sources["storage_mode"] == "booktest.toml:3"


def test_a_quoted_toml_key_has_a_line_too(project: Project) -> None:
    project.write("booktest.toml", "", "['storage']", "\"mode\" = 'git'", "'remote'\t= 'team'")
    config = project.load()
    assert config.sources["storage_mode"] == "booktest.toml:3"
    assert config.sources["remote"] == "booktest.toml:4"


def test_space_around_values_does_not_count(project: Project) -> None:
    config = project.load(
        git_snapshot_size_limit=" 5KB ",
        remote_prefix=" team/x ",
        allow_hosts=(" a ",),
        redact_patterns=(" a ",),
    )
    assert (config.git_snapshot_size_limit, config.remote_prefix) == (5000, "team/x")
    assert config.allow_hosts == ("a",)
    assert config.redact_patterns == (" a ",), "in a regular expression it does"


def test_keys_that_booktest_owns_are_left_alone(project: Project) -> None:
    project.write(
        "booktest.ini",
        "python_path=src:.",
        "mode=nonsense",
        "storage=nonsense",
        "diff_tool=meld",
        "llm.model=gpt",
        "a line without an equals sign",
        "env =",
        "    storage.mode=not a mode but an environment variable",
        "    # a comment",
        "    storage.mode=another",
        "storage.mode=git",
    )
    assert project.load().storage_mode == "git"


def test_a_flat_list_may_stand_on_the_indented_lines_below_its_key(project: Project) -> None:
    project.write(
        "booktest.ini",
        "redact.headers =",
        "    X-A",
        "    # the second",
        "    X-B, X-C",
        "storage.mode = git",
    )
    config = project.load()
    assert (config.redact_headers, config.storage_mode) == (("X-A", "X-B", "X-C"), "git")


def test_indented_keys_are_not_taken_for_the_value_of_the_key_above(project: Project) -> None:
    project.write("booktest.ini", "[redact]", "  headers =", "  fields = pin")
    config = project.load()
    assert (config.redact_headers, config.redact_fields) == ((), ("pin",))


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        (r"tk-\d{4,8}, sk-[a-z]+", (r"tk-\d{4,8}", r"sk-[a-z]+")),
        (r"[a,b]+,[],]x,[^],]y", (r"[a,b]+", r"[],]x", r"[^],]y")),
        (r"a\,b,c", (r"a\,b", "c")),
        (r"\[x,\{y", (r"\[x", r"\{y")),
    ],
)
def test_commas_that_belong_to_a_regular_expression_do_not_split_it(
    project: Project, text: str, patterns: tuple[str, ...]
) -> None:
    assert project.write("booktest.ini", f"redact.patterns = {text}").load().redact_patterns == patterns


@pytest.mark.parametrize("name", FILES[1:])
def test_a_byte_order_mark_hides_nothing(project: Project, name: str) -> None:
    project.root.joinpath(name).write_bytes(b'\xef\xbb\xbfstorage.mode = "git"'.replace(
        b'"', b'"' if name.endswith("toml") else b""
    ))  # fmt: skip
    assert project.load().storage_mode == "git"


def test_the_short_environment_variables_work(project: Project) -> None:
    config = project.load({"BOOKTEST_REQUIRE_DVC": "1", "BOOKTEST_RECORD_MODE": "all"})
    assert (config.require_dvc_in_ci, config.record_mode) == (True, "all")
    assert config.sources["require_dvc_in_ci"] == "environment BOOKTEST_REQUIRE_DVC"
    assert project.load({"BOOKTEST_REQUIRE_DVC": "0"}).require_dvc_in_ci is False


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_every_key_has_a_variable_made_from_its_section_and_name(project: Project, key: Key) -> None:
    variable = f"BOOKTEST_{key.section}_{key.name}".upper()
    changed = {
        "storage_mode": "git",
        "fallback_mode": "none",
        "git_snapshot_size_limit": "5KB",
        "compress": "no",
        "record_mode": "off",
        "match_on": "host",
        "runner": "booktest",
        "unused": "error",
        "chunks": "exact",
        "redact_secrets": "NAME",
    }.get(key.field, "yes" if key.default is False else "word")
    config, default = project.load({variable: changed}), project.load()
    assert getattr(config, key.field) != getattr(default, key.field)
    assert config.sources[key.field] == f"environment {variable}"


def test_the_variables_booktest_documents_for_its_own_dvc_keys_work(project: Project) -> None:
    config = project.load(
        {"BOOKTEST_STORAGE_DVC_REMOTE": "team", "BOOKTEST_STORAGE_DVC_MANIFEST_PATH": "m.yaml"}
    )
    assert (config.remote, config.manifest) == ("team", project.root / "m.yaml")


def test_an_empty_variable_says_nothing(project: Project) -> None:
    project.write("booktest.toml", "[storage]", 'mode = "git"')
    config = project.load({"BOOKTEST_STORAGE_MODE": "", "BOOKTEST_REQUIRE_DVC": " "})
    assert (config.storage_mode, config.require_dvc_in_ci) == ("git", False)


def test_variables_of_booktest_and_of_others_are_ignored(project: Project) -> None:
    environ = {"BOOKTEST_TIMEOUT": "10", "BOOKTEST_DIFF_TOOL": "meld", "STORAGE_MODE": "x", "BOOKTEST_": "y"}
    assert project.load(environ) == project.load()


@pytest.mark.parametrize(
    ("value", "ci"),
    [
        ("true", True),
        ("1", True),
        ("yes", True),
        ("", False),
        ("0", False),
        ("false", False),
        ("False", False),
    ],
)
def test_ci_is_what_the_variable_says(project: Project, value: str, ci: bool) -> None:
    config = project.load({"CI": value})
    assert config.ci is ci
    assert config.sources["ci"] == ("environment CI" if value else "default")


def test_the_command_line_takes_values_of_the_fields_own_types(project: Project) -> None:
    config = project.load(
        storage_mode="dvc-manifest", compress=False, report_dir=Path("out"), allow_hosts=["a"], remote=None
    )
    assert (config.storage_mode, config.compress, config.allow_hosts) == ("dvc", False, ("a",))
    assert config.report_dir == project.root / "out"
    assert config.remote is None
    assert config.sources["storage_mode"] == "command line --storage-mode"
    assert config.sources["remote"] == "default"


# --- precedence

LADDER: list[tuple[str, str, str]] = [
    ("pyproject.toml", "[tool.booktest-cassettes.storage]\nremote = '{}'", "pyproject.toml:2"),
    ("booktest.toml", "[storage]\nremote = '{}'", "booktest.toml:2"),
    ("booktest.ini", "storage.dvc.remote={}", "booktest.ini:1"),
    (".booktest", "storage.remote={}", ".booktest:1"),
]


@pytest.mark.parametrize("height", range(1, len(LADDER) + 3))
def test_the_higher_source_wins_whatever_stands_below_it(project: Project, height: int) -> None:
    for name, text, _ in LADDER[:height]:
        project.write(name, text.format(f"from {name}"))
    expected = [(f"from {name}", where) for name, _, where in LADDER]
    expected.append(("from env", "environment BOOKTEST_STORAGE_REMOTE"))
    expected.append(("from args", "command line --remote"))
    environ = {"BOOKTEST_STORAGE_REMOTE": "from env"} if height > len(LADDER) else {}
    overrides = {"remote": "from args"} if height > len(LADDER) + 1 else {}
    config = project.load(environ, **overrides)
    assert (config.remote, config.sources["remote"]) == expected[height - 1]


def test_each_field_is_decided_on_its_own(project: Project) -> None:
    project.write("booktest.toml", "[storage]", 'mode = "git"', 'remote = "low"')
    project.write(".booktest", "storage.remote=high")
    config = project.load()
    assert (config.storage_mode, config.remote) == ("git", "high")


def test_a_higher_source_can_unset_what_a_lower_one_set(project: Project) -> None:
    project.write("booktest.toml", "[storage]", 'remote = "low"', "[cassettes]", 'record_mode = "all"')
    project.write(".booktest", "storage.remote=", "cassettes.record_mode=")
    config = project.load()
    assert (config.remote, config.record_mode) == (None, None)


def test_a_list_replaces_the_list_below_it(project: Project) -> None:
    project.write("booktest.toml", "[redact]", 'headers = ["X-A"]')
    assert project.load({"BOOKTEST_REDACT_HEADERS": "X-B"}).redact_headers == ("X-B",)


def test_a_mistake_in_a_lower_source_is_reported_even_where_a_higher_one_wins(project: Project) -> None:
    project.write("booktest.toml", "[storage]", 'mode = "gti"')
    assert "booktest.toml:2" in project.error(storage_mode="git").message


# --- unknown keys


@pytest.mark.parametrize(
    ("name", "lines", "message", "hint"),
    [
        (
            "booktest.toml",
            ["# c", "[storage]", 'moed = "git"'],
            "booktest.toml:3: unknown key 'storage.moed'",
            "did you mean storage.mode?",
        ),
        (
            "booktest.toml",
            ["", "[storag]", 'mode = "git"'],
            "booktest.toml:3: unknown key 'storag.mode'",
            "did you mean storage.mode?",
        ),
        (
            "booktest.toml",
            ['mode = "git"'],
            "booktest.toml:1: unknown key 'mode'",
            "did you mean storage.mode?",
        ),
        (
            "booktest.toml",
            ["[storage]", 'headers = ["a"]'],
            "booktest.toml:2: unknown key 'storage.headers'",
            "did you mean redact.headers?",
        ),
        (
            "booktest.toml",
            ["[storage]", "[storage.dvc]", 'remot = "a"'],
            "booktest.toml:3: unknown key 'storage.dvc.remot'",
            "did you mean storage.dvc.remote?",
        ),
        (
            "booktest.toml",
            ["", 'storage = {mode = "git", moed = "git"}'],
            "booktest.toml:2: unknown key 'storage.moed'",
            "did you mean storage.mode?",
        ),
        (
            "booktest.toml",
            ["", "[cassette]"],
            "booktest.toml:2: unknown key 'cassette'",
            "did you mean cassettes?",
        ),
        (
            "booktest.toml",
            ["[zzz]", "qqq = 1"],
            "booktest.toml:2: unknown key 'zzz.qqq'",
            "sections: storage, paths, review, cassettes, redact",
        ),
        (
            "pyproject.toml",
            ["[tool.x]", "moed = 1", "[tool.booktest-cassettes.storage]", 'moed = "git"'],
            "pyproject.toml:4: unknown key 'storage.moed'",
            "did you mean storage.mode?",
        ),
        (
            "booktest.ini",
            ["a=b", "storage.moed=git"],
            "booktest.ini:2: unknown key 'storage.moed'",
            "did you mean storage.mode?",
        ),
        (
            "booktest.ini",
            ["[redact]", "header=X"],
            "booktest.ini:2: unknown key 'redact.header'",
            "did you mean redact.headers?",
        ),
        (
            ".booktest",
            ["", "", "storage.dvc.manifest_pth=x"],
            ".booktest:3: unknown key 'storage.dvc.manifest_pth'",
            "did you mean storage.dvc.manifest_path?",
        ),
    ],
)
def test_an_unknown_key_names_its_place_and_the_nearest_one(
    project: Project, name: str, lines: list[str], message: str, hint: str
) -> None:
    error = project.write(name, *lines).error()
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("BOOKTEST_STORAGE_MOED", "did you mean BOOKTEST_STORAGE_MODE?"),
        ("BOOKTEST_REDACT_HEADER", "did you mean BOOKTEST_REDACT_HEADERS?"),
        ("BOOKTEST_CASSETTES_ZZZ", ""),
    ],
)
def test_an_unknown_variable_of_our_sections_names_the_nearest_one(
    project: Project, variable: str, hint: str
) -> None:
    error = project.error({variable: "git"})
    assert error.message == f"environment {variable}: no such setting"
    assert error.hint == hint


def test_an_unknown_override_names_the_nearest_field(project: Project) -> None:
    error = project.error(storage_mod="git")
    assert error.message == "command line --storage-mod: no such setting"
    assert error.hint == "did you mean storage_mode?"


@pytest.mark.parametrize(
    ("name", "lines", "message", "hint"),
    [
        (
            ".booktest",
            ["storage.mode=git", "storage.mode=dvc"],
            ".booktest:2: 'storage.mode' is set twice",
            "remove this one or 'storage.mode' at .booktest:1",
        ),
        (
            "booktest.ini",
            ["storage.remote=a", "storage.dvc.remote=b"],
            "booktest.ini:2: 'storage.dvc.remote' is set twice",
            "remove this one or 'storage.remote' at booktest.ini:1",
        ),
        (
            "booktest.toml",
            ["[paths]", 'report_dir = "a"', "[review]", 'report_dir = "b"'],
            "booktest.toml:4: 'review.report_dir' is set twice",
            "remove this one or 'paths.report_dir' at booktest.toml:2",
        ),
    ],
)
def test_one_file_cannot_say_two_things_about_a_setting(
    project: Project, name: str, lines: list[str], message: str, hint: str
) -> None:
    error = project.write(name, *lines).error()
    assert (error.message, error.hint) == (message, hint)


def test_two_variables_cannot_say_two_things_about_a_setting(project: Project) -> None:
    error = project.error({"BOOKTEST_REQUIRE_DVC": "1", "BOOKTEST_STORAGE_REQUIRE_DVC_IN_CI": "0"})
    assert error.message.startswith("environment BOOKTEST_STORAGE_REQUIRE_DVC_IN_CI: ")
    assert "BOOKTEST_REQUIRE_DVC" in error.hint


def test_sections_with_nothing_in_them_are_fine(project: Project) -> None:
    nothing = project.load()
    project.write("booktest.toml", "[storage]", "[storage.dvc]", "[redact]", '# headers = ["X"]')
    project.write("pyproject.toml", "[tool.booktest-cassettes]")
    assert project.load() == nothing


# --- impossible values

TOML_MISTAKES = [
    ("storage", 'mode = "dvcc"', "'dvcc' is not one of auto, dvc, git, dvc-pointers, dvc-manifest"),
    ("storage", "mode = 1", "must be a string, not int"),
    ("storage", 'mode = ""', "'' is not one of"),
    ("storage", 'fallback_mode = "dvc"', "'dvc' is not one of git, none"),
    ("storage", 'require_dvc_in_ci = "true"', "must be true or false, not str"),
    ("storage", "compress = 1", "must be true or false, not int"),
    ("storage", "git_snapshot_size_limit = true", "must be a size, not bool"),
    ("storage", "git_snapshot_size_limit = 1.5", "must be a size, not float"),
    ("storage", 'git_snapshot_size_limit = "100 XB"', "'100 XB' is not a size"),
    ("storage", 'git_snapshot_size_limit = "-1KB"', "'-1KB' is not a size"),
    ("storage", 'git_snapshot_size_limit = ""', "'' is not a size"),
    ("storage", "git_snapshot_size_limit = -1", "is not a number of bytes"),
    ("storage", f"git_snapshot_size_limit = {10**15}", "is not a number of bytes"),
    ("storage", f"git_snapshot_size_limit = 0x{'f' * 9000}", "is not a number of bytes"),
    ("storage", "manifest = 1979-05-27", "must be a string, not date"),
    ("storage", 'manifest = ""', "must not be empty"),
    ("storage", 'manifest = "  "', "must not be empty"),
    ("storage", r'manifest = "a\u0000b"', "holds a control character"),
    ("storage", r'remote = "a\u007fb"', "holds a control character"),
    ("storage", 'remote = ["a"]', "must be a string, not list"),
    ("storage", 'mode.sub = "git"', "unknown key 'storage.mode.sub'"),
    ("storage", 'remote_prefix = ""', "is no relative path in the remote"),
    ("storage", 'remote_prefix = "/abs"', "is no relative path in the remote"),
    ("storage", 'remote_prefix = "a/../b"', "is no relative path in the remote"),
    ("storage", 'remote_prefix = "..\\\\b"', "is no relative path in the remote"),
    ("storage", 'remote_prefix = "blobs//x"', "is no relative path in the remote"),
    ("storage", 'remote_prefix = "./blobs"', "is no relative path in the remote"),
    ("storage", 'remote_prefix = "C:/blobs"', "is no relative path in the remote"),
    ("storage", 'remote_prefix = "s3://bucket"', "is no relative path in the remote"),
    ("storage", 'remote_prefix = "ab/blobs"', "'dvc gc' deletes unknown files in 'ab/blobs'"),
    ("storage", 'remote_prefix = "files/md5/x"', "'dvc gc' deletes unknown files"),
    ("review", 'commit_on_approve = "yes"', "must be true or false, not str"),
    ("review", "diff_tool = 3", "must be a string, not int"),
    ("cassettes", 'record_mode = "onec"', "'onec' is not one of none, once"),
    ("cassettes", "record_mode = []", "must be a string, not list"),
    ("cassettes", 'match_on = "method"', "must be a list of strings, not str"),
    ("cassettes", "match_on = 3", "must be a list of strings, not int"),
    ("cassettes", "match_on = []", "must name at least one"),
    ("cassettes", 'match_on = ["method", "bdy"]', "'bdy' is not one of method, uri"),
    ("cassettes", "allow_hosts = [1]", "must be a string, not int"),
    ("cassettes", 'allow_hosts = ["a", " "]', "holds an empty string"),
    ("cassettes", 'unused = "wran"', "'wran' is not one of ignore, warn, error"),
    ("cassettes", 'chunks = "event"', "'event' is not one of events, exact"),
    ("redact", 'headers = {a = "b"}', "unknown key 'redact.headers.a'"),
    ("redact", 'patterns = ["ok", "("]', "item 2 is not a regular expression: missing )"),
    ("redact", 'patterns = ["a{99999999999}"]', "item 1 is not a regular expression"),
    ("redact", "patterns = ['[[a]']", "item 1 is not a regular expression: Possible nested set"),
    ("redact", 'secrets = ["A", "not a name"]', "item 2 is no variable's name"),
]


@pytest.mark.parametrize(("section", "line", "problem"), TOML_MISTAKES)
def test_an_impossible_toml_value_names_file_line_and_key(
    project: Project, section: str, line: str, problem: str
) -> None:
    error = project.write("booktest.toml", "# one", f"[{section}]", "# three", line).error()
    key = f"{section}.{line.split('=')[0].strip()}"
    assert error.message.startswith(("booktest.toml:4: unknown key ", f"booktest.toml:4: {key}: "))
    assert problem in error.message


FLAT_MISTAKES = [
    ("storage.mode=gti", "storage.mode: 'gti' is not one of"),
    ("storage.mode=", "storage.mode: '' is not one of"),
    ("storage.mode=git # shared", "storage.mode: holds '#' or ';' after a space"),
    ("storage.remote=team ; ours", "storage.remote: holds '#' or ';' after a space"),
    ('storage.dvc.remote="team"', "storage.dvc.remote: is quoted"),
    ("storage.compress=maybe", "storage.compress: 'maybe' is neither yes nor no"),
    ("storage.git_snapshot_size_limit=many", "storage.git_snapshot_size_limit: 'many' is not a size"),
    ("storage.manifest=", "storage.manifest: must not be empty"),
    ("storage.mode: dvc", "no '=' after a key"),
    ("redact.headers='X-A'", "redact.headers: is quoted"),
    ('redact.headers=["X-A", "X-B"]', "redact.headers: is quoted"),
    ("redact.headers=X-A # mine", "redact.headers: holds '#' or ';' after a space"),
    ("redact.patterns=ok,(", "redact.patterns: item 2 is not a regular expression"),
    ("cassettes.match_on=,", "cassettes.match_on: must name at least one"),
    ("storage.remote=\n  one\n  two", "storage.remote: takes one value, on the same line"),
]


@pytest.mark.parametrize("name", ["booktest.ini", ".booktest"])
@pytest.mark.parametrize(("line", "problem"), FLAT_MISTAKES)
def test_an_impossible_flat_value_names_file_line_and_key(
    project: Project, name: str, line: str, problem: str
) -> None:
    error = project.write(name, "# one", "", line).error()
    assert error.message.startswith(f"{name}:3: {problem}")
    assert (
        error.hint or "empty" in problem or "regular" in problem or "''" in problem or "same line" in problem
    )


def test_an_impossible_variable_is_named_with_the_key_it_sets(project: Project) -> None:
    error = project.error({"BOOKTEST_RECORD_MODE": "newepisodes"})
    assert error.message.startswith("environment BOOKTEST_RECORD_MODE: cassettes.record_mode: 'newepisodes'")
    assert error.hint == "did you mean new_episodes?"
    assert "neither yes nor no" in project.error({"BOOKTEST_REQUIRE_DVC": "2"}).message


def test_an_impossible_override_is_named_as_the_option_it_is(project: Project) -> None:
    error = project.error(storage_mode="dcv")
    assert error.message.startswith("command line --storage-mode: storage.mode: 'dcv' is not one of")
    assert error.hint == "did you mean dvc?"
    assert "must be true or false, not str" in project.error(compress="1").message


def test_a_word_in_the_wrong_case_gets_the_right_one_as_a_hint(project: Project) -> None:
    assert project.error(storage_mode="DVC").hint == "did you mean dvc?"


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("storage_mode", 1, 'for example "text"'),
        ("compress", 1, "for example true, without quotes"),
        ("match_on", "uri", 'for example ["one", "two"]'),
        ("git_snapshot_size_limit", [], 'for example "100KB"'),
        ("git_snapshot_size_limit", "x", 'for example "100KB", "1.5MB", "64KiB"'),
        ("remote_prefix", "/x", 'use "booktest/blobs"'),
        ("remote_prefix", "xy/z", 'use "booktest/blobs"'),
        ("redact_secrets", ["a b"], "name it, as in API_TOKEN"),
        ("unused", "eror", "did you mean error?"),
        ("unused", "zzzzz", ""),
    ],
)
def test_a_mistake_comes_with_what_to_write_instead(
    project: Project, field: str, value: object, hint: str
) -> None:
    assert project.error(**{field: value}).hint == hint


@pytest.mark.parametrize("field", ["redact_secrets", "redact_patterns", "redact_headers", "match_on"])
def test_no_message_shows_what_may_be_a_secret_in_the_wrong_place(project: Project, field: str) -> None:
    secret = "s3cr3t-(value"
    for wrong in (secret, {"a": secret}, [secret] if field != "match_on" else secret):
        if field == "redact_headers" and isinstance(wrong, list):
            continue
        assert secret not in str(project.error(**{field: wrong}))


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ('"100KB"', 100_000), ('"1.5MB"', 1_500_000), ('"64KiB"', 65_536), ('"2 mib"', 2_097_152),
        ('"1GB"', 10**9), ('"1GiB"', 2**30), ('"512"', 512), ('"512B"', 512), ("4096", 4096), ("0", 0),
    ],
)  # fmt: skip
def test_sizes_are_bytes_in_decimal_and_binary_units(project: Project, written: str, size: int) -> None:
    project.write("booktest.toml", "[storage]", f"git_snapshot_size_limit = {written}")
    assert project.load().git_snapshot_size_limit == size


@pytest.mark.parametrize("word", ["1", "true", "YES", "on", "0", "False", "no", "off"])
def test_flags_in_flat_files_are_the_usual_words(project: Project, word: str) -> None:
    expected = word.lower() in {"1", "true", "yes", "on"}
    assert project.write(".booktest", f"storage.compress={word}").load().compress is expected


def test_a_prefix_may_end_in_a_slash_and_have_one_long_part(project: Project) -> None:
    assert project.load(remote_prefix="team/").remote_prefix == "team"
    assert project.load(remote_prefix="abc/de").remote_prefix == "abc/de"


def test_absolute_paths_stay_where_they_are(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert project.load(cache_dir=str(elsewhere)).cache_dir == elsewhere


# --- unreadable files


@pytest.mark.parametrize("name", FILES)
def test_a_directory_in_the_place_of_a_file_is_an_error(project: Project, name: str) -> None:
    (project.root / name).mkdir()
    error = project.error()
    assert error.message.startswith(f"{name}: cannot be read: ")
    assert str(project.root / name) in error.hint


@pytest.mark.parametrize("name", FILES)
def test_text_that_is_not_utf8_is_an_error_with_its_line(project: Project, name: str) -> None:
    (project.root / name).write_bytes(b"# fine\n# \xff\n")
    assert project.error().message == f"{name}:2: not UTF-8 text"


def test_a_refusal_of_the_operating_system_is_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert project.error().message == "pyproject.toml: cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["[storage]", "mode = "], "booktest.toml:2: not valid TOML: Invalid value"),
        (["[storage]", "", "mode git"], "booktest.toml:3: not valid TOML: Expected '=' after a key"),
        (["[storage]", 'mode = "git"', "[storage]"], "booktest.toml:3: not valid TOML: Cannot declare"),
        (["x = [", "1,"], "booktest.toml:2: not valid TOML: "),
        ([f"x = {'9' * 9000}"], "booktest.toml:1: not valid TOML: "),
        ([f"x = {'[' * 9000}"], "booktest.toml:1: not valid TOML: "),
    ],
)
def test_a_toml_syntax_error_names_file_and_line(project: Project, lines: list[str], message: str) -> None:
    error = project.write("booktest.toml", *lines).error()
    assert error.message.startswith(message)
    assert "column" not in error.message


@pytest.mark.parametrize(
    "lines", [["[[storage]]", 'mode = "git"'], ['storage = "git"'], ["storage = 3"], ["storage = []"]]
)
def test_a_section_that_is_no_table_is_an_error(project: Project, lines: list[str]) -> None:
    error = project.write("booktest.toml", *lines).error()
    assert (error.message, error.hint) == ("booktest.toml:1: 'storage' must be a table", "write [storage]")


def test_our_pyproject_entry_must_be_a_table(project: Project) -> None:
    error = project.write("pyproject.toml", "tool.booktest-cassettes = 3").error()
    assert error.message == "pyproject.toml: 'tool.booktest-cassettes' must be a table"


@given(st.sampled_from(FILES), st.binary(max_size=200))
def test_no_file_makes_anything_but_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    _load_whatever(tmp_path_factory, name, data)


_PIECES = st.sampled_from([
    "[storage]", "[tool.booktest-cassettes.storage]", "storage", ".", "mode", "redact.patterns", "=", "\n",
    "\n  ", '"', "'", "[", "]", "{", "}", ",", "#", " ", "git", "(", "\\", "1", "true", "é", "\r", "\x00",
    '"""', "[[", "]]",
])  # fmt: skip


@given(st.sampled_from(FILES), st.lists(_PIECES, max_size=40).map("".join))
def test_no_arrangement_of_our_own_words_makes_anything_but_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str
) -> None:
    _load_whatever(tmp_path_factory, name, text.encode())


def _load_whatever(tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes) -> None:
    root = tmp_path_factory.mktemp("any")
    (root / name).write_bytes(data)
    mistake = ""
    try:
        config = load_config(root, environ={})
    except ConfigError as error:
        mistake = error.message
    assert mistake.startswith(name) if mistake else config.root == root


# --- the formats say the same

_word = st.text("abcXYZ019_-.", min_size=1, max_size=12)
_name = st.builds("n{}".format, _word)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "storage_mode": st.sampled_from(["auto", "dvc", "git", "dvc-manifest", "dvc-pointers"]),
    "fallback_mode": st.sampled_from(["git", "none"]),
    "git_snapshot_size_limit": st.one_of(
        st.integers(0, 10**14),
        st.builds("{}{}".format, st.integers(0, 999), st.sampled_from(["KB", "MiB", ""]))
    ),
    "remote_prefix": st.lists(_word.map("abc{}".format), min_size=1, max_size=3).map("/".join),
    "record_mode": st.sampled_from(["none", "once", "new_episodes", "all", "rewrite", "verify", "off"]),
    "match_on": st.lists(st.sampled_from(["method", "uri", "host", "raw_body"]), min_size=1),
    "runner": st.sampled_from(["pytest", "booktest"]),
    "unused": st.sampled_from(["ignore", "warn", "error"]),
    "chunks": st.sampled_from(["events", "exact"]),
    "redact_secrets": st.lists(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)),
    "redact_patterns": st.lists(
        st.sampled_from([r"\d{2,5}", "[,;]+", r"a\,b", "(x|y)", "é=ü", r"\[", "[]a]", "a{,3}", '"k":"v"x'])
    ),
}  # fmt: skip


def _values_of(key: Key) -> st.SearchStrategy[Any]:
    if key.field in _VALUES:
        return _VALUES[key.field]
    if isinstance(key.default, bool):
        return st.booleans()
    return st.lists(_name) if key.default == () else st.builds("{}/é {}".format, _name, _name)


_written_settings = st.fixed_dictionaries({}, optional={key.field: _values_of(key) for key in KEYS})


@given(_written_settings, st.data())
def test_the_same_settings_load_the_same_from_every_format(
    tmp_path_factory: pytest.TempPathFactory, chosen: dict[str, Any], data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("formats")
    named = {data.draw(st.sampled_from(_key(field).dotted_names)): value for field, value in chosen.items()}
    expected = load_config(root, overrides=chosen, environ={})
    for name, text in _written(named).items():
        (root / name).write_text(text, encoding="utf-8", newline="\n")
        loaded = load_config(root, environ={})
        assert loaded == expected
        assert all(loaded.sources[field].startswith(f"{name}:") for field in chosen)
        (root / name).unlink()
    environ = {_key(field).variables[0]: _flat(value) for field, value in chosen.items() if value != []}
    assert load_config(root, environ=environ) == expected


def _key(field: str) -> Key:
    return next(key for key in KEYS if key.field == field)


def _written(named: dict[str, Any]) -> dict[str, str]:
    toml = {name: json.dumps(value, ensure_ascii=False) for name, value in named.items()}
    return {
        "booktest.toml": "".join(f"{name} = {value}\n" for name, value in toml.items()),
        "pyproject.toml": "".join(f"tool.booktest-cassettes.{n} = {value}\n" for n, value in toml.items()),
        "booktest.ini": "".join(
            f"[{name.partition('.')[0]}]\n{name.partition('.')[2]} = {_flat(value)}\n"
            for name, value in named.items()
        ),
        ".booktest": "".join(f"{name}={_flat(value)}\n" for name, value in named.items()),
    }


def _flat(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


# --- the root


def _tree(root: Path, *files: str) -> None:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_text("")


@pytest.mark.parametrize("name", ["booktest.toml", "booktest.ini", ".booktest", "booktest.manifest.yaml"])
def test_the_root_is_the_nearest_directory_with_a_file_of_ours(tmp_path: Path, name: str) -> None:
    _tree(tmp_path, ".git/", name, f"app/{name}", "app/tests/unit/pyproject.toml")
    assert find_root(tmp_path / "app" / "tests" / "unit") == tmp_path / "app"
    assert find_root(tmp_path / "app") == tmp_path / "app"
    assert find_root(tmp_path / "app" / ".." / "tests") == tmp_path


def test_a_pyproject_marks_the_root_when_it_has_our_table(tmp_path: Path) -> None:
    _tree(tmp_path, ".git/", "a/b/c/")
    (tmp_path / "pyproject.toml").write_text("[tool.booktest-cassettes.storage]\n")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nx = 'booktest-cassettes'\n")
    assert find_root(tmp_path / "a" / "b" / "c") == tmp_path


def test_nothing_above_the_repository_is_looked_at(tmp_path: Path) -> None:
    _tree(tmp_path, "booktest.toml", "repo/.git", "repo/sub/")
    assert find_root(tmp_path / "repo" / "sub") == tmp_path / "repo"


def test_the_directory_with_git_is_looked_at_itself(tmp_path: Path) -> None:
    _tree(tmp_path, "repo/.git/", "repo/booktest.ini", "repo/sub/pyproject.toml")
    assert find_root(tmp_path / "repo" / "sub") == tmp_path / "repo"


def test_without_a_file_of_ours_the_nearest_project_is_the_root(tmp_path: Path) -> None:
    _tree(tmp_path, ".git/", "app/pyproject.toml", "app/tests/", "lib/")
    assert find_root(tmp_path / "app" / "tests") == tmp_path / "app"
    assert find_root(tmp_path / "lib") == tmp_path


def test_without_any_mark_the_start_is_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What lies above the temporary directory is the machine's business: hide it.
    monkeypatch.setattr(Path, "parents", ())
    _tree(tmp_path, "sub/")
    assert find_root(tmp_path / "sub") == tmp_path / "sub"
    assert find_root(tmp_path / "not there") == tmp_path / "not there"
    _tree(tmp_path, "sub/test_x.py")
    assert find_root(tmp_path / "sub" / "test_x.py") == tmp_path / "sub"


def test_the_root_of_a_file_is_looked_for_from_its_directory(tmp_path: Path) -> None:
    _tree(tmp_path, ".git/", "app/booktest.ini", "app/test_x.py")
    assert find_root(tmp_path / "app" / "test_x.py") == tmp_path / "app"


def test_a_directory_named_like_the_dotfile_marks_nothing(tmp_path: Path) -> None:
    _tree(tmp_path, ".git/", "app/.booktest/", "app/tests/")
    assert find_root(tmp_path / "app" / "tests") == tmp_path


def test_booktests_personal_file_in_the_home_directory_marks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    _tree(tmp_path, ".booktest", "app/pyproject.toml", "app/tests/")
    assert find_root(tmp_path / "app" / "tests") == tmp_path / "app"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_the_root_keeps_the_links_it_was_reached_by(tmp_path: Path) -> None:
    _tree(tmp_path, "real/.git/", "real/tests/")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert find_root(tmp_path / "link" / "tests") == tmp_path / "link"


# --- weight


def test_loading_without_toml_or_mistakes_imports_no_parser(project: Project) -> None:
    project.write("pyproject.toml", "[project]", 'dependencies = ["booktest-cassettes"]')
    project.write(".booktest", "storage.mode=git")
    code = (
        "import sys; from pathlib import Path; before = set(sys.modules)\n"
        "from booktest_cassettes.config import find_root, load_config\n"
        f"config = load_config(find_root(Path({str(project.root)!r})), environ={{}})\n"
        "assert config.storage_mode == 'git'\n"
        "print(*sorted({'tomllib', 'difflib', 'yaml', 'configparser'} & set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_version_that_booktest_leaves_behind_marks_no_root(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "booktest.toml").write_text('[cassettes]\nrunner = "booktest"\n')
    inner = tmp_path / "pkg"
    inner.mkdir()
    (inner / "booktest.ini").write_text("# booktest\nfs_version=v2\n")
    assert find_root(inner) == tmp_path
    (inner / "booktest.ini").write_text("fs_version=v2\ntest_paths=test\n")
    assert find_root(inner) == inner
