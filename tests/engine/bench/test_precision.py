"""The comparison of precisions: paired, by seeds, with the share of collapsed softmaxes."""

import pytest
import torch

from engine.bench.training.precision import collapsed_share, paired_p, precision
from engine.config import apply
from engine.config.presets import PRESETS
from engine.trainer.batch import Batch


def test_pairs_that_differ_by_chance_have_a_large_p_and_a_shift_a_small_one():
    theirs = [float(i % 7) for i in range(20)]
    assert paired_p(theirs, theirs) == 1
    by_chance = [x + (1 if i % 2 else -1) for i, x in enumerate(theirs)]
    assert paired_p(by_chance, theirs) > 0.5
    assert paired_p([x + 1 for x in theirs], theirs) < 0.01


def test_a_row_for_each_precision_pairs_its_seeds_with_float32():
    base, coarse = precision(2, steps=240)
    assert (base["precision"], coarse["precision"]) == ("float32", "bfloat16")
    assert base["seeds"] == coarse["seeds"] == 2
    assert base["memorised"] == 2
    assert base["memorised_to_float32"] == 1
    assert coarse["memorised_to_float32"] == pytest.approx(1, abs=0.5)
    assert base["grokked"] == 0


def test_a_softmax_has_collapsed_where_its_answers_absorb_all_others():
    batch = Batch.start(
        {0: apply(PRESETS["quick"].config, {"training.device": "cpu", "training.steps": "5"})}
    )
    assert collapsed_share(batch) == 0
    (group,) = batch.weights.groups
    with torch.no_grad():
        group.leaves["lm_head.weight"].mul_(1e6)
    assert collapsed_share(batch) > 0.95
