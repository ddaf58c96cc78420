"""What every network owes the trainer.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``V`` vocabulary, ``L`` layers,
``H`` heads.
"""

from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.models.prefixes import Prefixes
from engine.models.remembered import Remembered


class Passed(NamedTuple):
    """What a way by hand gave for some examples; good until it is taken again."""

    logits: Float[Tensor, "BA V"]
    back: Callable[[], None]
    """Writes the gradients of the parameters."""


Then = Callable[[Float[Tensor, "BA V"], Float[Tensor, "BA W"]], Callable[[slice], None]]
"""Logits, room for their gradient → what writes that of some rows, of which there are logits.

A row of the gradient may be longer, and has zeros there.
"""
ByHand = Callable[[Int[Tensor, "B T"], Then], Passed | None]
"""Examples, what follows → their logits and the way back; None for those that it cannot take."""


class Network(nn.Module):
    """A causal network over short token rows.

    Parameters hold no values before `reset` or `load_state_dict`; a parameter that a variant does
    not use does not exist, and one that is used twice is stored once. Everything works under
    `torch.vmap` over stacked parameters and compiles without a graph break: static shapes, no
    control flow that depends on data.
    """

    has_maps = False
    """Whether `attention` has something to show: rows that sum to 1 over the past."""

    has_loops = False
    """Whether there are ways for the CPU that gain more than the compiler (see `loops`)."""

    spreads = False
    """Whether its loops give the same numbers with any number of threads."""

    shares_prefixes = False
    """Whether rows with the same prefix may be computed once (see `shared_prefixes`)."""

    captures = True
    """Whether a step of it can be recorded as a CUDA graph."""

    tables: Sequence[str] = ()
    """Names of the parameters that have one row for each token, class, position or memory.

    Embeddings, unembedding, learned positions, and keys and values that are stored; names of which
    a variant has none do no harm, and ``*`` stands for any layer. Optimisers treat them apart.
    """

    def __init__(self) -> None:
        super().__init__()
        self.matmul_dtype = torch.float32
        """Type of the weights' products; residual stream, softmax, norms, logits stay float32."""
        self.savings = True
        """Whether exact savings are taken; off for comparison alone."""
        self.loops = False
        """Whether ways for the CPU may be taken that neither vmap nor the compiler can look into:
        loops of our own, shapes that depend on the examples."""
        self.held: dict[Any, Any] | None = None
        """What the weights alone gave, while they are held (see `holding`)."""
        self._prefixes = Remembered(Prefixes)
        self.alphabets: Sequence[Sequence[int]] | None = None
        """For each position the tokens that may stand there, where the task knows them."""

    def fuse(self, precision: str) -> None:
        """Take one kernel for several operations from now on, where the network has such."""

    @contextmanager
    def holding(self) -> Generator[None, None, None]:
        """While no run's weights change: what they alone give may be made once for all passes."""
        self.held = {}
        try:
            yield
        finally:
            self.held = None

    @contextmanager
    def under(self, parameters: Mapping[str, Tensor]) -> Generator[None, None, None]:
        """While these values stand in the place of the parameters of their names.

        What `torch.func.functional_call` does for one call of `forward`, without its checks, which
        take as long as a layer of a small network; not for the compiler.
        """
        places = self._parameter_places
        before = [held[name] for held, name in places.values()]
        try:
            for key, value in parameters.items():
                held, name = places[key]
                held[name] = value
            yield
        finally:
            for (held, name), parameter in zip(places.values(), before, strict=True):
                held[name] = parameter

    @cached_property
    def _parameter_places(self) -> dict[str, tuple[dict[str, Any], str]]:
        """Where each parameter is kept: by its full name, a module's table and the name there."""
        found: dict[str, tuple[dict[str, Any], str]] = {}
        for key, _ in self.named_parameters():
            owner, _, name = key.rpartition(".")
            found[key] = self.get_submodule(owner)._parameters, name
        return found

    def shared_prefixes(self, tokens: Int[Tensor, "B T"]) -> Prefixes | None:
        """The prefixes of some examples where they may be computed once, and that pays."""
        if not (self.loops and self.savings and self.shares_prefixes):
            return None
        prefixes = self._prefixes(tokens)
        return prefixes if prefixes.pays else None

    @abstractmethod
    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples.

        Logits at a position depend on the tokens up to it alone.
        """

    def by_hand(
        self,
        parameters: Mapping[str, Tensor],  # noqa: ARG002
        gradients: Mapping[str, Tensor],  # noqa: ARG002
        read: tuple[int, ...],  # noqa: ARG002
    ) -> ByHand | None:
        """What `forward` gives under these parameters, with a way back that needs no autograd.

        Parameters are read and gradients written where they lie now, at every call. None where the
        network has no such way, which may also be so of some examples alone: its `loops` have.
        """
        return None

    @abstractmethod
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights, drawn in a fixed order from `generator`, which lives on the CPU.

        Drawing there gives a seed the same weights on every device.
        """

    def attention(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "L B H T T"]:
        """Where each layer's heads look: row t is position t's weights over the past.

        Only where `has_maps` says so.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no attention maps for {tokens.shape}"
        )
