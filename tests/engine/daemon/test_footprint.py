"""What a batch of runs is expected to take."""

from dataclasses import replace

import pytest

from data import task_sizes
from engine.config import RunConfig, apply
from engine.config.presets import PRESETS
from engine.daemon.footprint import Footprint, footprint

NANDA = PRESETS["nanda"].config


def of(config: RunConfig) -> Footprint:
    return footprint(config, task_sizes(config.task))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_as_many_runs_fit_as_take_no_more_than_is_free(device: str):
    one = of(NANDA)
    fits = one.fitting(20 * 10**9, device)
    assert one.total(fits, device) <= 20 * 10**9 < one.total(fits + 1, device)
    assert one.fitting(10**6, device) == 0


def test_runs_share_their_passes_on_a_processor_and_not_on_an_accelerator():
    one = of(NANDA)
    assert one.of_process(11) - one.of_process(10) == one.kept
    assert one.of_device(11) - one.of_device(10) == one.kept + one.passing


def test_parts_of_a_batch_take_less_and_a_window_of_gradients_more():
    assert of(apply(NANDA, {"training.accumulate": 4})).passing < of(NANDA).passing / 3
    window = {"optimizer.grokfast": "ma", "optimizer.grokfast_window": 50}
    assert of(apply(NANDA, window)).kept > 5 * of(NANDA).kept


def test_a_run_keeps_its_weights_gradient_scratch_and_moments():
    config = apply(NANDA, {"training.batch_size": 64})
    sizes = task_sizes(config.task)
    n_parameters = config.model.n_parameters(sizes.vocabulary, sizes.length)
    examples = 8 * 4 * (sizes.examples + sizes.train)
    assert of(config).kept == 20 * n_parameters + examples
    probed = footprint(config, replace(sizes, probes=100))
    assert probed.kept == of(config).kept + 8 * 4 * 100


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_a_hybrids_layers_keep_what_they_keep_in_a_network_of_their_own(kind: str):
    alone = of(apply(NANDA, {"model.kind": kind})).passing
    hybrid = {"model.kind": "hybrid", "model.n_layers": 1, "model.d_mlp": 1}
    plain, borrowed = (
        of(apply(NANDA, hybrid | {"model.mixers": mixer})).passing for mixer in ("attention", kind)
    )
    one = of(apply(NANDA, hybrid | {"model.mixers": kind, "model.n_layers": 2})).passing
    assert borrowed == pytest.approx(alone, rel=0.01)
    assert one - borrowed > 0.8 * (borrowed - plain)
