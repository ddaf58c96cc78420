"""Which runs may share a batch."""

import subprocess
import sys

from engine.trainer.shape import shape_key
from tests.engine.trainer.conftest import Configure


def test_seeds_and_the_optimisers_numbers_may_differ(configure: Configure) -> None:
    other = configure(
        seed=7,
        optimizer={"learning_rate": 0.5, "weight_decay": 2.0, "betas": (0.5, 0.5), "clip_norm": 1},
        training={"split_seed": 3, "dropout": 0.2},
        task={"train_fraction": 0.3},
    )
    assert shape_key(other) == shape_key(configure(training={"dropout": 0.1}))


def test_shapes_programs_and_cadence_may_not(configure: Configure) -> None:
    keys = {
        shape_key(configure()),
        shape_key(configure(model={"d_mlp": 64})),
        shape_key(configure(optimizer={"kind": "sgd"})),
        shape_key(configure(optimizer={"kind": "muon"})),
        shape_key(configure(optimizer={"kind": "muon", "newton_schulz_steps": 1})),
        shape_key(configure(training={"batch_size": 8})),
        shape_key(configure(training={"precision": "bfloat16"})),
        shape_key(configure(training={"eval_every": 11})),
        shape_key(configure(training={"steps": 41})),
        shape_key(configure(training={"dropout": 0.1})),
    }
    assert len(keys) == 10


def test_the_key_is_found_without_torch() -> None:
    code = "import sys, engine.trainer.shape; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
