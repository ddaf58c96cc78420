"""How much memory is free now, on the machine and on its GPUs (no torch)."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

_QUERY = "index,uuid,memory.free,memory.total"
_SECONDS = 10
_MIB = 1 << 20
RESERVE = 0.05
"""Share of a memory that is left to others."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one memory."""

    free: int
    total: int

    @property
    def usable(self) -> int:
        """What our own work may still take now."""
        return self.free - int(RESERVE * self.total)

    @property
    def most(self) -> int:
        """What our own work could take, were nothing else there."""
        return self.total - int(RESERVE * self.total)


@dataclass(frozen=True, slots=True)
class Room:
    """What is free now; a GPU whose memory could not be asked for is None."""

    host: Memory
    gpus: tuple[Memory | None, ...] = ()


def measure(gpus: Sequence[str]) -> Room:
    """The memory of the machine, and of the GPUs with these names."""
    host = psutil.virtual_memory()
    return Room(Memory(host.available, host.total), _ask(gpus) if gpus else ())


def parse(answer: str, gpus: Sequence[str]) -> tuple[Memory | None, ...]:
    """What nvidia-smi says of the GPUs, each named by its number or the start of its UUID."""
    found: dict[tuple[str, str], Memory] = {}
    for line in answer.splitlines():
        match [part.strip() for part in line.split(",")]:
            case [index, uuid, free, total] if free.isdecimal() and total.isdecimal():
                found[index, uuid] = Memory(int(free) * _MIB, int(total) * _MIB)
            case _:
                pass  # a device that does not tell, such as a part of one
    return tuple(
        next(
            (each for (index, uuid), each in found.items() if gpu == index or _names(gpu, uuid)),
            None,
        )
        for gpu in gpus
    )


def gpu_names() -> tuple[str, ...]:
    """The NVIDIA devices that a worker could use, as `CUDA_VISIBLE_DEVICES` spells them."""
    if version("torch").endswith("+cpu"):
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name for part in visible.split(",") if (name := part.strip()) not in _NONE)
    numbers = range(len(list(Path("/dev").glob("nvidia[0-9]*"))))
    return tuple(str(number) for number in numbers)


_NONE = frozenset({"", "-1"})


def _names(gpu: str, uuid: str) -> bool:
    return gpu.startswith("GPU-") and uuid.startswith(gpu)


def _ask(gpus: Sequence[str]) -> tuple[Memory | None, ...]:
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return tuple(None for _ in gpus)
    return parse(answer.stdout, gpus)
