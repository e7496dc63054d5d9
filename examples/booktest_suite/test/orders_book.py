"""Orders: a book of tests in a class, whose methods depend on one another."""

from pathlib import Path
from typing import Any

import booktest as bt

import shop

CHART = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="10">
  <rect width="{width}" height="10"/>
</svg>
"""


class OrdersBook(bt.TestBook):
    """Methods have snapshots as functions have."""

    @bt.snapshot_env("SHOP_URL")
    @bt.snapshot_requests()
    def test_order(self, t: bt.TestCaseRun) -> dict[str, Any]:
        """Two requests to one address, which differ by their bodies."""
        t.h1("Order")
        placed = shop.order("Solaris", copies=2)
        t.tln(f"{placed['http']}: {placed['order']} is {placed['status']}")
        t.tln(f"{shop.order('Emma')['http']}: Emma")
        return placed

    @bt.depends_on(test_order)
    @bt.snapshot_env("SHOP_URL", "SHOP_KEY")
    @bt.snapshot_httpx()
    async def test_receipt(self, t: bt.TestCaseRun, placed: dict[str, Any]) -> None:
        """A method that is asynchronous and depends on another."""
        t.h1("Receipt")
        t.tln(f"{placed['order']}, for {shop.account()['name']}")

    @bt.snapshot_env("SHOP_URL")
    @bt.snapshot_httpx()
    def test_chart(self, t: bt.TestCaseRun) -> None:
        """A file beside the result."""
        chart = Path(t.file("stars.svg"))
        chart.write_text(CHART.format(width=int(20 * (shop.rating("Kindred") or 0))))
        t.h1("Stars")
        t.timage(str(chart))


@bt.depends_on(OrdersBook.test_order)
def test_parcel(t: bt.TestCaseRun, placed: dict[str, Any]) -> None:
    """A function that depends on a method."""
    t.h1("Parcel")
    t.tln(f"contains {placed['order']}")
