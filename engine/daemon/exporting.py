"""From which checkpoint a network is exported, and how it gets there."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from engine.config import parse_config
from engine.errors import NotPossible
from engine.home import RunFolder
from engine.interchange import Origin, refuse_used, transformers_config, write_folder

Row = Mapping[str, Any]


def export_network(
    run: Row, checkpoints: Sequence[Row], source: RunFolder, target: Path, *, at: int | None
) -> dict[str, Any]:
    """Write the network of a run, at the checkpoint nearest to `at`, for `transformers`.

    `at` None is the latest checkpoint. Checkpoints that are damaged or were just replaced are
    passed over.

    Raises:
        NotPossible: no class of `transformers` computes the network, the target is in use or
            cannot be written, `at` lies outside of what there is, or no checkpoint is intact.
            Nothing is then written.
    """
    config, number = parse_config(run["config"]), run["run_id"]
    transformers_config(config.model, vocab_size=1, length=1)
    _require_between(checkpoints, at, number)
    refuse_used(target)
    step, state = _state(number, _by_preference(checkpoints, at), source)
    origin = Origin(run=number, name=run["name"], step=step, config=config)
    written = write_folder(target, state, origin)
    return {
        "folder": str(written.folder),
        "run_id": number,
        "step": written.step,
        "architecture": written.architecture,
        "weights": "averaged" if written.averaged else "trained",
        "bytes": written.size,
    }


def _require_between(checkpoints: Sequence[Row], at: int | None, run: int) -> None:
    steps = [row["step"] for row in checkpoints]
    if at is None or not steps or min(steps) <= at <= max(steps):
        return
    raise NotPossible(
        f"the step must lie between {min(steps):,} and {max(steps):,}, the first and the last "
        f"checkpoint of run {run}, got {at:,}; leave it out for the latest"
    )


def _by_preference(checkpoints: Sequence[Row], at: int | None) -> list[Row]:
    if at is None:
        return sorted(checkpoints, key=lambda row: -row["step"])
    return sorted(checkpoints, key=lambda row: (abs(row["step"] - at), row["step"]))


def _state(
    run: int, checkpoints: Sequence[Row], source: RunFolder
) -> tuple[int, dict[str, np.ndarray]]:
    for row in checkpoints:
        content = _content(source.path / row["file"])
        if hashlib.sha256(content).hexdigest() == row["sha256"]:
            return row["step"], safetensors.numpy.load(content)
    if checkpoints:
        raise NotPossible(f"no checkpoint of run {run} is intact; resume it to write a new one")
    raise NotPossible(f"run {run} has no checkpoint yet; wait for its first one, then export")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
