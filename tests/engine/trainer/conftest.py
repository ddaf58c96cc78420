"""Small runs for the trainer's tests."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.config.run import RunConfig
from engine.optim import updates
from engine.trainer import program

Configure = Callable[..., RunConfig]


@pytest.fixture
def as_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops of our own for the CPU, which read numbers on the host, are not used."""
    for module in (program, updates):
        monkeypatch.setattr(module, "available", lambda: False)


@pytest.fixture
def configure() -> Configure:
    """A run that trains in a blink: `configure(seed=1, optimizer={...}, training={...})`."""

    def build(
        *,
        seed: int = 0,
        optimizer: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        task: dict[str, Any] | None = None,
    ) -> RunConfig:
        return RunConfig.model_validate(
            {
                "task": {"kind": "modular", "p": 7, "train_fraction": 0.5, **(task or {})},
                "model": {
                    "kind": "gpt",
                    "d_model": 16,
                    "n_heads": 2,
                    "d_mlp": 32,
                    **(model or {}),
                },
                "optimizer": {"kind": "adamw", "learning_rate": 0.01, **(optimizer or {})},
                "training": {
                    "steps": 24,
                    "eval_every": 8,
                    "device": "cpu",
                    "seed": seed,
                    **(training or {}),
                },
            }
        )

    return build
