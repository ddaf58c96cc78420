"""Makes the machine code of the compiled loops ahead of need: once for a machine and edition.

`python -m engine.worker.rehearsal` does it in a setup; after an update the worker that stands by.
"""

from collections.abc import Callable

import torch

from engine.config.presets import PRESETS
from engine.kernels.compiled import available, is_on_disk
from engine.trainer.batch import Batch
from engine.trainer.measuring import evaluate, photograph

LOOPED = ("quick", "composition-small")
"""Presets that call the loops of most runs between them, those of a first launch first: once
compiled, the others' are read from disk when they are called."""


def rehearse(is_wanted: Callable[[], bool]) -> None:
    """Train a step of some presets, measure and photograph it.

    A first launch would wait some seconds for the compiler otherwise, and later ones for the
    package that reads what it made. Asked before each preset, `is_wanted` says that there is
    something to train.
    """
    if not available():
        return
    for name in LOOPED[:1] if is_on_disk() else LOOPED:
        if is_wanted():
            return
        batch = Batch.start({0: PRESETS[name].config}, device=torch.device("cpu"))
        batch.advance(1)
        evaluate(batch)
        photograph(batch, batch.runs)


if __name__ == "__main__":
    rehearse(lambda: False)
