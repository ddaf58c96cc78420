"""A page server and a browser for every test that drives the page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from engine.daemon.fleet import STANDBY
from engine.home import Home
from tests.e2e.chromium import FLAGS, executable
from tests.e2e.site import Site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests; each test opens its own context."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def site(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A page server on an empty lab."""
    monkeypatch.delenv(STANDBY)
    site = Site(home).start()
    yield site
    site.kill()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh browser window that has no network but the page."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(20_000)
    # what is expected comes late on a machine that others use; the 5 s of the library are too few
    expect.set_options(timeout=30_000)
    yield context.new_page()
    context.close()
