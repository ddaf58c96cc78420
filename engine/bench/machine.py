"""On what a measurement was taken: figures mean nothing without it."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from engine.errors import NotPossible
from engine.kernels.processor import flags, told
from engine.version import code_version

PACKAGES = ("torch", "numpy", "numba", "transformers")


def pick(device: str) -> torch.device:
    """The device that is measured: `auto` takes CUDA where there is one.

    Raises:
        NotPossible: there is no CUDA device here.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise NotPossible("there is no CUDA device here; measure with --device cpu")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def facts(device: torch.device) -> dict[str, Any]:
    """Device, processor, versions, date and how busy the machine is.

    `load` is the load average of the last minute: processes that wanted a core at once.
    """
    cpu = cpu_model()
    return {
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu,
        "cpu": cpu,
        "cores": n_cores(),
        "python": platform.python_version(),
        **{name: found for name in PACKAGES if (found := _installed(name))},
        "lab": code_version(),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "load": load(),
    }


def load() -> float | None:
    """The load average of the last minute, None where the system tells none."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def n_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    """The processor's name as the system tells it, with what makes products fast."""
    name = told().get("model name", platform.processor() or platform.machine())
    known = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "bf16", "amx_bf16": "AMX"}
    found = [word for flag, word in known.items() if flag in flags()]
    return f"{name} ({', '.join(found)})" if found else name


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on the device; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    info = Path("/proc/meminfo")
    if not info.exists():
        return None
    for line in info.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
