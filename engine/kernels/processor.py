"""What the processor can do, as the system tells it (no torch, no Numba)."""

from functools import cache
from pathlib import Path

_INFO = Path("/proc/cpuinfo")


@cache
def told() -> dict[str, str]:
    """What the system tells of a core, by its own names; nothing where it tells nothing."""
    if not _INFO.exists():
        return {}
    lines = [line.partition(":") for line in _INFO.read_text().splitlines()]
    return {name.strip(): value.strip() for name, _, value in reversed(lines)}


def flags() -> frozenset[str]:
    """The names of the instructions that it has beyond the oldest ones."""
    return frozenset(told().get("flags", "").split())


def multiplies_bfloat16() -> bool:
    """Whether one instruction multiplies pairs of bfloat16 and adds the products in float32."""
    return {"avx512f", "avx512_bf16"} <= flags()
