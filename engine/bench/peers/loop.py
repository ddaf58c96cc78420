"""What every loop of a peer owes the benchmark."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from engine.config import RunConfig
from engine.optim import AdamSettings, AdamWSettings, OptimizerSettings

Weights = Mapping[str, Tensor]
"""The engine's tensors `model.…` of a run, as `Batch.state` names them."""


class PeerNetwork(nn.Module, ABC):
    """A network that can start from the weights of one of the engine's."""

    @abstractmethod
    def load(self, weights: Weights) -> None:
        """Take over the engine's weights."""

    @abstractmethod
    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of all positions, (B, T, V), from tokens (B, T)."""


class PeerLoop(ABC):
    """A network, its data and its optimiser, trained step by step without end."""

    period = 1
    """After how many steps the loop's work repeats: validation passes, short last batches."""

    def __init__(self, network: PeerNetwork, config: RunConfig, device: torch.device) -> None:
        self.network = network.to(device)
        self.config, self.device = config, device
        self.optimizer = optimizer_of(network, config.optimizer)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, rate_factor(config.optimizer, config.training.steps)
        )
        self._loops: dict[bool, Iterator[None]] = {
            evaluate: self.loop(evaluate=evaluate) for evaluate in (True, False)
        }

    @abstractmethod
    def loop(self, *, evaluate: bool) -> Iterator[None]:
        """Train for ever; yields after each update and the evaluation that belongs to it."""

    @abstractmethod
    def loss(self) -> float:
        """Loss in nats on the first training rows, of the weights as they are.

        Logits of tokens that are no answer are dropped, as the engine drops them in training;
        a loop that trains on all of them is not judged by what it gains there.
        """

    def train(self, n_steps: int, *, evaluate: bool) -> None:
        """Make some updates, as the peer does or without any evaluation, and wait for them."""
        steps = self._loops[evaluate]
        for _ in range(n_steps):
            next(steps)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def start_from(self, weights: Weights) -> None:
        """Begin at the engine's weights."""
        self.network.load(weights)

    @property
    def n_parameters(self) -> int:
        """Trainable numbers."""
        return sum(parameter.numel() for parameter in self.network.parameters())


LOSS_ROWS = 512
"""Rows on which a loss is measured to see that all arms train the same thing."""


def optimizer_of(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Adam or AdamW of torch itself, as it is by default.

    Weight decay spares vectors where `decay_group` says so, by two groups, as is the custom.
    """
    assert isinstance(settings, AdamSettings | AdamWSettings)
    kind = torch.optim.AdamW if isinstance(settings, AdamWSettings) else torch.optim.Adam
    parameters = list(network.parameters())
    groups: list[dict[str, object]] = [{"params": parameters}]
    if settings.decay_group == "matrices":
        groups = [
            {"params": [p for p in parameters if p.dim() > 1]},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
    return kind(
        groups,
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )


def rate_factor(settings: OptimizerSettings, steps: int) -> Callable[[int], float]:
    """The share of the learning rate for each update, counted from 0: warm-up, then the schedule.

    The published loops count warm-up from 0 too, so that their first update does nothing; here
    it takes 1 / warmup_steps, as the engine's does, and both curves can be compared.
    """
    warmup, rest = settings.warmup_steps, settings.final_fraction

    def factor(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        if settings.schedule == "constant":
            return 1.0
        done = min((update - warmup) / max(steps - warmup, 1), 1.0)
        return rest + (1 - rest) * 0.5 * (1 + math.cos(math.pi * done))

    return factor
