"""What the shop has: a snapshot of each kind on functions, sync and async, and dependencies between them."""

import booktest as bt

import clock
import shop


@bt.snapshot_env("SHOP_URL")
@bt.snapshot_requests()
def test_titles(t: bt.TestCaseRun) -> list[str]:
    """requests; what it returns is the input of other tests."""
    found = shop.titles("poetry")
    t.h1("Poetry")
    t.tlist(found)
    return found


@bt.depends_on(test_titles)
def test_headline(t: bt.TestCaseRun, titles: list[str]) -> None:
    """Nothing of its own to replay: only what another test found."""
    t.h1("Headline")
    t.tln(f"{len(titles)} books of poetry, among them {titles[0]}")


@bt.snapshot_env("SHOP_URL")
@bt.snapshot_httpx()
def test_rating(t: bt.TestCaseRun) -> float | None:
    """httpx, one answer after another: one is 404."""
    t.h1("Rating")
    t.keyvalueln("Solaris:", str(shop.rating("Solaris")))
    t.keyvalueln("Cosmos:", str(shop.rating("Cosmos")))
    return shop.rating("Kindred")


@bt.depends_on(test_titles, test_rating)
@bt.snapshot_env("SHOP_URL")
@bt.snapshot_httpx()
async def test_ratings(t: bt.TestCaseRun, titles: list[str], best: float) -> None:
    """httpx, asynchronously and at once, and two dependencies."""
    t.h1("Ratings")
    for title, stars in (await shop.ratings("Kalevala", "Solaris")).items():
        t.tln(f" * {title}: {stars}{' (poetry)' if title in titles else ''}, {best - stars} from the best")


@bt.snapshot_functions(clock.today, clock.lottery)
def test_lottery(t: bt.TestCaseRun) -> None:
    """Functions: called by position and by name, and twice."""
    t.h1("Lottery")
    t.keyvalueln("drawn on:", clock.today())
    t.keyvalueln("numbers:", str(clock.lottery(3)))
    t.keyvalueln("again:", str(clock.lottery(3)))
    t.keyvalueln("small:", str(clock.lottery(2, highest=9)))


@bt.snapshot_env("SHOP_CURRENCY", "SHOP_URL")
def test_currency(t: bt.TestCaseRun) -> None:
    """Environment: one variable that is set, and one that is not, and has to stay so."""
    t.h1("Currency")
    t.tln(shop.currency())
    t.tln("there is a shop" if shop.url("/").startswith("http") else "there is none")


def test_forecast(t: bt.TestCaseRun) -> None:
    """t.snapshot(): values under names."""
    today = t.snapshot("weather", "Helsinki")(clock.forecast)
    again = t.snapshot("weather", city="Kajaani")(clock.forecast)
    t.h1("Forecast")
    t.keyvalueln("Helsinki:", f"{today['rain']:.0%} on {today['as of']}")
    t.keyvalueln("Kajaani:", f"{again['rain']:.0%} on {again['as of']}")


async def test_slow_forecast(t: bt.TestCaseRun) -> None:
    """t.snapshot() of a coroutine."""
    tomorrow = await t.snapshot("weather", "Oulu")(clock.slow_forecast)
    t.h1("Forecast, slowly")
    t.keyvalueln("Oulu:", f"{tomorrow['rain']:.0%} on {tomorrow['as of']}")


@bt.snapshot_env("SHOP_URL", "SHOP_KEY")
@bt.snapshot_requests()
@bt.snapshot_httpx()
@bt.snapshot_functions(clock.today)
def test_letter(t: bt.TestCaseRun) -> None:
    """Every kind at once."""
    name = shop.account()["name"]
    rain = t.snapshot("weather", "Turku")(clock.forecast)["rain"]
    t.h1("Letter")
    t.tln(f"{clock.today()}. Dear {name},")
    t.tln(f"with rain at {rain:.0%} you may like {' or '.join(shop.titles('science fiction'))}.")
