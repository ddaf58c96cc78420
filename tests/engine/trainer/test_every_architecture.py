"""What training promises of every architecture, on a task small enough to memorise."""

from typing import Any

import pytest
import torch

from engine.config.run import RunConfig
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated, Event
from engine.trainer.train import train
from tests.engine.models.samples import SETTINGS

ONE_OF_EACH: dict[str, Any] = {settings.kind: settings for settings in SETTINGS.values()}
every_kind = pytest.mark.parametrize("kind", ONE_OF_EACH)


def config(kind: str, *, seed: int, steps: int) -> RunConfig:
    """A run on 12 of the 25 sums mod 5."""
    return RunConfig.model_validate(
        {
            "task": {"kind": "modular", "p": 5, "train_fraction": 0.5},
            "model": ONE_OF_EACH[kind],
            "optimizer": {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.0},
            "training": {"steps": steps, "device": "cpu", "seed": seed},
        }
    )


def curve(events: list[Event], run: int) -> list[Any]:
    return [event.values[run] for event in events if isinstance(event, Evaluated)]


@every_kind
@pytest.mark.usefixtures("unchecked_shapes")
def test_a_small_batch_is_memorised(kind: str):
    events = list(train(Batch.start({0: config(kind, seed=0, steps=250)})))
    accuracies = [values["train"]["accuracy"] for values in curve(events, 0)]
    assert accuracies[0] < 0.7
    assert max(accuracies) == 1.0


@every_kind
def test_runs_of_a_batch_equal_the_same_runs_alone(kind: str):
    configs = {run: config(kind, seed=run, steps=12) for run in range(2)}
    batch = Batch.start(configs)
    together = list(train(batch))
    for run, each in configs.items():
        alone = Batch.start({run: each})
        assert curve(list(train(alone)), run) == curve(together, run)
        mine, theirs = alone.state(run), batch.state(run)
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert curve(together, 0) != curve(together, 1)


def test_a_stack_is_looped_as_often_in_training_as_its_settings_say():
    config_twice = config("universal", seed=0, steps=1)
    assert config_twice.model.n_loops == 2  # pyright: ignore[reportAttributeAccessIssue]
    once = config_twice.model_copy(
        update={"model": config_twice.model.model_copy(update={"n_loops": 1})}
    )
    losses = [
        curve(list(train(Batch.start({0: each}))), 0)[0]["train"]["loss"]
        for each in (config_twice, once)
    ]
    assert losses[0] != losses[1]
