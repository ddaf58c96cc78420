"""How tensors reach the disk without holding up training: whole files, written by one thread.

A file is complete before its name exists: temporary file, fsync, rename. Only then is it told of.
Tensors are safetensors, which load without running anything.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from torch import Tensor

from engine.home import atomic_write
from engine.worker.patience import Patience
from engine.worker.scribe import Scribe

MOST_PENDING = 32
"""Files that may wait to be written before training waits for them, each with its mark."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is complete on disk."""

    file: Path
    size: int
    sha256: str


class Archive:
    """Writes checkpoints and snapshots in order; what goes wrong is raised to the next caller."""

    def __init__(self) -> None:
        self._scribe = Scribe(most_pending=MOST_PENDING)
        self._last = self._scribe.mark()

    def write(
        self,
        file: Path,
        tensors: Mapping[str, Tensor | np.ndarray],
        *,
        patience: Patience,
        then: Callable[[Written], None],
    ) -> None:
        """Hand over tensors on the CPU that nobody changes any more; `then` runs in the thread."""
        self._scribe.put(_write, file, tensors, patience, then)
        self._last = self._scribe.mark()

    @property
    def idle(self) -> bool:
        """Whether everything handed over has been written."""
        return self._last.is_set()

    def drain(self) -> None:
        """Wait until everything handed over has been written and told of."""
        self._scribe.drain()


def load(file: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, on the CPU."""
    return safetensors.torch.load_file(file)


def checkpoint_file(folder: Path, step: int, *, kept: bool) -> Path:
    """`step-…` for one that stays, `rolling-…` for one that the next of them replaces."""
    return folder / f"{'step' if kept else 'rolling'}-{step:09d}.safetensors"


def remove_older_rolling(newest: Path) -> None:
    """Delete the rolling checkpoints that a newer checkpoint makes superfluous."""
    for file in newest.parent.glob("rolling-*.safetensors"):
        if file != newest:
            file.unlink(missing_ok=True)


def _write(
    file: Path,
    tensors: Mapping[str, Tensor | np.ndarray],
    patience: Patience,
    then: Callable[[Written], None],
) -> None:
    content = _serialised(tensors)
    patience.until_written(lambda: atomic_write(file, content))
    os.chmod(file, 0o600)
    then(Written(file, len(content), hashlib.sha256(content).hexdigest()))


def _serialised(tensors: Mapping[str, Any]) -> bytes:
    if any(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        return safetensors.torch.save(dict(tensors))
    return safetensors.numpy.save({n: np.ascontiguousarray(a) for n, a in tensors.items()})
