"""Versions of a manifest read one after another say what the whole parser says of each."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from booktest_cassettes import manifest_text
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import ManifestError
from booktest_cassettes.manifest import loads
from booktest_cassettes.workflow.gc import series
from booktest_cassettes.workflow.gc.series import Series

_DIGESTS = [Digest.of(b"%d" % number) for number in range(12)]
# Names that sort close together, need quotes, or are too long for one line.
_IDS = st.one_of(
    st.sampled_from([f"t.py::test_{letter}" for letter in "abcdefgh"]),
    st.sampled_from(
        ["a", "storage_mode", "./storage_mode", "t.py::é", 't.py::"', "t.py::x" + "y" * 1_100, "? b"]
    ),
    st.text(alphabet="ab:/[\"'\\ ?é😀", min_size=1, max_size=4),
)
_KINDS = st.dictionaries(st.sampled_from(list(Kind)), st.sampled_from(_DIGESTS), min_size=1, max_size=4)
_MANIFESTS = st.dictionaries(_IDS, _KINDS, max_size=12)
_MODES = st.sampled_from(["dvc", "git"])


def parsed(text: str, name: str) -> set[BlobKey] | str:
    """What the whole parser gives, or says is wrong."""
    try:
        return loads(text, name=name).keys()
    except ManifestError as error:
        return str(error)


def read_all(texts: list[str]) -> None:
    """The union is exact after every version, and what is refused is what the parser refuses."""
    reader = Series()
    mine, whole = set(), set()
    for number, text in enumerate(texts):
        expected = parsed(text, f"v{number}")
        if isinstance(expected, str):
            with pytest.raises(ManifestError) as caught:
                reader.read(text.encode(), f"v{number}")
            assert str(caught.value) == expected
            continue
        found = reader.read(text.encode(), f"v{number}")
        assert found <= expected
        mine |= found
        whole |= expected
        assert mine == whole


@given(st.lists(st.tuples(_MODES, _MANIFESTS), max_size=8))
def test_any_canonical_versions_give_what_the_whole_parser_gives(versions):
    read_all([manifest_text.write(mode, entries) for mode, entries in versions])


@given(_MANIFESTS, st.lists(st.dictionaries(_IDS, st.one_of(st.none(), _KINDS), max_size=3), max_size=8))
def test_versions_that_change_a_little_give_what_the_whole_parser_gives(entries, changes):
    texts = [manifest_text.write("dvc", entries)]
    for change in changes:
        entries = {test: kinds for test, kinds in {**entries, **change}.items() if kinds}
        texts.append(manifest_text.write("dvc", entries))
    read_all(texts)


_LINE = st.sampled_from(
    [
        "",
        "# hello",
        "<<<<<<< ours",
        ">>>>>>> theirs",
        "t.py::test_a:",
        '  http: "sha256:12"',
        "storage_mode: git",
    ]
)


@given(_MANIFESTS, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), _LINE), max_size=6))
@example({"t.py::test_a": {Kind.HTTP: _DIGESTS[0]}}, [(4, 0, "t.py::test_a:")])
def test_damaged_versions_are_refused_as_the_whole_parser_refuses_them(entries, damages):
    whole = manifest_text.write("dvc", entries)
    texts = [whole]
    for at, gone, line in damages:
        lines = whole.split("\n")
        lines[at : at + gone] = [line] if line else []
        texts += ["\n".join(lines), whole]
    read_all(texts)


@given(
    _MANIFESTS, st.integers(0, 2_000), st.text(st.characters(codec="utf-8"), max_size=3), st.integers(0, 3)
)
def test_versions_with_a_few_other_characters_give_what_the_whole_parser_gives(entries, at, put, gone):
    whole = manifest_text.write("dvc", entries)
    at %= len(whole)
    read_all([whole, whole[:at] + put + whole[at + gone :], whole])


def test_bytes_that_are_no_text_are_refused():
    reader = Series()
    reader.read(manifest_text.write("dvc", {"a": {Kind.HTTP: _DIGESTS[0]}}).encode(), "v1")
    with pytest.raises(ManifestError, match="v2:1: not UTF-8"):
        reader.read(b"\xff", "v2")


def test_only_what_differs_is_parsed(monkeypatch):
    random.seed(1)
    entries = {f"t.py::test_{number:04}": {Kind.HTTP: Digest.of(b"%d" % number)} for number in range(2_000)}
    texts = []
    for version in range(20):
        for number in random.sample(range(2_000), 5):
            entries[f"t.py::test_{number:04}"] = {Kind.HTTP: Digest.of(b"%d %d" % (version, number))}
        texts.append(manifest_text.write("dvc", entries))
    parsed = []
    whole = series.read_canonical
    monkeypatch.setattr(series, "read_canonical", lambda text: parsed.append(len(text)) or whole(text))
    reader = Series()
    found = [reader.read(text.encode(), "v") for text in texts]
    assert [len(keys) for keys in found] == [2_000] + [5] * 19
    assert sum(parsed) < 2 * len(texts[0])
