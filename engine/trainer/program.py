"""What is computed for a group of runs: losses, gradients, scores and maps, by one network.

Shapes: ``R`` runs of the group, ``B`` examples, ``T`` tokens, ``A`` answers, ``V`` vocabulary,
``L`` layers, ``H`` heads.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.func import functional_call

from data import TaskData
from engine.config.training import TrainingSettings
from engine.kernels.answers import n_right_by_loops
from engine.kernels.compiled import available
from engine.losses.cross_entropy import answer_loss, n_right
from engine.losses.one_pass import LossOfRows, answer_loss_in_one_pass, loss_of_rows
from engine.losses.stablemax import stablemax_loss
from engine.measures.attention import attention_maps
from engine.models.dropout import Dropout as DropoutModule
from engine.models.dropout import chosen, places
from engine.models.network import ByHand, Network
from engine.trainer.examples import Examples
from engine.trainer.mapping import RunFunction, map_runs
from engine.trainer.tracing import TracedByShape
from engine.trainer.weights import Group

MATMUL_DTYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
}
LOSSES = {"cross_entropy": answer_loss, "stablemax": stablemax_loss}
ONE_PASS = {"cross_entropy": answer_loss_in_one_pass}
"""Losses that come with their gradient, where nothing maps over runs or looks into the step."""
BY_HAND = {"cross_entropy": loss_of_rows}
"""The same without autograd, for networks that have a way back of their own."""
Dropout = tuple[()] | tuple[Int64[Tensor, " R"], Float[Tensor, " R"]]
"""Key and rate of each run's dropout; nothing where runs have none."""
LOSS_DTYPES = {"float32": torch.float32, "float64": torch.float64}


CHUNK = 2**22
"""Numbers that a layer gives for the examples of one evaluation pass: bounds memory."""

MOST_SHAPES = 4_096
"""Steps of different shapes in one process: runs with different shares of the data, parts."""


class Program:
    """A network and its loss, as functions of parameters stacked over runs."""

    def __init__(
        self,
        network: Network,
        task: TaskData,
        training: TrainingSettings,
        *,
        d_model: int,
        device: torch.device,
        compiled: bool,
    ) -> None:
        network.matmul_dtype = MATMUL_DTYPES[training.precision]
        network.alphabets = task.alphabets
        if training.fused_mlp:
            network.fuse(training.precision)
        may_loop = device.type == "cpu" and available() and not compiled
        self._loops = may_loop and not training.dropout
        self._network = network
        self._dropouts = [
            m for m in network.modules() if isinstance(m, DropoutModule) and may_loop
        ]
        self._places = places(network)
        self._read = task.read_at
        self._n_classes = task.n_classes
        self._measure = LOSSES[training.loss]
        self.loss_dtype = LOSS_DTYPES[training.loss_precision]
        self._measure_in_one_pass = ONE_PASS.get(training.loss, self._measure)
        self._measure_by_hand = BY_HAND.get(training.loss) if self._loops else None
        self._ways: WeakKeyDictionary[Group, dict[bool, ByHand | None]] = WeakKeyDictionary()
        self._n_chunk = max(CHUNK // (task.length * d_model), 1)
        self._step = self._gradients
        if compiled:
            _compile_every_shape()
            step = self._gradients_in_one_graph
            # the compiler would leave a kernel's own gradient out
            self._step = (
                TracedByShape(step) if training.fused_mlp else torch.compile(step, dynamic=False)
            )

    def gradients(
        self,
        parameters: Mapping[str, Tensor],
        examples: Examples,
        weight: Float[Tensor, " R"] | None = None,
        dropout: Dropout = (),
    ) -> tuple[tuple[Tensor, ...], Float[Tensor, " R"], Float[Tensor, "R B A V"]]:
        """Gradients [R, *shape] in the parameters' order, loss and logits of each run.

        `weight` multiplies each run's loss: the share of its answers that these examples hold.
        """
        return self._step(parameters, examples.tokens, examples.targets, weight, dropout)

    def by_hand(
        self,
        group: Group,
        examples: Examples,
        weight: Float[Tensor, " R"] | None = None,
        *,
        beside: bool = False,
    ) -> tuple[float, Float[Tensor, "BA V"]] | None:
        """Loss and logits of a group of one run; its gradient by the network's own way back.

        That is written to the group's place, or `beside` it; logits are good until the next call.
        None where there is no such way for these examples.
        """
        measure = self._measure_by_hand
        if measure is None or len(examples.n_rows) > 1:
            return None
        # a module looks through its parameters whenever something is set
        if not self._network.loops:
            self._network.loops = True
        way = self._way(group, beside=beside)
        if way is None:
            return None
        own, taken = examples.alone(), list[LossOfRows]()
        share = 1.0 if weight is None else float(weight)

        def then(logits: Tensor, to_logits: Tensor) -> Callable[[slice], None]:
            rows = measure(
                logits,
                own.targets,
                to_logits,
                scale=share / max(own.n_asked, 1),
                n_classes=self._n_classes,
                dtype=self.loss_dtype,
            )
            taken.append(rows)
            return rows.take

        found = way(own.tokens, then)
        if found is None:
            return None
        found.back()
        return taken[0].total(), found.logits

    def _way(self, group: Group, *, beside: bool) -> ByHand | None:
        ways = self._ways.get(group)
        if ways is None:
            ways = self._ways[group] = {}
        if beside not in ways:
            ways[beside] = self._new_way(group, beside=beside)
        return ways[beside]

    @torch.no_grad()
    def _new_way(self, group: Group, *, beside: bool) -> ByHand | None:
        leaves, to = (
            {name: each[0].detach() for name, each in of.items()}
            for of in (group.leaves, group.gradients[beside])
        )
        return self._network.by_hand(leaves, to, self._read)

    def holding(self) -> AbstractContextManager[None]:
        """Around several passes over the same weights, which change in none of them."""
        return self._network.holding()

    def scores(
        self, parameters: Mapping[str, Tensor], examples: Examples
    ) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
        """Mean loss and accuracy of each run over examples of any number."""
        loss, right = self.scores_by_answer(parameters, examples)
        return loss, right.sum(1) / examples.n_answers().clamp(min=1)

    @torch.no_grad()
    def scores_by_answer(
        self, parameters: Mapping[str, Tensor], examples: Examples
    ) -> tuple[Float[Tensor, " R"], Int64[Tensor, "R A"]]:
        """Mean loss of each run, and how many answers are right at each read position."""
        first, *others = examples.chunks(self._n_chunk)
        loss, right = self._scores_of_chunk(parameters, first)
        if others:
            asked = examples.n_answers().clamp(min=1)
            loss = loss * (first.n_answers() / asked)
            for chunk in others:
                more_loss, more_right = self._scores_of_chunk(parameters, chunk)
                loss = loss + more_loss * (chunk.n_answers() / asked)
                right = right + more_right
        return loss, right

    def n_right(
        self, logits: Float[Tensor, "R B A V"], examples: Examples
    ) -> Int64[Tensor, "R A"]:
        """How many answers of each run are right at each read position."""
        if len(logits) == 1:
            count = n_right_by_loops if self._loops else n_right
            return count(logits[0], examples.targets[0], n_classes=self._n_classes)[None]
        return torch.vmap(partial(n_right, n_classes=self._n_classes))(logits, examples.targets)

    def _scores_of_chunk(
        self, parameters: Mapping[str, Tensor], chunk: Examples
    ) -> tuple[Float[Tensor, " R"], Int64[Tensor, "R A"]]:
        loss, logits = self._mapped(self._loss, parameters, chunk.tokens, chunk.targets)
        return loss, self.n_right(logits, chunk)

    @property
    def has_maps(self) -> bool:
        """Whether `attention` has something to show."""
        return self._network.has_maps

    @torch.no_grad()
    def attention(
        self, parameters: Mapping[str, Tensor], tokens: Int64[Tensor, "R B T"]
    ) -> Float[Tensor, "R L H T T"]:
        """The mean attention map of each run's heads over some examples."""

        def maps(parameters: Mapping[str, Tensor], tokens: Tensor) -> tuple[Tensor]:
            return (attention_maps(self._network, parameters, tokens, n_examples=0).mean,)

        return self._mapped(maps, parameters, tokens)[0]

    def _mapped(
        self, function: RunFunction, parameters: Mapping[str, Tensor], *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        is_alone = len(inputs[0]) == 1
        self._network.loops = self._loops and is_alone
        for dropout in self._dropouts:
            dropout.loops = is_alone
        return map_runs(function, parameters, *inputs)

    def _gradients(
        self,
        parameters: Mapping[str, Tensor],
        tokens: Tensor,
        targets: Tensor,
        weight: Tensor | None,
        dropout: Dropout,
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        loss, logits = self._mapped(self._loss, parameters, tokens, targets, *dropout)
        if weight is not None:
            loss = loss * weight
        gradients = torch.autograd.grad(loss.sum(), list(parameters.values()))
        return gradients, loss.detach(), logits.detach()

    def _gradients_in_one_graph(
        self,
        parameters: Mapping[str, Tensor],
        tokens: Tensor,
        targets: Tensor,
        weight: Tensor | None,
        dropout: Dropout,
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """The same; here the compiler sees the backward pass too, and fuses across it."""

        def loss_and_rest(
            parameters: Mapping[str, Tensor],
        ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            loss, logits = self._mapped(self._loss, parameters, tokens, targets, *dropout)
            if weight is not None:
                loss = loss * weight
            return loss.sum(), (loss, logits)

        leaves = {name: parameter.detach() for name, parameter in parameters.items()}
        gradients, (loss, logits) = torch.func.grad(loss_and_rest, has_aux=True)(leaves)
        return tuple(gradients.values()), loss.detach(), logits.detach()

    def _loss(
        self, parameters: Mapping[str, Tensor], tokens: Tensor, targets: Tensor, *dropout: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits = self._logits(parameters, tokens, *dropout)
        measure = self._measure_in_one_pass if self._network.loops else self._measure
        loss = measure(logits, targets, n_classes=self._n_classes, dtype=self.loss_dtype)
        return loss, logits

    def _logits(
        self, parameters: Mapping[str, Tensor], tokens: Tensor, *dropout: Tensor
    ) -> Float[Tensor, "B A V"]:
        if self._network.loops:
            with self._network.under(parameters):
                return self._network(tokens, self._read)
        values = dict(parameters)
        if dropout:
            values |= chosen(self._places, *dropout)
        # no two names share a parameter, and to look for such walks all modules in every step
        return functional_call(self._network, values, (tokens, self._read), tie_weights=False)


def _compile_every_shape() -> None:
    """Forbid the compiler to give up after a few shapes and to go on uncompiled.

    Else a run's numbers would depend on how many others were compiled before it.
    """
    dynamo: Any = torch._dynamo.config  # pyright: ignore[reportPrivateUsage]
    dynamo.recompile_limit = dynamo.accumulated_recompile_limit = MOST_SHAPES
    dynamo.fail_on_recompile_limit_hit = True
