"""Where a batch trains, and in which arithmetic the device multiplies."""

import torch

from engine.config.training import TrainingSettings
from engine.errors import NotPossible


def pick_device(training: TrainingSettings) -> torch.device:
    """The device that the settings name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        NotPossible: this machine has no such device, or it cannot compute the loss as asked.
    """
    usable = {
        "cuda": torch.cuda.is_available(),
        # Apple's devices have no float64
        "mps": torch.backends.mps.is_available() and training.loss_precision == "float32",
        "cpu": True,
    }
    wanted = training.device
    if wanted == "auto":
        return torch.device(next(name for name, can in usable.items() if can))
    if not usable[wanted]:
        raise NotPossible(
            f"training.device is '{wanted}', which cannot be used here with a loss in "
            f"{training.loss_precision}. "
            f"Choose one of: {', '.join(name for name, can in usable.items() if can)}, auto."
        )
    return torch.device(wanted)


def set_tf32(precision: str) -> None:
    """Let CUDA multiply float32 in TF32, or forbid it: a switch of the whole process."""
    torch.backends.cuda.matmul.fp32_precision = "tf32" if precision == "tf32" else "ieee"
