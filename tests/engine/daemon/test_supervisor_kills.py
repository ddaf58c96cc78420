"""kill -9 of the worker at random moments: nothing lost, nothing doubled, the same curve."""

import random
from collections.abc import Iterator

import pytest

from engine.home import Home
from engine.journal import read_lines
from tests.engine.daemon.ward import Ward

pytestmark = pytest.mark.long

KILLS = 20


@pytest.fixture
def ward(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    monkeypatch.setenv("GROKKING_LAB_CHECKPOINT_SECONDS", "0.2")
    ward = Ward(home)
    yield ward
    ward.close()


def test_twenty_kills_leave_the_curve_of_an_uninterrupted_run(ward: Ward):
    chance = random.Random(2026)
    (run,) = ward.launch(7, steps=1_000_000)
    slowest = 0.0
    for _ in range(KILLS):
        reached = ward.row(run)["last_step"]
        if chance.random() < 0.75:
            ward.until_step(run, reached + chance.randrange(5, 200))
        else:
            ward.until(lambda: bool(ward.workers()))
        ward.kill_workers()
        slowest = max(slowest, ward.until_state(run, "lost", "failed"))
        ward.supervisor.resume(run)
    ward.until_step(run, ward.row(run)["last_step"] + 50)
    ward.supervisor.stop(run)
    ward.until_state(run, "stopped")
    assert slowest < 5

    last = ward.row(run)["last_step"]
    (whole,) = ward.launch(7, steps=1_000_000)
    # between twenty kills it has trained for a minute
    ward.until_step(whole, last, seconds=300)
    ward.supervisor.stop(whole)
    ward.until_state(whole, "stopped")

    points = ward.metrics(run)
    assert len(points) == len({(p["step"], p["split"], p["metric"]) for p in points})
    assert points == [
        point for point in ward.metrics(whole) if point["step"] <= points[-1]["step"]
    ]


def test_every_whole_line_of_the_last_journal_is_in_the_store(ward: Ward):
    (run,) = ward.launch(3)
    ward.until_step(run, 150)
    ward.kill_workers()
    ward.until_state(run, "lost")
    journal = ward.home.run(run).journal(1)
    with journal.open("ab") as torn:
        torn.write(b'{"e":"m","s":99')
    lines = [line for line in read_lines(journal)[0] if line["e"] == "m"]
    stored = {point["step"] for point in ward.metrics(run)}
    assert stored == {line["s"] for line in lines}
    ward.supervisor.resume(run)
    ward.until_step(run, lines[-1]["s"] + 50)
    assert all(point["step"] != 99 or point["step"] in stored for point in ward.metrics(run))
