"""Wrapped optimisers keep the trainer's promises: alone or together, interrupted or not."""

from typing import Any

import pytest
import torch

from engine.trainer.batch import Batch
from engine.trainer.measuring import evaluate
from engine.trainer.shape import shape_key
from engine.trainer.train import train
from tests.engine.trainer.conftest import Configure
from tests.engine.trainer.test_train import curves, ends_equal, train_alone

WRAPPERS: list[dict[str, Any]] = [
    {"grokfast": "ema"},
    {"grokfast": "ma", "grokfast_window": 5},
    {"orthogonal_gradient": True},
    {"ema_decay": 0.9},
    {"norm_factor": 0.8, "gradient_noise": 0.01, "decay_group": "matrices"},
    {"kind": "muon", "grokfast": "ema", "decay_group": "no_embeddings", "gradient_noise": 0.1},
]


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=str)
def test_wrapped_runs_of_a_batch_equal_the_same_runs_alone(
    configure: Configure, wrapper: dict[str, Any]
) -> None:
    configs = {
        run: configure(seed=run, optimizer=wrapper | {"learning_rate": 0.003 * (run + 1)})
        for run in range(2)
    }
    batch = Batch.start(configs)
    events = list(train(batch))
    for run, config in configs.items():
        curve, end = train_alone(config)
        assert curves(events, run) == curve
        assert ends_equal(batch.state(run), end)


def test_wrappers_that_share_a_program_do_not_touch_each_other(configure: Configure) -> None:
    each = [
        {"norm_factor": 0.8, "clip_norm": 0.1, "gradient_noise": 0.05},
        {"gradient_noise": 0.1, "decay_group": "matrices"},
        {"gradient_noise": 0.2},
    ]
    configs = {run: configure(optimizer=optimizer) for run, optimizer in enumerate(each)}
    batch = Batch.start(configs)
    events = list(train(batch))
    for run, config in configs.items():
        assert curves(events, run) == train_alone(config)[0]


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=str)
@pytest.mark.parametrize("stop", [3, 11])
def test_a_resumed_wrapped_run_ends_like_one_never_interrupted(
    configure: Configure, wrapper: dict[str, Any], stop: int
) -> None:
    config = configure(optimizer=wrapper)
    curve, end = train_alone(config)
    batch = Batch.start({0: config})
    batch.advance(stop)
    resumed = Batch.resume({0: config}, {0: batch.state(0)}, stop)
    rest = curves(list(train(resumed)), 0)
    assert rest == {step: values for step, values in curve.items() if step in rest}
    assert ends_equal(resumed.state(0), end)


def test_a_run_that_leaves_takes_its_memory_and_leaves_the_others_theirs(
    configure: Configure,
) -> None:
    wrapper = {"grokfast": "ma", "grokfast_window": 4, "ema_decay": 0.5, "norm_factor": 1.0}
    configs = {run: configure(seed=run, optimizer=wrapper) for run in range(3)}
    batch = Batch.start(configs)
    batch.advance(7)
    batch.remove(0)
    list(train(batch))
    assert ends_equal(batch.state(2), train_alone(configs[2])[1])


def test_a_run_with_an_average_is_measured_on_it(configure: Configure) -> None:
    batch = Batch.start({0: configure(optimizer={"ema_decay": 0.9})})
    batch.advance(8)
    state = batch.state(0)
    prefix = "optimizer.average."
    averaged = {n.replace(prefix, "model."): t for n, t in state.items() if n.startswith(prefix)}
    as_weights = Batch.resume({0: configure()}, {0: state | averaged}, 8)
    found, expected = (evaluate(each)[0].values[0] for each in (batch, as_weights))
    assert found["train"] == pytest.approx(expected["train"])
    assert found["test"] == pytest.approx(expected["test"])
    assert found[""]["weight_norm"] == pytest.approx(expected[""]["weight_norm"])
    plain = evaluate(Batch.resume({0: configure()}, {0: state}, 8))[0].values[0]
    assert plain["train"]["loss"] != pytest.approx(found["train"]["loss"])


@pytest.mark.parametrize("batch_size", [0, 18])
def test_an_average_is_measured_alike_whatever_share_of_the_data_others_take(
    configure: Configure, batch_size: int
) -> None:
    configs = {
        run: configure(
            task={"train_fraction": 0.3 + 0.4 * run},
            optimizer={"ema_decay": 0.8},
            training={"batch_size": batch_size, "label_noise": 0.2 * run},
        )
        for run in range(2)
    }
    events = list(train(Batch.start(configs)))
    for run, config in configs.items():
        assert curves(events, run) == train_alone(config)[0]


def test_a_fork_to_a_filter_keeps_the_moments_and_counts_anew(configure: Configure) -> None:
    batch = Batch.start({0: configure()})
    batch.advance(5)
    before = batch.state(0)
    fork = Batch.resume(
        {0: configure(optimizer={"grokfast": "ema", "ema_decay": 0.9})}, {0: before}, 5
    )
    state = fork.state(0)
    assert state["optimizer.updates"].item() == 5
    assert state["optimizer.filtered"].item() == 0
    for name in (n for n in before if n.startswith(("model.", "optimizer.mean."))):
        assert torch.equal(state[name], before[name])
        if name.startswith("model."):
            average = name.replace("model.", "optimizer.average.")
            assert torch.equal(state[average], before[name])


def test_a_fork_to_another_window_starts_its_window_anew(configure: Configure) -> None:
    batch = Batch.start({0: configure(optimizer={"grokfast": "ma", "grokfast_window": 3})})
    batch.advance(5)
    config = configure(optimizer={"grokfast": "ma", "grokfast_window": 4})
    state = Batch.resume({0: config}, {0: batch.state(0)}, 5).state(0)
    assert not state["optimizer.window.transformer.wte.weight"].any()
    assert state["optimizer.filtered"].item() == 0
    assert state["optimizer.updates"].item() == 5


def test_the_norm_is_held_to_that_before_the_first_update(configure: Configure) -> None:
    config = configure(optimizer={"norm_factor": 0.5})
    first = evaluate(Batch.start({0: config}))[0].values[0][""]["weight_norm"]
    batch = Batch.start({0: config})
    batch.advance(4)
    batch = Batch.resume({0: config}, {0: batch.state(0)}, 4)
    batch.advance(4)
    assert evaluate(batch)[0].values[0][""]["weight_norm"] == pytest.approx(0.5 * first)


def test_only_programs_and_shapes_keep_wrapped_runs_apart(configure: Configure) -> None:
    def key(**optimizer: object) -> object:
        return shape_key(configure(optimizer=optimizer))

    ma = {"grokfast": "ma"}
    apart = {
        key(),
        key(grokfast="ema"),
        key(**ma),
        key(**ma, grokfast_window=7),
        key(orthogonal_gradient=True),
        key(ema_decay=0.9),
    }
    assert len(apart) == 6
    assert key(grokfast="ema", grokfast_lamb=5.0, grokfast_alpha=0.5) == key(grokfast="ema")
    assert key(**ma, grokfast_lamb=5.0) == key(**ma)
    assert key(ema_decay=0.5) == key(ema_decay=0.9)
    free = {"norm_factor": 1.0, "decay_group": "matrices"}
    assert key(**free, grokfast_window=7, grokfast_lamb=9.0) == key()
    assert key(gradient_noise=0.1) == key(gradient_noise=0.2) != key()
