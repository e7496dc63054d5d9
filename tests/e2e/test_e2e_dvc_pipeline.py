"""examples/dvc_pipeline: a snapshot test as a stage of `dvc repro`, as its README tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_walk import Walk

TEST = "tests/topics/test_top_words.py::test_top_words"
RAN = "Running stage 'test_topics_snapshot'"


@pytest.fixture
def walk(tmp_path: Path) -> Walk:
    return Walk("dvc_pipeline", tmp_path).begin()


def test_the_stage_runs_when_something_changed_and_a_changed_pipeline_is_stopped_until_it_is_approved(
    walk: Walk,
) -> None:
    once, daily, changed = walk.blocks()
    said = walk.walk(once)
    assert "1 new of 1 test" in said[once.index(next(line for line in once if " run " in line))]
    assert RAN in said[-3]
    assert "1 intact of 1 test" in said[-3]
    assert (walk.root / "books/_reports/topics.md").is_file()
    kept = walk.git("ls-files", "books").split()
    assert [name for name in kept if "/." not in name] == [f"books/{TEST.replace('::', '/')}/result.md"]

    manifest = walk.manifest
    (nothing,) = walk.walk(daily)
    assert "Running stage" not in nothing
    assert "up to date" in nothing

    pipeline = walk.root / "pipelines/build_topics.py"
    pipeline.write_text(pipeline.read_text(encoding="utf-8").replace("TOP = 3", "TOP = 2"), encoding="utf-8")
    done = walk.type("dvc repro")
    assert done.code != 0
    assert "Running stage 'build_topics'" in done.text
    assert RAN in done.text
    assert "is not in its func cassette" in done.text
    assert walk.manifest == manifest
    assert walk.git("status", "--porcelain", "books", "booktest.manifest.yaml") == ""

    _, diff, _, again = walk.walk(changed)
    assert "lake" in diff  # the third of the first topic, that is gone from the result
    assert "1 intact of 1 test" in again
    assert walk.manifest != manifest
    assert "up to date" in walk.walk(daily)[0]
