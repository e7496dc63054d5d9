"""Five tests that talk to the bookshop: recorded once, reviewed, approved, then replayed without it.

`env` records where the shop was, so that a replay asks for the same URLs; the key is recorded redacted.
"""

import json
from datetime import datetime

import bookshop
import clock
from booktest_cassettes import cassette


@cassette(env=["API_URL", "API_KEY"])
def test_lists_every_page_of_a_genre() -> None:
    titles = [book["title"] for book in bookshop.books("poetry")]
    assert titles == ["Leaves of Grass", "The Waste Land", "Kalevala", "Ariel"]


@cassette(env=["API_URL", "API_KEY"])
def test_orders_a_book() -> None:
    order = bookshop.order(book_id=3, quantity=2)
    assert order == {"book_id": 3, "quantity": 2, "id": order["id"], "status": "accepted"}


@cassette(env=["API_URL", "API_KEY"])
def test_shows_the_account_of_the_key() -> None:
    assert bookshop.account() == {"name": "Ada", "tier": "reader"}


@cassette(env=["API_URL", "API_KEY"])
async def test_the_assistant_answers_word_by_word() -> None:
    pieces = [piece async for piece in bookshop.ask("A book of science fiction, please?")]
    assert len(pieces) == 6
    *events, done = [piece.removeprefix("data: ").removesuffix("\n\n") for piece in pieces]
    words = [json.loads(event)["delta"] for event in events]
    assert words == ["You ", "might ", "enjoy ", "Solaris ", "by Stanisław Lem."]
    assert done == "[DONE]"


@cassette(env=["API_URL", "API_KEY"], func=[clock.now])
def test_reserves_a_book_for_a_week() -> None:
    reserved = bookshop.reserve(book_id=7)
    # True on every replay, years from now: the clock is on the cassette too.
    left = datetime.fromisoformat(reserved["collect_by"]) - clock.now()
    assert left.days == 6
