"""Random histories: garbage collection deletes nothing that is needed, and in the end all that is not."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from e2e_gc import World, make_template
from e2e_gc_eyes import MANIFEST, PROJECTS
from e2e_gc_steps import WEIGHTS, History
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Step: TypeAlias = tuple[str, int, int, int]

_NAMES = [name for name, weight in WEIGHTS.items() for _ in range(weight)]
_NUMBER = st.integers(0, 255)
_STEP = st.tuples(st.sampled_from(_NAMES), _NUMBER, _NUMBER, _NUMBER)
_HISTORIES = 20  # side by side in one world
_EPOCHS = 4  # each ends with a garbage collection


def _epochs(histories: int) -> st.SearchStrategy[list[list[list[Step]]]]:
    one = st.lists(_STEP, min_size=1, max_size=2)
    return st.lists(st.lists(one, min_size=histories, max_size=histories), min_size=_EPOCHS, max_size=_EPOCHS)


#: Days that pass, in which clone, whether it fetches; then what happens while it is at work.
_COLLECTION = st.tuples(
    st.sampled_from([15, 15, 8, 15, 1]), _NUMBER, st.booleans(), st.lists(_STEP, max_size=3), _NUMBER
)


class Play:
    """Lives through many worlds.

    Parameters
    ----------
    root:
        For them.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.seen = root, Counter[str]()
        self.template = make_template(root / "template")
        self.worlds = 0

    def run(self, worlds: int, *, anew: bool = False) -> Counter[str]:
        """Draw them, the same every time or anew; what happened, by number."""
        collections = st.lists(_COLLECTION, min_size=_EPOCHS, max_size=_EPOCHS)
        suppressed = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
        drawn = settings(
            max_examples=worlds, suppress_health_check=suppressed, database=None, derandomize=not anew
        )
        drawn(given(_epochs(_HISTORIES), collections, st.booleans())(self._world))()
        return self.seen

    def _world(self, epochs: list[list[list[Step]]], collections: list[tuple], has_requests: bool) -> None:
        self.worlds += 1
        root = self.root / f"world{self.worlds}"
        try:
            world = World(root, self.template, self.seen)
            histories = [History(world, number) for number in range(len(epochs[0]))]
            for steps, collection in zip(epochs, collections, strict=True):
                for history, own in zip(histories, steps, strict=True):
                    for step in own:
                        history.step(*step)
                self._collect(world, histories, *collection, has_requests)
            world.settle(has_requests)
            self.seen["histories"] += len(histories)
        finally:
            shutil.rmtree(root)

    def _collect(
        self,
        world: World,
        histories: list[History],
        days: int,
        which: int,
        fetches: bool,
        between: list[Step],
        late: int,
        has_requests: bool,
    ) -> None:
        world.flush()
        clone = world.clones[which % 3 // 2]
        if fetches:
            clone.git("fetch", "--quiet", "--prune", "origin")
        world.pass_days(days)

        def meanwhile() -> None:
            for number, step in enumerate(between):
                histories[(which + number) % len(histories)].step(*step)

        def branch(doomed: set[str]) -> None:
            """Somebody's branch comes in, and names what is about to go."""
            if known := sorted(doomed & world.words.keys()):
                self.seen["late branches"] += 1
                word = world.words[known[late % len(known)]]
                clone.stream.commit(f"refs/heads/late{world.day}", {word}, MANIFEST, ["refs/heads/main"])
                clone.stream.flush()

        during: Callable[[set[str]], None] = branch if late % 2 else lambda _: None
        project = PROJECTS[which % 5 == 4]
        world.collect(clone, project, has_requests=has_requests, between=meanwhile, during=during)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    for name in list(os.environ):
        if name == "CI" or name.startswith(("BOOKTEST_", "GIT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_EDITOR", "true")
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return Play(tmp_path)


def _see_that_much_happened(seen: Counter[str]) -> None:
    wanted = ["deleted remote", "tombstoned remote", "untombstoned remote", "deleted local"]
    wanted += ["only stash", "only refs/heads", "only refs/tags", "revived", "spared", "gone in the end"]
    assert not [name for name in wanted if not seen[name]], seen


def test_in_random_histories_only_what_nothing_needs_goes_and_all_of_it(play):
    assert play.run(2)["histories"] >= 40


@pytest.mark.nightly
def test_in_a_hundred_random_histories_everything_happens_that_is_looked_at(play):
    seen = play.run(6)
    assert seen["histories"] >= 100
    _see_that_much_happened(seen)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(4))
def test_in_thousands_of_random_histories_only_what_nothing_needs_goes_and_all_of_it(play, part):
    seen = play.run(30, anew=True)
    assert seen["histories"] >= 600
    _see_that_much_happened(seen)
