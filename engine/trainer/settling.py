"""What a configuration leaves to the machine, decided before anything is trained (no torch)."""

from engine.config import apply
from engine.config.run import RunConfig
from engine.kernels.processor import multiplies_bfloat16


def settled(config: RunConfig, device: str) -> RunConfig:
    """The same configuration with `training.precision` decided, for a kind of device.

    `auto` is TF32 on CUDA, bfloat16 on a processor that multiplies it in one instruction, and
    else float32. A run keeps what was decided where it was launched, so that it goes on with the
    same arithmetic on another machine.
    """
    if config.training.precision != "auto":
        return config
    on_cpu = "bfloat16" if device == "cpu" and multiplies_bfloat16() else "float32"
    return apply(config, {"training.precision": "tf32" if device == "cuda" else on_cpu})
