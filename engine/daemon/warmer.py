"""When steps of presets are compiled ahead of need: while nothing trains and nothing waits."""

import contextlib
import os
import signal
import subprocess
import sys
import time

from engine.daemon.processes import environment
from engine.home import Home
from engine.version import ROOT
from engine.worker.warmth import Warmth

IDLE_SECONDS = 60.0
"""A lab that has just finished something is likely to be asked for more."""


class Warmer:
    """At most one process that fills the cache; what it has done is noted and not repeated."""

    def __init__(self, home: Home, device: str, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._home, self._device, self._idle_seconds = home, device, idle_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._idle_since: float | None = None
        self._over = False

    def tick(self, *, idle: bool) -> None:
        """Start when the lab has been idle for a while; end at once when it no longer is."""
        if not idle:
            self.end()
            self._idle_since = None
            return
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        if self._process is not None:
            if self._process.poll() is not None:
                # done, or unable to: asking again every tick would help nobody
                self._over = True
                self.end()
        elif not self._over and now - self._idle_since >= self._idle_seconds:
            self._begin()

    def end(self) -> None:
        """End the process and the compilers that it started."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait()
        self._process = None

    def _begin(self) -> None:
        if not Warmth(self._home).missing(self._device):
            self._over = True
            return
        with self._home.daemon_log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "engine.warming", self._device],
                cwd=ROOT,
                # one compiler at a time, in this process group
                env=environment(self._home, 1) | {"TORCHINDUCTOR_COMPILE_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
