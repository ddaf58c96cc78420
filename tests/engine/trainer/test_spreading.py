"""Threads that come to help and leave again do not change a number of what is trained."""

from typing import Any

import pytest
import torch

from engine.config import RunConfig, apply
from engine.kernels.threads import helped_by
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated, Progress
from engine.trainer.train import train

NETWORK = {
    "task.p": 23,
    "model.d_model": 64,
    "model.n_heads": 2,
    "model.d_mlp": 128,
    "training.steps": 30,
    "training.compile": "never",
}
KINDS = {
    "tables folded": {},
    "bfloat16": {"training.precision": "bfloat16"},
    "loss in float64": {"training.loss_precision": "float64"},
    "some examples at a time": {"training.batch_size": 100},
    "in parts": {"training.accumulate": 3},
    "StableMax": {"training.loss": "stablemax"},
    "not folded": {"model.activation": "gelu"},
    "another form": {"task.format": "a o b =", "model.mlp_bias": False},
}


def _trained(changes: dict[str, Any], *, helpers: list[int], seeds: int = 1) -> tuple[Any, ...]:
    """Weights and evaluations where the number of helpers changes after every few steps."""
    config = apply(RunConfig(), NETWORK | changes)
    configs = {i: apply(config, {"training.seed": i}) for i in range(seeds)}
    batch = Batch.start(configs, device=torch.device("cpu"))
    assert batch.spreads
    told, blocks = [], 0
    try:
        for event in train(batch, lambda: 3):
            if isinstance(event, Evaluated):
                told.append(event)
            elif isinstance(event, Progress):
                helped_by(helpers[blocks % len(helpers)])
                blocks += 1
    finally:
        helped_by(0)
    return told, [batch.state(run) for run in configs]


@pytest.mark.parametrize("kind", KINDS)
def test_curves_and_weights_are_those_of_one_thread_to_the_bit(kind: str):
    told, (state,) = _trained(KINDS[kind], helpers=[0])
    told_with_help, (state_with_help,) = _trained(KINDS[kind], helpers=[1, 0, 2])
    assert told == told_with_help
    assert all(torch.equal(state[name], state_with_help[name]) for name in state)


def test_the_same_holds_for_runs_of_one_batch():
    told, states = _trained({}, helpers=[0], seeds=3)
    told_with_help, states_with_help = _trained({}, helpers=[1], seeds=3)
    assert told == told_with_help
    for own, with_help in zip(states, states_with_help, strict=True):
        assert all(torch.equal(own[name], with_help[name]) for name in own)


@pytest.mark.parametrize(
    "changes",
    [{"model.norm": "pre"}, {"model.n_layers": 2}, {"model.kind": "llama"}],
    ids=["norms", "layers", "llama"],
)
def test_networks_of_other_loops_decline(changes: dict[str, Any]):
    batch = Batch.start({0: apply(RunConfig(), NETWORK | changes)}, device=torch.device("cpu"))
    assert not batch.spreads
