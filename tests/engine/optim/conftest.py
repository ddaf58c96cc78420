"""Settings of several runs of one kind."""

from collections.abc import Callable, Sequence

import pytest
from pydantic import TypeAdapter

from engine.optim import OptimizerSettings


@pytest.fixture
def several() -> Callable[[str], Sequence[OptimizerSettings]]:
    """`several(kind)`: three runs with different rates and decays."""
    adapter: TypeAdapter[OptimizerSettings] = TypeAdapter(OptimizerSettings)

    def build(kind: str) -> Sequence[OptimizerSettings]:
        return [
            adapter.validate_python({"kind": kind, "learning_rate": rate, "weight_decay": decay})
            for rate, decay in ((1e-3, 1.0), (1e-2, 0.0), (3e-2, 0.3))
        ]

    return build
