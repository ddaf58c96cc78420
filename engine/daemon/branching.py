"""What a fork or an extension may change, and from which checkpoint a fork starts."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data import task_sizes
from engine.config.fields import kinds
from engine.config.overrides import apply, differences
from engine.config.run import RunConfig
from engine.daemon.origins import Origin, digest
from engine.errors import NotPossible
from engine.home import RunFolder
from engine.trainer.seeds import seed_of

_SHAPES = {
    "vocabulary": "tokens",
    "length": "tokens a row",
    "n_classes": "answers",
    "n_read": "positions to answer at",
}
"""What weights are made for, as `TaskSizes` names it, and what it counts."""

_FREE = {
    "universal": frozenset({"model.n_loops"}),
    "trm": frozenset({"model.h_cycles", "model.l_cycles"}),
}
"""Settings of a network that none of its weights depends on."""


def forked_config(parent: RunConfig, overrides: Mapping[str, Any], *, step: int) -> RunConfig:
    """The child's configuration; raises when the parent's checkpoint would not fit it.

    A task whose kind has all settings of its parent's, and more, takes these over: `transfer`
    goes on with the graph of its `composition` run. Loops may be chosen anew.
    """
    child = apply(parent, {**_taken_over(parent, overrides), **overrides})
    changed = [name for name, _, _ in differences(child, parent)]
    free = _FREE.get(parent.model.kind, frozenset())
    shaping = [name for name in changed if name.startswith("model.") and name not in free]
    if shaping:
        raise NotPossible(
            f"a fork keeps its parent's weights and cannot change {', '.join(shaping)}; "
            "launch a new run with these settings instead"
        )
    if child.task.kind != parent.task.kind:
        _check_same_draw(child, parent)
    if child.task != parent.task:
        _check_shapes(child, parent)
    if child.training.steps <= step:
        raise NotPossible(
            f"a fork at step {step:,} has nothing left of training.steps "
            f"{child.training.steps:,}; set training.steps above {step:,}"
        )
    return child


def _taken_over(parent: RunConfig, overrides: Mapping[str, Any]) -> dict[str, Any]:
    kind = overrides.get("task.kind", parent.task.kind)
    if kind == parent.task.kind or kind not in kinds("task"):
        return {}
    return {f"task.{name}": getattr(parent.task, name) for name in _shared(parent, kind)}


def _shared(parent: RunConfig, kind: str) -> list[str]:
    """The settings of two kinds of which one has all that the other has; none of other kinds."""
    own, other = set(type(parent.task).model_fields), set(kinds("task")[kind].model_fields)
    return sorted((own & other) - {"kind"}) if own <= other or other <= own else []


def _check_same_draw(child: RunConfig, parent: RunConfig) -> None:
    """Facts are old to the child only where its seed and settings draw what its parent saw."""
    lost = [
        f"task.{name}"
        for name in _shared(parent, child.task.kind)
        if getattr(child.task, name) != getattr(parent.task, name)
    ]
    same_seed = seed_of(child.training, "split") == seed_of(parent.training, "split")
    if _shared(parent, child.task.kind) and not same_seed:
        lost.append("the split seed")
    if lost:
        raise NotPossible(
            f"a fork from {parent.task.kind} to {child.task.kind} goes on with what its parent "
            f"drew and cannot change {', '.join(lost)}; leave these as they are, "
            "or launch a new run"
        )


def _check_shapes(child: RunConfig, parent: RunConfig) -> None:
    ours, theirs = task_sizes(child.task), task_sizes(parent.task)
    for size, noun in _SHAPES.items():
        now, was = getattr(ours, size), getattr(theirs, size)
        if now != was:
            names = [name for name, _, _ in differences(child, parent) if name.startswith("task.")]
            if child.task.kind != parent.task.kind:
                names = ["task.kind"]
            raise NotPossible(
                f"a fork keeps its parent's weights, made for {was:,} {noun}, and cannot change "
                f"{', '.join(names)} so that there are {now:,}; "
                "launch a new run with these settings instead"
            )


def extended_config(config: RunConfig, steps: int, *, last_step: int) -> RunConfig:
    """The configuration with a larger budget; raises when it is not larger than what was done."""
    if steps <= max(last_step, config.training.steps):
        raise NotPossible(
            f"a budget can only grow: training.steps is {config.training.steps:,} and the run "
            f"has done {last_step:,} steps, got {steps:,}"
        )
    return apply(config, {"training.steps": steps})


def nearest_checkpoint(
    rows: Iterable[Mapping[str, Any]], step: int, run: int, *, last_step: int
) -> dict[str, Any]:
    """The last checkpoint at or before a step that was done; raises with what there is."""
    rows = sorted(rows, key=lambda row: row["step"])
    if rows and step > last_step:
        raise NotPossible(
            f"a fork of run {run} must start between step {rows[0]['step']:,} and its last step "
            f"{last_step:,}, got {step:,}"
        )
    reachable = [row for row in rows if row["step"] <= step]
    if reachable:
        return dict(reachable[-1])
    if not rows:
        raise NotPossible(f"run {run} has no checkpoint yet; wait for its first one, then fork")
    raise NotPossible(
        f"run {run} has no checkpoint at or before step {step:,}; there are some at {_steps(rows)}"
    )


def exact_checkpoint(
    rows: Iterable[Mapping[str, Any]], step: int, run: int, *, last_step: int
) -> dict[str, Any]:
    """The checkpoint of a step that was seen; raises where it is gone, with what there is."""
    rows = list(rows)
    nearest = nearest_checkpoint(rows, step, run, last_step=last_step)
    if nearest["step"] != step:
        raise NotPossible(
            f"run {run} has no checkpoint of step {step:,}: a later one may have replaced it; "
            f"there are some at {_steps(rows)}"
        )
    return nearest


def _steps(rows: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"{step:,}" for step in sorted(row["step"] for row in rows))


def copy_checkpoint(parent: RunFolder, child: RunFolder, row: Mapping[str, Any]) -> Origin:
    """Give the child a checkpoint of its own, so that either run can be deleted."""
    source, target = parent.path / row["file"], child.checkpoints / Path(row["file"]).name
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
    if digest(target) != row["sha256"]:
        raise NotPossible(
            f"the checkpoint of step {row['step']:,} is damaged or was just replaced; "
            "try again, or fork at an earlier step"
        )
    return Origin(row["step"], target, row["sha256"])
