"""What a comparison says, for every kind and form of body: the place, the old value, the new one."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.calls import Call, Raised, Returned
from booktest_cassettes.recording.comparison import Comparison, Difference, Item, compare
from booktest_cassettes.recording.model import Failure, Headers, Interaction, Request, Response

URL = "https://api.example/users"


def get(url: str = URL, body: bytes = b"", method: str = "GET", **headers: str) -> Request:
    return Request(
        method, url, tuple((name.replace("_", "-"), value) for name, value in headers.items()), body
    )


def answer(
    content: bytes | str = b"", content_type: str = "", headers: Headers = (), **more: Any
) -> Response:
    data = content.encode() if isinstance(content, str) else content
    of_type = (("Content-Type", content_type),) if content_type else ()
    return Response(
        more.pop("status", 200), more.pop("reason", "OK"), "HTTP/1.1", of_type + headers, Body(data), **more
    )


def exchange(content: bytes | str = b"", content_type: str = "", url: str = URL, **more: Any) -> Interaction:
    return Interaction(get(url), answer(content, content_type, **more))


def compared(old: list[Interaction], new: list[Interaction]) -> Comparison:
    return compare(
        Kind.HTTP, codec.dump_interactions(Kind.HTTP, old), codec.dump_interactions(Kind.HTTP, new)
    )


def differences(old: Interaction, new: Interaction) -> list[Difference]:
    comparison = compared([old], [new])
    (item,) = comparison.items
    assert (item.what, item.old, item.new, comparison.same) == ("changed", 0, 0, 0)
    return list(item.differences)


def places(old: Interaction, new: Interaction) -> list[tuple[str, str | None, str | None]]:
    return [(one.where, one.old, one.new) for one in differences(old, new)]


def in_json(old: Any, new: Any) -> list[tuple[str, str | None, str | None]]:
    pair = (exchange(json.dumps(value), "application/json") for value in (old, new))
    return [(where.removeprefix("response body "), *rest) for where, *rest in places(*pair)]


def told(old: list[Interaction], new: list[Interaction]) -> list[tuple[str, str, int | None, int | None]]:
    return [(item.what, item.title, item.old, item.new) for item in compared(old, new).items]


# --- which is which ---------------------------------------------------------------------------------


A, B, C = (exchange(name, url=f"{URL}/{name}") for name in "abc")


def test_what_did_not_change_is_counted_and_nothing_else():
    comparison = compared([A, B, A], [A, B, A])
    assert (comparison.items, comparison.same) == ((), 3)


def test_an_inserted_interaction_moves_no_other():
    assert told([A, C], [A, B, C]) == [("added", f"GET {URL}/b", None, 1)]


def test_a_removed_interaction_stands_where_it_was():
    changed = exchange("C", url=f"{URL}/c")
    assert told([A, B, C], [A, changed]) == [
        ("removed", f"GET {URL}/b", 1, None),
        ("changed", f"GET {URL}/c", 2, 1),
    ]


def test_what_stands_at_another_place_has_moved_and_what_it_passed_has_not():
    assert told([A, B, C], [C, A, B]) == [("moved", f"GET {URL}/c", 2, 0)]


def test_what_moved_has_moved_even_if_its_volatile_values_changed():
    old, new = (
        [exchange(url=f"{URL}/{name}", headers=(("ETag", tag),)) for name in names]
        for names, tag in (("ab", "1"), ("ba", "2"))
    )
    found = compared(old, new)
    assert sorted(item.what for item in found.items) == ["changed", "moved"]
    assert all(difference.noise for item in found.items for difference in item.differences)
    assert not found.is_noise


def test_the_second_of_two_equal_requests_is_paired_with_the_second():
    first, second, other = (exchange(text) for text in ("first", "second", "2nd"))
    assert told([first, second], [first, other]) == [("changed", f"GET {URL}", 1, 1)]


def test_an_answer_in_front_of_equal_requests_is_the_one_that_was_added():
    old = [exchange(f"word{n} word{n + 1} word{n + 2} old", "text/plain") for n in (10, 20, 30)]
    new = [exchange(f"word{n} word{n + 1} word{n + 2} new", "text/plain") for n in (0, 10, 20, 30)]
    assert [(item.what, item.old, item.new) for item in compared(old, new).items] == [
        ("added", None, 0),
        ("changed", 0, 1),
        ("changed", 1, 2),
        ("changed", 2, 3),
    ]


def test_another_page_of_a_list_is_a_changed_query():
    old, new = (exchange("same content of it", url=f"{URL}?page={page}&size=5") for page in (1, 2))
    assert places(old, new) == [("query page", "1", "2")]


def test_another_port_of_one_host_is_a_changed_host():
    old, new = (exchange("same content of it", url=f"http://127.0.0.1:{port}/x") for port in (4001, 4002))
    assert places(old, new) == [("host", "http://127.0.0.1:4001", "http://127.0.0.1:4002")]


def test_another_id_in_a_path_is_a_changed_path_when_the_rest_is_alike():
    text = '{"name": "Ada", "mail": "ada@x", "city": "London", "born": 1815}'
    old, new = (exchange(text, "application/json", url=f"{URL}/{number}") for number in (17, 18))
    assert places(old, new) == [("path", "/users/17", "/users/18")]


def test_unlike_requests_to_one_path_are_one_that_came_and_one_that_went():
    old = exchange("entirely different words were here", url=f"{URL}?name=ada")
    new = exchange("nothing similar", url=f"{URL}?zip=4711", status=404)
    assert [item.what for item in compared([old], [new]).items] == ["removed", "added"]


def test_the_same_path_with_another_method_is_another_interaction():
    old, new = (Interaction(get(method=method), answer("text")) for method in ("PUT", "DELETE"))
    assert sorted(told([old], [new])) == [
        ("added", f"DELETE {URL}", None, 0),
        ("removed", f"PUT {URL}", 0, None),
    ]


def test_many_equal_requests_that_all_changed_are_paired_with_their_neighbours():
    old, new = ([exchange(f"answer {n} {word}") for n in range(300)] for word in ("old", "new"))
    assert [(item.old, item.new) for item in compared(old, new).items] == [(n, n) for n in range(300)]


def test_a_new_snapshot_is_all_added_and_one_that_went_all_removed():
    data = codec.dump_interactions(Kind.HTTP, [A, B])
    new, gone = compare(Kind.HTTP, None, data), compare(Kind.HTTP, data, None)
    assert ([item.what for item in new.items], new.old, new.new) == (["added"] * 2, None, Digest.of(data))
    assert ([item.what for item in gone.items], gone.old, gone.new) == (
        ["removed"] * 2,
        Digest.of(data),
        None,
    )


def test_an_item_says_what_came_of_it():
    failed = Interaction(get(), Failure("httpx.ConnectTimeout", "too slow"))
    items = compared(
        [], [exchange("text", status=201, reason="Created"), exchange(status=204, reason=""), failed]
    )
    assert [item.outcome for item in items.items] == [
        "201 Created, 4 bytes",
        "204",
        "raised httpx.ConnectTimeout",
    ]


# --- requests and responses, their bodies aside -----------------------------------------------------


def test_status_reason_and_version_are_told():
    assert places(exchange(), exchange(status=404, reason="Not Found")) == [
        ("status", "200 OK", "404 Not Found")
    ]
    assert places(exchange(), exchange(reason="Fine")) == [("reason", "OK", "Fine")]
    old, new = (Interaction(get(), Response(200, "", version)) for version in ("HTTP/1.1", "HTTP/2"))
    assert places(old, new) == [("HTTP version", "HTTP/1.1", "HTTP/2")]


def test_a_failure_in_place_of_an_answer_is_told_as_one():
    failed = Interaction(get(), Failure("httpx.ReadTimeout", "slow"))
    assert places(exchange(), failed) == [("outcome", "200 OK", "raised httpx.ReadTimeout: slow")]
    slower = Interaction(get(), Failure("httpx.ReadTimeout", "slower"))
    assert places(failed, slower) == [("raised message", "slow", "slower")]
    other = Interaction(get(), Failure("OSError", "slow"))
    assert places(failed, other) == [("raised", "httpx.ReadTimeout: slow", "OSError: slow")]


def test_a_body_that_broke_off_or_was_not_read_is_told():
    broken = exchange("text", error=Failure("OSError", "reset"))
    assert places(exchange("text"), broken) == [("response broken off", None, "OSError: reset")]
    assert places(exchange("text", cut=True), exchange("text")) == [
        ("response end", "the client read no further", None)
    ]
    assert places(exchange("text", splits=(2,)), exchange("text", splits=(1, 3))) == [
        ("response pieces", "2", "1, 3")
    ]


def test_headers_are_compared_by_name_whatever_their_case_and_repeats_are_kept():
    old = exchange(headers=(("X-Plan", "free"), ("Link", "a"), ("Link", "b")))
    new = exchange(headers=(("x-plan", "pro"), ("Link", "a"), ("Link", "c"), ("X-New", "1")))
    assert places(old, new) == [
        ("response header x-plan", "free", "pro"),
        ("response header link", "b", "c"),
        ("response header x-new", None, "1"),
    ]
    assert places(Interaction(get(Accept="a"), answer()), Interaction(get(Accept="b"), answer())) == [
        ("request header accept", "a", "b")
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((("A", "1"), ("B", "2")), (("B", "2"), ("A", "1"))),
        ((("A", "1"),), (("a", "1"),)),
        ((("A", "1"), ("B", "2"), ("A", "3")), (("A", "1"), ("A", "3"), ("B", "2"))),
    ],
)
def test_headers_that_are_only_written_differently_are_noise(old, new):
    (difference,) = differences(exchange(headers=old), exchange(headers=new))
    assert difference.where.startswith("response header")
    assert difference.noise


def test_a_query_is_compared_by_name():
    old, new = (exchange("the same", url=f"{URL}{query}") for query in ("?a=1&b=2&a=3", "?b=2&a=1&a=4&c="))
    assert places(old, new) == [("query a", "3", "4"), ("query c", None, "")]


def test_who_asks_is_no_matter_of_spelling():
    (difference,) = differences(exchange(), exchange(url=URL.replace("//", "//ada:REDACTED@")))
    assert (difference.where, difference.noise) == ("URL", "")


def test_a_url_that_says_the_same_in_other_letters_is_noise_and_another_fragment_is_not():
    (difference,) = differences(exchange(), exchange(url="HTTPS://API.example:443/users"))
    assert (difference.where, bool(difference.noise)) == ("URL", True)
    (difference,) = differences(exchange(url=f"{URL}#a"), exchange(url=f"{URL}#b"))
    assert (difference.where, difference.noise) == ("URL", "")


def test_another_coding_counts_and_another_level_does_not():
    text = b"text " * 100
    plain = Interaction(get(), Response(200, "OK", body=Body(text)))
    fast, small = (
        Interaction(get(), Response(200, "OK", body=Body.from_wire(gzip.compress(text, level), "gzip")))
        for level in (1, 9)
    )
    assert [(one.where, bool(one.noise)) for one in differences(fast, small)] == [("response coding", True)]
    assert [(one.where, one.noise) for one in differences(plain, small)] == [("response coding", "")]


# --- JSON -------------------------------------------------------------------------------------------


def test_a_changed_field_is_told_by_its_path():
    assert in_json({"users": [{"name": "Ada"}], "n": 1}, {"users": [{"name": "Grace"}], "n": 1}) == [
        ("$.users[0].name", '"Ada"', '"Grace"')
    ]


def test_fields_that_came_and_went_are_told_with_their_values():
    assert in_json({"a": 1, "b": None}, {"a": 1, "c": [1]}) == [("$.c", None, "[1]"), ("$.b", "null", None)]


def test_a_value_of_another_type_is_another_value():
    old, new = {"a": 1, "b": 1, "c": 0, "d": "1"}, {"a": 1.0, "b": True, "c": False, "d": 1}
    assert in_json(old, new) == [
        ("$.a", "1", "1.0"),
        ("$.b", "1", "true"),
        ("$.c", "0", "false"),
        ("$.d", '"1"', "1"),
    ]
    assert in_json({"a": {}}, {"a": []}) == [("$.a", "{}", "[]")]


def test_an_item_inserted_in_the_middle_of_a_list_is_the_only_difference():
    items = [{"id": number, "name": f"n{number}"} for number in range(50)]
    new = {"id": 99, "name": "new"}
    assert in_json(items, [*items[:20], new, *items[20:]]) == [("$[20]", None, json.dumps(new))]
    assert in_json([1, 2, 3, 4], [1, 3, 4]) == [("$[1]", "2", None)]


def test_an_item_that_changed_beside_one_that_came_is_known_by_its_id():
    old = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}]
    new = [{"id": 0, "name": "Zed"}, {"id": 1, "name": "Grace"}, {"id": 2, "name": "Bob"}]
    assert in_json(old, new) == [
        ("$[0]", None, '{"id": 0, "name": "Zed"}'),
        ("$[1].name", '"Ada"', '"Grace"'),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[0.0, 1]", "[-0.0, 1]"),
        ('{"amount": 12345678901234567.12}', '{"amount": 12345678901234567.99}'),
        ('{"a": 1}', '\ufeff{"a": 1}'),
    ],
)
def test_what_some_readers_of_json_take_for_another_value_counts(old, new):
    (difference,) = differences(exchange(old, "application/json"), exchange(new, "application/json"))
    assert not difference.noise


def test_items_that_changed_and_changed_places_are_told_to_have_done_both():
    old = [{"id": name, "updated_at": "2024-05-01T10:00:00Z"} for name in "abc"]
    new = [{"id": name, "updated_at": "2024-05-01T10:00:01Z"} for name in "cab"]
    pair = (exchange(json.dumps(value), "application/json") for value in (old, new))
    counting = [(one.where, one.old, one.new) for one in differences(*pair) if not one.noise]
    assert counting == [("response body $ order of items", "[0, 1, 2]", "[2, 0, 1]")]


def test_the_same_items_in_another_order_are_told_once():
    assert in_json({"tags": ["a", "b", "c"]}, {"tags": ["c", "a", "b"]}) == [
        ("$.tags", '["a", "b", "c"]', '["c", "a", "b"]')
    ]


def test_a_long_list_that_changed_in_places_is_told_in_those_places():
    old = [{"id": number, "value": number} for number in range(3_000)]
    new = [{**item, "value": -1} if item["id"] in (7, 2_500) else item for item in old]
    assert in_json(old, [{"id": -1}, *new]) == [
        ("$[0]", None, '{"id": -1}'),
        ("$[8].value", "7", "-1"),
        ("$[2501].value", "2500", "-1"),
    ]


def test_names_that_are_no_words_are_quoted_in_a_path():
    assert in_json({"a.b": {"c d": 1}}, {"a.b": {"c d": 2}}) == [('$["a.b"]["c d"]', "1", "2")]


def test_texts_of_many_lines_inside_json_are_compared_by_line():
    assert in_json({"text": "one\ntwo\nthree\n"}, {"text": "one\n2\nthree\n"}) == [
        ("$.text line 2", "two\n", "2\n")
    ]


def test_json_that_is_only_written_differently_is_noise():
    (difference,) = differences(
        exchange('{"a":1,"b":2}', "application/json"), exchange('{"b": 2, "a": 1}', "application/json")
    )
    assert difference.noise == "the same JSON, written differently"


@pytest.mark.parametrize("broken", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": ', "[" * 100_000])
def test_what_only_says_it_is_json_is_compared_as_text(broken):
    found = places(exchange('{"a": 1}', "application/json"), exchange(broken, "application/json"))
    assert found == [("response body", '{"a": 1}', broken)]


def test_json_nested_too_deeply_to_be_walked_is_compared_all_the_same():
    deep = [json.dumps(value).join(("[" * 300, "]" * 300)) for value in (1, 2)]
    (difference,) = differences(*(exchange(text, "application/json") for text in deep))
    assert difference.where.startswith("response body $[0][0]")
    assert "1" in (difference.old or "")


# --- other bodies -----------------------------------------------------------------------------------


def test_a_form_is_compared_by_field():
    form = "application/x-www-form-urlencoded"
    old, new = (
        Interaction(Request("POST", URL, (("Content-Type", form),), body), answer())
        for body in (b"name=Ada&tag=a&tag=b", b"tag=a&tag=c&name=Ada&x=%20y")
    )
    assert places(old, new) == [("request body field tag", "b", "c"), ("request body field x", None, " y")]


def multipart(boundary: str, name: str, content: str) -> Interaction:
    meta = f'form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{{"n": "{name}"}}'
    file = f'form-data; name="file"; filename="a.txt"\r\n\r\n{content}'
    parts = "".join(f"--{boundary}\r\nContent-Disposition: {part}\r\n" for part in (meta, file))
    body = f"{parts}--{boundary}--\r\n"
    headers = (("Content-Type", f"multipart/form-data; boundary={boundary}"),)
    return Interaction(Request("POST", URL, headers, body.encode()), answer())


def test_parts_are_compared_by_name_whatever_their_boundary():
    old, new = multipart("aaaa", "x", "one"), multipart("bbbb", "y", "two")
    assert places(old, new)[1:] == [
        ("request body part meta $.n", '"x"', '"y"'),
        ("request body part file", "one\r\n", "two\r\n"),
    ]


def test_a_boundary_alone_is_noise():
    body, *_ = [
        one
        for one in differences(multipart("aaaa", "x", "1"), multipart("bbbb", "x", "1"))
        if "body" in one.where
    ]
    assert body.noise


def test_events_are_compared_one_by_one_and_their_json_by_path():
    old, new = (
        exchange(
            f'event: a\ndata: {{"n": 1}}\n\n{extra}data: {{"t": "{word}"}}\n\ndata: [DONE]\n\n',
            "text/event-stream",
        )
        for word, extra in (("Hi", ""), ("Hello", ": ping\n\n"))
    )
    assert places(old, new) == [
        ("response body event 2", None, ": ping"),
        ("response body event 3 data $.t", '"Hi"', '"Hello"'),
    ]


def test_an_empty_field_of_an_event_is_another_one_than_none_beside_other_changes():
    old, new = (
        exchange(f"data: 1\n{more}\ndata: {more}2\n\n", "text/event-stream") for more in ("", "id:\n")
    )
    assert ("response body event 1 id", None, "") in places(old, new)


def test_an_event_that_changed_is_told_by_its_fields():
    old, new = (
        exchange(f"id: {n}\nevent: {name}\ndata: a\ndata: b\n\n", "text/event-stream")
        for n, name in ((1, "x"), (2, "y"))
    )
    assert places(old, new) == [
        ("response body event 1 id", "1", "2"),
        ("response body event 1 event", "x", "y"),
    ]


def test_lines_of_json_are_compared_one_by_one():
    old, new = (
        exchange("".join(f'{{"n": {n}, "v": "{v}"}}\n' for n, v in lines), "application/x-ndjson")
        for lines in (((1, "a"), (2, "b")), ((1, "a"), (2, "c"), (3, "d")))
    )
    assert places(old, new) == [
        ("response body line 2 $.v", '"b"', '"c"'),
        ("response body line 3", None, '{\n  "n": 3,\n  "v": "d"\n}'),
    ]


def test_text_is_compared_by_line_and_named_by_its_new_lines():
    old = "".join(f"line {n}\n" for n in range(1, 9))
    new = (
        old.replace("line 3\n", "line three\n")
        .replace("line 6\nline 7\n", "")
        .replace("line 1\n", "zero\nline 1\n")
    )
    assert places(exchange(old, "text/plain"), exchange(new, "text/plain")) == [
        ("response body line 1", None, "zero\n"),
        ("response body line 4", "line 3\n", "line three\n"),
        ("response body lines 6-7", "line 6\nline 7\n", None),
    ]


def test_binary_content_is_told_by_size_and_digest():
    old, new = b"\x89PNG\x00\xff", b"\x89PNG\x00\xff\xfe"
    assert places(exchange(old, "image/png"), exchange(new, "image/png")) == [
        (
            "response body",
            f"6 bytes, sha256 {Digest.of(old).short}",
            f"7 bytes, sha256 {Digest.of(new).short}",
        )
    ]


def test_text_in_a_declared_charset_is_read_as_text():
    old, new = ("Käse\n".encode("latin-1") + line for line in (b"a\n", b"b\n"))
    kind = "text/plain; charset=ISO-8859-1"
    assert places(exchange(old, kind), exchange(new, kind)) == [("response body line 2", "a\n", "b\n")]
    lost = "text/plain; charset=klingon"
    assert places(exchange(old, lost), exchange(new, lost))[0][1] == f"7 bytes, sha256 {Digest.of(old).short}"


def test_a_body_that_came_or_went_is_shown_whole():
    assert places(exchange(), exchange("hello")) == [("response body", None, "hello")]
    assert places(exchange("hello"), exchange()) == [("response body", "hello", None)]


def test_one_body_gives_a_bounded_number_of_differences():
    old, new = (
        exchange(json.dumps({str(n): (n, value) for n in range(5_000)}), "application/json") for value in "ab"
    )
    found = differences(old, new)
    assert len(found) == 2_001
    assert "more" in found[-1].where


# --- env and func -----------------------------------------------------------------------------------


def test_variables_are_compared_by_name():
    comparison = compare(
        Kind.ENV,
        codec.dump_env({"A": "1", "B": "2", "C": None, "D": "same"}),
        codec.dump_env({"A": "one", "C": "", "D": "same", "E": None}),
    )
    assert [(item.what, item.title) for item in comparison.items] == [
        ("changed", "A"),
        ("removed", "B"),
        ("changed", "C"),
        ("added", "E"),
    ]
    assert comparison.items[0].differences == (Difference("value", "1", "one"),)
    assert comparison.items[2].differences == (Difference("value", None, ""),)
    assert comparison.same == 1


def calls(*items: Call) -> bytes:
    return codec.dump_func(items)


def test_calls_are_compared_by_function_and_arguments():
    old = calls(
        Call("shop:price", {"item": "tea"}, Returned({"net": 3, "cur": "EUR"})),
        Call("shop:pay", {"sum": 1}, Returned("done")),
    )
    new = calls(
        Call("shop:price", {"item": "tea"}, Returned({"net": 4, "cur": "EUR"})),
        Call("shop:pay", {"sum": 1}, Raised({"$type": "ValueError"})),
        Call("shop:mail", {}, Returned(None)),
    )
    items = compare(Kind.FUNC, old, new).items
    assert [(item.what, item.title) for item in items] == [
        ("changed", "shop:price"),
        ("changed", "shop:pay"),
        ("added", "shop:mail"),
    ]
    assert items[0].differences == (Difference("returned $.net", "3", "4"),)
    assert items[1].differences == (
        Difference("outcome", 'returned "done"', 'raised {"$type":"ValueError"}'),
    )
    assert items[2].outcome == "returned null"


def test_another_argument_of_an_alike_call_is_told_by_its_name():
    old, new = (
        calls(Call("shop:price", {"item": "tea", "day": day}, Returned({"net": 3, "currency": "EUR"})))
        for day in (1, 2)
    )
    (item,) = compare(Kind.FUNC, old, new).items
    assert item.differences == (Difference("arguments $.day", "1", "2"),)


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
def test_a_blob_of_another_kind_is_refused(kind):
    other = calls() if kind is not Kind.FUNC else codec.dump_env({})
    with pytest.raises(IntegrityError):
        compare(kind, None, other)
    with pytest.raises(IntegrityError):
        compare(kind, b"{}", None)


def test_an_item_of_volatile_values_only_is_noise_and_one_that_moved_is_not():
    noisy = Item("changed", "x", 0, 0, (Difference("a", "1", "2", "why"),))
    assert noisy.is_noise
    assert not Item("moved", "x", 0, 1).is_noise
    assert not Item("changed", "x", 0, 0, (*noisy.differences, Difference("b", "1", "2"))).is_noise
