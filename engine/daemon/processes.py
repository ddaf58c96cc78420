"""Worker processes seen from the daemon: starting them, telling whether they live, ending them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.daemon.memory import gpu_names
from engine.daemon.scheduler import Start
from engine.home import ENVIRONMENT, Home
from engine.version import ROOT
from engine.worker.identity import Identity, identify
from engine.worker.lock import is_held

LOG_LINES = 8
LOG_BYTES = 4000
SPINS = 10_000
"""How often a thread of torch's looks for work before it sleeps, a quarter of a millisecond.

GNU's OpenMP looks 300,000 times, for 7 ms after each operation that it shared among threads: on as
many cores as threads that is time that the other threads of a step do not have.
"""


@dataclass(slots=True)
class Worker:
    """One worker process and its batch of runs.

    `process` is None for a worker that an earlier daemon started: it is known by its locks alone.
    """

    runs: list[int]
    device: str
    threads: int
    gpu: int | None = None
    n_bytes: int = 0
    """What it is expected to take of its device's memory."""
    process: subprocess.Popen[bytes] | None = None
    identity: Identity | None = None
    seen: set[int] = field(default_factory=set)
    """Runs whose lock has been seen in the worker's hands."""

    def lives(self, home: Home) -> bool:
        """Whether the process exists; reaps it when it has ended."""
        if self.process is not None:
            return self.process.poll() is None
        return any(is_held(home.run(run).lock) for run in self.runs)

    def trains(self, run: int, home: Home) -> bool:
        """Whether the run is in this worker's hands, or may still get there."""
        if is_held(home.run(run).lock):
            self.seen.add(run)
            return True
        return run not in self.seen and self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Signal the process if it is still the one that was meant."""
        if self.process is not None:
            self.process.send_signal(number)
        elif self.identity is not None and identify(self.identity.pid) == self.identity:
            os.kill(self.identity.pid, number)


def spawn(home: Home, start: Start) -> Worker:
    """Start a worker in a session of its own, so that it outlives daemon, terminal and Ctrl-C."""
    variables = environment(home, start.threads)
    if start.gpu is not None:
        variables["CUDA_VISIBLE_DEVICES"] = gpu_names()[start.gpu]
    command = [sys.executable, "-X", "faulthandler", "-m", "engine.worker", *map(str, start.runs)]
    with _shared_log(home, start.runs).open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return _worker(start, process)


def _worker(start: Start, process: subprocess.Popen[bytes]) -> Worker:
    runs, identity = list(start.runs), identify(process.pid)
    return Worker(
        runs,
        start.device,
        start.threads,
        start.gpu,
        n_bytes=start.n_bytes,
        process=process,
        identity=identity,
    )


class Standby:
    """A worker process that has loaded torch and waits for its runs; at most one at a time.

    It ends by itself when the daemon goes, because its stdin does. It takes runs of any number of
    threads: how many there are is set when training begins.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Start one, unless one is there."""
        if self._process is not None and self._process.poll() is None:
            return
        self.dismiss()
        with self._home.daemon_log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "engine.standby"],
                cwd=ROOT,
                # SPT_NOENV: the title it takes as a worker must not overwrite its environment
                env=environment(self._home, threads=1) | {"SPT_NOENV": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def take(self, start: Start) -> Worker | None:
        """Give it a batch to train; None when there is none that could."""
        process = self._process
        if process is None or process.poll() is not None:
            return None
        assert process.stdin is not None
        log = _shared_log(self._home, start.runs)
        gpu = None if start.gpu is None else gpu_names()[start.gpu]
        order = {"runs": start.runs, "log": str(log), "gpu": gpu}
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.close()
        except BrokenPipeError:
            return None
        self._process = None
        return _worker(start, process)

    def dismiss(self) -> None:
        """End the one that waits."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.kill()
        self._process.stdin.close()
        self._process.wait()
        self._process = None


def environment(home: Home, threads: int) -> dict[str, str]:
    """What a process that trains finds in its environment; what the user has set stays."""
    return (
        {
            # compiled code outlives the process
            "TORCHINDUCTOR_CACHE_DIR": str(home.cache),
            "GOMP_SPINCOUNT": str(SPINS),
        }
        | os.environ
        | {
            ENVIRONMENT: str(home.path),
            # numbers of GPUs mean what nvidia-smi means by them
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
        }
    )


def adopt(home: Home, run: int) -> Worker:
    """The worker that holds the lock of a run and was started by an earlier daemon."""
    proc = _read(home.run(run).proc)
    launch = _read(home.run(run).launch)
    identity = None
    if {"pid", "start_ticks", "boot_id"} <= proc.keys():
        identity = Identity(proc["pid"], proc["start_ticks"], proc["boot_id"])
    return Worker(
        [run],
        launch.get("device", "cpu"),
        launch.get("threads", 1),
        launch.get("gpu"),
        n_bytes=launch.get("bytes", 0),
        identity=identity,
        seen={run},
    )


def last_words(log: Path) -> str:
    """The last lines of a worker's log, for the state of a run whose worker never came up."""
    try:
        content = log.read_bytes()[-LOG_BYTES:].decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(content.strip().splitlines()[-LOG_LINES:])


def n_cores() -> int:
    """How many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shared_log(home: Home, runs: Sequence[int]) -> Path:
    """One log file that stands in every run's folder, as a hard link."""
    first, *others = [home.run(run).log for run in runs]
    first.unlink(missing_ok=True)
    first.touch(mode=0o600)
    for log in others:
        log.unlink(missing_ok=True)
        os.link(first, log)
    return first


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
