"""How a worker builds its batch where the launch files of its runs say that it starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from engine.config import RunConfig
from engine.trainer.batch import Batch
from engine.trainer.memory import is_out_of_memory, release
from engine.worker.archive import load
from engine.worker.compiler import find_compiler
from engine.worker.crowding import OUT_OF_MEMORY, crowded, give_back
from engine.worker.recorder import Recorder


def build_fitting_batch(
    configs: Mapping[int, RunConfig],
    launches: Mapping[int, dict[str, Any]],
    recorders: dict[int, Recorder],
) -> Batch:
    """The batch of as many of the runs as fit; the others are given back and leave `recorders`."""
    while True:
        runs = list(recorders)
        try:
            return _build(
                {run: configs[run] for run in runs}, {run: launches[run] for run in runs}
            )
        except Exception as error:
            if not is_out_of_memory(error) or len(runs) == 1:
                raise
        release()
        leaving = runs[-(len(runs) // 2) :]
        n_left = len(runs) - len(leaving)
        for run in leaving:
            recorder = recorders.pop(run)
            give_back(recorder, recorder.step, n_runs=len(runs), n_left=n_left)
        for recorder in recorders.values():
            recorder.event(recorder.step, OUT_OF_MEMORY, crowded(len(runs), n_left))


def _build(configs: Mapping[int, RunConfig], launches: Mapping[int, dict[str, Any]]) -> Batch:
    """The batch where its runs' launch files say that it starts."""
    torch.set_num_threads(next(iter(configs.values())).training.threads)
    starts = {run: launch["from"] for run, launch in launches.items()}
    steps = {start["step"] if start else 0 for start in starts.values()}
    assert len(steps) == 1, "runs of a batch start at one step"
    has_compiler = find_compiler() is not None
    if not any(starts.values()):
        return Batch.start(configs, has_compiler=has_compiler)
    states = {run: load(Path(start["file"])) for run, start in starts.items()}
    return Batch.resume(configs, states, steps.pop(), has_compiler=has_compiler)
