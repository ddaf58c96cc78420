"""What a launch is predicted to cost."""

from typing import Any

from engine.config import RunConfig
from engine.config.presets import PRESETS
from engine.daemon.estimate import estimate


def test_operations_are_counted_for_the_examples_of_one_update():
    config = PRESETS["nanda"].config
    flops = config.model.flops_per_example(114, 3, 1)
    assert estimate(config, [])["flops_per_step"] == 3830 * flops
    small = config.training.model_copy(update={"batch_size": 100})
    part = estimate(config.model_copy(update={"training": small}), [])
    assert part["flops_per_step"] == 100 * flops


def timed(config: RunConfig, rate: float, sweep_id: str | None = None) -> dict[str, Any]:
    return {
        "steps_per_second": rate,
        "config": config.model_dump(mode="json"),
        "sweep_id": sweep_id,
    }


QUICK, NANDA = PRESETS["quick"].config, PRESETS["nanda"].config


def test_the_rate_comes_from_runs_of_the_same_size_alone():
    found = estimate(QUICK, [timed(QUICK, 40.0), timed(QUICK, 60.0), timed(NANDA, 4.0)])
    assert found["steps_per_second"] == 50.0
    assert found["seconds"] == QUICK.training.steps / 50
    assert found["source"] == "from 2 runs of this size"


def test_without_such_a_run_the_operations_of_others_give_a_rough_guess():
    found = estimate(NANDA, [timed(QUICK, 80.0)])
    flops = [estimate(config, [])["flops_per_step"] for config in (QUICK, NANDA)]
    assert found["steps_per_second"] == 80.0 * flops[0] / flops[1]
    assert found["source"] == "a rough guess from 1 run of another size"


def test_another_architecture_says_nothing_about_the_rate():
    assert estimate(NANDA, [timed(PRESETS["comparison-mamba"].config, 80.0)])["seconds"] is None


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
