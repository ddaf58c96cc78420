"""Settings of one section that another section must bear."""

from typing import Any

import pytest

from engine.config import RunConfig, apply
from engine.config.presets import PRESETS
from engine.errors import SettingsError

FUSED = {"training.fused_mlp": True, "training.precision": "bfloat16"}


@pytest.mark.parametrize("name", ["quick", "nanda", "composition-small"])
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_small_decoders_mlp_may_be_one_kernel(name: str, precision: str):
    asked = apply(PRESETS[name].config, FUSED | {"training.precision": precision})
    assert asked.training.fused_mlp


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model.kind": "mamba"}, "needs a gpt, memory or universal model, got mamba"),
        ({"model.d_model": 256}, "needs model.d_model of at most 128, got 256"),
        (
            {"training.precision": "float32"},
            "needs training.precision tf32 or bfloat16, got float32",
        ),
    ],
)
def test_an_mlp_that_has_no_kernel_is_refused(changes: dict[str, Any], sentence: str):
    expected = f"^training.fused_mlp {sentence}; or set it to false$"
    with pytest.raises(SettingsError, match=expected):
        apply(RunConfig(), FUSED | changes)
