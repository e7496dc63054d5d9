"""The same with `cassette`: one decorator for all kinds, and replays that are as it was live, to the byte."""

from typing import Any

import booktest as bt

import clock
import shop
from booktest_cassettes import cassette


@cassette(env=["SHOP_URL"])
def test_science(t: bt.TestCaseRun) -> list[str]:
    """requests; what it returns is the input of another test."""
    found = shop.titles("science")
    t.h1("Science")
    t.tlist(found)
    return found


class LetterBook(bt.TestBook):
    """Methods have cassettes, too."""

    @cassette(env=["SHOP_URL", "SHOP_KEY"], func=[clock.today])
    def test_greeting(self, t: bt.TestCaseRun) -> dict[str, Any]:
        """Environment, httpx and a function."""
        t.h1("Greeting")
        t.tln(f"{clock.today()}. Dear {shop.account()['name']},")
        return {"date": clock.today()}

    @bt.depends_on(test_greeting, test_science)
    @cassette(env=["SHOP_URL"])
    async def test_body(self, t: bt.TestCaseRun, greeting: dict[str, Any], books: list[str]) -> None:
        """A coroutine that depends on a method and on a function."""
        stars = await shop.ratings("Kalevala", "Solaris")
        t.h1("Body")
        t.tln(f"On {greeting['date']} {' and '.join(stars)} are better than {books[0]}.")
