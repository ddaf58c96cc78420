"""Where a batch trains, and in which arithmetic the device multiplies."""

from typing import Literal

import torch

from engine.errors import NotPossible


def pick_device(wanted: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """The device of that name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        NotPossible: this machine has no such device.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return torch.device(next(name for name, there in present.items() if there))
    if not present[wanted]:
        raise NotPossible(
            f"training.device is {wanted!r}, but torch finds no such device here. "
            f"Choose one of {', '.join(n for n, there in present.items() if there)}, or auto."
        )
    return torch.device(wanted)


def set_tf32(precision: str) -> None:
    """Let CUDA multiply float32 in TF32, or forbid it: a switch of the whole process."""
    torch.backends.cuda.matmul.fp32_precision = "tf32" if precision == "tf32" else "ieee"
