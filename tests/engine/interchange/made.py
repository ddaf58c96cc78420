"""Runs of a few steps with checkpoints on disk, made by the trainer and the worker's archive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.config import RunConfig, apply
from engine.daemon.exporting import export_network
from engine.home import RunFolder
from engine.trainer.batch import Batch
from engine.worker.archive import Archive, Written, checkpoint_file
from engine.worker.patience import Patience

TASK = {"task.p": 7, "training.device": "cpu", "optimizer.learning_rate": 0.03}
GPT2: dict[str, Any] = {
    "model.kind": "gpt",
    "model.n_layers": 2,
    "model.d_model": 16,
    "model.n_heads": 2,
    "model.d_mlp": 24,
    "model.norm": "pre",
    "model.attention_bias": True,
    "model.activation": "gelu_tanh",
}


@dataclass(frozen=True, slots=True)
class Made:
    """A run, the state that its trainer had at each checkpoint, and what the store knows."""

    config: RunConfig
    folder: RunFolder
    states: Mapping[int, dict[str, Tensor]]
    checkpoints: Sequence[dict[str, Any]]

    def export(self, target: Path, *, at: int | None = None) -> dict[str, Any]:
        run = {"run_id": 3, "name": "made", "config": self.config.model_dump(mode="json")}
        return export_network(run, self.checkpoints, self.folder, target, at=at)


def make(place: Path, settings: Mapping[str, Any], *, steps: Sequence[int] = (4,)) -> Made:
    """Train to each of the steps and leave a checkpoint there."""
    config = apply(RunConfig(), TASK | dict(settings))
    folder, batch, archive = RunFolder(place / "run").create(), Batch.start({3: config}), Archive()
    states, checkpoints = dict[int, dict[str, Tensor]](), list[dict[str, Any]]()
    for step in steps:
        batch.advance(step - batch.step)
        states[step] = batch.state(3)

        def note(written: Written, step: int = step) -> None:
            file = str(written.file.relative_to(folder.path))
            checkpoints.append({"step": step, "file": file, "sha256": written.sha256})

        file = checkpoint_file(folder.checkpoints, step, kept=True)
        archive.write(file, states[step], patience=Patience(print), then=note)
    archive.drain()
    return Made(config, folder, states, checkpoints)
