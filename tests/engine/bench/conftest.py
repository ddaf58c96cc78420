"""Settings of the comparison, small enough for tests and of the same kind."""

from dataclasses import replace

import pytest

from engine.bench.training.settings import SETTINGS, Setting
from engine.config import apply

SMALL = {
    "task.n_entities": 60,
    "task.n_relations": 10,
    "task.out_degree": 8,
    "task.phi": 4.0,
    "task.ood_share": 0.2,
    "task.holdout_share": 0.1,
    "model.n_layers": 2,
    "model.d_model": 32,
    "model.n_heads": 4,
    "model.d_mlp": 48,
    "training.batch_size": 64,
}
HERE = {"training.device": "cpu", "training.compile": "never"}


def small(name: str) -> Setting:
    """A setting that a test can train: the published GPT's is cut down, and none is compiled."""
    setting = SETTINGS[name]
    changes = SMALL | {"training.precision": "float32"} if name == "composition-paper" else {}
    return replace(setting, config=apply(setting.config, changes | HERE))


@pytest.fixture(params=list(SETTINGS))
def setting(request: pytest.FixtureRequest) -> Setting:
    """Each of them."""
    return small(request.param)
