"""What `training.precision` auto means where, and that a run keeps it."""

from pathlib import Path

import pytest
import torch

from engine.config import RunConfig, apply
from engine.kernels import processor
from engine.trainer import settling
from engine.trainer.batch import Batch
from engine.trainer.settling import settled

AUTO = apply(RunConfig(), {"training.precision": "auto", "task.p": 11})


@pytest.mark.parametrize(
    ("device", "multiplies", "wanted"),
    [
        ("cpu", True, "bfloat16"),
        ("cpu", False, "float32"),
        ("mps", True, "float32"),
        ("cuda", False, "tf32"),
    ],
)
def test_auto_is_what_the_device_multiplies_fastest(
    device: str, multiplies: bool, wanted: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(settling, "multiplies_bfloat16", lambda: multiplies)
    assert settled(AUTO, device) == apply(AUTO, {"training.precision": wanted})


def test_what_was_chosen_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settling, "multiplies_bfloat16", lambda: True)
    for precision in ("float32", "tf32", "bfloat16"):
        config = apply(AUTO, {"training.precision": precision})
        assert settled(config, "cpu") is settled(config, "cuda") is config


@pytest.mark.parametrize("multiplies", [True, False])
def test_a_batch_trains_in_what_was_settled(multiplies: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settling, "multiplies_bfloat16", lambda: multiplies)
    batch = Batch.start({0: AUTO}, device=torch.device("cpu"))
    wanted = "bfloat16" if multiplies else "float32"
    assert batch.training.precision == batch.configs[0].training.precision == wanted


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("flags\t\t: fpu avx2 avx_vnni avx512_bf16", False),
        ("Features\t: fp asimd bf16", False),
        ("", False),
    ],
)
def test_instructions_are_those_that_the_system_tells(
    told: str, wanted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: a core: of ours\n{told}\n\nprocessor\t: 1\n")
    monkeypatch.setattr(processor, "_INFO", info)
    processor.told.cache_clear()
    try:
        assert processor.multiplies_bfloat16() is wanted
        assert processor.told()["model name"] == "a core: of ours"
    finally:
        processor.told.cache_clear()
