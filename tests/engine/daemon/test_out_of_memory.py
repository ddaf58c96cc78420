"""A batch that runs out of memory is halved, end to end: workers, journals, queue, scheduler."""

from pathlib import Path

import pytest

from engine.home import Home
from tests.engine.daemon.small_memory import give_small_memory
from tests.engine.daemon.ward import Ward

pytestmark = pytest.mark.long

TOLD = "memory ran out with 4 runs in one program; 2 of them go on, this one waits for its turn"


def test_half_of_a_batch_waits_goes_on_where_it_was_and_ends_as_if_alone(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ward = Ward(home, n_cores=1)
    give_small_memory(tmp_path, monkeypatch, most=2, first_step=31)
    runs = ward.launch(1, 2, 3, 4, steps=60)
    words: set[str] = set()
    ward.until(
        lambda: (
            words.update(ward.row(run)["state_reason"] for run in runs[2:])
            or all(ward.state(run) == "finished" for run in runs)
        )
    )
    told = (
        "memory ran out with 4 runs in one program; 2 of them go on, this one waits for its turn"
    )
    assert told in words
    assert [ward.row(run)["attempt"] for run in runs] == [1, 1, 2, 2]
    for run in runs:
        (event,) = [e for e in ward.store.events([run]) if e["kind"] == "out_of_memory"]
        assert (event["payload"]["runs"], event["payload"]["fitting"]) == (4, 2)
    (resumed,) = [e for e in ward.store.events(runs[2:3]) if e["kind"] == "resumed"]
    assert resumed["step"] == 31

    monkeypatch.delenv("PYTHONPATH")
    for seed, run in enumerate(runs, 1):
        (alone,) = ward.launch(seed, steps=60)
        ward.until_state(alone, "finished")
        assert ward.metrics(run) == ward.metrics(alone)
    ward.close()


def test_the_next_batches_of_that_shape_are_smaller_from_the_start(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ward = Ward(home, n_cores=1)
    give_small_memory(tmp_path, monkeypatch, most=1, first_step=0)
    first = ward.launch(1, 2, steps=20)
    ward.until(lambda: all(ward.state(run) == "finished" for run in first))
    ward.restart()
    later = ward.launch(3, 4, steps=20)
    ward.until(lambda: all(ward.state(run) == "finished" for run in later))
    assert [ward.row(run)["attempt"] for run in (*first, *later)] == [1, 2, 1, 1]
    ward.close()


def test_a_run_that_does_not_fit_alone_fails_with_advice(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ward = Ward(home, n_cores=1)
    give_small_memory(tmp_path, monkeypatch, most=0, first_step=10)
    (run,) = ward.launch(1, steps=60)
    ward.until_state(run, "failed")
    assert "lower training.batch_size, raise training.accumulate" in ward.row(run)["state_reason"]
    ward.close()
