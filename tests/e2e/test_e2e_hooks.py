"""The hook before a push, as ``install-hooks`` writes it, in real pushes; and what pre-commit is offered."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc_share import init_dvc
from e2e_workspace import Workspace

from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import RemoteError
from booktest_cassettes.project import Project
from booktest_cassettes.recording import codec
from booktest_cassettes.workflow import approve, pushing, sync

ROOT = Path(__file__).parents[2]
TEST = "t.py::test_x"
KINDS = ("env",)


class Shared(Workspace):
    """A project with a hook, and a bare repository to push to."""

    def begin(self) -> Shared:
        super().begin()
        self.git("symbolic-ref", "HEAD", "refs/heads/main")
        self.git("init", "--quiet", "--bare", "--initial-branch=main", "../origin.git")
        self.git("remote", "add", "origin", "../origin.git")
        done = self.cli("install-hooks")
        assert done.code == 0, done.text
        self.commit()
        return self

    def approve(self, value: str, test_id: str = TEST, *, push: bool = True) -> None:
        """What recording and approving does, without a run."""
        project = Project.open(self.root)
        project.stage(test_id, {Kind.ENV: codec.dump_env({"A": value})})
        approve.execute(project, approve.plan(project), push=push)

    def push(self, *arguments: str) -> tuple[int, str]:
        done = self.run("git", "push", "--quiet", *(arguments or ("origin", "main")))
        return done.code, done.text

    def payload(self) -> Path:
        (path,) = self.payloads()
        return path


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    (tmp_path / "project").mkdir()
    return Shared(tmp_path / "project").begin()


@pytest.fixture
def on_dvc(tmp_path: Path) -> Shared:
    """The same with a DVC remote: a directory beside it."""
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "share").mkdir()
    init_dvc(root, tmp_path / "share")
    shared = Shared(root)
    shared.begin()
    (root / "booktest.toml").write_text('[storage]\nmode = "dvc"\n')
    shared.commit()
    return shared


# --- on a DVC remote


def test_a_push_of_what_is_on_the_remote_goes_through_and_of_what_is_not_is_refused(on_dvc):
    on_dvc.approve("one")
    on_dvc.commit()
    assert on_dvc.push()[0] == 0
    on_dvc.approve("two", push=False)
    on_dvc.commit()
    code, text = on_dvc.push()
    assert code == 1
    assert "refs/heads/main names 1 recording not on remote 'share'" in text
    assert TEST in text
    assert "booktest-cassettes push, then git push again; git push --no-verify goes round this" in text
    assert on_dvc.cli("push").code == 0
    assert on_dvc.push()[0] == 0


def test_no_verify_is_the_way_round(on_dvc):
    on_dvc.approve("one", push=False)
    on_dvc.commit()
    assert on_dvc.push()[0] == 1
    assert on_dvc.push("--no-verify", "origin", "main")[0] == 0


def lines(workspace: Workspace, *refs: tuple[str, str]) -> str:
    """What Git writes to the hook: local revision and remote one, by name."""
    zero = "0" * 40
    sha = [[workspace.git("rev-parse", name).strip() if name else zero for name in ref] for ref in refs]
    return "".join(f"refs/heads/x {new} refs/heads/x {old}\n" for new, old in sha)


def hook(workspace: Workspace, given: str) -> tuple[int, str]:
    (workspace.root.parent / "given").write_text(given)
    command = f"{shlex.quote(sys.executable)} -m booktest_cassettes pre-push origin url < ../given"
    done = workspace.run("sh", "-c", command)
    return done.code, done.text


def test_exit_codes_tell_what_can_be_pushed_from_what_is_nowhere(on_dvc, tmp_path):
    on_dvc.approve("one", push=False)
    on_dvc.commit()
    assert hook(on_dvc, lines(on_dvc, ("HEAD", "")))[0] == 5
    shutil.rmtree(on_dvc.root / ".booktest_cache/env")
    code, text = hook(on_dvc, lines(on_dvc, ("HEAD", "")))
    assert code == 4
    assert "which is nowhere on this machine either" in text
    shutil.rmtree(tmp_path / "share")
    (tmp_path / "share").write_text("no directory")
    assert hook(on_dvc, lines(on_dvc, ("HEAD", "")))[0] == 5


def test_only_what_the_remote_branch_did_not_name_is_looked_for(on_dvc):
    on_dvc.approve("one", push=False)
    on_dvc.commit()
    on_dvc.git("push", "--quiet", "--no-verify", "origin", "main")
    on_dvc.approve("two", "t.py::test_y")
    on_dvc.commit()
    assert on_dvc.push()[0] == 0
    assert hook(on_dvc, lines(on_dvc, ("HEAD", "")))[0] == 5, "a new branch is looked at as a whole"


def test_deletions_tags_force_pushes_and_several_refs_are_understood(on_dvc):
    on_dvc.approve("one")
    on_dvc.commit()
    assert on_dvc.push("origin", "main", "main:other")[0] == 0
    on_dvc.git("tag", "-a", "good", "-m", "good")
    assert on_dvc.push("origin", "good")[0] == 0
    assert on_dvc.push("origin", ":other")[0] == 0
    on_dvc.git("tag", "blob", "HEAD:booktest.toml")
    assert on_dvc.push("origin", "blob")[0] == 0, "a tag of a file names no recording"
    on_dvc.approve("two", push=False)
    on_dvc.git("add", "--all")
    on_dvc.git("commit", "--quiet", "--amend", "-m", "other")
    on_dvc.git("tag", "-a", "bad", "-m", "bad")
    for arguments in (("--force", "origin", "main"), ("origin", "bad"), ("origin", "good:g2", "main:new")):
        code, text = on_dvc.push(*arguments)
        assert code == 1, arguments
        assert "names 1 recording not on" in text
    assert hook(on_dvc, lines(on_dvc, ("", "HEAD")))[0] == 0
    assert hook(on_dvc, lines(on_dvc, ("HEAD", "HEAD")))[0] == 0
    unknown = lines(on_dvc, ("HEAD", "HEAD")).rsplit(" ", 1)[0] + f" {'1' * 40}\n"
    assert hook(on_dvc, unknown)[0] == 5, "a commit that is not fetched yet says nothing"


def test_a_pushed_manifest_that_cannot_be_read_is_refused_with_its_line(on_dvc):
    on_dvc.write("booktest.manifest.yaml", "storage_mode: dvc\n<<<<<<< a\n")
    on_dvc.commit()
    code, text = on_dvc.push()
    assert code == 1
    assert "booktest.manifest.yaml:2: an unresolved merge conflict" in text
    assert "--no-verify" in text


def test_with_pointers_dvcs_object_must_be_on_the_remote_and_the_pointer_in_the_commit(on_dvc):
    """In this process: each command would load DVC anew."""

    def check() -> int:
        revision = on_dvc.git("rev-parse", "HEAD").strip()
        return pushing.check(Project.open(on_dvc.root), [pushing.Ref("x", revision, "")])

    (on_dvc.root / "booktest.toml").write_text('[storage]\nmode = "dvc-pointers"\n')
    on_dvc.approve("one", push=False)
    on_dvc.commit()
    with pytest.raises(RemoteError, match="names 1 recording not on remote") as caught:
        check()
    assert "booktest-cassettes push" in caught.value.hint
    sync.push(Project.open(on_dvc.root))
    assert check() == 1
    on_dvc.git("rm", "--quiet", "--cached", *(f"{path}.dvc" for path in on_dvc.payloads()))
    on_dvc.git("commit", "--quiet", "--message=half")
    with pytest.raises(RemoteError, match="names 1 recording not on remote"):
        check()


# --- in Git


def test_in_git_a_payload_must_be_in_the_pushed_commits(shared):
    shared.approve("one")
    shared.git("add", "booktest.manifest.yaml")
    shared.git("commit", "--quiet", "--message=half")
    code, text = shared.push()
    assert code == 1
    assert "names 1 recording not in the commits that are pushed" in text
    assert "git add books && git commit, then git push again" in text
    shared.commit()
    assert shared.push()[0] == 0


def test_in_git_payloads_that_are_ignored_are_added_by_force_and_nothing_else_is(shared):
    (shared.root / ".gitignore").write_text("books/**/_snapshots/*.json\nbooks/_reports/\n")
    shared.approve("one")
    shared.commit()
    (shared.root / "books/_reports").mkdir()
    (shared.root / "books/_reports/cassettes.json").write_text("{}")
    text = shared.push()[1]
    (add,) = re.findall(r"next: (git add --force \S+) && git commit", text)
    subprocess.run(shlex.split(add), cwd=shared.root, check=True)
    staged = shared.git("diff", "--cached", "--name-only").splitlines()
    assert staged == [shared.payload().relative_to(shared.root).as_posix()]


def test_in_git_a_payload_with_other_bytes_does_not_count(shared):
    shared.approve("one")
    shared.payload().write_text("{}")
    shared.commit()
    assert shared.push()[0] == 1
    assert hook(shared, lines(shared, ("HEAD", "")))[0] == 5
    shared.payload().unlink()
    assert hook(shared, lines(shared, ("HEAD", "")))[0] == 4


def test_a_project_without_recordings_is_pushed_without_a_word(shared):
    assert shared.push() == (0, "")


# --- the hook itself


def test_the_hook_works_below_the_top_for_each_project_and_in_a_worktree(shared):
    below = Shared(shared.root / "services/the api's")
    below.write("booktest.toml", '[storage]\nmode = "git"\n')
    assert below.cli("install-hooks").code == 0
    text = (shared.root / ".git/hooks/pre-push").read_text()
    assert text.count("\ncheck ") == 2
    assert "there: " in below.cli("install-hooks").text
    shared.commit()
    shared.git("worktree", "add", "--quiet", "../tree", "-b", "side")
    tree = Shared(shared.root.parent / "tree/services/the api's")
    tree.approve("one")
    tree.git("add", "booktest.manifest.yaml")
    tree.git("commit", "--quiet", "--message=half")
    assert tree.push("origin", "side")[0] == 1
    tree.commit()
    assert tree.push("origin", "side") == (
        0,
        "booktest-cassettes: 1 new recording, all where others find them\n",
    )


def test_a_repository_that_is_elsewhere_is_checked_too_and_a_bare_one_is_refused_with_words(shared):
    shared.push()
    shared.approve("one")
    shared.git("add", "booktest.manifest.yaml")
    shared.git("commit", "--quiet", "--message=half")
    (shared.root / "below").mkdir()
    (shared.root / ".git").rename(shared.root.parent / "away.git")
    origin = str(shared.root.parent / "origin.git")
    for below, there in ((".", ".."), ("below", "../..")):
        where = ("-C", below, f"--git-dir={there}/away.git", f"--work-tree={there}/{shared.root.name}")
        done = shared.run("git", *where, "push", origin, "main")
        assert (done.code, "names 1 recording not in the commits" in done.text) == (1, True), done.text
    shared.git("-C", "../away.git", "config", "core.bare", "true")
    done = shared.run("git", "-C", "../away.git", "push", origin, "main")
    assert (done.code, "push from a work tree" in done.text) == (1, True), done.text


def test_a_hook_that_is_there_is_kept_and_called_with_what_git_says(tmp_path):
    shared = Workspace(tmp_path).begin()
    shared.git("config", "core.hooksPath", "hooks")
    shared.write("hooks/pre-push", '#!/bin/sh\necho "$1" > seen\ncat >> seen\n').chmod(0o755)
    refused = shared.cli("install-hooks")
    assert refused.code == 2
    assert 'booktest-cassettes pre-push "$@" || exit $?' in refused.text
    assert "seen" in (shared.root / "hooks/pre-push").read_text()
    assert shared.cli("install-hooks", "--force").code == 0
    assert "seen" in (shared.root / "hooks/pre-push.before").read_text()
    assert shared.cli("install-hooks", "--force").code == 0
    assert "seen" in (shared.root / "hooks/pre-push.before").read_text()
    shared.commit()
    shared.git("init", "--quiet", "--bare", "origin.git")
    shared.git("push", "--quiet", "./origin.git", "HEAD:refs/heads/main")
    seen = (shared.root / "seen").read_text()
    assert seen.startswith("./origin.git\nHEAD ")
    assert " refs/heads/main 00000" in seen
    shared.write("hooks/pre-push.before", "#!/bin/sh\nexit 3\n")
    assert shared.run("git", "push", "./origin.git", "HEAD:refs/heads/two").code != 0
    shared.write("hooks/pre-push", "#!/bin/sh\n")
    assert "one of them would be lost" in shared.cli("install-hooks", "--force").text


def test_a_hook_that_cannot_find_our_command_lets_nothing_through_unseen(shared, tmp_path):
    path = shared.root / ".git/hooks/pre-push"
    path.write_text(
        path.read_text().replace("booktest-cassettes ", "no-such ").replace(sys.executable[:-6], "/no/")
    )
    text = path.read_text()
    path.write_text(
        "\n".join(
            "  for program in no-such; do" if "for program" in line else line for line in text.splitlines()
        )
    )
    code, text = shared.push()
    assert code == 1
    assert "is not to be found" in text
    assert "git push --no-verify" in text


def test_hooks_need_a_repository(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.write("booktest.toml", '[storage]\nmode = "git"\n')
    done = workspace.cli("install-hooks")
    assert done.code == 2
    assert "git init" in done.text


# --- pre-commit


def hooks() -> dict[str, dict[str, object]]:
    found = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return {hook["id"]: hook for hook in found}


def entry(workspace: Workspace, name: str, *files: str, **variables: str) -> tuple[int, str]:
    """Run a hook's entry as pre-commit does: its words, then the files."""
    program, *rest = shlex.split(str(hooks()[name]["entry"]))
    assert program == "booktest-cassettes"
    done = workspace.cli(*rest, *files, **variables)
    return done.code, done.text


def test_pre_commit_is_offered_two_hooks_with_what_it_needs_to_know():
    found = hooks()
    assert set(found) == {"booktest-cassettes-pushed", "booktest-cassettes-manifest"}
    assert all({"id", "name", "entry", "language"} <= hook.keys() for hook in found.values())
    pushed = found["booktest-cassettes-pushed"]
    assert (pushed["stages"], pushed["pass_filenames"], pushed["always_run"]) == (["pre-push"], False, True)


def test_pre_commits_check_of_a_push_takes_the_revisions_from_its_variables(on_dvc):
    on_dvc.approve("one", push=False)
    on_dvc.commit()
    old, new = (on_dvc.git("rev-parse", name).strip() for name in ("HEAD~1", "HEAD"))
    about = {"PRE_COMMIT_REMOTE_NAME": "origin", "PRE_COMMIT_FROM_REF": old}
    code, text = entry(on_dvc, "booktest-cassettes-pushed", PRE_COMMIT_TO_REF=new, **about)
    assert code == 5
    assert TEST in text
    assert entry(on_dvc, "booktest-cassettes-pushed", PRE_COMMIT_TO_REF=old, **about)[0] == 0
    on_dvc.cli("push")
    assert entry(on_dvc, "booktest-cassettes-pushed", PRE_COMMIT_TO_REF=new, **about)[0] == 0


def test_pre_commits_check_of_the_manifest_names_file_and_line(shared):
    shared.approve("one")
    assert entry(shared, "booktest-cassettes-manifest", "booktest.manifest.yaml") == (0, "")
    shared.write("sub/booktest.manifest.yaml", "storage_mode: git\n=======\n")
    code, text = entry(
        shared, "booktest-cassettes-manifest", "booktest.manifest.yaml", "sub/booktest.manifest.yaml"
    )
    assert code == 4
    assert f"sub{os.sep}booktest.manifest.yaml:2: an unresolved merge conflict" in text
