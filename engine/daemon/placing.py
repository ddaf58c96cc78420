"""On which device of this machine a run will train, and whether it can."""

import platform

from engine.config import RunConfig
from engine.daemon.scheduler import Machine
from engine.errors import SettingsError


def check(config: RunConfig, machine: Machine) -> None:
    """Refuse a run that asks for a device or for more threads than there are.

    Raises:
        SettingsError: naming the setting and what is possible on this machine.
    """
    device = device_of(config, machine)
    if config.training.fused_mlp and device != "cuda":
        raise SettingsError(
            f"training.fused_mlp needs a CUDA device, and this run would train on {device}; "
            "set it to false"
        )
    check_threads(config, machine)


def device_of(config: RunConfig, machine: Machine) -> str:
    """What the run asks for, or for `auto` the best that there is.

    Raises:
        SettingsError: this machine has no such device; the run would wait for ever.
    """
    wanted = config.training.device
    there = {"cpu": True, "cuda": machine.n_gpus > 0, "mps": machine.has_mps}
    if wanted == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if there[wanted]:
        return wanted
    *names, last = ["auto", *(name for name, is_there in there.items() if is_there)]
    raise SettingsError(
        f"training.device must be {', '.join(names)} or {last} on this machine, "
        f"which has no {wanted.upper()} device, got {wanted}"
    )


def check_threads(config: RunConfig, machine: Machine) -> None:
    """Refuse more threads than the machine has cores: they would slow one another down.

    Raises:
        SettingsError: naming the range.
    """
    most, wanted = machine.n_cores, config.training.threads
    if wanted > most:
        cores = f"{most} core{'' if most == 1 else 's'}"
        raise SettingsError(
            f"training.threads must lie between 1 and {most} on this machine, "
            f"which has {cores}, got {wanted}"
        )


def has_mps() -> bool:
    """Whether torch would find Apple's GPU: macOS on Apple silicon, told without loading torch."""
    return platform.system() == "Darwin" and platform.machine() == "arm64"


def cpu_slots(config: RunConfig, machine: Machine) -> int | None:
    """How many workers of such runs the CPU carries at once; None where they take a GPU.

    Raises:
        SettingsError: as `check`.
    """
    check(config, machine)
    if device_of(config, machine) == "cuda":
        return None
    return machine.free_cpu_slots((), config.training.threads)
