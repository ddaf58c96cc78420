"""Noise on answers is exact, other than it was, fixed by its seed, and only in training."""

from itertools import pairwise

import numpy as np
import pytest

from data import IGNORED, ModularSettings, Split, TaskData, build_task
from engine.trainer.batch import Batch
from engine.trainer.noise import with_label_noise
from engine.trainer.shape import shape_key
from engine.trainer.train import train
from tests.engine.trainer.conftest import Configure
from tests.engine.trainer.test_train import curves, train_alone


@pytest.fixture
def task() -> TaskData:
    return build_task(ModularSettings(p=11), seed=3)


def train_targets(task: TaskData) -> np.ndarray:
    return task.splits["train"].targets


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_exactly_that_share_of_answers_becomes_another_answer(task: TaskData, share: float):
    found = train_targets(with_label_noise(task, share, seed=0))
    changed = found != train_targets(task)
    assert changed.sum() == round(share * changed.size)
    assert np.isin(found, train_targets(task)).all()


def test_replaced_answers_are_spread_evenly():
    task = build_task(ModularSettings(p=31), seed=0)
    found = train_targets(with_label_noise(task, 1.0, seed=0))
    shifts = (found - train_targets(task)) % 31
    counts = np.bincount(shifts.ravel(), minlength=31)
    assert counts[0] == 0
    assert counts[1:].min() > 0.3 * counts[1:].mean()


def test_the_seed_decides_which_and_a_larger_share_adds_to_a_smaller(task: TaskData):
    clean = train_targets(task)
    noised = [train_targets(with_label_noise(task, s, seed=1)) for s in (0.1, 0.3, 0.6)]
    for fewer, more in pairwise(noised):
        assert (more[fewer != clean] == fewer[fewer != clean]).all()
    assert (train_targets(with_label_noise(task, 0.3, seed=1)) == noised[1]).all()
    assert (train_targets(with_label_noise(task, 0.3, seed=2)) != noised[1]).any()


def test_held_out_answers_and_the_task_itself_stay_as_they_are(task: TaskData):
    before = train_targets(task).copy()
    noised = with_label_noise(task, 1.0, seed=0)
    assert (noised.splits["test"].targets == task.splits["test"].targets).all()
    assert (train_targets(task) == before).all()


def test_ignored_answers_stay_ignored_and_a_single_answer_stays():
    tokens = np.zeros((4, 2), dtype=np.int64)
    targets = np.array([[1, IGNORED], [2, 1], [IGNORED, IGNORED], [2, 2]])

    def noised(targets: np.ndarray) -> np.ndarray:
        train = Split(tokens, targets)
        task = TaskData({"train": train, "test": train}, ("0", "1", "2"), 3, (0, 1), 0.5, 0.5)
        return train_targets(with_label_noise(task, 1.0, seed=0))

    assert ((noised(targets) == IGNORED) == (targets == IGNORED)).all()
    assert set(noised(targets)[targets != IGNORED]) == {1, 2}
    alone = np.where(targets == IGNORED, IGNORED, 1)
    assert (noised(alone) == alone).all()


def test_runs_with_and_without_noise_share_a_batch(configure: Configure):
    configs = {
        run: configure(training={"label_noise": share}) for run, share in enumerate((0.0, 0.5))
    }
    assert shape_key(configs[0]) == shape_key(configs[1])
    events = list(train(Batch.start(configs)))
    for run, config in configs.items():
        assert curves(events, run) == train_alone(config)[0]
    assert curves(events, 0) != curves(events, 1)


def test_runs_of_different_losses_do_not_share_a_batch_and_both_learn(configure: Configure):
    other = configure(training={"loss": "stablemax", "steps": 80})
    assert shape_key(other) != shape_key(configure(training={"steps": 80}))
    curve = train_alone(other)[0]
    assert curve[80]["train"]["loss"] < 0.7 * curve[1]["train"]["loss"]
