"""Train a tiny run compiled and uncompiled, and compare what they recorded."""

import math

from engine.config.run import RunConfig
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated
from engine.trainer.train import train


def losses(compile: str, *, dropout: float = 0.0) -> list[float]:
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
            },
        }
    )
    events = train(Batch.start({0: config}))
    return [e.values[0]["train"]["loss"] for e in events if isinstance(e, Evaluated)]


for dropout in (0.0, 0.2):
    found, expected = (losses(word, dropout=dropout) for word in ("always", "never"))
    assert len(found) == len(expected) > 10
    for step, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert math.isclose(one, other, rel_tol=1e-4), (dropout, step, one, other)
    assert found[-1] < 0.8 * found[0]
