"""How fast many runs train in one program, against one process for each of them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import torch

from data import task_sizes
from engine.bench.machine import free_bytes, n_cores, pick
from engine.bench.options import Options, chosen
from engine.bench.progress import say
from engine.bench.training.arithmetic import in_way, set_arithmetic, wait, ways
from engine.bench.training.arms import EAGER, PEERS, advancing, endless
from engine.bench.training.process import Trainee, together
from engine.bench.training.rounds import Arm, Rates, alternate, rounded
from engine.bench.training.settings import SETTINGS
from engine.config import RunConfig, apply
from engine.trainer.batch import Batch

Row = dict[str, Any]

BATCHED = ("quick", "nanda")
"""The settings that are measured when none is named."""
LONGEST_STEP = 3.0
"""Sizes whose step would take more than so many times a turn are left out."""
_BYTES = 24
"""Kept for each parameter of each run: weight, gradient, scratch, two moments and one to spare."""
_MOST_MEMORY = 0.8


def batches(options: Options) -> list[Row]:
    """One row for each number of runs in a program, and for one process a run on every core.

    Rates count the steps of all runs. Every way takes its turn in every round; sizes that do not
    fit into memory or into the time are told with the reason.
    """
    torch.set_num_threads(options.threads)
    rows: list[Row] = []
    for name in chosen(options.settings or BATCHED, list(SETTINGS), what="setting"):
        rows += _setting(name, options)
    return rows


def _setting(name: str, options: Options) -> list[Row]:
    device = pick(options.device)
    config = endless(SETTINGS[name].config, device=device, threads=options.threads)
    arms: dict[str, Arm] = {}
    runs: dict[str, int] = {}
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        trainees = [Trainee(name, device=device) for _ in range(n_cores())]
        for trainee in trainees:
            stack.callback(trainee.close)
        for arm in (PEERS, EAGER):
            way = f"{len(trainees)} processes, {arm}"
            arms[way], runs[way] = together(trainees, arm), len(trainees)
        # on the CPU runs share a program but no product, so one arithmetic tells all
        for arithmetic in ways(config, device) if device.type == "cuda" else ("float32",):
            asked = in_way(config, arithmetic)
            for size, arm in programs(asked, options, device):
                way = f"one program, {arithmetic}, {size:,} run{'s' * (size > 1)}"
                runs[way] = size
                if isinstance(arm, str):
                    left_out[way] = arm
                else:
                    arms[way] = arm
        say(f"batches: {name}, {len(arms)} ways, {options.rounds} rounds")
        rates = alternate(arms, seconds=options.seconds, rounds=options.rounds)
    base = rates[f"{len(trainees)} processes, {PEERS}"]
    return [
        {"setting": name, "way": way, "runs": n_runs}
        | (
            dict.fromkeys(FIGURES) | {"note": left_out[way]}
            if way in left_out
            else _figures(rates[way], n_runs, base=base, n_base=len(trainees))
        )
        for way, n_runs in runs.items()
    ]


FIGURES = (
    "run_steps_per_second",
    "spread",
    "run_steps_per_cpu_second",
    "times_processes",
    "times_processes_by_cpu",
    "rounds",
    "steps_a_round",
    "note",
)


def _figures(own: Rates, n_runs: int, *, base: Rates, n_base: int) -> Row:
    return {
        "run_steps_per_second": rounded(n_runs * own.per_second),
        "spread": round(own.spread, 3),
        "run_steps_per_cpu_second": rounded(n_runs * own.per_cpu_second),
        "times_processes": rounded(n_runs / n_base * own.times(base)),
        "times_processes_by_cpu": rounded(n_runs / n_base * own.times_by_cpu(base)),
        "rounds": len(own.wall),
        "steps_a_round": own.n_steps,
        "note": "",
    }


def programs(
    config: RunConfig, options: Options, device: torch.device
) -> Iterator[tuple[int, Arm | str]]:
    """Each size with its program, or with the reason why it is left out."""
    run_seconds = 0.0
    for size in sorted(set(options.sizes)):
        longest = LONGEST_STEP * options.seconds
        if run_seconds * size > longest:
            yield size, f"a step would take {run_seconds * size:.2g} s, more than {longest:g} s"
            continue
        if not _fits(config, size, device):
            yield size, "does not fit into the memory that is free"
            continue
        try:
            arm = _program(config, size, device)
            arm.train(3)
            started = time.perf_counter()
            arm.train(1)
            run_seconds = (time.perf_counter() - started) / size
        except torch.OutOfMemoryError:
            yield size, "does not fit into the memory of the device"
            continue
        yield size, arm


def _program(config: RunConfig, size: int, device: torch.device) -> Arm:
    """So many runs that differ in their seeds; its caller warms it up."""
    configs = {run: apply(config, {"training.seed": run}) for run in range(size)}
    drive = advancing(Batch.start(configs, device=device))

    def steps(n_steps: int) -> None:
        set_arithmetic(config.training.precision, device)
        drive(n_steps)
        wait(device)

    return Arm(steps, warm=True)


def _fits(config: RunConfig, size: int, device: torch.device) -> bool:
    """Whether what is kept of all runs between two steps takes a part of the free memory."""
    sizes, free = task_sizes(config.task), free_bytes(device)
    parameters = config.model.n_parameters(sizes.vocabulary, sizes.length)
    data = 8 * (sizes.train + sizes.test) * (sizes.length + sizes.n_read)
    return free is None or size * (_BYTES * parameters + data) < _MOST_MEMORY * free
