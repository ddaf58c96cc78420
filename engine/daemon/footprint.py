"""How much memory a batch of runs is expected to take, from their settings alone.

A rule of thumb that errs by tens of percent: a worker that runs out all the same halves its batch
(see `engine.daemon.limits`).
"""

from dataclasses import dataclass

from data import TaskSizes
from engine.config import RunConfig
from engine.models import ModelSettings

_WORKER_BYTES = 350_000_000
"""A worker process with torch loaded, before it builds anything."""
_CUDA_HOST_BYTES = 3_000_000_000
"""The same with CUDA's libraries, in the machine's own memory."""
_CUDA_CONTEXT_BYTES = 700_000_000
"""What CUDA and its libraries take of a device before any tensor."""
_ROWS = 5
"""Float32 rows that every run has: weights, gradient, scratch, two moments."""
_ACTIVATIONS = 14
"""Float32 values that one token keeps per layer for the backward pass, in units of d_model."""
_LOGITS = 3
"""Logits, their logarithmic shares, and the gradient of both."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that one run adds to a batch."""

    kept: int
    """Weights, what the optimiser remembers, and examples: as long as the run is there."""
    passing: int
    """What a forward pass keeps for the backward pass."""

    def of_process(self, n_runs: int) -> int:
        """A worker's memory where runs are computed one by one, on a processor."""
        return _WORKER_BYTES + n_runs * self.kept + self.passing

    def of_device(self, n_runs: int) -> int:
        """A device's memory where runs are computed together, on an accelerator."""
        return _CUDA_CONTEXT_BYTES + n_runs * (self.kept + self.passing)

    def total(self, n_runs: int, device: str) -> int:
        """What a batch takes of the memory in which it is trained."""
        return self.of_device(n_runs) if device == "cuda" else self.of_process(n_runs)

    def fitting(self, free: int, device: str) -> int:
        """How many runs fit in so many free bytes."""
        if device == "cuda":
            return max(0, (free - _CUDA_CONTEXT_BYTES) // (self.kept + self.passing))
        return max(0, (free - _WORKER_BYTES - self.passing) // self.kept)


def host_bytes_beside(device: str) -> int:
    """What a worker takes of the machine's memory when it trains on an accelerator."""
    return _CUDA_HOST_BYTES if device == "cuda" else 0


def footprint(config: RunConfig, sizes: TaskSizes) -> Footprint:
    """The footprint of a run whose task has these sizes."""
    parameters = config.model.n_parameters(sizes.vocabulary, sizes.length)
    batch = min(config.training.batch_size or sizes.train, sizes.train)
    part = -(-batch // config.training.accumulate)
    logits = _LOGITS * sizes.n_read * sizes.vocabulary
    if config.training.loss_precision == "float64":
        logits *= 2
    # int64 tokens and answers; mini-batches keep a second copy in the order of an epoch
    n_copies = 2 if batch < sizes.train else 1
    rows = sizes.examples + sizes.probes + (n_copies - 1) * sizes.train
    examples = 8 * (sizes.length + sizes.n_read) * rows
    return Footprint(
        kept=4 * parameters * _n_rows(config) + examples,
        passing=4 * part * (sizes.length * _kept(config.model) + logits),
    )


def _n_rows(config: RunConfig) -> int:
    optimizer = config.optimizer
    window = {"none": 0, "ema": 1, "ma": optimizer.grokfast_window}[optimizer.grokfast]
    return _ROWS + window + (optimizer.ema_decay > 0)


def _kept(model: ModelSettings) -> int:
    """Numbers that a token of an example keeps for the backward pass, over all layers."""
    width = getattr(model, "d_mlp", 4 * model.d_model)
    loops = getattr(model, "n_loops", 1)
    every_layer = loops * model.n_layers * (_ACTIVATIONS * model.d_model + 2 * width)
    return every_layer + getattr(model, "mixers_kept", 0)
