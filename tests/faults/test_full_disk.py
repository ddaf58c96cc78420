"""A full disk under the whole lab: it says so, waits, and goes on without a gap."""

import pytest

from engine import LabError, apply, connect
from engine.home import Home
from tests.disks import fill
from tests.faults.recorded import first_attempt, stored, told
from tests.labs import ENDLESS, TINY, ends, reaches, row, until
from tests.processes import daemon_pid, worker_pids

pytestmark = pytest.mark.long


def test_a_run_on_a_full_disk_waits_says_so_and_ends_without_a_gap(cramped: Home):
    lab = connect(cramped)
    steps = 500
    (run,) = lab.launch(apply(TINY, {"training.steps": steps, "training.eval_every": 1}))
    reaches(lab, run, 30)
    daemon, workers = daemon_pid(cramped), worker_pids(cramped)
    ballast = cramped.path / "ballast"
    fill(ballast)
    until(lambda: row(lab, run)["state_reason"] == "waiting: disk full")
    assert row(lab, run)["state"] == "running"
    assert lab.curves([run]).num_rows
    assert (daemon_pid(cramped), worker_pids(cramped)) == (daemon, workers)
    ballast.unlink()
    assert ends(lab, run)["state"] == "finished"
    assert row(lab, run)["state_reason"] == ""
    assert daemon_pid(cramped) == daemon
    assert first_attempt(cramped, run) == list(range(1, steps + 1))
    assert stored(lab, run) == told(cramped, run)


def test_a_run_can_be_killed_on_a_full_disk(cramped: Home):
    lab = connect(cramped)
    (run,) = lab.launch(apply(ENDLESS, {"training.eval_every": 1}))
    reaches(lab, run, 30)
    ballast = cramped.path / "ballast"
    fill(ballast)
    until(lambda: row(lab, run)["state_reason"] == "waiting: disk full")
    lab.kill(run)
    until(lambda: not worker_pids(cramped), seconds=15)
    hindrances = cramped.daemon_log.read_text().count("No space left")
    assert hindrances < 10
    ballast.unlink()
    assert ends(lab, run)["state"] == "stopped"
    assert stored(lab, run) == told(cramped, run)


@pytest.mark.parametrize(("verb", "state"), [("stop", "stopped"), ("pause", "paused")])
def test_a_command_that_a_full_disk_forbids_promises_nothing(cramped: Home, verb: str, state: str):
    lab = connect(cramped)
    (run,) = lab.launch(apply(ENDLESS, {"training.eval_every": 1}))
    reaches(lab, run, 30)
    ballast = cramped.path / "ballast"
    fill(ballast)
    until(lambda: row(lab, run)["state_reason"] == "waiting: disk full")
    with pytest.raises(LabError, match=f"run {run} cannot be told to {verb} now: No space left"):
        getattr(lab, verb)(run)
    assert row(lab, run)["state"] == "running"
    ballast.unlink()
    until(lambda: row(lab, run)["state_reason"] == "")
    getattr(lab, verb)(run)
    until(lambda: row(lab, run)["state"] == state)
