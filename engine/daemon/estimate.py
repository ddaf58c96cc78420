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
from engine.models import GPTSettings
from engine.trainer.compiling import RATES, Rate

_SETTLED_SECONDS = 2.0
"""A run that trained for less tells more of its start than of its steps."""
_MOST_COMPARED = 20
"""Runs of another size that a first guess is made from: the newest ones."""
_NO_COST = frozenset({"operation", "pairs", "operand_zero"})
"""Task settings that change neither the shapes nor the number of examples."""

_ONE_LAYER = Rate(seconds_per_step=7e-4, flops_per_second=1.2e11, least_seconds=0.0)
_LAYERS = Rate(seconds_per_step=1.8e-3, flops_per_second=8e10, least_seconds=0.0)
"""Rules of thumb for what loops of our own train on the CPU, counted as they would be by torch.

Two thirds of what was measured: docs/performance.md, throughput.
"""

Runs = Sequence[Mapping[str, Any]]


def estimate(
    config: RunConfig,
    runs: Runs,
    *,
    seeds: int = 1,
    cpu_slots: int | None = None,
    room_bytes: int | None = None,
) -> dict[str, Any]:
    """Predicted size and duration; `source` says what the rate was predicted from.

    `memory_bytes` is what one run's worker takes of the memory in which it trains, of which it can
    never have more than `room_bytes` (None: not known); `seconds` is of training alone until the
    last of the seeds is done; `flops_per_step` counts the operations of the matrix products of an
    update, two for a multiply-add. `cpu_slots` is how many CPU workers there are at once: seeds
    beyond them share a worker and its time. None: the seeds share a GPU, whose time they hardly
    share.
    """
    sizes = task_sizes(config.task)
    parameters = config.model.n_parameters(sizes.vocabulary, sizes.length)
    rate, source = _rate(config, runs, seeds=seeds, cpu_slots=cpu_slots)
    rate /= _share(seeds, cpu_slots)
    return {
        **asdict(sizes),
        "parameters": parameters,
        "flops_per_step": _flops(config),
        "memory_bytes": footprint(config, sizes).total(1, "cuda" if cpu_slots is None else "cpu"),
        "room_bytes": room_bytes,
        "steps_per_second": rate,
        "source": source,
        "seconds": config.training.steps / rate,
    }


def _flops(config: RunConfig) -> int:
    sizes = task_sizes(config.task)
    batch = min(config.training.batch_size or sizes.train, sizes.train)
    return batch * config.model.flops_per_example(sizes.vocabulary, sizes.length, sizes.n_read)


def _share(n_runs: int, cpu_slots: int | None) -> int:
    """How many runs of one launch take turns on one worker."""
    return 1 if cpu_slots is None else ceil(n_runs / max(cpu_slots, 1))


def _n_workers(n_runs: int, cpu_slots: int | None) -> int:
    """How many workers the runs of one launch keep busy."""
    return 1 if cpu_slots is None else min(n_runs, max(cpu_slots, 1))


def _rate(
    config: RunConfig, runs: Runs, *, seeds: int, cpu_slots: int | None
) -> tuple[float, str]:
    """Steps per second of a run that has its worker to itself, and where the figure is from.

    Of runs of this size those count first whose launch kept as many workers busy: one alone may
    have had idle cores to help. A run of another size tells how far this machine is from the rule
    of thumb in `RATES`.
    """
    launched = Counter(run.get("sweep_id") for run in runs)
    ours = config.model_dump(mode="json")

    def alone(run: Mapping[str, Any]) -> float:
        return run["steps_per_second"] * _share(_siblings(run, launched), cpu_slots)

    near = [
        run
        for run in runs
        if run["steps_per_second"] and _machine_key(run["config"]) == _machine_key(ours)
    ]
    alike = _settled([run for run in near if _cost_key(run["config"]) == _cost_key(ours)])
    ours_busy = _n_workers(seeds, cpu_slots)
    as_many = [r for r in alike if _n_workers(_siblings(r, launched), cpu_slots) == ours_busy]
    if alike := as_many or alike:
        return median(map(alone, alike)), f"from {_several(len(alike))} of this size"
    on_gpu = cpu_slots is None
    threads = 1 if on_gpu else config.training.threads
    guess = 1 / _seconds(config, threads, on_gpu=on_gpu)
    compared = [
        guess * alone(run) * _seconds(other, threads, on_gpu=on_gpu)
        for run in _settled(near)[::-1]
        if (other := _parsed(run["config"])) is not None
    ][:_MOST_COMPARED]
    if compared:
        return median(compared), f"a rough guess from {_several(len(compared))} of another size"
    flops_per_second = _rule(config, on_gpu=on_gpu).flops_per_second * threads
    return guess, f"a guess at {flops_per_second / 1e9:,.0f} GFLOP/s, no run like it yet"


def _seconds(config: RunConfig, threads: int, *, on_gpu: bool) -> float:
    """What a step takes by the rule of thumb, its arithmetic spread over the threads."""
    return _rule(config, on_gpu=on_gpu).seconds(1, ceil(_flops(config) / threads))


def _rule(config: RunConfig, *, on_gpu: bool) -> Rate:
    if on_gpu:
        return RATES["cuda"]
    model, sizes = config.model, task_sizes(config.task)
    if not isinstance(model, GPTSettings) or config.training.dropout:
        return RATES["cpu"]
    if model.sums_rows(sizes.vocabulary, sizes.length):
        return _ONE_LAYER
    return _LAYERS if model.n_layers > 1 and model.fits_loops else RATES["cpu"]


def _settled(runs: Runs) -> Runs:
    """The runs that trained long enough, or else those nearest to it."""
    longest = max((_trained(run) for run in runs), default=0.0)
    least = min(_SETTLED_SECONDS, longest / 2)
    return [run for run in runs if _trained(run) >= least]


def _trained(run: Mapping[str, Any]) -> float:
    return run["train_seconds"] or 0.0


def _siblings(run: Mapping[str, Any], launched: Mapping[Any, int]) -> int:
    return 1 if run.get("sweep_id") is None else launched[run["sweep_id"]]


def _several(n: int) -> str:
    return f"{n} run{'' if n == 1 else 's'}"


def _parsed(tree: Mapping[str, Any]) -> RunConfig | None:
    """The settings of an earlier run; None where they became unknown."""
    try:
        return parse_config(tree)
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
