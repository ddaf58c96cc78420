"""Train a tiny run compiled and uncompiled, and compare what they recorded."""

import math

from engine.config.run import RunConfig
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated
from engine.trainer.train import train


def losses(compile: str, *, dropout: float = 0.0, fused_mlp: bool = False) -> list[float]:
    """The training losses of the run's evaluations."""
    config = RunConfig.model_validate(
        {
            "task": {"kind": "modular", "p": 11},
            "model": {"kind": "gpt", "d_model": 16, "n_heads": 2, "d_mlp": 32},
            "optimizer": {"kind": "adamw", "learning_rate": 0.01},
            "training": {
                "steps": 30,
                "device": "cpu",
                "compile": compile,
                "accumulate": 2,
                "dropout": dropout,
                "fused_mlp": fused_mlp,
                "precision": "tf32",
            },
        }
    )
    events = train(Batch.start({0: config}))
    return [e.values[0]["train"]["loss"] for e in events if isinstance(e, Evaluated)]


for dropout, fused_mlp in ((0.0, False), (0.2, False), (0.0, True)):
    found = losses("always", dropout=dropout, fused_mlp=fused_mlp)
    expected = losses("never", dropout=dropout)
    assert len(found) == len(expected) > 10
    for step, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert math.isclose(one, other, rel_tol=1e-4), (dropout, fused_mlp, step, one, other)
    assert found[-1] < 0.8 * found[0]
