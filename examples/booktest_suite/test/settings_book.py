"""Tests that replace something by hand, and one that has nothing to replace: no snapshots anywhere."""

import booktest as bt

import clock
import shop


@bt.mock_functions({clock.today: lambda: "1835-02-28"})
def test_a_mocked_function(t: bt.TestCaseRun) -> None:
    """The date that the test says."""
    t.h1("Kalevala day")
    t.tln(clock.today())


@bt.mock_env({"SHOP_CURRENCY": "FIM", "SHOP_URL": None})
def test_a_mocked_environment(t: bt.TestCaseRun) -> None:
    """A variable that the test sets."""
    t.h1("Old money")
    t.tln(shop.currency())


@bt.mock_missing_env({"SHOP_CURRENCY": "SEK"})
def test_a_missing_variable(t: bt.TestCaseRun) -> None:
    """A variable that the test sets where nobody else did."""
    t.h1("Somebody's money")
    t.tln("a currency" if len(shop.currency()) == 3 else "none")


def test_arithmetic(t: bt.TestCaseRun) -> None:
    """Needs nothing."""
    t.h1("Prices")
    for copies in (1, 2, 10):
        t.tln(f" * {copies}: {copies * 9.5:.2f}")
