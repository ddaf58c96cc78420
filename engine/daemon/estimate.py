"""What a run will cost: its size from its settings, its rate from earlier runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from data import task_sizes
from engine.config import RunConfig
from engine.models import ModelSettings

_BYTES_PER_PARAMETER = 16
"""A float32 weight, its gradient and two moments."""
_ACTIVATIONS = 14
"""Float32 values that one example keeps per layer for the backward pass, in units of d_model."""
_WORKER_BYTES = 350_000_000
"""A worker process with torch loaded, before it builds anything."""


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
    activations = 4 * sizes.length * _kept(config.model)
    return {
        **asdict(sizes),
        "parameters": parameters,
        "flops_per_step": flops * batch,
        "memory_bytes": _WORKER_BYTES
        + parameters * _BYTES_PER_PARAMETER
        + activations * batch // config.training.accumulate,
        "steps_per_second": rate,
        "source": source,
        "seconds": None if rate is None else config.training.steps / rate,
    }


def _kept(model: ModelSettings) -> int:
    """Numbers that a token of an example keeps for the backward pass, over all layers."""
    width = getattr(model, "d_mlp", 4 * model.d_model)
    loops = getattr(model, "n_loops", 1)
    return loops * model.n_layers * (_ACTIVATIONS * model.d_model + 2 * width)


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
        *(training[k] for k in ("batch_size", "precision", "device", "threads", "compile")),
    )
