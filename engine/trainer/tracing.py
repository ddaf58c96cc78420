"""How a step whose gradients the compiler cannot derive is noted down before it is compiled.

The compiler follows `torch.func.grad` into torch's own operations, but not into a function that
brings a gradient of its own: it would leave that gradient out without a word. So the step is run
once on tensors that note every operation, after which forward and backward are one list of
operations without any gradient left to take, and that list is compiled.
"""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree


class TracedByShape:
    """A function of tensors, noted and compiled once for each set of shapes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._compiled: dict[Hashable, Callable[..., Any]] = {}

    def __call__(self, *inputs: Any) -> Any:
        """What the function gives for these inputs."""
        key = tuple(_kind(leaf) for leaf in pytree.tree_leaves(inputs))
        if key not in self._compiled:
            # it counts a method's own object among the inputs
            noted = make_fx(lambda *each: self._function(*each))(*inputs)
            self._compiled[key] = torch.compile(noted, dynamic=False)
        return self._compiled[key](*inputs)


def _kind(leaf: object) -> Hashable:
    return (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else leaf
