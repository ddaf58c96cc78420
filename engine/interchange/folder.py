"""How a network becomes a folder that `transformers` loads: whole, or not at all."""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from data import build_task
from engine.config import RunConfig
from engine.errors import NotPossible
from engine.interchange.card import card
from engine.interchange.configs import absent_weights, transformers_config
from engine.interchange.weights import measured
from engine.trainer.seeds import seed_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Which state of which run is written."""

    run: int
    name: str
    step: int
    config: RunConfig


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    folder: Path
    step: int
    architecture: str
    averaged: bool
    """Whether the weights are the average that the run is measured on."""
    size: int
    """Bytes of all files."""


def refuse_used(folder: Path) -> None:
    """Raise NotPossible where a folder cannot be made: it holds something, or is a file."""
    try:
        used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise _unwritable(folder, error) from None
    if used:
        raise NotPossible(
            f"--to must name a folder that is new or empty, got {folder}, which is not"
        )


def write_folder(folder: Path, state: Mapping[str, np.ndarray], origin: Origin) -> Exported:
    """Write config.json, model.safetensors, tokens.json and README.md of a checkpoint's state.

    `refuse_used` says beforehand, at no cost, whether the folder will do.

    Raises:
        NotPossible: no class of `transformers` computes the network, the folder is in use, or it
            cannot be written. Nothing is then written.
    """
    config = origin.config
    task = build_task(config.task, seed=seed_of(config.training, "split"))
    described = transformers_config(config.model, vocab_size=task.vocab_size, length=task.length)
    weights, averaged = measured(state, averaged=config.optimizer.ema_decay > 0)
    absent = absent_weights(config.model, weights)
    about = card(
        config,
        task,
        run=origin.run,
        name=origin.name,
        step=origin.step,
        averaged=averaged,
        without_biases=bool(absent),
    )
    files = {
        "config.json": _json(described),
        "model.safetensors": safetensors.numpy.save(weights | absent, metadata={"format": "pt"}),
        "tokens.json": _json(dict(enumerate(task.token_names))),
        "README.md": about.encode(),
    }
    _write_whole(folder, files)
    size = sum(map(len, files.values()))
    return Exported(folder, origin.step, described["architectures"][0], averaged, size)


def _json(tree: Any) -> bytes:
    return (json.dumps(tree, indent=2, ensure_ascii=False) + "\n").encode()


def _write_whole(folder: Path, files: Mapping[str, bytes]) -> None:
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
        os.replace(partial, folder)
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> NotPossible:
    return NotPossible(f"{folder} cannot be written: {error.strerror or error}")
