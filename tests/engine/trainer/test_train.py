"""What a training run promises: repeatable, independent of its batch mates, resumable, told."""

import math
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from data import IGNORED
from engine.config.run import RunConfig
from engine.trainer.batch import Batch
from engine.trainer.events import (
    CheckpointDue,
    Diverged,
    Evaluated,
    Event,
    Finished,
    Metrics,
    Progress,
    Snapshot,
)
from engine.trainer.measuring import evaluate
from engine.trainer.train import train
from tests.engine.trainer.conftest import Configure

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

OPTIMIZERS = ("adamw", "adam", "sgd", "lion", "muon")


def curves(events: list[Event], run: int) -> dict[int, Metrics]:
    return {e.step: e.values[run] for e in events if isinstance(e, Evaluated) and run in e.values}


def ends_equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def train_alone(config: RunConfig) -> tuple[dict[int, Metrics], dict[str, Tensor]]:
    batch = Batch.start({0: config})
    return curves(list(train(batch)), 0), batch.state(0)


def test_the_same_seed_gives_the_same_curve_bit_for_bit(configure: Configure) -> None:
    first, second = train_alone(configure(seed=3)), train_alone(configure(seed=3))
    assert first[0] == second[0]
    assert ends_equal(first[1], second[1])


@pytest.mark.parametrize("purpose", ["init_seed", "split_seed", "order_seed"])
def test_each_seed_changes_the_curve_by_itself(configure: Configure, purpose: str) -> None:
    plain = train_alone(configure(training={"batch_size": 8}))[0]
    other = train_alone(configure(training={"batch_size": 8, purpose: 5}))[0]
    assert plain != other


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [0, 8])
def test_runs_of_a_batch_equal_the_same_runs_alone_bit_for_bit(
    configure: Configure, optimizer: str, batch_size: int
) -> None:
    configs = {
        run: configure(
            seed=run,
            optimizer={
                "kind": optimizer,
                "learning_rate": 0.003 * (run + 1),
                "clip_norm": float(run),
            },
            training={"batch_size": batch_size},
        )
        for run in range(3)
    }
    batch = Batch.start(configs)
    events = list(train(batch))
    for run, config in configs.items():
        curve, end = train_alone(config)
        assert curves(events, run) == curve
        assert ends_equal(batch.state(run), end)


# 49 pairs: all at once; some runs wholly, others by batches; all by batches
@pytest.mark.parametrize("batch_size", [0, 20, 8])
def test_runs_with_different_shares_of_the_data_equal_the_same_runs_alone(
    configure: Configure, batch_size: int
) -> None:
    configs = {
        run: configure(
            seed=run,
            task={"train_fraction": 0.3 + 0.2 * run},
            training={"batch_size": batch_size, "accumulate": 2},
        )
        for run in range(3)
    }
    batch = Batch.start(configs)
    assert len(set(batch.feed.train.n_rows)) == 3
    events = list(train(batch))
    for run, config in configs.items():
        curve, end = train_alone(config)
        assert curves(events, run) == curve
        assert ends_equal(batch.state(run), end)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [0, 8])
@pytest.mark.parametrize("stop", [1, 13])
def test_a_resumed_run_ends_like_one_never_interrupted(
    configure: Configure, optimizer: str, batch_size: int, stop: int
) -> None:
    config = configure(
        optimizer={"kind": optimizer, "schedule": "cosine"}, training={"batch_size": batch_size}
    )
    whole_curve, whole_end = train_alone(config)
    batch = Batch.start({0: config})
    before: list[Event] = []
    for event in train(batch, block_steps=lambda: 1):
        before.append(event)
        if isinstance(event, Progress) and event.step == stop:
            break
    resumed = Batch.resume({0: config}, {0: batch.state(0)}, stop)
    after = list(train(resumed))
    assert curves(before, 0) | curves(after, 0) == whole_curve
    assert min(curves(after, 0)) > stop
    assert ends_equal(resumed.state(0), whole_end)


def test_a_run_that_leaves_does_not_change_the_others(configure: Configure) -> None:
    configs = {run: configure(seed=run) for run in (4, 5, 6)}
    batch = Batch.start(configs)
    events: list[Event] = []
    for event in train(batch):
        events.append(event)
        if isinstance(event, Progress) and 5 in batch.runs and event.step >= 12:
            batch.remove(5)
    assert batch.runs == (4, 6)
    for run in batch.runs:
        curve, end = train_alone(configs[run])
        assert curves(events, run) == curve
        assert ends_equal(batch.state(run), end)


def test_blocks_of_any_length_give_the_same_run(configure: Configure) -> None:
    ends: list[dict[str, Tensor]] = []
    for length in (1, 3, 64):
        batch = Batch.start({0: configure()})
        list(train(batch, block_steps=lambda length=length: length))
        ends.append(batch.state(0))
    assert ends_equal(ends[0], ends[1])
    assert ends_equal(ends[0], ends[2])


def test_accumulated_parts_give_the_gradient_of_the_whole(configure: Configure) -> None:
    whole = Batch.start({0: configure()})
    parts = Batch.start({0: configure(training={"accumulate": 5})})
    for batch in (whole, parts):
        batch.gradient(with_accuracy=True)
    torch.testing.assert_close(
        parts.weights.gradient, whole.weights.gradient, rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(parts.gradient().loss, whole.gradient().loss)
    torch.testing.assert_close(parts.gradient().accuracy, whole.gradient().accuracy)


def test_a_part_that_asks_for_no_answer_adds_nothing(configure: Configure) -> None:
    whole = Batch.start({0: configure()})
    parts = Batch.start({0: configure(training={"accumulate": 4})})
    for batch in (whole, parts):
        batch.feed.train.targets[:, : batch.feed.train.targets.shape[1] // 3] = IGNORED
        batch.gradient()
    assert parts.weights.gradient.isfinite().all()
    torch.testing.assert_close(
        parts.weights.gradient, whole.weights.gradient, rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(parts.gradient().loss, whole.gradient().loss)


def test_a_nan_ends_that_run_alone_with_advice(configure: Configure) -> None:
    mad = {"kind": "sgd", "learning_rate": 1.0, "weight_decay": 100.0}
    sane = {"kind": "sgd", "learning_rate": 0.01, "weight_decay": 0.0}
    config = configure(optimizer=sane, training={"steps": 60})
    batch = Batch.start({1: configure(optimizer=mad, training={"steps": 60}), 2: config})
    events = list(train(batch))
    (diverged,) = [e for e in events if isinstance(e, Diverged)]
    assert diverged.run == 1
    assert "learning_rate (now 1)" in diverged.message
    assert "clip_norm" in diverged.message
    assert batch.runs == (2,)
    assert curves(events, 2) == train_alone(config)[0]
    assert max(curves(events, 1)) < diverged.step + 64


@pytest.mark.parametrize("model", [{}, {"n_layers": 2}, {"kind": "llama"}])
def test_a_block_tells_the_first_step_whose_loss_was_not_finite(
    configure: Configure, model: dict[str, Any]
) -> None:
    mad = {"kind": "sgd", "learning_rate": 1.0, "weight_decay": 100.0}
    config = configure(optimizer=mad, training={"steps": 60}, model=model)
    batch = Batch.start({1: config})
    losses: list[float] = []
    while not losses or math.isfinite(losses[-1]):
        losses.append(float(batch.gradient().loss))
        batch.advance(1)
    assert len(losses) > 2
    in_one = Batch.start({1: config})
    in_one.advance(len(losses) - 1)
    assert in_one.diverged() == {}
    in_one.advance(20)
    assert in_one.diverged() == {1: len(losses) - 1}
    assert in_one.diverged() == {}


def test_when_every_run_diverges_training_ends(configure: Configure) -> None:
    mad = {"kind": "sgd", "learning_rate": 1.0, "weight_decay": 100.0}
    events = list(train(Batch.start({1: configure(optimizer=mad, training={"steps": 60})})))
    assert [type(e) for e in events[-2:]] == [Diverged, Finished]


def test_no_number_that_is_told_is_infinite_or_nan(configure: Configure) -> None:
    mad = {"kind": "sgd", "learning_rate": 1.0, "weight_decay": 30.0}
    events = list(train(Batch.start({1: configure(optimizer=mad, training={"steps": 60})})))
    told = [
        number
        for metrics in curves(events, 1).values()
        for values in metrics.values()
        for number in values.values()
    ]
    assert told
    assert all(map(math.isfinite, told))


def test_metrics_describe_the_weights_after_that_many_updates(configure: Configure) -> None:
    batch = Batch.start({0: configure()})
    told: dict[int, Metrics] = {}
    for event in train(batch):
        if isinstance(event, Evaluated):
            told[event.step] = event.values[0]
        if isinstance(event, Progress) and event.step == 16:
            state = batch.state(0)
    again = Batch.resume({0: configure()}, {0: state}, 16)
    leaves = again.weights.groups[0].leaves
    for split, examples in {"train": again.feed.train, **again.held_out}.items():
        loss, accuracy = again.program.scores(leaves, examples)
        assert told[16][split]["loss"] == pytest.approx(loss.item(), rel=1e-6)
        assert told[16][split]["accuracy"] == pytest.approx(accuracy.item())
    weights = torch.cat([v.flatten() for k, v in state.items() if k.startswith("model.")])
    assert told[16][""]["weight_norm"] == pytest.approx(weights.norm().item(), rel=1e-6)


@pytest.mark.parametrize("most", [1, 7, 24])
def test_an_evaluation_in_parts_counts_each_example_once(configure: Configure, most: int) -> None:
    batch = Batch.start({run: configure(seed=run) for run in range(2)})
    batch.advance(8)
    whole = evaluate(batch)[0].values
    batch.program._n_chunk = most
    parts = evaluate(batch)[0].values
    for run in batch.runs:
        for metric, value in whole[run]["test"].items():
            assert parts[run]["test"][metric] == pytest.approx(value, rel=1e-6)


def test_events_of_a_step_come_in_order_and_progress_closes_it(configure: Configure) -> None:
    events = list(train(Batch.start({0: configure()})))
    assert [type(e) for e in events if e.step == 1] == [Evaluated, Snapshot, Progress]
    at_the_end = [type(e) for e in events if e.step == 24]
    assert at_the_end == [Evaluated, Snapshot, CheckpointDue, Progress, Finished]


def test_a_snapshot_holds_attention_of_every_layer_and_head(configure: Configure) -> None:
    events = list(train(Batch.start({9: configure(model={"n_layers": 2})})))
    snapshot = next(e for e in events if isinstance(e, Snapshot))
    maps = snapshot.arrays[9]["attention"]
    assert maps.shape == (2, 2, 3, 3)
    assert maps.sum(-1) == pytest.approx(1.0, abs=1e-5)


def test_snapshots_are_dense_where_an_accuracy_moves(configure: Configure) -> None:
    events = list(train(Batch.start({0: configure(training={"steps": 120})})))
    curve = curves(events, 0)
    taken = [e.step for e in events if isinstance(e, Snapshot)]
    between = [
        max(
            abs(curve[step][split]["accuracy"] - curve[first][split]["accuracy"])
            for split in ("train", "test")
            for step in curve
            if first < step < second
        )
        for first, second in pairwise(taken)
        if any(first < step < second for step in curve)
    ]
    assert max(between) < 0.1


def test_a_fork_may_take_other_settings_and_a_longer_budget(configure: Configure) -> None:
    batch = Batch.start({0: configure()})
    list(train(batch))
    for optimizer in ({"learning_rate": 0.1}, {"kind": "sgd"}):
        config = configure(optimizer=optimizer, training={"steps": 40})
        fork = Batch.resume({1: config}, {1: batch.state(0)}, 24)
        events = list(train(fork))
        assert events[-1] == Finished(40)
        assert min(curves(events, 1)) > 24


def test_a_fork_is_measured_before_its_first_update(configure: Configure) -> None:
    universal = {"kind": "universal", "n_loops": 2}
    batch = Batch.start({0: configure(model=universal)})
    list(train(batch))
    longer = {"steps": 40}
    forks = {
        1: configure(model=universal | {"n_loops": 4}, training=longer),
        2: configure(model=universal | {"n_loops": 4}, training=longer),
    }
    states = dict.fromkeys(forks, batch.state(0))
    events = list(train(Batch.resume(forks, states, 24), forked=[2]))
    looked = [e for e in events if isinstance(e, Evaluated | Snapshot) and e.step == 24]
    assert [set(e.values if isinstance(e, Evaluated) else e.arrays) for e in looked] == [{2}, {2}]
    # what four loops make of weights that were trained in two
    before, after = curves(events, 2)[24], curves(events, 1)
    assert before != batch_curve(batch)
    assert curves(events, 2) == {24: before} | after


def batch_curve(batch: Batch) -> Metrics:
    """What the runs of a batch give at its step."""
    return evaluate(batch)[0].values[0]


def test_learning_falls_below_chance_loss(configure: Configure) -> None:
    curve = train_alone(configure(training={"steps": 120}))[0]
    assert curve[120]["train"]["accuracy"] == 1.0
    assert curve[120]["train"]["loss"] < 0.1 < math.log(7)


def test_a_compiled_run_follows_the_uncompiled_one():
    """In a process of its own: the checks of shapes, on in the tests, are no part of a graph."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.trainer.compiled_run"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
