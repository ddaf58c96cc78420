"""How one run's function becomes a function of several runs: the only place where devices differ.

On the CPU each run is a group of its own and the function is called as it is; so a run's numbers
are, bit for bit, those that it has alone. On an accelerator all runs form one group and the
function is mapped over them: one launch serves all.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Parameters = Mapping[str, Tensor]
RunFunction = Callable[..., tuple[Tensor, ...]]
"""(parameters by name, tensors …) of one run → tensors."""


def groups(n_runs: int, device: torch.device) -> list[slice]:
    """Which rows are computed together."""
    if device.type == "cpu":
        return [slice(run, run + 1) for run in range(n_runs)]
    return [slice(0, n_runs)] if n_runs else []


def map_runs(function: RunFunction, parameters: Parameters, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Apply `function` to each run of a group; runs are dimension 0 of all tensors."""
    if inputs[0].shape[0] > 1:
        return torch.vmap(function)(dict(parameters), *inputs)
    # squeeze, not [0]: an index has a gradient that is a zero tensor of the whole, then written to
    alone = {name: tensor.squeeze(0) for name, tensor in parameters.items()}
    return tuple(out.unsqueeze(0) for out in function(alone, *(x.squeeze(0) for x in inputs)))
