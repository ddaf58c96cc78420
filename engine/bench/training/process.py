"""Training in processes of their own: how one process a run, and several workers, are measured.

A process is told a setting once, and then, line by line, which arm makes how many steps; it
answers each line with the seconds that it took. So it takes turns like anything else that is
measured, and its start is not part of any rate.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import torch

from engine.bench.training.arms import Contest
from engine.bench.training.rounds import Arm, timed
from engine.bench.training.settings import SETTINGS
from engine.version import ROOT


class Trainee:
    """A process that trains one run of a setting in any of its arms; close it when done."""

    def __init__(self, setting: str, *, device: torch.device, threads: int = 1) -> None:
        command = [sys.executable, "-m", __name__, setting, device.type, str(threads)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def period(self, arm: str) -> int:
        """Build an arm, which takes its time, and return after how many steps its work repeats."""
        self.order(arm, 0)
        return self._answer()["period"]

    def order(self, arm: str, n_steps: int) -> None:
        """Let it make so many steps; it begins at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"arm": arm, "steps": n_steps}) + "\n")
        self._process.stdin.flush()

    def wait(self) -> float:
        """Wait until it has made them; returns its processor seconds."""
        return self._answer()["cpu"]

    def close(self) -> None:
        """Let it end, and wait until it has."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "a training process ended before it answered"
        return json.loads(answer)


def together(trainees: Sequence[Trainee], arm: str) -> Arm:
    """All of them making the same steps at the same time, as one arm."""
    periods = {trainee.period(arm) for trainee in trainees}

    def train(n_steps: int) -> float:
        for trainee in trainees:
            trainee.order(arm, n_steps)
        return sum(trainee.wait() for trainee in trainees)

    return Arm(train, max(periods))


def serve(setting: str, device: str, threads: str) -> None:
    """Answer orders from stdin until it is closed."""
    torch.set_num_threads(int(threads))
    contest = Contest(SETTINGS[setting], device=torch.device(device), threads=int(threads))
    arms: dict[str, Arm] = {}
    for line in sys.stdin:
        order = json.loads(line)
        name = order["arm"]
        if name not in arms:
            arm = contest.contender(name).arm
            assert arm is not None
            arms[name] = arm
        cpu = timed(arms[name].train, order["steps"])[1] if order["steps"] else 0.0
        sys.stdout.write(json.dumps({"cpu": cpu, "period": arms[name].period}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(*sys.argv[1:])
