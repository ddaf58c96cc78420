"""A recorded step touches its device alone: a graph can neither read the host nor copy from it.

Runs on torch's device of shapes without numbers, which refuses to compute with the host's tensors
as CUDA does, and needs no accelerator.
"""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.config import apply
from engine.config.run import RunConfig
from engine.models.build import NETWORKS
from engine.models.mixers.deltanet import DeltaNet
from engine.models.mixers.gated_deltanet import GatedDeltaNet
from engine.trainer.batch import Batch
from engine.trainer.capture import Body, EagerRecorder
from engine.trainer.measuring import measured
from tests.engine.trainer.conftest import Configure
from tests.engine.trainer.test_every_architecture import config as of_architecture
from tests.engine.trainer.test_every_architecture import every_kind

pytestmark = pytest.mark.usefixtures("as_on_an_accelerator", "unchecked_shapes")
DEVICE = torch.device("meta")


class OnlyOn(TorchDispatchMode):
    """Refuses operations that read or make tensors of another device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for each in tree_leaves((args, kwargs, found)):
            on_it = not isinstance(each, Tensor) or each.device == DEVICE
            assert on_it, f"{func} on a tensor {tuple(each.shape)} of {each.device}"
        return found


class WatchedRecorder(EagerRecorder):
    """Runs each body once, where `OnlyOn` watches."""

    n_watched = 0

    def record(self, body: Body, *, rewind: Body) -> Body:
        rewind()
        with OnlyOn():
            body()
        self.n_watched += 1
        return body


def assert_stays(*configs: RunConfig) -> None:
    """Of one update and one evaluation of these runs."""
    recorder = WatchedRecorder()
    batch = Batch.start(dict(enumerate(configs)), device=DEVICE, recorder=recorder)
    batch.advance(1)
    batch.measure(partial(measured, batch), with_accuracy=True)
    assert recorder.n_watched == 2


@every_kind
def test_of_every_architecture(kind: str, monkeypatch: pytest.MonkeyPatch):
    config = of_architecture(kind, seed=0, steps=1)
    # what is not replayed for caution's sake has to keep to it all the same
    monkeypatch.setattr(NETWORKS[config.model.kind], "captures", True)
    for mixer in (DeltaNet, GatedDeltaNet):
        monkeypatch.setattr(mixer, "captures", True)
    config = apply(config, {"training.precision": "bfloat16"})
    assert_stays(config, config)


@pytest.mark.parametrize("batch_size", [0, 8])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "adam", "decay_group": "matrices"},
        {"kind": "sgd", "schedule": "cosine", "clip_norm": 1.0},
        {"kind": "lion", "ema_decay": 0.9},
        {"kind": "muon", "norm_factor": 1.0},
        {"kind": "adamw", "grokfast": "ema", "orthogonal_gradient": True},
        {"kind": "adamw", "grokfast": "ma", "grokfast_window": 3},
    ],
)
def test_of_every_optimiser(configure: Configure, optimizer: dict[str, Any], batch_size: int):
    training = {"batch_size": batch_size, "accumulate": 2}
    some = [
        configure(
            seed=seed,
            optimizer=optimizer,
            training=training,
            task={"train_fraction": 0.3 + 0.2 * seed},
        )
        for seed in range(3)
    ]
    assert_stays(some[0])
    assert_stays(*some)


@pytest.mark.parametrize(
    "training",
    [
        {"loss": "stablemax"},
        {"loss_precision": "float32"},
        {"dropout": 0.2, "batch_size": 8},
        {"label_noise": 0.1},
    ],
)
def test_of_every_loss_and_of_what_is_left_out(configure: Configure, training: dict[str, Any]):
    assert_stays(configure(training=training))
    assert_stays(configure(training=training), configure(training=training, seed=1))
