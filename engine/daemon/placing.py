"""On which device of this machine a run will train, and whether it can."""

from engine.config import RunConfig
from engine.daemon.scheduler import Machine
from engine.errors import SettingsError


def device_of(config: RunConfig, machine: Machine) -> str:
    """What the run asks for, or for `auto` the best that there is.

    Raises:
        SettingsError: this machine has no such device; the run would wait for ever.
    """
    wanted = config.training.device
    if wanted == "cuda" and not machine.n_gpus:
        raise SettingsError(
            "training.device must be auto or cpu on this machine, which has no CUDA device, got "
            "cuda"
        )
    return wanted if wanted != "auto" else "cuda" if machine.n_gpus else "cpu"


def cpu_slots(config: RunConfig, machine: Machine) -> int | None:
    """How many workers of such runs the CPU carries at once; None where they take a GPU.

    Raises:
        SettingsError: as `device_of`.
    """
    if device_of(config, machine) == "cuda":
        return None
    return machine.free_cpu_slots((), config.training.threads)
