"""Which storage a configuration means on this machine, and what is said where part of DVC is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc_share import init_dvc

from booktest_cassettes.config import load_config
from booktest_cassettes.errors import CassetteError, ConfigError, RemoteError
from booktest_cassettes.project import Project
from booktest_cassettes.storage import Storage, decide

Decide = Callable[..., Storage]
REQUIRED = {"BOOKTEST_REQUIRE_DVC": "1"}


@pytest.fixture
def deciding(tmp_path: Path) -> Decide:
    """Decide for a project with these settings of ``[storage]`` and these variables."""
    (tmp_path / ".git").mkdir()

    def act(settings: str = "", *, override: str | None = None, **environ: str) -> Storage:
        (tmp_path / "booktest.toml").write_text(f"[storage]\n{settings}\n")
        overrides = {"storage_mode": override} if override else {}
        return decide(load_config(tmp_path, overrides=overrides, environ=environ))

    return act


@pytest.fixture
def no_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("booktest_cassettes.store.remote.place.find_spec", lambda _: None)


def refusal(act: Callable[[], Storage]) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        act()
    assert caught.value.exit_code == 5
    assert caught.value.hint
    return caught.value


# --- auto -------------------------------------------------------------------------------------------


def test_auto_is_dvc_where_everything_is_there(deciding, tmp_path):
    init_dvc(tmp_path, "/mnt/share")
    found = deciding()
    assert (found.mode, found.notice, found.lack) == ("dvc", "", None)
    assert found.require().name == "share"
    assert "/mnt/share" in str(found.place)


def test_auto_without_a_repository_is_git_and_says_what_is_missing(deciding, tmp_path):
    found = deciding('mode = "auto"')
    assert (found.mode, found.place, found.header) == ("git", None, "git")
    assert f"no DVC repository at {tmp_path}" in found.notice
    assert "silences" in found.notice


def test_auto_without_a_default_remote_is_git_and_names_those_there_are(deciding, tmp_path):
    init_dvc(tmp_path, "/mnt/share", default=False)
    found = deciding()
    assert found.mode == "git"
    assert "no default remote" in found.notice
    assert "share" in found.notice


def test_auto_with_a_named_remote_needs_no_default(deciding, tmp_path):
    init_dvc(tmp_path, "/mnt/share", "my share", default=False)
    found = deciding('remote = "my share"')
    assert found.mode == "dvc"
    assert found.require().name == "my share"


def test_auto_with_an_unknown_remote_is_git_and_names_both(deciding, tmp_path):
    init_dvc(tmp_path, "/mnt/share")
    found = deciding('remote = "typo"')
    assert found.mode == "git"
    assert "'typo'" in found.notice
    assert "share" in found.notice


def test_auto_without_the_package_is_git_and_says_so(deciding, tmp_path, no_dvc):
    init_dvc(tmp_path, "/mnt/share")
    found = deciding()
    assert found.mode == "git"
    assert "dvc package is not installed" in found.notice


def test_auto_with_a_broken_configuration_of_dvc_says_where_it_is_broken(deciding, tmp_path):
    (init_dvc(tmp_path, "/mnt/share") / "config").write_text("[core\nremote = share\n")
    assert str(tmp_path / ".dvc/config") in deciding().notice


def test_a_repository_above_the_git_work_tree_is_somebody_elses(tmp_path):
    init_dvc(tmp_path, "/mnt/share")
    inner = tmp_path / "inner"
    (inner / ".git").mkdir(parents=True)
    assert decide(load_config(inner, overrides={}, environ={})).mode == "git"


def test_a_repository_above_the_root_within_the_work_tree_is_ours(tmp_path):
    init_dvc(tmp_path, "/mnt/share")
    (tmp_path / ".git").mkdir()
    (tmp_path / "inner").mkdir()
    assert decide(load_config(tmp_path / "inner", overrides={}, environ={})).mode == "dvc"


# --- no fallback ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ['mode = "auto"\nfallback_mode = "none"', 'mode = "dvc"'])
def test_without_a_fallback_a_missing_repository_is_an_error_with_the_setting_that_asked(deciding, mode):
    error = refusal(lambda: deciding(mode))
    assert "no DVC repository" in error.message
    assert "booktest.toml" in error.message
    assert "dvc init" in error.hint


def test_without_a_fallback_auto_asks_for_the_package(deciding, tmp_path, no_dvc):
    init_dvc(tmp_path, "/mnt/share")
    error = refusal(lambda: deciding('fallback_mode = "none"'))
    assert "not installed" in error.message
    assert "pip install" in error.hint


@pytest.mark.parametrize("mode", ["dvc", "dvc-manifest", "dvc-pointers"])
def test_an_explicit_mode_with_an_unknown_remote_is_an_error(deciding, tmp_path, mode):
    init_dvc(tmp_path, "/mnt/share")
    error = refusal(lambda: deciding(f'mode = "{mode}"\nremote = "typo"'))
    assert "'typo'" in error.message
    assert "share" in error.message


@pytest.mark.parametrize("mode", ["dvc", "dvc-pointers"])
def test_an_explicit_mode_without_the_package_is_an_error_once_the_remote_is_needed(
    deciding, tmp_path, no_dvc, mode
):
    init_dvc(tmp_path, "/mnt/share")
    found = deciding(f'mode = "{mode}"')
    assert found.mode == mode
    assert found.place is None
    error = refusal(lambda: found.require() and found)
    assert "not installed" in error.message
    assert "pip install" in error.hint


def test_dvc_manifest_is_another_spelling_of_dvc(deciding, tmp_path):
    init_dvc(tmp_path, "/mnt/share")
    assert deciding('mode = "dvc-manifest"').mode == "dvc"


def test_git_asks_nothing_about_dvc_and_has_no_remote(deciding, no_dvc):
    found = deciding('mode = "git"')
    assert (found.mode, found.notice) == ("git", "")
    assert "there is no remote" in refusal(lambda: found.require() and found).message


def test_an_unknown_mode_is_an_error_that_names_the_nearest(deciding):
    with pytest.raises(ConfigError, match="dvc-pointers"):
        deciding('mode = "dvc-pointer"')


# --- required in CI ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "environ"), [("require_dvc_in_ci = true", {}), ("", REQUIRED)], ids=["file", "variable"]
)
def test_ci_that_requires_dvc_refuses_the_fallback_and_says_who_asked(deciding, settings, environ):
    error = refusal(lambda: deciding(settings, CI="true", **environ))
    assert "DVC is required in CI" in error.message
    assert "no DVC repository" in error.message
    assert ("BOOKTEST_REQUIRE_DVC" if environ else "booktest.toml") in error.message


def test_ci_that_requires_dvc_refuses_a_machine_without_the_package(deciding, tmp_path, no_dvc):
    init_dvc(tmp_path, "/mnt/share")
    for mode in ("auto", "dvc", "dvc-pointers"):
        error = refusal(lambda mode=mode: deciding(f'mode = "{mode}"', CI="1", **REQUIRED))
        assert "not installed" in error.message


def test_ci_that_requires_dvc_refuses_git(deciding):
    error = refusal(lambda: deciding('mode = "git"', CI="1", **REQUIRED))
    assert '"git"' in error.message
    assert "BOOKTEST_REQUIRE_DVC" in error.message


def test_ci_that_requires_dvc_is_content_where_it_is_there(deciding, tmp_path):
    init_dvc(tmp_path, "/mnt/share")
    assert deciding("require_dvc_in_ci = true", CI="1").mode == "dvc"


@pytest.mark.parametrize("environ", [{}, {"CI": ""}, {"CI": "false"}, {"CI": "0"}])
def test_outside_of_ci_the_requirement_asks_for_nothing(deciding, environ):
    assert deciding("require_dvc_in_ci = true", **REQUIRED, **environ).mode == "git"
    assert deciding('mode = "git"', **REQUIRED, **environ).mode == "git"


def test_ci_without_the_requirement_falls_back_as_everywhere(deciding):
    assert deciding(CI="1").mode == "git"
    assert deciding(CI="1", BOOKTEST_REQUIRE_DVC="0").mode == "git"


# --- the command line, the manifest -----------------------------------------------------------------


def test_the_command_line_wins_over_files_and_environment(deciding, tmp_path):
    init_dvc(tmp_path, "/mnt/share")
    assert deciding('mode = "dvc"', override="git", BOOKTEST_STORAGE_MODE="dvc-pointers").mode == "git"
    assert deciding('mode = "git"', override="dvc").mode == "dvc"
    assert deciding('mode = "git"', BOOKTEST_STORAGE_MODE="dvc-pointers").mode == "dvc-pointers"


def test_the_command_line_option_reaches_the_decision(tmp_path):
    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    command = [sys.executable, "-m", "booktest_cassettes", "--storage-mode", "dvc", "status"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    assert "no DVC repository" in done.stderr
    assert "--storage-mode" in done.stderr or "command line" in done.stderr


def test_the_option_of_run_reaches_it_too(tmp_path):
    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "dvc"\n')
    command = [sys.executable, "-m", "booktest_cassettes", "run", "--storage-mode", "git", "--", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("mode", "header"), [("git", "git"), ("dvc", "dvc"), ("dvc-manifest", "dvc"), ("dvc-pointers", "dvc")]
)
def test_a_new_manifest_has_the_mode_as_its_header(tmp_path, mode, header):
    init_dvc(tmp_path, "/mnt/share")
    (tmp_path / "booktest.toml").write_text(f'[storage]\nmode = "{mode}"\n')
    project = Project.open(tmp_path)
    assert project.storage.header == header
    assert project.read_manifest().storage_mode == header


def test_a_password_in_the_url_is_in_no_message(deciding, tmp_path):
    init_dvc(tmp_path, "https://ada:hunter2@dav.example/books")
    assert "hunter2" not in str(deciding().place)
    assert "hunter2" not in refusal(lambda: deciding('mode = "dvc"\nremote = "typo"')).message


BLOCKED = """
import sys
from pathlib import Path

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "dvc" or name.startswith("dvc."):
            raise AssertionError("dvc was asked for")

sys.meta_path.insert(0, Blocker())
from booktest_cassettes.project import Project
project = Project.open(Path(sys.argv[1]))
print(project.storage.mode, "dvc" in sys.modules, "asyncio" in sys.modules)
"""


def test_git_mode_does_not_even_look_for_the_package(tmp_path):
    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    command = [sys.executable, "-c", BLOCKED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["git", "False", "False"], done.stderr


def test_deciding_for_dvc_finds_the_package_without_loading_it(tmp_path):
    init_dvc(tmp_path, "/mnt/share")
    script = BLOCKED.replace("sys.meta_path.insert", "(lambda *_: None)")
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["dvc", "False", "False"], done.stderr


def test_every_refusal_is_one_of_ours(deciding, tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CassetteError) as caught:
        deciding('mode = "dvc"')
    assert caught.value.exit_code == 5
