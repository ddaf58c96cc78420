"""Every page in every state and both themes, as pictures in `screenshots/`: look at them.

With the argument `readme`: the two pictures of the README, into `docs/figures/`.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.charts.palette import THEMES, Theme
from engine import PRESETS, apply, connect
from engine import Lab as Engine
from engine.home import ENVIRONMENT, Home
from tests.e2e.chromium import FLAGS, executable
from tests.e2e.pages import Lab
from tests.e2e.site import Site
from tests.processes import end_all, worker_pids

FOLDER, FIGURES = Path("screenshots"), Path("docs/figures")
WIDTH, NARROW = 1440, 900
SETTLE_MS = 2500
SLOWEST_MS = 60_000


def main() -> None:
    """Take all of them, or those of the README."""
    FOLDER.mkdir(exist_ok=True)
    take = _take_readme if sys.argv[1:] == ["readme"] else _take_all
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "lab").create()
        os.environ[ENVIRONMENT] = str(home.path)
        site = Site(home).start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=executable(), args=list(FLAGS)
                )
                take(browser, site, connect(home))
        finally:
            site.kill()
            end_all(home)


def _take_all(browser: Browser, site: Site, engine: Engine) -> None:
    _both(browser, site, "live", "live-empty")
    _both(browser, site, "runs", "runs-empty")
    _both(browser, site, "", "launch")
    _both(browser, site, "?preset=power&optimizer.learning_rate=3&task.p=98", "launch-unusable")
    _both(browser, site, "?preset=composition-small", "launch-facts")
    grokking = _growing(browser, site, engine)
    _both(browser, site, f"live?runs={grokking}", "live-grokked")
    _both(browser, site, f"live?runs={grokking}", "live-grokked-narrow", width=NARROW)
    _measures(browser, site, engine, grokking)
    _dialogs(browser, site, grokking)
    seeds = engine.launch(_quick(**{"training.steps": 400}), name="three seeds", seeds=3)
    for run in seeds:
        _until_ended(engine, run)
    address = "live?runs=" + ",".join(map(str, seeds))
    _both(browser, site, address, "live-seeds")
    _both(browser, site, address, "live-seeds-narrow", width=NARROW)
    failed = _failed(browser, site, engine)
    address = "live?runs=" + ",".join(map(str, [grokking, *seeds[:2], failed]))
    _both(browser, site, address, "live-compared")
    _both(browser, site, address, "live-compared-narrow", width=NARROW)
    _lost_and_paused(browser, site, engine)
    _queued(browser, site, engine)
    _facts(browser, site, engine)
    _both(browser, site, "runs", "runs")
    _both(browser, site, "runs", "runs-narrow", width=NARROW)
    _chosen(browser, site)


def _measures(browser: Browser, site: Site, engine: Engine, run: int) -> None:
    for step, text in ((100, "the first of two"), (110, "the second, near it"), (900, "alone")):
        engine.add_note(run, step, text)
    chosen = "measures=weight_norm,gradient_norm,learning_rate&x=linear"
    _both(browser, site, f"live?runs={run}&{chosen}", "live-measures")


def _chosen(browser: Browser, site: Site) -> None:
    for theme in THEMES:
        with _window(browser, theme) as page:
            view = Lab(page, site.url).open("runs")
            view.select_row(1)
            _settled(page)
            view.select_row(2)
            _picture(page, f"runs-chosen-{theme}")


def _take_readme(browser: Browser, site: Site, engine: Engine) -> None:
    """A run that has grokked, and the table in which it stands beside others."""
    first, *others = engine.launch(_quick(), name="quick", tags=["baseline"], seeds=3)
    for run in (first, *others):
        _until_ended(engine, run)
    for name, changes, seeds in (
        ("no decay", {"optimizer.weight_decay": 0}, 2),
        ("decay 1", {"optimizer.weight_decay": 1}, 2),
        ("slower", {"optimizer.learning_rate": 1e-3}, 1),
    ):
        for run in engine.launch(_quick(**changes), name=name, seeds=seeds, tags=["control"]):
            _until_ended(engine, run)
    _both(browser, site, f"live?runs={first}", "live", folder=FIGURES, themes=("light",))
    _both(browser, site, "runs", "runs", folder=FIGURES, themes=("dark",))


def _growing(browser: Browser, site: Site, engine: Engine) -> int:
    """A run of each theme from its start on; the last of them to its end."""
    run = 0
    for theme in THEMES:
        (run,) = engine.launch(_quick(), name="quick")
        with _window(browser, theme) as page:
            view = Lab(page, site.url).open(f"live?runs={run}")
            _picture(page, f"live-starting-{theme}")
            view.sees_step(40, seconds=60)
            _picture(page, f"live-running-{theme}")
    _until_ended(engine, run)
    return run


def _dialogs(browser: Browser, site: Site, run: int) -> None:
    for label in ("Fork", "Extend", "Note", "Delete"):
        for theme in THEMES:
            with _window(browser, theme) as page:
                view = Lab(page, site.url).open(f"live?runs={run}")
                _settled(page)
                view.press(label)
                page.get_by_role("dialog").wait_for(timeout=SLOWEST_MS)
                _picture(page, f"dialog-{label.lower()}-{theme}")


def _queued(browser: Browser, site: Site, engine: Engine) -> None:
    """More long runs of different shapes than this machine has slots for."""
    runs = [
        run
        for width in (16, 32, 64, 128)
        for run in engine.launch(
            _quick(**{"training.steps": 1_000_000, "model.d_mlp": width}), name=f"width {width}"
        )
    ]
    _until(engine, runs[0], lambda row: row["state"] == "running")
    _both(browser, site, f"live?runs={runs[-1]}", "live-queued")
    _both(browser, site, "", "launch-queue")
    for run in runs:
        engine.kill(run)
    for run in runs:
        _until_ended(engine, run)


def _facts(browser: Browser, site: Site, engine: Engine) -> None:
    facts = apply(PRESETS["composition-small"].config, {"training.steps": 400})
    (run,) = engine.launch(facts.model_dump(mode="json"), name="two hops")
    _until_ended(engine, run)
    _both(browser, site, f"live?runs={run}", "live-facts")


def _failed(browser: Browser, site: Site, engine: Engine) -> int:
    (run,) = engine.launch(
        _quick(**{"optimizer.kind": "sgd", "optimizer.learning_rate": 1.0}), name="too fast"
    )
    _until_ended(engine, run)
    _both(browser, site, f"live?runs={run}", "live-diverged")
    return run


def _lost_and_paused(browser: Browser, site: Site, engine: Engine) -> None:
    (run,) = engine.launch(_quick(**{"training.steps": 1_000_000}), name="long")
    _until(engine, run, lambda row: (row["last_step"] or 0) > 100)
    engine.pause(run)
    _until(engine, run, lambda row: row["state"] == "paused")
    _both(browser, site, f"live?runs={run}", "live-paused")
    engine.resume(run)
    _until(engine, run, lambda row: row["state"] == "running")
    for pid in worker_pids(engine.home):
        os.kill(pid, 9)
    _until(engine, run, lambda row: row["state"] == "lost")
    _both(browser, site, f"live?runs={run}", "live-lost")


def _quick(**changes: object) -> dict[str, object]:
    return apply(PRESETS["quick"].config, changes).model_dump(mode="json")


def _until_ended(engine: Engine, run: int) -> None:
    _until(engine, run, lambda row: row["state"] in ("finished", "failed", "stopped", "lost"))


def _until(engine: Engine, run: int, claim: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + 300
    while not claim(engine.runs([run])[0]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {run}: {engine.runs([run])[0]['state']}")
        time.sleep(0.1)


def _both(
    browser: Browser,
    site: Site,
    address: str,
    name: str,
    *,
    width: int = WIDTH,
    folder: Path = FOLDER,
    themes: tuple[Theme, ...] = THEMES,
) -> None:
    for theme in themes:
        with _window(browser, theme, width=width) as page:
            Lab(page, site.url).open(address)
            _picture(page, f"{name}-{theme}", folder=folder)


@contextmanager
def _window(browser: Browser, theme: Theme, *, width: int = WIDTH) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": 1000},
        color_scheme=theme,
    )
    try:
        yield context.new_page()
    finally:
        context.close()


def _picture(page: Page, name: str, *, folder: Path = FOLDER) -> None:
    _settled(page)
    page.screenshot(path=folder / f"{name}.png")
    print(folder / f"{name}.png")


def _settled(page: Page) -> None:
    """Wait until the page has come to rest, however busy the machine is."""
    page.locator("[data-test-script-state=notRunning]").wait_for(timeout=SLOWEST_MS)
    page.locator("[data-testid=stMain] h1").wait_for(timeout=SLOWEST_MS)
    page.wait_for_timeout(SETTLE_MS)
    for chart in page.locator(".lab-curves").all():
        expect(chart).to_have_attribute("data-ready", "yes", timeout=SLOWEST_MS)


if __name__ == "__main__":
    sys.exit(main())
