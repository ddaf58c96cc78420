"""What a launch will cost: its size from its settings, its rate from earlier runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil
from statistics import median
from typing import Any

from data import task_sizes
from data.errors import LabError
from engine.config import RunConfig, parse_config
from engine.config.training import compile_choice
from engine.daemon.footprint import footprint

_MOST_COMPARED = 20
"""Runs of another size that a first guess is made from: the newest ones."""
_NO_COST = frozenset({"operation", "pairs", "operand_zero"})
"""Task settings that change neither the shapes nor the number of examples."""

Runs = Sequence[Mapping[str, Any]]


def estimate(
    config: RunConfig, runs: Runs, *, seeds: int = 1, cpu_slots: int | None = None
) -> dict[str, Any]:
    """Predicted size and duration; the rate is None where no comparable run has been seen.

    `memory_bytes` is of the whole worker process, `seconds` of training alone until the last of
    the seeds is done; `flops_per_step` counts the operations of the matrix products of an update,
    two for a multiply-add. `cpu_slots` is how many CPU workers there are at once: seeds beyond
    them share a worker and its time. None: the seeds share a GPU, whose time they hardly share.
    """
    sizes = task_sizes(config.task)
    parameters = config.model.n_parameters(sizes.vocabulary, sizes.length)
    rate, source = _rate(config, runs, cpu_slots=cpu_slots)
    if rate is not None:
        rate /= _share(seeds, cpu_slots)
    return {
        **asdict(sizes),
        "parameters": parameters,
        "flops_per_step": _flops(config),
        "memory_bytes": footprint(config, sizes).of_process(1),
        "steps_per_second": rate,
        "source": source,
        "seconds": None if rate is None else config.training.steps / rate,
    }


def _flops(config: RunConfig) -> int:
    sizes = task_sizes(config.task)
    batch = min(config.training.batch_size or sizes.train, sizes.train)
    return batch * config.model.flops_per_example(sizes.vocabulary, sizes.length, sizes.n_read)


def _share(n_runs: int, cpu_slots: int | None) -> int:
    """How many runs of one launch take turns on one worker."""
    return 1 if cpu_slots is None else ceil(n_runs / max(cpu_slots, 1))


def _rate(config: RunConfig, runs: Runs, *, cpu_slots: int | None) -> tuple[float | None, str]:
    """Steps per second of a run that has its worker to itself, and where the figure is from."""
    launched = Counter(run.get("sweep_id") for run in runs)
    timed = [
        (run, run["steps_per_second"] * _share(_siblings(run, launched), cpu_slots))
        for run in runs
        if run["steps_per_second"]
    ]
    ours = config.model_dump(mode="json")
    alike = [rate for run, rate in timed if _cost_key(run["config"]) == _cost_key(ours)]
    if alike:
        return median(alike), f"from {_several(len(alike))} of this size"
    compared = [
        rate * flops / _flops(config)
        for run, rate in timed[::-1]
        if _machine_key(run["config"]) == _machine_key(ours)
        and (flops := _flops_of(run["config"])) is not None
    ][:_MOST_COMPARED]
    if compared:
        return median(compared), f"a rough guess from {_several(len(compared))} of another size"
    return None, "no run of this size yet"


def _siblings(run: Mapping[str, Any], launched: Mapping[Any, int]) -> int:
    return 1 if run.get("sweep_id") is None else launched[run["sweep_id"]]


def _several(n: int) -> str:
    return f"{n} run{'' if n == 1 else 's'}"


def _flops_of(tree: Mapping[str, Any]) -> int | None:
    """Operations of an update of an earlier run; None where its settings became unknown."""
    try:
        return _flops(parse_config(tree))
    except LabError:
        return None


def _machine_key(tree: Mapping[str, Any]) -> tuple[Any, ...]:
    """What decides how many operations a second are done."""
    training = tree["training"]
    names = ("precision", "device", "threads")
    compiled = compile_choice(training["compile"])
    return (tree["model"]["kind"], *(training[name] for name in names), compiled)


def _cost_key(tree: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        *_machine_key(tree),
        tuple(sorted((k, str(v)) for k, v in tree["task"].items() if k not in _NO_COST)),
        tuple(sorted((k, str(v)) for k, v in tree["model"].items())),
        tree["optimizer"]["kind"],
        tree["training"]["batch_size"],
    )
