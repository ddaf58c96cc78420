"""Run folders prepared by hand, and worker processes in them, without a daemon."""

import json
import time
from collections.abc import Callable
from typing import Any

from engine.config import RunConfig, apply
from engine.daemon.processes import Worker, spawn
from engine.daemon.scheduler import Start
from engine.home import Home, RunFolder
from engine.journal import Line, read_lines

TINY = {
    "task.p": 11,
    "model.d_model": 16,
    "model.n_heads": 2,
    "model.d_mlp": 32,
    "training.compile": "never",
}


class Bench:
    def __init__(self, home: Home) -> None:
        self.home = home.create()

    def prepare(
        self, run: int, *, attempt: int = 1, start: dict[str, Any] | None = None, **settings: Any
    ) -> RunFolder:
        folder = self.home.run(run).create()
        dotted = {f"training.{name}": value for name, value in settings.items()}
        config = apply(RunConfig(), TINY | {"training.eval_every": 20} | dotted)
        folder.config.write_text(config.model_dump_json())
        folder.launch.write_text(json.dumps({"attempt": attempt, "from": start}))
        return folder

    def spawn(self, *runs: int) -> Worker:
        return spawn(self.home, Start(runs, "cpu", 1))

    def finish(self, worker: Worker) -> int:
        """Wait for the end of a worker; its exit status."""
        assert worker.process is not None
        return worker.process.wait(timeout=60)

    def lines(self, run: int, attempt: int = 1) -> list[Line]:
        return read_lines(self.home.run(run).journal(attempt))[0]

    def kinds(self, run: int) -> list[str]:
        return [line["e"] for line in self.lines(run)]

    def newest(self, run: int, kind: str) -> Line:
        return [line for line in self.lines(run) if line["e"] == kind][-1]

    def reaches(self, run: int, step: int) -> None:
        wait_until(lambda: any(line.get("s", 0) >= step for line in self.lines(run)))


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def metrics(lines: list[Line]) -> list[tuple[int, Any]]:
    return [(line["s"], line["v"]) for line in lines if line["e"] == "m"]
