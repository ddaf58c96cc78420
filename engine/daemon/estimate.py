"""What a run will cost: its size from its settings, its rate from earlier runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from data import task_sizes
from engine.config import RunConfig
from engine.config.training import compile_choice
from engine.daemon.footprint import footprint

_NO_COST = frozenset({"operation", "pairs", "operand_zero"})
"""Task settings that change neither the shapes nor the number of examples."""


def estimate(config: RunConfig, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Predicted size and duration; the rate is None where no comparable run has been seen.

    `memory_bytes` is of the whole worker process, `seconds` of training alone; `flops_per_step`
    counts the operations of the matrix products of an update, two for a multiply-add.
    """
    sizes = task_sizes(config.task)
    parameters = config.model.n_parameters(sizes.vocabulary, sizes.length)
    rate, source = _rate(config, runs)
    batch = min(config.training.batch_size or sizes.train, sizes.train)
    flops = config.model.flops_per_example(sizes.vocabulary, sizes.length, sizes.n_read)
    return {
        **asdict(sizes),
        "parameters": parameters,
        "flops_per_step": flops * batch,
        "memory_bytes": footprint(config, sizes).of_process(1),
        "steps_per_second": rate,
        "source": source,
        "seconds": None if rate is None else config.training.steps / rate,
    }


def _rate(config: RunConfig, runs: Sequence[Mapping[str, Any]]) -> tuple[float | None, str]:
    ours = _cost_key(config.model_dump(mode="json"))
    alike = [
        run["steps_per_second"]
        for run in runs
        if run["steps_per_second"] and _cost_key(run["config"]) == ours
    ]
    if not alike:
        return None, "no run of this size yet"
    return median(alike), f"from {len(alike)} run{'s' if len(alike) > 1 else ''} of this size"


def _cost_key(tree: Mapping[str, Any]) -> tuple[Any, ...]:
    task, training = tree["task"], tree["training"]
    return (
        tuple(sorted((k, str(v)) for k, v in task.items() if k not in _NO_COST)),
        tuple(sorted((k, str(v)) for k, v in tree["model"].items())),
        tree["optimizer"]["kind"],
        *(training[k] for k in ("batch_size", "precision", "device", "threads")),
        compile_choice(training["compile"]),
    )
