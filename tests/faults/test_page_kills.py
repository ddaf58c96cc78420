"""kill -9 of the page server at random moments while somebody looks: training never notices."""

import random

import pytest

from engine import Lab
from engine.home import Home
from tests.e2e.site import Site
from tests.faults.recorded import first_attempt, stored, told
from tests.faults.visitor import visiting
from tests.labs import ENDLESS, reaches, row, some_moment, state, until
from tests.processes import daemon_pid, worker_pids

pytestmark = pytest.mark.long

KILLS = 20


def test_twenty_kills_of_the_page_server_disturb_no_run(lab: Lab, home: Home):
    chance = random.Random(2026)
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 20)
    daemon, workers = daemon_pid(home), worker_pids(home)
    site = Site(home)
    reached = 0
    for kill in range(KILLS):
        with visiting(site.start()) as visitor:
            if kill % 4 == 0:
                assert any("running" in text for text in visitor.open("live", f"runs={run}"))
            some_moment(chance, 0.3)
            site.kill()
        before, reached = reached, row(lab, run)["last_step"]
        assert reached > before
    assert (daemon_pid(home), worker_pids(home)) == (daemon, workers)
    lab.stop(run)
    until(lambda: state(lab, run) == "stopped")
    assert stored(lab, run) == told(home, run)
    steps = first_attempt(home, run)
    assert steps == sorted(set(steps))
