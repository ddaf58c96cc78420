"""`python -m engine.worker RUN…`: trains a batch of runs whose folders the daemon has prepared."""

import gc
import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.config import RunConfig, parse_json
from engine.errors import LabError
from engine.home import Home, atomic_write
from engine.termination import Termination
from engine.worker.allocator import keep_memory
from engine.worker.borrowing import Lent
from engine.worker.crowding import ADVICE, give_all_back
from engine.worker.identity import identify
from engine.worker.lock import RunLock
from engine.worker.recorder import Recorder, new_scribe

CHECKPOINT_SECONDS = "GROKKING_LAB_CHECKPOINT_SECONDS"
"""Names the environment variable with the seconds between two rolling checkpoints."""


def main(arguments: list[str]) -> int:
    """Train the runs; returns the exit status."""
    home = Home.from_environment()
    runs = [int(argument) for argument in arguments]
    termination = Termination()  # every run stops after its block of steps, with a checkpoint
    recorders: dict[int, Recorder] = {}
    locks = {run: RunLock(home.run(run).lock) for run in runs}
    launches = {run: _read(home.run(run).launch) for run in runs}
    scribe = new_scribe()
    me = identify(os.getpid())
    assert me is not None
    for run in runs:
        folder = home.run(run).create()
        atomic_write(folder.proc, json.dumps(me.as_json()).encode())
        recorders[run] = Recorder(
            folder, locks[run], attempt=launches[run]["attempt"], scribe=scribe
        )
    configs = {run: parse_json(home.run(run).config.read_text()) for run in runs}
    for run, recorder in recorders.items():
        recorder.start(
            from_step=_from_step(launches[run]),
            device=launches[run].get("device", "cpu"),
            threads=configs[run].training.threads,
        )
    return _train(configs, launches, recorders=recorders, termination=termination)


def _train(
    configs: Mapping[int, RunConfig],
    launches: Mapping[int, dict[str, Any]],
    *,
    recorders: dict[int, Recorder],
    termination: Termination,
) -> int:
    keep_memory()
    # torch takes a second to import: the first line of the journal stands before that
    from engine.trainer.memory import is_out_of_memory
    from engine.worker.building import build_fitting_batch
    from engine.worker.session import Session

    seconds = float(os.environ.get(CHECKPOINT_SECONDS, "10"))
    try:
        batch = build_fitting_batch(configs, launches, recorders)
        # a full collection would walk through all of torch: a seventh of a second
        gc.freeze()
        Session(
            batch,
            recorders,
            checkpoint_seconds=seconds,
            terminated=termination.asked,
            forked=[run for run in recorders if _is_new_fork(launches[run])],
            lent=Lent(Home.from_environment().idle_cores).look,
        ).run()
    except Exception as error:  # noqa: BLE001
        # the outermost frame of the worker: whatever went wrong is told of every run that is left
        too_large = is_out_of_memory(error)
        if too_large and len(recorders) > 1:
            give_all_back(recorders.values())
            return 1
        for recorder in recorders.values():
            sentence = ADVICE if too_large else _sentence(error)
            recorder.fail(sentence, traceback.format_exc())
        return 1
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, LabError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def _from_step(launch: Mapping[str, Any]) -> int:
    return launch["from"]["step"] if launch["from"] else 0


def _is_new_fork(launch: Mapping[str, Any]) -> bool:
    """Whether the weights are another run's."""
    return launch["attempt"] == 1 and launch["from"] is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
