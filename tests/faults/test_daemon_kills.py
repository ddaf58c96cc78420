"""kill -9 of the daemon at random moments, its start included: runs go on, every row is kept."""

import contextlib
import os
import random
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from engine import Lab
from engine.home import Home
from tests.faults.recorded import first_attempt, stored, told
from tests.labs import ENDLESS, reaches, row, some_moment, state, until
from tests.processes import daemon_pid, daemons, worker_pids

pytestmark = pytest.mark.long

KILLS = 20


def test_twenty_kills_of_the_daemon_lose_and_double_nothing(lab: Lab, home: Home):
    chance = random.Random(2026)
    runs = [lab.launch(ENDLESS, name=name)[0] for name in ("a", "b")]
    for run in runs:
        reaches(lab, run, 20)
    workers = worker_pids(home)
    answers: list[Future[list[dict[str, Any]]]] = []
    with ThreadPoolExecutor(4) as elsewhere:
        for _ in range(KILLS):
            asked = elsewhere.submit(lab.runs)
            if chance.random() < 0.5:
                asked.result()
            some_moment(chance, 0.8)
            kill_daemons(home)
            answers.append(asked)
        assert [[run["run_id"] for run in each.result()] for each in answers] == [runs] * KILLS
    assert worker_pids(home) == workers
    for run in runs:
        reaches(lab, run, row(lab, run)["last_step"] + 50)
        lab.stop(run)
        until(lambda run=run: state(lab, run) == "stopped")
        assert stored(lab, run) == told(home, run)
        steps = first_attempt(home, run)
        assert steps == sorted(set(steps))
        assert row(lab, run)["attempt"] == 1


def kill_daemons(home: Home) -> None:
    for daemon in daemons(home):
        with contextlib.suppress(psutil.NoSuchProcess):
            daemon.kill()


def test_commands_given_between_kills_are_obeyed(lab: Lab, home: Home):
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 20)
    for command, outcome in (
        (lab.pause, "paused"),
        (lab.resume, "running"),
        (lab.stop, "stopped"),
    ):
        pid = daemon_pid(home)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        command(run)
        kill_daemons(home)
        until(lambda outcome=outcome: state(lab, run) == outcome)
    assert stored(lab, run) == told(home, run)
