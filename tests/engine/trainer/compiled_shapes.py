"""Train more shapes in one compiled program than torch compiles by itself, and count graphs.

The graphs are run uncompiled: what is counted is what the compiler was given.
"""

from functools import partial

import torch
from torch._dynamo.utils import counters

from engine.config.run import RunConfig
from engine.trainer.batch import Batch

SHARES = [0.3 + 0.05 * i for i in range(10)]


def config(share: float) -> RunConfig:
    """A run on a share of the sums mod 7."""
    return RunConfig.model_validate(
        {
            "task": {"kind": "modular", "p": 7, "train_fraction": share},
            "model": {"kind": "gpt", "n_layers": 2, "d_model": 8, "n_heads": 1, "d_mlp": 8},
            "training": {"device": "cpu", "compile": "always"},
        }
    )


torch.compile = partial(torch.compile, backend="eager")
Batch.start({run: config(share) for run, share in enumerate(SHARES)}).advance(1)
assert counters["stats"]["unique_graphs"] == len(SHARES), counters["stats"]
