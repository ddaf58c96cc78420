"""Runs that end badly or are ended: no process stays behind, and no recorded row is lost."""

import os
import signal
import time

import psutil
import pytest

from engine import Lab, apply
from engine.home import Home
from engine.worker.lock import is_held
from tests.faults.recorded import stored, told
from tests.labs import ENDLESS, TINY, ends, reaches, row, state, until
from tests.processes import worker_pids

pytestmark = pytest.mark.long


@pytest.mark.parametrize("command", ["stop", "kill", "pause"])
def test_an_ended_run_leaves_no_process_and_no_lock(lab: Lab, home: Home, command: str):
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 20)
    (pid,) = worker_pids(home)
    started = time.monotonic()
    getattr(lab, command)(run)
    until(lambda: not psutil.pid_exists(pid))
    assert time.monotonic() - started < 15
    assert not is_held(home.run(run).lock)
    until(lambda: state(lab, run) in ("stopped", "paused"))
    until(lambda: lab.slots()["busy"] == 0)
    assert stored(lab, run) == told(home, run)


def test_a_lost_run_resumes_to_the_rows_of_an_undisturbed_one(
    lab: Lab, home: Home, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROKKING_LAB_CHECKPOINT_SECONDS", "0.2")
    config = apply(TINY, {"training.steps": 2000})
    (run,) = lab.launch(config)
    reaches(lab, run, 150)
    (pid,) = worker_pids(home)
    os.kill(pid, signal.SIGKILL)
    died = time.monotonic()
    until(lambda: state(lab, run) == "lost")
    assert time.monotonic() - died < 5
    assert "resume goes on from step" in row(lab, run)["state_reason"]
    lab.resume(run)
    (undisturbed,) = lab.launch(config)
    for each in (run, undisturbed):
        assert ends(lab, each)["state"] == "finished"
    assert row(lab, run)["attempt"] == 2
    assert stored(lab, run) == stored(lab, undisturbed) == told(home, run)


def test_a_loss_that_becomes_nan_fails_with_advice(lab: Lab):
    config = apply(
        TINY,
        {
            "optimizer.kind": "sgd",
            "optimizer.learning_rate": 1.0,
            "optimizer.weight_decay": 100.0,
        },
    )
    (run,) = lab.launch(config)
    failed = ends(lab, run)
    assert failed["state"] == "failed"
    assert "Lower learning_rate (now 1)" in failed["state_reason"]
    (event,) = [event for event in lab.events([run]) if event["kind"] == "diverged"]
    assert event["payload"]["message"] == failed["state_reason"]
    values = lab.select("SELECT count(*) AS n FROM metrics WHERE NOT isfinite(value)")
    assert values.to_pylist() == [{"n": 0}]
