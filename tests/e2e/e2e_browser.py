"""A real Chromium without a network, for pages that are opened from disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

_SWITCHES = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever the page asks for, nobody answers
)


class Browser:
    """One window."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> Browser:
        """Look through a window of this size, in light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        return self

    def open(self, page: Path, place: str = "", *, width: int = 1280, dark: bool = False) -> Browser:
        """Load a file anew, at a place in it, and forget what was said on the console until then."""
        self.size(width, dark=dark)
        self.driver.get("about:blank")
        self.console()
        self.driver.get(page.as_uri() + place)
        return self

    def go(self, place: str) -> None:
        """To another place of the page, as a link does."""
        self.run("location.hash = arguments[0]; dispatchEvent(new HashChangeEvent('hashchange'))", place)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def settle(self) -> None:
        """Let the page do what its last events ask for."""
        self.driver.execute_async_script(
            "const done = arguments[0]; setTimeout(() => requestAnimationFrame(() => setTimeout(done)))"
        )

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility())"
            ".map(e => e.textContent)",
            css,
        )
        return found

    def console(self) -> list[str]:
        """What was said since the last look: errors, refusals of the policy, anything."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def shoot(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """A browser with these switches as well; of two that say the same, the last one counts."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
    for switch in (*_SWITCHES, *more):
        options.add_argument(switch)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium has none for root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(shutil.which("chromedriver") or "/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
