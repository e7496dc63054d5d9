"""The code under test: asks the shop with requests and httpx; its settings are in the environment."""

import asyncio
import os
from typing import Any

import httpx
import requests


def url(path: str) -> str:
    """A page of the shop, wherever that is."""
    return os.environ["SHOP_URL"] + path


def titles(genre: str) -> list[str]:
    """The books of a genre."""
    return requests.get(url("/books"), params={"genre": genre}, timeout=5).json()


def order(title: str, copies: int = 1) -> dict[str, Any]:
    """Order a book: what the shop says, with its status."""
    answer = requests.post(url("/orders"), json={"title": title, "copies": copies}, timeout=5)
    return {"http": answer.status_code, **answer.json()}


def account() -> dict[str, Any]:
    """Whose key this is."""
    key = os.environ["SHOP_KEY"]
    answer = httpx.get(url("/account"), headers={"Authorization": f"Bearer {key}"})
    return answer.raise_for_status().json()


def rating(title: str) -> float | None:
    """The stars of a book, if anybody has read it."""
    with httpx.Client(base_url=url("")) as client:
        answer = client.get(f"/books/{title}/rating")
    return answer.json()["stars"] if answer.is_success else None


async def ratings(*titles: str) -> dict[str, float]:
    """The stars of several books, all asked for at once."""
    async with httpx.AsyncClient(base_url=url("")) as client:
        answers = await asyncio.gather(*(client.get(f"/books/{title}/rating") for title in titles))
    return {title: answer.json()["stars"] for title, answer in zip(titles, answers, strict=True)}


def currency() -> str:
    """What prices are in."""
    return os.environ.get("SHOP_CURRENCY", "EUR")
