"""Makes the machine code of the compiled loops ahead of need: once for a machine and edition.

`python -m engine.worker.rehearsal` does it in a setup; after an update the worker that stands by.
"""

from collections.abc import Callable

import torch

from engine.config import RunConfig, apply
from engine.config.presets import PRESETS
from engine.kernels.compiled import available, is_on_disk
from engine.trainer.batch import Batch
from engine.trainer.measuring import evaluate, photograph


def _looped() -> list[RunConfig]:
    """Runs that call the loops of most others between them, those of a first launch first."""
    whole = [PRESETS[name].config for name in ("quick", "composition-small")]
    return whole + [apply(each, {"training.precision": "bfloat16"}) for each in whole]


def rehearse(is_wanted: Callable[[], bool], *, all_of_them: bool = False) -> None:
    """Train a step of some runs, measure and photograph it: of the first where loops are on disk.

    A first launch would wait some seconds for the compiler otherwise, and later ones for the
    package that reads what it made. Asked before each run, `is_wanted` says that there is
    something to train.
    """
    if not available():
        return
    configs = _looped()
    for config in configs[:1] if is_on_disk() and not all_of_them else configs:
        if is_wanted():
            return
        batch = Batch.start({0: config}, device=torch.device("cpu"))
        batch.advance(1)
        evaluate(batch)
        photograph(batch, batch.runs)


if __name__ == "__main__":
    rehearse(lambda: False, all_of_them=True)
