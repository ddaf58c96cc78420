"""Many runs in one program, processes beside each other, and what is left out and why."""

import pytest
import torch

from engine.bench.options import Options
from engine.bench.training import batches as module
from engine.bench.training.batches import FIGURES, batches, programs
from engine.bench.training.cores import cores, doubling
from engine.bench.training.process import Trainee, together
from engine.bench.training.rounds import Arm, alternate
from engine.bench.training.settings import SETTINGS


def little(**options: object) -> Options:
    return Options(seconds=0.05, rounds=1, device="cpu", settings=("comparison-small",), **options)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("batches", "cores"):
        monkeypatch.setattr(f"engine.bench.training.{name}.n_cores", lambda: 2)


def test_sizes_and_processes_are_told_as_rates_of_all_runs_together(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "LONGEST_STEP", 1e6)
    monkeypatch.setattr(module, "free_bytes", lambda device: 30_000_000)  # noqa: ARG005
    rows = batches(little(sizes=(1, 3, 50)))
    assert [(row["way"], row["runs"]) for row in rows] == [
        ("2 processes, peers", 2),
        ("2 processes, eager", 2),
        ("one program, float32, 1 run", 1),
        ("one program, float32, 3 runs", 3),
        ("one program, float32, 50 runs", 50),
    ]
    assert rows[0]["times_processes"] == rows[0]["times_processes_by_cpu"] == 1
    assert all(set(row) == {"setting", "way", "runs", *FIGURES} for row in rows)
    base = rows[0]["run_steps_per_second"]
    for row in rows[:4]:
        ratio = row["run_steps_per_second"] / base
        assert row["times_processes"] == pytest.approx(ratio, rel=0.01)
    assert rows[-1]["run_steps_per_second"] is None
    assert rows[-1]["note"] == "does not fit into the memory that is free"


def test_a_size_whose_step_takes_too_long_is_left_out_with_the_reason():
    config = SETTINGS["comparison-small"].config
    options = Options(seconds=1e-4, sizes=(1, 200))
    (_, one), (size, reason) = programs(config, options, torch.device("cpu"))
    assert isinstance(one, Arm)
    assert size == 200
    assert str(reason).startswith("a step would take")


def test_workers_and_threads_are_counted_up_to_the_cores():
    rows = cores(little())
    assert [(row["workers"], row["threads"]) for row in rows] == [(1, 1), (2, 1), (1, 2)]
    assert rows[0]["times_one"] == 1
    for row in rows:
        ratio = row["run_steps_per_second"] / rows[0]["run_steps_per_second"]
        assert row["times_one"] == pytest.approx(ratio, rel=0.01)
    assert doubling(1) == [1]
    assert doubling(2) == [1, 2]
    assert doubling(12) == [1, 2, 4, 8, 12]
    assert doubling(16) == [1, 2, 4, 8, 16]


def test_the_processor_time_of_processes_is_their_own():
    trainee = Trainee("comparison-small", device=torch.device("cpu"))
    try:
        arm = together([trainee], "eager")
        rates = alternate({"eager": arm}, seconds=0.3, rounds=1)["eager"]
    finally:
        trainee.close()
    # waiting for a process takes this one no time; what it spent itself was counted
    assert rates.per_cpu_second < 50 * rates.per_second


def test_a_process_tells_after_how_many_steps_a_loop_repeats():
    trainee = Trainee("grokfast", device=torch.device("cpu"))
    try:
        assert trainee.period("peers") == 10
        assert together([trainee], "peers").period == 10
    finally:
        trainee.close()
