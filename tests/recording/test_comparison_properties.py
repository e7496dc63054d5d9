"""What holds for any two snapshots: all items are accounted for, and nothing valid is too odd to compare."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body, Coding
from booktest_cassettes.recording.calls import Call, Raised, Returned
from booktest_cassettes.recording.comparing_pairs import changed_blocks
from booktest_cassettes.recording.comparison import Comparison, compare
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response

few = st.sampled_from
values = st.recursive(
    few([None, True, 0, 1, 1.0, 1_700_000_000, "", "a", "a\nb\n", "2024-05-01T10:00:00Z", "\u202e\x1b[2J"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(few(["id", "ts", "a b", "$type"]), inner, max_size=3)
    ),
    max_leaves=8,
)
types = few(
    [
        "",
        "application/json",
        "text/plain; charset=klingon",
        "text/plain; charset=idna",
        "text/event-stream",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "image/png",
    ]
)
lines = st.lists(
    few([b"data: {}", b"data: x", b"a=1&b=%ff", b'{"a": 1}', b"--b", b"\xff", b"\0", b"", b"id"]), max_size=6
)
contents = (
    values.map(lambda value: json.dumps(value).encode())
    | st.builds(bytes.join, few([b"\n", b"\r\n", b"\r", b"\n\n"]), lines)
    | st.binary(max_size=20)
)
urls = few(
    ["http://x/a", "http://x/a?b=1", "http://x/a?b=2", "http://x/b/7", "http://x:x/", "http://[", "", "é\x1b"]
)
headers = st.lists(
    st.tuples(few(["ETag", "etag", "Content-Length", "Set-Cookie"]), few(["", "1", "a=b; c"])), max_size=3
)
of_type = types.map(lambda kind: [("Content-Type", kind)] if kind else [])
all_headers = st.builds(lambda one, rest: (*one, *rest), of_type, headers)
failures = st.builds(Failure, few(["OSError", "x.Y"]), few(["", "no"]))
requests = st.builds(Request, few(["GET", "POST"]), urls, all_headers, contents)
bodies = st.builds(Body, contents, st.none() | st.builds(Coding, few(["gzip", "zlib"]), few([1, 6])))
responses = st.builds(
    Response,
    few([200, 404]),
    few(["", "OK"]),
    few(["HTTP/1.1", "HTTP/2"]),
    all_headers,
    bodies,
    few([(), (1,)]),
    st.booleans(),
    st.none() | failures,
)
cassettes = st.lists(st.builds(Interaction, requests, responses | failures), max_size=6).map(
    lambda items: (Kind.HTTP, codec.dump_interactions(Kind.HTTP, items))
)
variables = st.dictionaries(few(["A", "B", "C"]), few([None, "", "1"])).map(
    lambda found: (Kind.ENV, codec.dump_env(found))
)
outcomes = st.builds(Returned, values) | st.builds(Raised, values)
calls = st.lists(
    st.builds(Call, few(["m:f", "m:g"]), st.dictionaries(few("ab"), values, max_size=2), outcomes), max_size=6
).map(lambda found: (Kind.FUNC, codec.dump_func(found)))


def pairs(snapshots):
    return st.tuples(snapshots, snapshots)


def see_that_all_is_accounted_for(found: Comparison, old: int, new: int) -> None:
    paired = [item for item in found.items if item.what in ("changed", "moved")]
    assert found.same + len(paired) + found.count("removed") == old
    assert found.same + len(paired) + found.count("added") == new
    olds = [item.old for item in found.items if item.old is not None]
    news = [item.new for item in found.items if item.new is not None]
    assert len(set(olds)) == len(olds)
    assert news == sorted(set(news))
    for item in found.items:
        assert (item.old is None) == (item.what == "added")
        assert (item.new is None) == (item.what == "removed")
        assert bool(item.differences) == (item.what == "changed") or item.what == "moved"
        assert item.what != "moved" or all(difference.noise for difference in item.differences)


def count(kind: Kind, data: bytes) -> int:
    document = json.loads(data)
    return len(
        document["env"] if kind is Kind.ENV else document["calls" if kind is Kind.FUNC else "interactions"]
    )


@given(both=pairs(cassettes) | pairs(variables) | pairs(calls))
def test_every_item_of_both_is_accounted_for_exactly_once(both):
    (kind, old), (_, new) = both
    found = compare(kind, old, new)
    see_that_all_is_accounted_for(found, count(kind, old), count(kind, new))
    for item in found.items:
        for difference in item.differences:
            assert difference.where
            assert difference.old != difference.new


@given(snapshot=cassettes | variables | calls)
def test_a_snapshot_does_not_differ_from_itself(snapshot):
    kind, data = snapshot
    found = compare(kind, data, data)
    assert (found.items, found.same, found.old == found.new) == ((), count(kind, data), True)


@given(snapshot=cassettes | variables | calls)
def test_a_snapshot_that_came_or_went_is_told_item_by_item(snapshot):
    kind, data = snapshot
    number = count(kind, data)
    see_that_all_is_accounted_for(compare(kind, None, data), 0, number)
    see_that_all_is_accounted_for(compare(kind, data, None), number, 0)


@pytest.mark.parametrize("size", [1, 60, 700])
@given(data=st.data())
def test_what_stands_between_changed_blocks_is_equal(size, data):
    # Short lists are aligned in every detail, long ones around what they have once.
    old = data.draw(st.lists(st.integers(0, 3 * size), max_size=size))
    keep = data.draw(st.lists(few([True, True, True, False]), min_size=len(old), max_size=len(old)))
    new = [item for item, kept in zip(old, keep, strict=True) if kept]
    new[len(new) // 2 : len(new) // 2] = data.draw(st.lists(st.integers(0, 3 * size), max_size=3))
    at_old = at_new = 0
    for olds, news in changed_blocks(old, new):
        assert olds or news
        assert old[at_old : olds.start] == new[at_new : news.start]
        at_old, at_new = olds.stop, news.stop
    assert old[at_old:] == new[at_new:]


@example(old=["x"] * 400, new=["x"] * 401)
@example(old=["x", "y"] * 400, new=["y", "x"] * 400)
@given(old=st.lists(few("xy")), new=st.lists(few("xy")))
def test_lists_of_repeats_are_aligned_too(old, new):
    kept_old = set(range(len(old))) - {place for olds, _ in changed_blocks(old, new) for place in olds}
    kept_new = set(range(len(new))) - {place for _, news in changed_blocks(old, new) for place in news}
    assert [old[place] for place in sorted(kept_old)] == [new[place] for place in sorted(kept_new)]
