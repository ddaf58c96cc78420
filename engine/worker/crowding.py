"""What is told when a batch is too large for its memory and a part of it is given back."""

from collections.abc import Iterable
from typing import Any

from engine.worker.recorder import Recorder

OUT_OF_MEMORY = "out_of_memory"
ADVICE = (
    "the device ran out of memory: lower training.batch_size, raise "
    "training.accumulate, or launch fewer seeds at once"
)


def crowded(n_runs: int, n_left: int) -> dict[str, Any]:
    """The payload of the event: how many runs were too many, and how many go on."""
    message = f"memory ran out with {n_runs} runs in one program"
    goes_on = f"{n_left} of them go{'es' if n_left == 1 else ''} on" if n_left else "all wait"
    return {"message": f"{message}; {goes_on}", "runs": n_runs, "fitting": n_left or n_runs // 2}


def give_back(recorder: Recorder, step: int, *, n_runs: int, n_left: int) -> None:
    """End a run's part of the worker so that it waits for another."""
    payload = crowded(n_runs, n_left)
    recorder.event(step, OUT_OF_MEMORY, payload)
    recorder.give_back(step, f"{payload['message']}, this one waits for its turn")


def give_all_back(recorders: Iterable[Recorder]) -> None:
    """End a worker whose runs are in no whole state: they go on from their last checkpoints."""
    left = list(recorders)
    for recorder in left:
        give_back(recorder, recorder.step, n_runs=len(left), n_left=0)
