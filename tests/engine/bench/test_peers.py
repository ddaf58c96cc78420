"""The loops that the engine is compared with compute and learn what the engine does."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from data import TaskData, build_task
from engine.bench.peers.grokfast import GrokfastLoop
from engine.bench.peers.nanda import NandaLoop
from engine.bench.training.settings import Setting
from engine.config import RunConfig, apply
from engine.models.build import build_model
from engine.trainer.batch import Batch
from tests.engine.bench.conftest import small

CPU = torch.device("cpu")


def perturbed(config: RunConfig) -> dict[str, Tensor]:
    """Weights of the engine's, none of them at a value that hides a mistake."""
    torch.manual_seed(0)
    state = Batch.start({0: config}).state(0)
    return {
        name: tensor + 0.05 * torch.randn_like(tensor)
        for name, tensor in state.items()
        if name.startswith("model.")
    }


def logits_of_the_engine(config: RunConfig, task: TaskData, weights: Mapping[str, Tensor]):
    network = build_model(config.model, vocab_size=task.vocab_size, length=task.length)
    network.load_state_dict({name.removeprefix("model."): t for name, t in weights.items()})
    tokens = torch.from_numpy(task.splits["train"].tokens[:50])
    return tokens, network(tokens, tuple(range(task.length)))


def test_from_the_same_weights_every_peers_network_gives_the_engines_logits(setting: Setting):
    task, weights = build_task(setting.config.task, seed=0), perturbed(setting.config)
    tokens, expected = logits_of_the_engine(setting.config, task, weights)
    for make in (setting.peer, setting.gpt2):
        if make is None:
            continue
        loop = make(task, setting.config, CPU)
        loop.start_from(weights)
        torch.testing.assert_close(loop.network(tokens), expected, rtol=1e-4, atol=1e-5)
        n_parameters = setting.config.model.n_parameters(task.vocab_size, task.length)
        assert loop.n_parameters == n_parameters


def nanda(**changes: object) -> RunConfig:
    from engine.bench.training.settings import SETTINGS

    small = {"task.p": 11, "model.d_model": 16, "model.d_mlp": 32, "training.device": "cpu"}
    return apply(SETTINGS["nanda"].config, small | changes)


def test_nandas_loop_takes_the_engines_steps():
    config = nanda()
    loop = NandaLoop(build_task(config.task, seed=0), config, CPU)
    batch = Batch.start({0: config})
    loop.start_from(batch.state(0))
    loop.train(30, evaluate=True)
    batch.advance(30)
    ours = NandaLoop(build_task(config.task, seed=0), config, CPU)
    ours.start_from(batch.state(0))
    assert loop.loss() == pytest.approx(ours.loss(), rel=1e-4)
    assert loop.loss() < 0.9 * loop.losses["train"][0]


def test_nandas_loop_reads_both_losses_every_step_and_none_without_evaluation():
    config = nanda()
    loop = NandaLoop(build_task(config.task, seed=0), config, CPU)
    loop.train(3, evaluate=True)
    loop.train(2, evaluate=False)
    assert [len(losses) for losses in loop.losses.values()] == [3, 3]


def test_grokfasts_loop_passes_over_the_validation_split_at_the_end_of_an_epoch():
    setting = small("grokfast")
    task = build_task(setting.config.task, seed=0)
    loop = GrokfastLoop(task, setting.config, CPU)
    n_train, n_valid = len(task.splits["train"]), len(task.splits["test"])
    assert loop.period == math.ceil(n_train / 512)
    loop.train(loop.period - 1, evaluate=True)
    assert len(loop.history) == loop.period - 1
    loop.train(1, evaluate=True)
    assert len(loop.history) == loop.period + math.ceil(n_valid / 512)


def test_every_loop_learns(setting: Setting):
    loop = setting.peer(build_task(setting.config.task, seed=0), setting.config, CPU)
    loop.start_from(Batch.start({0: setting.config}).state(0))
    before = loop.loss()
    loop.train(12, evaluate=False)
    assert loop.loss() < before
