"""What a launch is predicted to cost."""

from typing import Any

import pytest

from engine.config import RunConfig, apply
from engine.config.presets import PRESETS
from engine.daemon.estimate import estimate


def test_operations_are_counted_for_the_examples_of_one_update():
    config = PRESETS["nanda"].config
    flops = config.model.flops_per_example(114, 3, 1)
    assert estimate(config, [])["flops_per_step"] == 3830 * flops
    small = config.training.model_copy(update={"batch_size": 100})
    part = estimate(config.model_copy(update={"training": small}), [])
    assert part["flops_per_step"] == 100 * flops


def timed(
    config: RunConfig, rate: float, sweep_id: str | None = None, *, seconds: float = 10.0
) -> dict[str, Any]:
    return {
        "steps_per_second": rate,
        "train_seconds": seconds,
        "config": config.model_dump(mode="json"),
        "sweep_id": sweep_id,
    }


QUICK = PRESETS["quick"].config
NANDA = apply(PRESETS["nanda"].config, {"training.precision": QUICK.training.precision})


def test_the_rate_comes_from_runs_of_the_same_size_alone():
    found = estimate(QUICK, [timed(QUICK, 40.0), timed(QUICK, 60.0), timed(NANDA, 4.0)])
    assert found["steps_per_second"] == 50.0
    assert found["seconds"] == QUICK.training.steps / 50
    assert found["source"] == "from 2 runs of this size"


def test_runs_that_left_no_core_idle_tell_the_rate_of_others_that_do_not():
    alone = [timed(QUICK, 500.0)] * 5
    together = [timed(QUICK, 300.0, "two"), timed(QUICK, 300.0, "two")]
    rates = {
        seeds: estimate(QUICK, alone + together, seeds=seeds, cpu_slots=2)["steps_per_second"]
        for seeds in (1, 2, 8)
    }
    assert rates == {1: 500.0, 2: 300.0, 8: 300.0 / 4}


def test_without_such_a_run_others_tell_how_fast_the_machine_is():
    slow, fast = (estimate(NANDA, [timed(QUICK, rate)], cpu_slots=2) for rate in (80.0, 160.0))
    assert slow["source"] == "a rough guess from 1 run of another size"
    assert fast["steps_per_second"] == pytest.approx(2 * slow["steps_per_second"])
    # measured on one machine on one day: quick 155, nanda 28; and on another 408 and 44
    assert fast["steps_per_second"] == pytest.approx(28, rel=0.5)
    back = estimate(QUICK, [timed(NANDA, fast["steps_per_second"])], cpu_slots=2)
    assert back["steps_per_second"] == pytest.approx(160)


def test_a_step_without_arithmetic_still_takes_its_time():
    small = {"task.p": 5, "model.n_heads": 1, "model.d_model": 16, "model.d_mlp": 16}
    tiny = apply(QUICK, small)
    found = estimate(tiny, [timed(QUICK, 160.0)], cpu_slots=2)
    assert found["flops_per_step"] < estimate(QUICK, [])["flops_per_step"] / 1000
    assert 160 < found["steps_per_second"] < 1000


def test_runs_of_a_few_steps_count_only_where_there_are_no_longer_ones():
    short, long = [timed(QUICK, 30.0, seconds=0.5)] * 20, [timed(QUICK, 60.0, seconds=15.0)]
    assert estimate(QUICK, short + long)["steps_per_second"] == 60.0
    assert estimate(QUICK, short)["steps_per_second"] == 30.0
    both = [estimate(NANDA, runs)["steps_per_second"] for runs in (short + long, long)]
    assert both[0] == both[1]


@pytest.mark.parametrize("runs", [[], [timed(PRESETS["comparison-mamba"].config, 80.0)]])
def test_without_a_run_of_the_architecture_the_rate_is_a_guess_that_says_so(
    runs: list[dict[str, Any]],
):
    paper = PRESETS["composition-paper"].config
    found = estimate(paper, runs, cpu_slots=2)
    # 500 GFLOP a step
    assert found["steps_per_second"] == pytest.approx(0.1, rel=0.1)
    assert found["source"] == "a guess at 50 GFLOP/s, no run like it yet"
    threads = apply(paper, {"training.threads": 2})
    assert estimate(threads, runs, cpu_slots=1)["steps_per_second"] == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize(
    ("preset", "measured"),
    [("quick", 408), ("nanda", 44), ("composition-small", 64), ("comparison-small", 394)],
)
def test_the_first_guess_knows_what_has_loops_of_its_own(preset: str, measured: float):
    found = estimate(PRESETS[preset].config, [], cpu_slots=2)
    # of the machine of docs/measured/cpu.md; others are slower
    assert 0.5 * measured < found["steps_per_second"] < measured


def test_seeds_beyond_the_free_workers_take_turns():
    alone = [timed(QUICK, 60.0)]
    for seeds, rate in ((1, 60.0), (2, 60.0), (3, 30.0), (6, 20.0)):
        found = estimate(QUICK, alone, seeds=seeds, cpu_slots=2)
        assert found["steps_per_second"] == rate
    assert estimate(QUICK, alone, seeds=6, cpu_slots=None)["steps_per_second"] == 60.0


def test_runs_that_took_turns_tell_the_rate_of_one_alone():
    three = [timed(QUICK, 30.0, sweep_id="one launch")] * 3
    assert estimate(QUICK, three, cpu_slots=2)["steps_per_second"] == 60.0


def test_every_preset_has_a_size():
    for preset in PRESETS.values():
        found = estimate(preset.config, [])
        assert found["parameters"] > 1000
        assert 3e8 < found["memory_bytes"] < 2e10, preset.name
