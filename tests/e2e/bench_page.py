"""How quick, light and steady the page is: `python -m tests.e2e.bench_page [NAME…] [--json]`.

Every figure is taken in a real browser on runs of a temporary lab; the names are those of the
functions. The load average stands beside each figure, because a shared machine decides much.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from math import log
from statistics import median
from typing import Any

from playwright.sync_api import Page

from tests.e2e.pages import Lab
from tests.e2e.rehearsed import SPIKE, Growing
from tests.e2e.stage import Stage, Wire, browser_processes, cpu_seconds, spent, stage

RUNS, A_SECOND = 8, 20
LONG, SHORT, VERY_LONG = 100_000, 10_000, 1_000_000
MB, MINUTE = 1e6, 60.0
BETWEEN_COLLECTIONS = 10_000
"""Milliseconds."""

Row = dict[str, str]


def row(what: str, measured: str, target: str, how: str) -> Row:
    """One line of the report."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return {"what": what, "measured": measured, "target": target, "how": how, "load": load}


def tick() -> list[Row]:
    """What one tick costs the server and the wire, with news and without."""
    with stage(runs=RUNS, evaluations=LONG) as lab, lab.window() as view:
        assert lab.runs is not None
        wire = Wire().listen(view.page)
        view.open(lab.address).sees_step(LONG, seconds=60)
        view.page.wait_for_timeout(8_000)
        idle = _ticks(lab, view, wire, seconds=30)
        with Growing(lab.runs, a_second=A_SECOND):
            # the first new line has the engine read the whole of what was recorded, once
            view.sees_step(LONG + 1, seconds=60)
            view.page.wait_for_timeout(5_000)
            busy = _ticks(lab, view, wire, seconds=40)
        return [
            row(f"tick of {RUNS} × {LONG:,} points, {name}, {what}", measured, target, how)
            for name, figures, kilobytes in (
                (f"{A_SECOND} evaluations/s a run", busy, "≤ 60 kB"),
                ("nothing new", idle, "next to nothing"),
            )
            for what, measured, target, how in (
                ("fragment body", figures["body"], "≤ 50 ms", "wall clock around the body"),
                ("CPU of the server's processes", figures["cpu"], "–", "CPU time ÷ ticks"),
                ("to the browser", figures["wire"], kilobytes, "websocket, uncompressed"),
            )
        ]


def _ticks(lab: Stage, view: Lab, wire: Wire, *, seconds: float) -> dict[str, str]:
    started, size = time.time(), wire.size
    page, engine = cpu_seconds(lab.server), cpu_seconds(lab.daemon)
    view.page.wait_for_timeout(seconds * 1e3)
    page, engine = cpu_seconds(lab.server) - page, cpu_seconds(lab.daemon) - engine
    bodies = lab.bodies(started)
    n = len(bodies)
    walls = sorted(body["wall_ms"] for body in bodies)
    threads = median(body["cpu_ms"] for body in bodies)
    return {
        "body": f"median {median(walls):.0f} ms, 95 % {walls[int(0.95 * n)]:.0f} ms"
        f" (CPU of its thread {threads:.0f} ms), {n} ticks",
        "cpu": f"page {1e3 * page / n:.0f} ms, engine {1e3 * engine / n:.0f} ms"
        " with its ten looks at the journals a second",
        "wire": f"{(wire.size - size) / n / 1e3:.1f} kB",
    }


def soak(ticks: int = 3_600) -> list[Row]:
    """What many fast ticks leave behind in the server and in the browser.

    What the browser holds after a collection goes up and down with each successor of a view, so
    that any two moments differ by more than an hour adds: the median of the first minute stands
    against that of the last. Beside them stands the most that lies there uncollected.
    """
    with stage(runs=RUNS, evaluations=LONG, pace=0.1) as lab, lab.window() as view:
        assert lab.runs is not None
        view.open(lab.address).sees_step(LONG, seconds=60)
        with Growing(lab.runs, a_second=A_SECOND):
            _until_ticked(lab, view, time.time(), 100)
            begun, waste = time.time(), 0.0
            seen = [_memory(lab, view.page)]
            while len(lab.bodies(begun)) < ticks or time.time() < begun + 2 * MINUTE:
                view.page.wait_for_timeout(BETWEEN_COLLECTIONS)
                waste = max(waste, _in_browser())
                seen.append(_memory(lab, view.page))
            seconds = time.time() - begun
        n = len(lab.bodies(begun))
        shown = view.points()
    a_minute = max(round(len(seen) * MINUTE / seconds), 1)
    how = (
        f"medians of the first minute and of the last, of {len(seen)} looks after a collection;"
        f" {n:,} ticks in {seconds:.0f} s with {A_SECOND} evaluations/s a run, after 100 to warm"
        f" up; {shown:,} points in the chart"
    )
    rows: list[Row] = []
    for who in seen[0]:
        first, last = (
            [each[who] / MB for each in part] for part in (seen[:a_minute], seen[-a_minute:])
        )
        rows.append(
            row(
                f"memory after a soak, {who}",
                f"{median(last) - median(first):+.1f} MB"
                f" ({median(first):.0f} → {median(last):.0f}; at the start {first[0]:.0f};"
                f" most {max(first):.0f} → {max(last):.0f})",
                "≤ +50 MB",
                how,
            )
        )
    what = f"memory during a soak, browser, {BETWEEN_COLLECTIONS / 1e3:.0f} s after a collection"
    return [*rows, row(what, f"at most {waste / MB:.0f} MB", "–", how)]


def _until_ticked(lab: Stage, view: Lab, since: float, ticks: int) -> None:
    while len(lab.bodies(since)) < ticks:
        view.page.wait_for_timeout(2_000)


def _in_browser() -> float:
    return sum(process.memory_full_info().uss for process in browser_processes())


def _memory(lab: Stage, page: Page) -> dict[str, float]:
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Performance.enable")
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    devtools.detach()
    heap = next(metric["value"] for metric in metrics if metric["name"] == "JSHeapUsedSize")
    return {
        "page server (RSS)": lab.server.memory_info().rss,
        "engine daemon (RSS)": lab.daemon.memory_info().rss,
        "browser (USS of all its processes)": _in_browser(),
        "browser (JS heap)": heap,
    }


_WATCH = """(host) => {
  window.seen = [];
  const note = () => window.seen.push([Number(host.dataset.last), Date.now() / 1000]);
  new MutationObserver(note).observe(host, { attributes: true, attributeFilter: ["data-last"] });
}"""


def freshness(samples: int = 20) -> list[Row]:
    """From an evaluation's journal line to its point on the page."""
    with stage(runs=RUNS, evaluations=LONG) as lab, lab.window() as view:
        assert lab.runs is not None
        view.open(lab.address).sees_step(LONG, seconds=60)
        # the first new line has the engine read the whole of what was recorded, once
        view.sees_step(lab.runs.evaluate()[0], seconds=60)
        view.page.wait_for_timeout(5_000)
        view.chart.evaluate(_WATCH)
        written: list[tuple[int, float]] = []
        for sample in range(samples):
            written.append(lab.runs.evaluate())
            view.page.wait_for_timeout(1_500 + 137 * (sample % 7))
        view.sees_step(written[-1][0])
        seen = view.page.evaluate("window.seen")
    delays = [min(at for last, at in seen if last >= step) - t for step, t in written]
    measured = f"median {median(delays):.2f} s, worst {max(delays):.2f} s of {samples}"
    how = "journal line's clock → `data-last` on the chart's element"
    return [row(f"new point → page, {RUNS} runs", measured, "≤ 2 s", how)]


def opened(times: int = 5) -> list[Row]:
    """From the address to painted curves, in a browser that has nothing cached."""
    rows: list[Row] = []
    for evaluations in (SHORT, LONG):
        with stage(runs=RUNS, evaluations=evaluations) as lab:
            first, *later = [_opened(lab, evaluations) for _ in range(times + 1)]
        walls = [wall for wall, _ in later]
        cpu = {who: median(spent[who] for _, spent in later) for who in first[1]}
        told = ", ".join(f"{who} {seconds:.2f} s" for who, seconds in cpu.items())
        rows.append(
            row(
                f"page opened → curves painted, {RUNS} × {evaluations:,} points",
                f"median {median(walls):.1f} s, worst {max(walls):.1f} s of {times}; first page"
                f" of a fresh server {first[0]:.1f} s; CPU spent: {told}",
                "< 4 s",
                "navigation → `data-ready`, 4 lines a run, nothing cached in the browser",
            )
        )
    return rows


def _opened(lab: Stage, evaluations: int) -> tuple[float, dict[str, float]]:
    with lab.window() as view:
        before, started = spent(lab), time.perf_counter()
        view.open(lab.address)
        view.page.locator('.lab-curves[data-ready="yes"][data-last]').wait_for()
        wall, after = time.perf_counter() - started, spent(lab)
        assert view.last_step() == evaluations
    return wall, {who: after[who] - before[who] for who in after}


_PIXELS = """(canvas, [left, top, width, height]) => {
  const ratio = canvas.width / canvas.clientWidth;
  const box = [left, top, width, height].map((length) => length * ratio);
  const { data } = canvas.getContext("2d").getImageData(...box);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 2] - data[i] > 60 && data[i + 3] > 60) n += 1;
  }
  return n;
}"""
SPIKE_AT = 654_321
LEFT, RIGHT, BOTTOM, LOSS_PANEL = 64, 108, 42, 170
"""Pixels: the margins of the live figure and the height of its loss panel."""


def spike() -> list[Row]:
    """Whether a one-step spike among a million points is painted, however the page is zoomed."""
    zooms = ["", "100000-1000000", "600000-700000", "654000-655000", "654300-654340"]
    with stage(runs=1, evaluations=VERY_LONG, spike=SPIKE_AT) as lab:
        seen = {zoom or "all": _spike_at(lab, zoom) for zoom in zooms}
        seen |= _spike_by_wheel(lab)
    with stage(runs=1, evaluations=VERY_LONG) as lab:
        control = [_spike_at(lab, zoom) for zoom in zooms]
    told = "; ".join(f"{zoom}: {'yes' if ok else 'NO'}" for zoom, ok in seen.items())
    how = (
        f"train loss {SPIKE:g} at step {SPIKE_AT:,} alone: its colour is on the canvas above the"
        f" curve; the same look at a run without a spike finds {sum(control)} of {len(control)}"
    )
    return [row("one-step spike among a million points visible", told, "at every zoom", how)]


def _spike_at(lab: Stage, zoom: str) -> bool:
    with lab.window() as view:
        view.open(lab.address + (f"&steps={zoom}" if zoom else "")).sees_step(VERY_LONG, 60)
        view.page.wait_for_timeout(500)
        low, high = map(float, (zoom or f"1-{VERY_LONG}").split("-"))
        return _painted(view, low, high)


def _spike_by_wheel(lab: Stage) -> dict[str, bool]:
    """Zoom in with the wheel, turn by turn, with the pointer near the spike."""
    seen: dict[str, bool] = {}
    low, high = 1.0, float(VERY_LONG)
    with lab.window() as view:
        view.open(lab.address).sees_step(VERY_LONG, 60)
        for turn in range(1, 6):
            x, top = _place(view, low, high)
            box = view.chart.locator("canvas").bounding_box()
            assert box is not None
            view.page.mouse.move(box["x"] + x, box["y"] + top - 100)
            view.page.mouse.wheel(0, -600)
            view.page.mouse.move(0, 0)
            view.page.wait_for_timeout(3_000)
            low, high = map(float, re.findall(r"steps=([\d.e+]+)-([\d.e+]+)", view.page.url)[0])
            seen[f"wheel {turn} ({low:,.0f}–{high:,.0f})"] = _painted(view, low, high)
    return seen


def _place(view: Lab, low: float, high: float) -> tuple[float, float]:
    """Where the spike's step and the top of the loss panel are on the canvas, in pixels."""
    box = view.chart.locator("canvas").bounding_box()
    assert box is not None
    plot = box["width"] - LEFT - RIGHT
    x = LEFT + plot * log(SPIKE_AT / low) / log(high / low)
    return x, box["height"] - BOTTOM - LOSS_PANEL


def _painted(view: Lab, low: float, high: float) -> bool:
    # losses above 1 or so are in the top quarter of the panel
    x, top = _place(view, low, high)
    found = view.chart.locator("canvas").evaluate(_PIXELS, [x - 8, top, 16, LOSS_PANEL / 4])
    return found > 0


def quick(times: int = 3) -> list[Row]:
    """From the click on Launch to the first point, and to the marker that says grokked."""
    firsts: list[float] = []
    groks: list[float] = []
    with stage() as lab:
        with lab.window() as view:
            view.open("live").sees("No run yet")
        for _ in range(times):
            with lab.window() as view:
                first, grokked = _launched(view)
            firsts.append(first)
            groks.append(grokked)
    return [
        row(f"`quick`: click on Launch → {what}", _listed(taken), target, how)
        for what, taken, target, how in (
            ("first point painted", firsts, "≤ 2 s", "daemon and page server warm"),
            ("green marker painted", groks, "≤ 20 s", "the chart's label names the marker"),
        )
    ]


def _launched(view: Lab) -> tuple[float, float]:
    view.open("?preset=quick")
    button = view.page.get_by_role("button", name=re.compile(r"^(\w+\s)?Launch")).last
    button.wait_for()
    view.page.wait_for_timeout(8_000)
    button.click()
    clicked = time.perf_counter()
    view.page.locator('.lab-curves[data-ready="yes"]:not([data-last="0"])').wait_for()
    first = time.perf_counter() - clicked
    view.page.locator('.lab-curves[aria-label*="grokked"]').wait_for(timeout=180_000)
    return first, time.perf_counter() - clicked


def _listed(seconds: Sequence[float]) -> str:
    each = ", ".join(f"{value:.1f}" for value in seconds)
    return f"median {median(seconds):.1f} s ({each})"


MEASUREMENTS: dict[str, Callable[[], list[Row]]] = {
    "tick": tick,
    "freshness": freshness,
    "opened": opened,
    "spike": spike,
    "quick": quick,
    "soak": soak,
}


def main() -> int:
    """Measure what is named, everything when nothing is."""
    parser = argparse.ArgumentParser(prog="bench_page", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON array at the end")
    parser.add_argument("--ticks", type=int, default=3_600, help="length of the soak")
    given = parser.parse_args()
    MEASUREMENTS["soak"] = lambda: soak(given.ticks)
    rows: list[dict[str, Any]] = []
    for name in given.names or MEASUREMENTS:
        for found in MEASUREMENTS[name]():
            rows.append(found)
            if not given.json:
                sys.stdout.write("  ".join(f"{key}: {found[key]}" for key in found) + "\n")
                sys.stdout.flush()
    if given.json:
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
