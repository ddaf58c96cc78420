"""The whole way in a real browser: launch, watch, control, fork, share, survive."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from engine import Lab as Engine
from tests.e2e import slow_end
from tests.e2e.pages import Lab
from tests.e2e.site import Site

pytestmark = pytest.mark.browser


@pytest.fixture
def pages(page: Page, site: Site) -> Iterator[Lab]:
    """A fresh browser window on a fresh lab; a page that showed a traceback fails the test."""
    yield Lab(page, site.url)
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def state(engine: Engine, run: int = 1) -> str:
    return engine.runs([run])[0]["state"]


def becomes(engine: Engine, wanted: str, run: int = 1, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while state(engine, run) != wanted:
        assert time.monotonic() < deadline, f"run {run} is {state(engine, run)}, not {wanted}"
        time.sleep(0.05)


def endless(engine: Engine, **settings: object) -> int:
    config = {
        "task": {"p": 11},
        "model": {"d_model": 16, "n_heads": 2, "d_mlp": 32},
        "training": {"steps": 10_000_000, "compile": "never", **settings},
    }
    (run,) = engine.launch(config, name="endless")
    return run


def test_quick_is_launched_and_groks_before_our_eyes(pages: Lab, lab: Engine) -> None:
    pages.launch("quick")
    pages.sees_step(1)
    first = pages.last_step()
    pages.sees_step(first + 10)
    pages.until(lambda: "grokked" in (pages.chart.get_attribute("aria-label") or ""), 120)
    (run,) = lab.runs([1])
    assert run["memorised_step"] < run["onset_step"] <= run["grokked_step"]
    expect(pages.page.locator(".lab-heads canvas").first).to_be_visible()


def test_a_run_is_paused_resumed_and_stopped(pages: Lab, lab: Engine) -> None:
    endless(lab)
    pages.open("live?runs=1").sees_step(20)
    pages.press("Pause")
    pages.sees("paused")
    becomes(lab, "paused")
    pages.press("Resume")
    becomes(lab, "running")
    pages.sees("running")
    pages.press("Stop")
    becomes(lab, "stopped")
    pages.sees("stopped")


def test_the_table_of_runs_is_live_and_keeps_what_is_selected_and_typed(
    pages: Lab, lab: Engine
) -> None:
    endless(lab)
    pages.open("runs").select_row(0)
    pages.sees("Describe run 1")
    step = pages.table()[0]["step"]
    pages.until(lambda: pages.table()[0]["step"] != step)
    pages.press("Note")
    typed = pages.page.get_by_role("dialog").get_by_role("textbox", name="note")
    typed.fill("seen while it trains")
    becomes(lab, "finished", endless(lab, steps=20))
    step = pages.table()[0]["step"]
    pages.until(lambda: pages.table()[0]["step"] != step)
    assert typed.input_value() == "seen while it trains"
    pages.page.get_by_role("button", name="Cancel").click()
    pages.until(lambda: [row["run"] for row in pages.table()] == ["2", "1"])
    pages.press("Pause")
    pages.until(lambda: pages.table()[1]["state"] == "paused")
    expect(pages.page.get_by_role("button", name=re.compile("Resume$"))).to_be_enabled()
    pages.sees("Describe run 1")


def test_the_table_of_runs_grows_with_the_window_and_leaves_room_for_the_controls(
    pages: Lab, lab: Engine
) -> None:
    lab.launch({"task": {"p": 11}, "training": {"steps": 1, "compile": "never"}}, seeds=24)
    pages.open("runs").select_row(0)
    delete = pages.page.get_by_role("button", name=re.compile("Delete…$"))
    for height, least in ((900, 450), (1300, 700)):
        pages.page.set_viewport_size({"width": 1440, "height": height})
        grid = pages.page.locator("[data-testid=stDataFrame]")
        pages.until(lambda: ((grid.bounding_box() or {}).get("height") or 0) > least)  # noqa: B023
        expect(delete).to_be_in_viewport(ratio=1)


def test_a_run_that_stops_while_its_fork_is_described_is_forked_as_typed(
    pages: Lab, lab: Engine
) -> None:
    endless(lab)
    pages.open("live?runs=1").sees_step(400)
    pages.until(lambda: bool(lab.checkpoints(1)))
    pages.press("Fork")
    pages.page.get_by_role("textbox", name="changed settings").fill("optimizer.weight_decay = 3")
    lab.stop(1)
    becomes(lab, "stopped")
    pages.page.wait_for_timeout(1500)  # a tick with the new state
    pages.page.get_by_role("dialog").get_by_role("button", name=re.compile("Fork$")).click()
    pages.page.wait_for_url("**/live?runs=1%2C2*")
    becomes(lab, "running", run=2)
    assert lab.runs([2])[0]["config"]["optimizer"]["weight_decay"] == 3


def test_delete_asks_before_anything_is_lost(pages: Lab, lab: Engine) -> None:
    endless(lab, steps=50)
    becomes(lab, "finished")
    pages.open("live?runs=1")
    pages.press("Delete")
    pages.sees("Delete for good?")
    assert state(lab) == "finished"
    pages.page.get_by_role("dialog").get_by_role("button", name=re.compile("Delete$")).click()
    pages.sees_no_dialog()
    assert lab.runs() == []


def test_a_dialog_acts_though_an_earlier_run_of_the_page_ends_after_it_opened(
    pages: Lab, site: Site, lab: Engine
) -> None:
    endless(lab, steps=50)
    becomes(lab, "finished")
    site.kill()
    site.module = slow_end.__name__
    site.start()
    pages.open("live?runs=1").press("Delete")
    pages.sees("Delete for good?")
    time.sleep(1.5 * slow_end.SECONDS)  # the run that drew the page has come to its end
    pages.page.get_by_role("dialog").get_by_role("button", name=re.compile("Delete$")).click()
    pages.sees_no_dialog()
    assert lab.runs() == []


def test_the_address_holds_the_view(pages: Lab, lab: Engine, browser: Browser) -> None:
    runs = [endless(lab, steps=300), endless(lab, steps=300)]
    for run in runs:
        becomes(lab, "finished", run)
    address = f"live?runs={runs[1]}&x=linear&measures=weight_norm&steps=10-200"
    pages.open(address).sees_step(100)
    pages.page.reload()
    pages.sees_step(100)
    other = browser.new_context().new_page()
    Lab(other, pages.url).open(pages.page.url.removeprefix(f"{pages.url}/")).sees_step(100)
    for page in (pages.page, other):
        assert "x=linear" in page.url
        assert "steps=10-200" in page.url
        expect(page.get_by_role("switch", name="linear steps")).to_be_checked()
    other.context.close()


def test_what_came_from_a_link_is_undone_by_the_first_click(pages: Lab, lab: Engine) -> None:
    becomes(lab, "finished", endless(lab, steps=300))
    pages.open("live?runs=1&at=1&steps=10-200").sees_step(300)
    heads = pages.page.locator(".lab-heads")
    expect(heads).to_have_attribute("data-step", "1")
    heads.get_by_role("button", name="always show the newest snapshot").click()
    pages.until(lambda: "at=" not in pages.page.url)
    expect(heads).to_have_attribute("data-step", "300")
    pages.chart.dblclick(position={"x": 300, "y": 200})
    pages.until(lambda: "steps=" not in pages.page.url)


def test_the_page_comes_back_when_its_server_was_killed(
    pages: Lab, lab: Engine, site: Site
) -> None:
    endless(lab)
    pages.open("live?runs=1").sees_step(50)
    site.kill()
    reached = lab.runs([1])[0]["last_step"]
    site.start()
    pages.sees_step(reached + 50, seconds=60)
    assert state(lab) == "running"


def test_zoom_and_scrubber_survive_ticks(pages: Lab, lab: Engine) -> None:
    endless(lab)
    pages.open("live?runs=1").sees_step(300)
    box = pages.chart.bounding_box()
    assert box is not None
    pages.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 120)
    pages.page.mouse.wheel(0, -400)
    pages.page.wait_for_url("**steps=*")
    zoomed = re.search(r"steps=[^&]*", pages.page.url)
    slider = pages.page.locator(".lab-heads input[type=range]")
    slider.focus()
    slider.press("Home")
    pages.page.wait_for_url("**at=*")
    at = re.search(r"at=[^&]*", pages.page.url)
    assert zoomed is not None
    assert at is not None
    heads, step = pages.page.locator(".lab-heads"), at[0].split("=")[1]
    # the address changes at once, the maps come with an answer
    expect(heads).to_have_attribute("data-step", step)
    seen = pages.last_step()
    pages.sees_step(seen + 100, seconds=60)
    assert zoomed[0] in pages.page.url
    assert at[0] in pages.page.url
    assert heads.get_attribute("data-step") == step


def test_hostile_texts_are_shown_as_text(pages: Lab, lab: Engine) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"> **bold** ../../etc"
    config = {"task": {"p": 11}, "training": {"steps": 20}}
    (run,) = lab.launch(config, name=hostile, notes=hostile, tags=["<b>tag</b>"])
    becomes(lab, "finished")
    lab.add_note(run, 3, hostile)
    for address in ("live?runs=1", "runs"):
        pages.open(address)
        pages.page.wait_for_timeout(1500)
        assert pages.page.title() != "owned"
        assert pages.page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize(
    "address",
    ["live?runs=77", "live?runs=abc&steps=9-1&at=x", "?preset=nope&task.p=12x&seeds=999"],
)
def test_a_senseless_address_is_met_with_words(pages: Lab, lab: Engine, address: str) -> None:
    endless(lab, steps=20)
    becomes(lab, "finished")
    pages.open(address)
    main = pages.page.get_by_test_id("stMain")
    expect(main.get_by_test_id("stAlert").or_(main.locator("h1")).first).to_be_visible()
