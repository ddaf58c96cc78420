"""What a launch is predicted to cost."""

from engine.config.presets import PRESETS
from engine.daemon.estimate import estimate


def test_operations_are_counted_for_the_examples_of_one_update():
    config = PRESETS["nanda"].config
    flops = config.model.flops_per_example(114, 3, 1)
    assert estimate(config, [])["flops_per_step"] == 3830 * flops
    small = config.training.model_copy(update={"batch_size": 100})
    part = estimate(config.model_copy(update={"training": small}), [])
    assert part["flops_per_step"] == 100 * flops


def test_the_rate_comes_from_runs_of_the_same_size_alone():
    config = PRESETS["composition-small"].config
    tree = config.model_dump(mode="json")
    larger = {**tree, "task": {**tree["task"], "n_entities": 500}}
    runs = [
        {"steps_per_second": 40.0, "config": tree},
        {"steps_per_second": 4.0, "config": larger},
    ]
    assert estimate(config, runs)["steps_per_second"] == 40.0
    assert estimate(config, runs[1:])["steps_per_second"] is None


def test_every_preset_has_a_size():
    for preset in PRESETS.values():
        found = estimate(preset.config, [])
        assert found["parameters"] > 1000
        assert 3e8 < found["memory_bytes"] < 2e10, preset.name
