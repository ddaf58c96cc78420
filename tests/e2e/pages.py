"""What a person does on the pages, in the words of the tests."""

import inspect
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

SECONDS = 1000
ROW_HEIGHT = 35
_CELLS = """() => {
  const rows = [...document.querySelectorAll("[data-testid=stDataFrame] canvas table tr")];
  return rows.map((row) => [...row.children].map((cell) => cell.textContent));
}"""


@dataclass
class Lab:
    """The pages of one site in one browser window."""

    page: Page
    url: str

    def open(self, address: str = "") -> "Lab":
        self.page.goto(f"{self.url}/{address}")
        return self

    def launch(self, preset: str, *, seeds: int = 1, name: str = "") -> "Lab":
        """Launch a preset as it stands and wait for its live page."""
        self.open(f"?preset={preset}&seeds={seeds}&name={name}")
        button = self.page.get_by_role("button", name=re.compile(r"^(\w+\s)?Launch"))
        button.last.click()
        self.page.wait_for_url("**/live?runs=*")
        return self

    @property
    def chart(self) -> Locator:
        return self.page.locator(".lab-curves")

    def table(self) -> list[dict[str, str]]:
        """The visible cells of the table of runs, as drawn."""
        rows = self.page.evaluate(_CELLS)
        return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]

    def select_row(self, row: int) -> None:
        """Tick a row of the table of runs, counted from its top."""
        self.until(lambda: len(self.table()) > row)
        self.page.locator("[data-testid=stDataFrame] .dvn-scroller").click(
            position={"x": ROW_HEIGHT / 2, "y": ROW_HEIGHT * (row + 1.5)}
        )

    def last_step(self) -> int:
        return int(self.chart.get_attribute("data-last") or 0)

    def points(self) -> int:
        return int(self.chart.get_attribute("data-points") or 0)

    def until(self, claim: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for something that only Python can see; components live in shadow roots."""
        deadline = time.monotonic() + seconds
        while not claim():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s: {inspect.getsource(claim).strip()}")
            self.page.wait_for_timeout(50)

    def sees_step(self, step: int, seconds: float = 30) -> None:
        """Wait until a point at or past a step is on the chart."""
        expect(self.chart).to_have_attribute("data-ready", "yes", timeout=seconds * SECONDS)
        self.until(lambda: self.last_step() >= step, seconds)

    def sees(self, words: str, seconds: float = 30) -> None:
        expect(self.page.get_by_text(words).first).to_be_visible(timeout=seconds * SECONDS)

    def sees_no_dialog(self) -> None:
        """Wait until the dialog has closed; one that stays is quoted, for it may say why."""
        dialog = self.page.get_by_role("dialog")
        try:
            expect(dialog).to_have_count(0)
        except AssertionError:
            raise AssertionError(f"the dialog stays: {dialog.all_inner_texts()}") from None

    def press(self, label: str) -> None:
        self.page.get_by_role("button", name=re.compile(rf"{label}…?$")).first.click()
