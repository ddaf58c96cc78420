"""How quick, light and steady the page is: `python -m tests.e2e.bench_page [NAME…] [--json]`.

Every figure is taken in a real browser on runs of a temporary lab; the names are those of the
functions. The load average stands beside each figure, because a shared machine decides much.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, sync_playwright

from app.live.frames import unpack
from engine import connect
from engine.home import ENVIRONMENT, Home
from tests.e2e import stopwatch
from tests.e2e.chromium import FLAGS, executable
from tests.e2e.pages import Lab
from tests.e2e.rehearsed import SPIKE, Growing, Rehearsed
from tests.e2e.site import Site
from tests.processes import daemon_pid, end_all

RUNS, A_SECOND = 8, 20
LONG, SHORT, VERY_LONG = 100_000, 10_000, 1_000_000
MB = 1e6

Row = dict[str, str]


def row(what: str, measured: str, target: str, how: str) -> Row:
    """One line of the report."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return {"what": what, "measured": measured, "target": target, "how": how, "load": load}


@dataclass
class Stage:
    """A lab with its daemon, one instrumented page server, and a browser."""

    home: Home
    site: Site
    browser: Browser
    times: Path
    runs: Rehearsed | None = None

    @property
    def address(self) -> str:
        assert self.runs is not None
        return "live?runs=" + ",".join(map(str, self.runs.runs))

    @contextmanager
    def window(self) -> Iterator[Lab]:
        """A fresh browser window with an empty cache."""
        context = self.browser.new_context(viewport={"width": 1440, "height": 1000})
        context.set_default_timeout(60_000)
        try:
            yield Lab(context.new_page(), self.site.url)
        finally:
            context.close()

    def bodies(self, since: float) -> list[dict[str, float]]:
        """The fragment bodies that ended after a moment."""
        told = map(json.loads, self.times.read_text().splitlines())
        return [body for body in told if body["t"] > since]

    @property
    def server(self) -> psutil.Process:
        assert self.site.process is not None
        return psutil.Process(self.site.process.pid)

    @property
    def daemon(self) -> psutil.Process:
        pid = daemon_pid(self.home)
        assert pid is not None
        return psutil.Process(pid)


@contextmanager
def stage(
    *, runs: int = 0, evaluations: int = 0, spike: int = 0, pace: float | None = None
) -> Iterator[Stage]:
    """All processes of a lab with rehearsed runs; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "lab").create()
        times = Path(folder) / "times.jsonl"
        os.environ[ENVIRONMENT], os.environ[stopwatch.FILE] = str(home.path), str(times)
        os.environ[stopwatch.PACE] = str(pace or "")
        rehearsed = (
            Rehearsed(home, runs=runs, evaluations=evaluations, spike=spike) if runs else None
        )
        site = Site(home, module=stopwatch.__name__)
        try:
            connect(home).version()
            site.start()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=executable(), args=list(FLAGS)
                )
                yield Stage(home, site, browser, times, rehearsed)
                browser.close()
        finally:
            site.kill()
            if rehearsed is not None:
                rehearsed.close()
            end_all(home)


@dataclass
class Wire:
    """What a page receives over its websocket, before compression."""

    frames: list[bytes] = field(default_factory=list[bytes])

    def listen(self, page: Page) -> "Wire":
        page.on("websocket", self._attach)
        return self

    def _attach(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.frames.append(_bytes(frame)))

    @property
    def size(self) -> int:
        return sum(map(len, self.frames))


def _bytes(frame: str | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()


def tick() -> list[Row]:
    """What one tick costs the server and the wire, with news and without."""
    with stage(runs=RUNS, evaluations=LONG) as lab, lab.window() as view:
        assert lab.runs is not None
        wire = Wire().listen(view.page)
        view.open(lab.address).sees_step(LONG, seconds=60)
        view.page.wait_for_timeout(8_000)
        idle = _ticks(lab, view, wire, seconds=30)
        with Growing(lab.runs, a_second=A_SECOND):
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
    page, engine = _cpu(lab.server), _cpu(lab.daemon)
    view.page.wait_for_timeout(seconds * 1e3)
    page, engine = _cpu(lab.server) - page, _cpu(lab.daemon) - engine
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


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def soak(ticks: int = 3_600) -> list[Row]:
    """What many fast ticks leave behind in the server and in the browser."""
    with stage(runs=RUNS, evaluations=LONG, pace=0.1) as lab, lab.window() as view:
        assert lab.runs is not None
        view.open(lab.address).sees_step(LONG, seconds=60)
        with Growing(lab.runs, a_second=A_SECOND):
            started = time.time()
            _until_ticked(lab, view, started, 100)
            before, begun = _memory(lab, view.page.context, view.page), time.time()
            _until_ticked(lab, view, begun, ticks)
            seconds = time.time() - begun
            after = _memory(lab, view.page.context, view.page)
        n = len(lab.bodies(begun))
        shown = view.points()
    how = (
        f"{n:,} ticks in {seconds:.0f} s with {A_SECOND} evaluations/s a run, after 100 to warm up"
    )
    return [
        row(
            f"memory after a soak, {what}",
            f"{(after[what] - before[what]) / MB:+.1f} MB"
            f" ({before[what] / MB:.0f} → {after[what] / MB:.0f})",
            "≤ +50 MB",
            f"{how}; {shown:,} points in the chart",
        )
        for what in before
    ]


def _until_ticked(lab: Stage, view: Lab, since: float, ticks: int) -> None:
    while len(lab.bodies(since)) < ticks:
        view.page.wait_for_timeout(2_000)


def _memory(lab: Stage, context: BrowserContext, page: Page) -> dict[str, float]:
    devtools = context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Performance.enable")
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    devtools.detach()
    heap = next(metric["value"] for metric in metrics if metric["name"] == "JSHeapUsedSize")
    return {
        "page server (RSS)": lab.server.memory_info().rss,
        "engine daemon (RSS)": lab.daemon.memory_info().rss,
        "browser (USS of all its processes)": _browser_memory(),
        "browser (JS heap after collection)": heap,
    }


def _browser_memory() -> float:
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name() or "headless" in process.name():
                total += process.memory_full_info().uss
        except psutil.Error:
            continue
    return total


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
            taken: list[float] = []
            for _ in range(times + 1):
                with lab.window() as view:
                    started = time.perf_counter()
                    view.open(lab.address)
                    view.page.locator('.lab-curves[data-ready="yes"][data-last]').wait_for()
                    taken.append(time.perf_counter() - started)
                    assert view.last_step() == evaluations
        first, *later = taken
        rows.append(
            row(
                f"page opened → curves painted, {RUNS} × {evaluations:,} points",
                f"median {median(later):.1f} s, worst {max(later):.1f} s of {times};"
                f" first page of a fresh server {first:.1f} s",
                "< 4 s",
                "navigation → `data-ready`, 4 lines a run, nothing cached in the browser",
            )
        )
    return rows


_PIXELS = """(canvas, [top, bottom]) => {
  const ratio = canvas.width / canvas.clientWidth;
  const [y, height] = [top * ratio, (bottom - top) * ratio];
  const { data } = canvas.getContext("2d").getImageData(0, y, canvas.width, height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 2] - data[i] > 60 && data[i + 3] > 60) n += 1;
  }
  return n;
}"""


def spike() -> list[Row]:
    """Whether a one-step spike among a million points is painted, however the page is zoomed."""
    at = 654_321
    zooms = ["", "1-1000000", "100000-1000000", "600000-700000", "654000-655000", "654300-654340"]
    with stage(runs=1, evaluations=VERY_LONG, spike=at) as lab:
        seen = {zoom or "all": _spike_at(lab, zoom, at) for zoom in zooms}
        seen |= _spike_by_wheel(lab, at)
    told = "; ".join(f"{zoom}: {'yes' if ok else 'NO'}" for zoom, ok in seen.items())
    how = f"train loss {SPIKE:g} at step {at:,} alone: the point is sent, and its colour painted"
    return [row("one-step spike among a million points visible", told, "at every zoom", how)]


def _spike_at(lab: Stage, zoom: str, at: int) -> bool:
    with lab.window() as view:
        wire = Wire().listen(view.page)
        view.open(lab.address + (f"&steps={zoom}" if zoom else "")).sees_step(VERY_LONG, 60)
        view.page.wait_for_timeout(500)
        return (at, SPIKE) in points_of(wire.frames) and _painted(view)


def _spike_by_wheel(lab: Stage, at: int) -> dict[str, bool]:
    """Zoom in with the wheel, step by step, with the pointer on the spike."""
    seen: dict[str, bool] = {}
    with lab.window() as view:
        view.open(lab.address).sees_step(VERY_LONG, 60)
        box = view.chart.locator("canvas").bounding_box()
        assert box is not None
        width = box["width"] - 64 - 108
        share = _log_share(at, 1, VERY_LONG)
        for turn in range(1, 5):
            view.page.mouse.move(box["x"] + 64 + share * width, box["y"] + 150)
            view.page.mouse.wheel(0, -400)
            view.page.wait_for_timeout(2_500)
            low, high = re.findall(r"steps=([\d.e+]+)-([\d.e+]+)", view.page.url)[0]
            inside = float(low) < at < float(high)
            seen[f"wheel {turn} ({float(low):,.0f}–{float(high):,.0f})"] = inside and _painted(
                view
            )
    return seen


def _log_share(step: float, low: float, high: float) -> float:
    return log(step / low) / log(high / low)


def _painted(view: Lab) -> bool:
    canvas = view.chart.locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    # the top quarter of the loss panel, 170 px high above 42 px of axis: losses above 1 or so
    top = box["height"] - 42 - 170
    return canvas.evaluate(_PIXELS, [top, top + 40]) > 0


def points_of(frames: Sequence[bytes]) -> set[tuple[int, float]]:
    """(step, value) of every point of train loss that live charts were sent."""
    found: set[tuple[int, float]] = set()
    for frame in frames:
        start = frame.find(b'{"stream":')
        if start < 4:
            continue
        header, numbers = unpack(_whole(frame[start - 4 :]))
        offset = 0
        for _run, split, metric, n in header["series"]:
            steps, values = numbers[offset : offset + n], numbers[offset + n : offset + 2 * n]
            offset += 2 * n
            if (split, metric) == ("train", "loss"):
                found |= {(int(s), float(v)) for s, v in zip(steps, values, strict=True)}
    return found


def _whole(message: bytes) -> bytes:
    """Of a message inside a larger one, what its own header speaks of."""
    length = int.from_bytes(message[:4], "little")
    header = json.loads(message[4 : 4 + length])
    n = sum(2 * line[3] for line in header["series"])
    return message[: 4 + length + 4 * n]


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
