"""Where later answers of a row know more, accuracy is told for each of them, and only there."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from data import IGNORED, build_task
from engine.config.run import RunConfig
from engine.models.build import build_model
from engine.trainer.batch import Batch
from tests.engine.trainer.conftest import Configure
from tests.engine.trainer.test_train import train_alone

CONTEXT = {
    "kind": "in_context",
    "p": 5,
    "n_shots": 4,
    "n_rectangles": 2,
    "train_fraction": 0.6,
    "train_size": 64,
    "test_size": 40,
}


@pytest.fixture
def config(configure: Configure) -> RunConfig:
    tree = configure(training={"steps": 60, "batch_size": 32}).model_dump()
    return RunConfig.model_validate(tree | {"task": CONTEXT})


def shots(metrics: dict[str, float]) -> dict[int, float]:
    """Accuracy by triple, counted from 1."""
    return {
        int(name.rpartition("_")[2]): value
        for name, value in metrics.items()
        if name.startswith("accuracy_shot_")
    }


def test_accuracy_is_told_at_each_triple_that_is_asked_and_agrees_with_the_whole(
    config: RunConfig,
):
    curve, _ = train_alone(config)
    last = curve[60]
    assert shots(dict(last["train"])) == {}
    for split in ("test_id", "test_ood", "train_id", "train_ood"):
        told = shots(dict(last[split]))
        assert sorted(told) == [3, 4]
        assert np.mean(list(told.values())) == pytest.approx(last[split]["accuracy"], abs=1e-6)


def test_it_is_counted_row_by_row_at_each_place(config: RunConfig):
    batch = Batch.start({0: config})
    batch.advance(60)
    task = build_task(config.task, seed=0)
    network = build_model(config.model, vocab_size=task.vocab_size, length=task.length)
    state = {
        name.removeprefix("model."): value
        for name, value in batch.state(0).items()
        if name.startswith("model.")
    }
    split = task.splits["test_ood"]
    with torch.no_grad():
        logits = functional_call(network, state, (torch.from_numpy(split.tokens), task.read_at))
    predicted = logits[..., : task.n_classes].argmax(-1).numpy()
    _, found = batch.program.scores_by_answer(
        batch.weights.groups[0].leaves, batch.held_out["test_ood"]
    )
    for place, column in enumerate(split.targets.T):
        asked = [row for row, target in enumerate(column) if target != IGNORED]
        assert int(found[0, place]) == sum(predicted[row, place] == column[row] for row in asked)


def test_tasks_whose_answers_know_alike_are_told_as_a_whole(configure: Configure):
    curve, _ = train_alone(configure())
    assert all(not shots(dict(each)) for each in curve[24].values())
