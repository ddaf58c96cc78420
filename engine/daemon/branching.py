"""What a fork or an extension may change, and from which checkpoint a fork starts."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.config.overrides import apply, differences
from engine.config.run import RunConfig
from engine.daemon.origins import Origin, digest
from engine.errors import NotPossible
from engine.home import RunFolder

_SHAPING = frozenset({"task.kind", "task.p", "task.format"})
"""Settings outside `model` that decide which tensors a checkpoint holds."""


def forked_config(parent: RunConfig, overrides: Mapping[str, Any], *, step: int) -> RunConfig:
    """The child's configuration; raises when the parent's checkpoint would not fit it."""
    child = apply(parent, overrides)
    changed = [name for name, _, _ in differences(child, parent)]
    shaping = [name for name in changed if name.startswith("model.") or name in _SHAPING]
    if shaping:
        raise NotPossible(
            f"a fork keeps its parent's weights and cannot change {', '.join(shaping)}; "
            "launch a new run with these settings instead"
        )
    if child.training.steps <= step:
        raise NotPossible(
            f"a fork at step {step:,} has nothing left of training.steps "
            f"{child.training.steps:,}; set training.steps above {step:,}"
        )
    return child


def extended_config(config: RunConfig, steps: int, *, last_step: int) -> RunConfig:
    """The configuration with a larger budget; raises when it is not larger than what was done."""
    if steps <= max(last_step, config.training.steps):
        raise NotPossible(
            f"a budget can only grow: training.steps is {config.training.steps:,} and the run "
            f"has done {last_step:,} steps, got {steps:,}"
        )
    return apply(config, {"training.steps": steps})


def nearest_checkpoint(rows: Iterable[Mapping[str, Any]], step: int, run: int) -> dict[str, Any]:
    """The last checkpoint at or before a step; raises with the steps that there are."""
    rows = sorted(rows, key=lambda row: row["step"])
    reachable = [row for row in rows if row["step"] <= step]
    if reachable:
        return dict(reachable[-1])
    if not rows:
        raise NotPossible(f"run {run} has no checkpoint yet; wait for its first one, then fork")
    steps = ", ".join(f"{row['step']:,}" for row in rows)
    raise NotPossible(
        f"run {run} has no checkpoint at or before step {step:,}; there are some at {steps}"
    )


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
