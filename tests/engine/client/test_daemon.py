"""A client and its daemon: found by all, replaced when it is gone, told of when it is stuck."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine import EngineUnavailable, Lab, connect
from engine.daemon.fleet import STANDBY
from engine.home import Home
from tests.labs import ENDLESS, reaches, until
from tests.processes import daemon_pid, standby_pids, worker_pids


@pytest.mark.parametrize("told", ["[1]", '{"address": 3}', '{"address": "daemon"}'])
def test_a_daemon_that_is_named_in_no_usable_way_is_started_anew(told: str, home: Home) -> None:
    home.create().daemon_info.write_text(told)
    assert connect(home).runs() == []


def test_reading_goes_on_after_the_daemon_was_killed(lab: Lab, home: Home):
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 20)
    pid = daemon_pid(home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert lab.runs([run])[0]["run_id"] == run
    # It answers at the old one's socket a moment before its name is written.
    until(lambda: daemon_pid(home) not in (None, pid))
    before = lab.runs([run])[0]["last_step"]
    reaches(lab, run, before + 50)


def test_a_daemon_that_is_stuck_is_told_and_not_waited_for(
    lab: Lab, home: Home, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("engine.client.connection.ANSWER_SECONDS", 0.5)
    assert lab.runs() == []
    pid = daemon_pid(home)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(
        EngineUnavailable, match=r"did not answer 'runs' within 0\.5 s.*daemon\.log"
    ):
        lab.runs()
    with pytest.raises(EngineUnavailable, match=r"did not answer 'select' within"):
        lab.select("SELECT 1")
    os.kill(pid, signal.SIGCONT)
    assert lab.runs() == []


@pytest.mark.parametrize("wanted", [True, False])
def test_a_worker_waits_for_runs_unless_none_is_wanted(
    lab: Lab, home: Home, monkeypatch: pytest.MonkeyPatch, wanted: bool
):
    if wanted:
        monkeypatch.delenv(STANDBY)
    assert lab.runs() == []
    if wanted:
        (waiting,) = until(lambda: standby_pids(home))
    else:
        time.sleep(1.0)  # ten ticks of the daemon, whose first one would start it
        assert standby_pids(home) == []
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 20)
    if wanted:
        assert worker_pids(home) == [waiting]
    else:
        assert len(worker_pids(home)) == 1
        assert standby_pids(home) == []


def test_many_clients_find_one_daemon(home: Home):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: connect(home).health()["pid"], range(6)))
    assert set(answers) == {daemon_pid(home)}
