"""A state can be stored and refuses what it does not fit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import NotPossible
from engine.trainer.batch import Batch
from tests.engine.trainer.conftest import Configure


def test_a_state_survives_a_file(configure: Configure, tmp_path: Path) -> None:
    batch = Batch.start({0: configure()})
    batch.advance(3)
    state = batch.state(0)
    save_file(state, tmp_path / "state.safetensors")
    loaded = load_file(tmp_path / "state.safetensors")
    again = Batch.resume({0: configure()}, {0: loaded}, 3).state(0)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_a_state_does_not_change_when_training_goes_on(configure: Configure) -> None:
    batch = Batch.start({0: configure()})
    state = batch.state(0)
    before = {name: tensor.clone() for name, tensor in state.items()}
    batch.advance(3)
    assert all(torch.equal(before[name], state[name]) for name in state)


def test_a_state_of_another_network_is_refused_by_name(configure: Configure) -> None:
    state = Batch.start({0: configure()}).state(0)
    with pytest.raises(NotPossible, match="must have the shape"):
        Batch.resume({0: configure(model={"d_mlp": 64})}, {0: state}, 0)


def test_a_state_names_parameters_and_what_the_optimiser_remembers(configure: Configure) -> None:
    state = Batch.start({0: configure()}).state(0)
    assert "model.transformer.wte.weight" in state
    assert "optimizer.mean.transformer.wte.weight" in state
    assert "optimizer.square.transformer.wte.weight" in state
    assert state["optimizer.updates"].item() == 0
