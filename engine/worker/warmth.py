"""Which presets' compiled steps the cache holds already, so that no daemon makes them again."""

import json
import platform
from importlib.metadata import version

import psutil

from data import task_sizes
from engine.config.presets import PRESETS
from engine.config.run import RunConfig
from engine.home import PRIVATE, Home, atomic_write
from engine.trainer.compiling import decide
from engine.version import code_version
from engine.worker.compiler import find_compiler

MOST_FLOPS = 10**11
"""Operations of an update past which a preset is none for a processor: a step takes seconds."""


class Warmth:
    """The record `cache/warm.json` of one home."""

    def __init__(self, home: Home) -> None:
        self._file = home.cache / "warm.json"

    def missing(self, device: str) -> list[str]:
        """The presets that compile on a device and are not in the cache, as far as is known."""
        if find_compiler() is None:
            return []
        done = self._done()
        return [
            name
            for name, preset in PRESETS.items()
            if name not in done and _is_worth_it(preset.config, device)
        ]

    def add(self, preset: str) -> None:
        """Note that a preset has been seen to."""
        self._file.parent.mkdir(mode=PRIVATE, exist_ok=True)
        content = {"made_by": made_by(), "presets": sorted({*self._done(), preset})}
        atomic_write(self._file, json.dumps(content).encode())

    def _done(self) -> set[str]:
        try:
            content = json.loads(self._file.read_bytes())
            return set(content["presets"]) if content["made_by"] == made_by() else set()
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return set()


def made_by() -> dict[str, str]:
    """What compiled code depends on besides the configuration."""
    return {
        "lab": code_version(),
        "torch": version("torch"),
        "machine": f"{platform.machine()} {platform.node()} {psutil.cpu_count()}",
        "compiler": find_compiler() or "",
    }


def _is_worth_it(config: RunConfig, device: str) -> bool:
    sizes = task_sizes(config.task)
    batch = min(config.training.batch_size or sizes.train, sizes.train)
    flops = config.model.flops_per_example(sizes.vocabulary, sizes.length, sizes.n_read) * batch
    fits = device != "cpu" or flops <= MOST_FLOPS
    return fits and decide(config, device).compiled
