"""Which remote a project uses: as DVC itself would say, and without loading it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from booktest_cassettes.errors import RemoteError
from booktest_cassettes.store.remote import place
from booktest_cassettes.store.remote.place import Place, find_place

PLAIN = "[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://bucket/path\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    """Where the user's and the system's configuration of DVC is; empty."""
    for name in ("global", "system"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"DVC_{name.upper()}_CONFIG_DIR", str(tmp_path / name))
    return tmp_path


@pytest.fixture
def root(tmp_path) -> Path:
    """A project with a Git repository and a DVC repository in it."""
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / ".dvc").mkdir()
    return root


def write(root: Path, text: str, name: str = "config") -> None:
    (root / ".dvc" / name).write_text(text, encoding="utf-8")


def refused(root: Path, wanted: str | None = None) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        find_place(root, wanted)
    assert caught.value.exit_code == 5
    assert caught.value.hint
    return caught.value


def written_by_dvc(root: Path, name: str, *, default: bool) -> None:
    from dvc.config import Config

    with Config(str(root / ".dvc")).edit("repo") as config:
        config["remote"][name] = {"url": "s3://bucket"}
        if default:
            config["core"]["remote"] = name


# --- which one --------------------------------------------------------------------------------------


def test_the_default_remote_is_found(root):
    write(root, PLAIN)
    assert find_place(root, None) == Place(root / ".dvc", "storage", "s3://bucket/path")


def test_another_remote_is_found_by_its_name(root):
    write(root, PLAIN + "['remote \"other\"']\n    url = ssh://host/dir\n")
    assert find_place(root, "other").url == "ssh://host/dir"


@pytest.mark.parametrize("name", ["my remote", "x.y/z", "remote", "a [b]"])
@pytest.mark.parametrize("default", [True, False])
def test_names_are_what_dvc_wrote(root, name, default):
    written_by_dvc(root, name, default=default)
    found = find_place(root, None if default else name)
    assert (found.name, found.url) == (name.lower(), "s3://bucket")


def test_a_name_that_dvc_reads_but_cannot_write_is_found(root):
    from dvc.config import Config

    write(root, "['remote \"Ünï ✓\"']\nurl = /srv/päth ✓\n")
    assert "ünï ✓" in Config(str(root / ".dvc"))["remote"]
    assert find_place(root, "Ünï ✓").url == "/srv/päth ✓"


@pytest.mark.parametrize("written", ["Storage", "STORAGE", "storage"])
@pytest.mark.parametrize("wanted", ["Storage", "sTORAGE", None])
def test_upper_and_lower_case_are_the_same_as_they_are_to_dvc(root, written, wanted):
    write(root, f"[core]\nremote = sToRaGe\n['remote \"{written}\"']\nurl = s3://bucket\n")
    assert find_place(root, wanted).name == "storage"


@pytest.mark.parametrize(
    "title", ["""['remote "storage"']""", """["remote 'storage'"]""", """[ 'remote   "storage"' ]"""]
)
def test_a_section_counts_as_remote_where_it_does_for_dvc(root, title):
    from dvc.config import Config

    write(root, f"[core]\nremote = storage\n{title}\nurl = s3://bucket\n")
    known = "storage" in Config(str(root / ".dvc"), validate=False)["remote"]
    if known:
        assert find_place(root, None).name == "storage"
    else:
        refused(root)


def test_the_local_configuration_overrides_and_completes(root):
    write(root, PLAIN)
    write(root, "['remote \"storage\"']\nurl = s3://mine\n", "config.local")
    assert find_place(root, None).url == "s3://mine"
    write(root, "[core]\nremote = own\n['remote \"own\"']\nurl = /srv/own\n", "config.local")
    assert find_place(root, None).url == "/srv/own"
    assert find_place(root, "storage").url == "s3://bucket/path"


@pytest.mark.parametrize("level", ["global", "system"])
def test_a_remote_of_the_user_or_the_system_counts(root, elsewhere, level):
    (elsewhere / level / "config").write_text(PLAIN)
    assert find_place(root, None).url == "s3://bucket/path"
    write(root, "['remote \"mine\"']\nurl = /srv/mine\n")
    assert find_place(root, None).url == "s3://bucket/path"


def test_a_default_of_the_repository_may_name_a_remote_of_the_user(root, elsewhere):
    (elsewhere / "global/config").write_text("['remote \"storage\"']\nurl = s3://users\n")
    write(root, "[core]\nremote = storage\n['remote \"storage\"']\nendpointurl = http://localhost\n")
    assert find_place(root, None).url == "s3://users"


# --- where the repository is ------------------------------------------------------------------------


def test_a_dvc_repository_above_the_project_counts_within_the_work_tree(root):
    write(root, PLAIN)
    (root / "a/b").mkdir(parents=True)
    assert find_place(root / "a/b", None).dvc_dir == root / ".dvc"


def test_a_relative_root_is_fine(root, monkeypatch):
    write(root, PLAIN)
    (root / "a").mkdir()
    monkeypatch.chdir(root / "a")
    assert find_place(Path(), None).dvc_dir == root / ".dvc"


@pytest.mark.parametrize("marker", ["directory", "file"])
def test_one_above_the_work_tree_does_not_count(root, marker):
    write(root, PLAIN)
    inner = root / "vendored"
    inner.mkdir()
    if marker == "file":  # as submodules and worktrees have it
        (inner / ".git").write_text("gitdir: elsewhere\n")
    else:
        (inner / ".git").mkdir()
    assert "there is no DVC repository" in refused(inner).message


def test_the_nearest_repository_wins(root):
    write(root, PLAIN)
    write_to = root / "part"
    (write_to / ".dvc").mkdir(parents=True)
    write(write_to, PLAIN.replace("bucket", "part"))
    assert find_place(write_to, None).url == "s3://part/path"


def test_a_file_named_dvc_is_no_repository(root):
    (root / ".dvc").rmdir()
    (root / ".dvc").write_text("")
    assert "dvc init" in refused(root).hint


# --- what is missing --------------------------------------------------------------------------------


def test_without_a_remote_it_says_how_to_add_one(root):
    error = refused(root)
    assert "no default remote (there is none yet)" in error.message
    assert "dvc remote add -d" in error.hint


def test_without_a_default_it_names_those_there_are(root):
    write(root, PLAIN.replace("remote = storage", ""))
    error = refused(root)
    assert "no default remote (there are: storage)" in error.message
    assert error.hint == "dvc remote default 'storage'"


def test_an_unknown_remote_is_named_with_those_there_are(root):
    write(root, PLAIN)
    error = refused(root, "storrage")
    assert "no remote 'storrage' (there are: storage)" in error.message


def test_a_default_that_does_not_exist_is_named(root):
    write(root, "[core]\nremote = gone\n")
    assert "no remote 'gone'" in refused(root).message


def test_without_the_package_it_says_how_to_install_it(root, monkeypatch):
    write(root, PLAIN)
    monkeypatch.setattr(place, "find_spec", lambda _: None)
    error = refused(root)
    assert "the dvc package is not installed" in error.message
    assert "pip install" in error.hint


# --- broken files -----------------------------------------------------------------------------------

BROKEN = {
    "half a section": b"[core\nremote = x\n",
    "no equals sign": b"['remote \"storage\"']\npassword hunter2\n",
    "twice": b"[core]\nremote = a\nremote = b\n",
    "interpolation": b"[core]\nremote = %(hunter2)s\n",
    "other bytes": b"[core]\nremote = \xff\xfe\n",
    "nested": b"[[core]]\nremote = a\n",
    "merge": b"<<<<<<< ours\n[core]\n=======\nhunter2\n>>>>>>> theirs\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("name", ["config", "config.local"])
def test_a_broken_file_is_named_and_nothing_of_it_is_shown(root, text, name):
    (root / ".dvc" / name).write_bytes(text)
    error = refused(root)
    assert str(root / ".dvc" / name) in error.message
    assert "hunter2" not in str(error)


def test_a_broken_file_of_the_user_is_an_error_and_nothing_of_it_is_shown(root, elsewhere):
    (elsewhere / "global/config").write_bytes(BROKEN["no equals sign"])
    error = refused(root)
    assert "cannot be read: line 2 is wrong" in error.message
    assert "hunter2" not in str(error)


def test_a_directory_in_place_of_the_file_is_named(root):
    (root / ".dvc/config").mkdir()
    assert str(root / ".dvc/config") in refused(root).message


@pytest.mark.parametrize("text", ["core = 3\n", "remote = 3\n", "[remote]\nurl = x\n", "", "\n# nothing\n"])
def test_odd_files_have_no_remote(root, text):
    write(root, text)
    refused(root)


# --- what is shown ----------------------------------------------------------------------------------

URLS = {
    "ssh://ann:hunter2@host/dir": "ssh://host/dir",
    "ssh://ann:hunter2@host:22/a@b": "ssh://host:22/a@b",
    "ssh://ann:hun@ter2@host/dir": "ssh://host/dir",
    "ssh://ann:hunter2/hunter2@host/dir": "ssh://host/dir",
    "https://hunter2@host/dir": "https://host/dir",
    "https://host/dir?sig=hunter2&x=hunter2": "https://host/dir",
    "ssh://host:22/a@b": "ssh://host:22/a@b",
    "s3://bucket/a@b:c": "s3://bucket/a@b:c",
    "/srv/a@b": "/srv/a@b",
    "../share": "../share",
}


@pytest.mark.parametrize(("url", "shown"), URLS.items())
def test_the_url_is_shown_without_credentials(root, url, shown):
    write(root, f"[core]\nremote = x\n['remote \"x\"']\nurl = '{url}'\n")
    found = find_place(root, None)
    assert found.url == shown
    assert "hunter2" not in f"{found} {found!r}"


# --- how light it is --------------------------------------------------------------------------------


def test_dvc_is_not_loaded_to_find_a_remote_of_the_repository(root):
    write(root, PLAIN)
    code = """
import sys
from pathlib import Path
from booktest_cassettes.store.remote.place import find_place
print(find_place(Path(sys.argv[1]), None))
heavy = {"dvc", "fsspec", "asyncio", "asyncssh", "s3fs", "configobj.validate"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("remote 'storage' (s3://bucket/path)\n", "")
