"""A lab with all its processes for measurements: daemon, instrumented page server, browser."""

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, WebSocket, sync_playwright

from engine import connect
from engine.home import ENVIRONMENT, Home
from tests.e2e import stopwatch
from tests.e2e.chromium import FLAGS, executable
from tests.e2e.pages import Lab
from tests.e2e.rehearsed import Rehearsed
from tests.e2e.site import Site
from tests.processes import daemon_pid, end_all


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
    def window(self) -> Generator[Lab]:
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
) -> Generator[Stage]:
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


def browser_processes() -> list[psutil.Process]:
    family = psutil.Process().children(recursive=True)
    return [process for process in family if "chrom" in _name(process)]


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def spent(lab: Stage) -> dict[str, float]:
    """Seconds of CPU used so far."""
    return {
        "page server": cpu_seconds(lab.server),
        "engine": cpu_seconds(lab.daemon),
        "browser": sum(map(cpu_seconds, browser_processes())),
    }
