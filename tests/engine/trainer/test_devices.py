"""Where a batch trains."""

import pytest
import torch

from engine.config.training import TrainingSettings
from engine.errors import NotPossible
from engine.trainer.devices import pick_device


def test_a_device_that_is_not_there_is_refused_with_what_is() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA: run it where there is none")
    with pytest.raises(NotPossible, match=r"training.device is 'cuda'.*cpu, auto"):
        pick_device(TrainingSettings(device="cuda"))


def test_a_float64_loss_is_not_sent_to_a_device_without_float64() -> None:
    with pytest.raises(NotPossible, match="float64"):
        pick_device(TrainingSettings(device="mps", loss_precision="float64"))


def test_auto_always_finds_a_device() -> None:
    assert pick_device(TrainingSettings(device="auto")).type in ("cuda", "mps", "cpu")
