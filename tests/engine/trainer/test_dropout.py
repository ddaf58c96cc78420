"""Dropout is a run's own, repeats itself after a resume, and is never measured with."""

import pytest
import torch

from engine.trainer.batch import Batch
from engine.trainer.noise import dropout_key
from engine.trainer.shape import shape_key
from engine.trainer.train import train
from tests.engine.trainer.conftest import Configure
from tests.engine.trainer.test_train import curves, train_alone

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.mark.parametrize("batch_size", [0, 6])
def test_runs_of_different_rates_share_a_batch_and_equal_the_same_runs_alone(
    configure: Configure, batch_size: int
):
    configs = {
        run: configure(training={"dropout": rate, "batch_size": batch_size, "accumulate": 2})
        for run, rate in enumerate((0.1, 0.2, 0.5))
    }
    assert len({shape_key(config) for config in configs.values()}) == 1
    events = list(train(Batch.start(configs)))
    told = [curves(events, run) for run in configs]
    assert told == [train_alone(config)[0] for config in configs.values()]
    assert told[0] != told[1] != told[2]


def test_a_resumed_run_leaves_out_what_it_would_have_left_out(configure: Configure):
    config = configure(training={"dropout": 0.3})
    through = Batch.start({0: config})
    through.advance(24)
    first = Batch.start({0: config})
    first.advance(11)
    again = Batch.resume({0: config}, {0: first.state(0)}, 11)
    again.advance(13)
    found, expected = again.state(0), through.state(0)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_each_update_leaves_out_something_else(configure: Configure):
    still = {"learning_rate": 1e-6, "weight_decay": 0.0}
    batch = Batch.start({0: configure(optimizer=still, training={"dropout": 0.5})})
    before = batch.gradient().loss
    batch.advance(1)
    assert abs(float(batch.gradient().loss - before)) > 1e-3


def test_nothing_is_left_out_where_a_run_is_measured(configure: Configure):
    plain, dropping = (Batch.start({0: configure(training={"dropout": d})}) for d in (0.0, 0.9))
    events = [list(train(batch)) for batch in (plain, dropping)]
    state = dropping.state(0)
    measured = Batch.resume({0: plain.configs[0]}, {0: state}, 24)
    examples, group = measured.feed.train, measured.weights.shown_groups[0]
    loss, accuracy = measured.program.scores(group.leaves, examples)
    last = curves(events[1], 0)[24]["train"]
    assert last["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert last["accuracy"] == pytest.approx(float(accuracy))


def test_seed_step_and_part_each_change_what_is_left_out():
    keys = {
        dropout_key(seed=seed, step=step, part=part)
        for seed in (0, 1)
        for step in (1, 2)
        for part in (0, 1)
    }
    assert len(keys) == 8
    assert max(keys) < 2**32
