"""A client of the bookshop's API, as any project has one: `API_URL` says where, `API_KEY` who we are."""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import requests

import clock

TIMEOUT = 10  # seconds


def books(genre: str) -> Iterator[dict[str, Any]]:
    """All books of a genre, page by page (requests)."""
    path, query = "/books", {"genre": genre}
    while path:
        answer = requests.get(_url(path), params=query, timeout=TIMEOUT)
        answer.raise_for_status()
        page = answer.json()
        yield from page["items"]
        path, query = page["next"], {}


def order(book_id: int, quantity: int = 1, **details: str) -> dict[str, Any]:
    """Order a book and return the order as the shop keeps it (requests)."""
    wish = {"book_id": book_id, "quantity": quantity, **details}
    answer = requests.post(_url("/orders"), json=wish, timeout=TIMEOUT)
    answer.raise_for_status()
    kept: dict[str, Any] = answer.json()
    return kept


def reserve(book_id: int) -> dict[str, Any]:
    """Order a book to be collected within a week."""
    return order(book_id, collect_by=(clock.now() + timedelta(days=7)).isoformat())


def account() -> dict[str, Any]:
    """Our account (httpx)."""
    key = {"Authorization": f"Bearer {os.environ['API_KEY']}"}
    with httpx.Client(base_url=os.environ["API_URL"], headers=key, timeout=TIMEOUT) as client:
        answer = client.get("/account").raise_for_status()
    ours: dict[str, Any] = answer.json()
    return ours


async def ask(question: str) -> AsyncIterator[str]:
    """The assistant's answer as it arrives, one piece of the event stream at a time (httpx, async)."""
    async with (
        httpx.AsyncClient(base_url=os.environ["API_URL"], timeout=TIMEOUT) as client,
        client.stream("POST", "/assistant", json={"question": question}) as answer,
    ):
        answer.raise_for_status()
        async for piece in answer.aiter_text():
            yield piece


def _url(path: str) -> str:
    return os.environ["API_URL"] + path
