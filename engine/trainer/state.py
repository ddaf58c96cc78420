"""What is saved of a run so that it can go on exactly: names and shapes of a checkpoint's tensors.

`model.<parameter>`, `optimizer.<slot>.<parameter>` and `optimizer.updates`, the number of updates
that the slots have seen. The step is not in it: whoever stores a state knows its step.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from engine.errors import NotPossible
from engine.optim import OptimizerSettings
from engine.optim.updates import UPDATES
from engine.trainer.rows import Layout
from engine.trainer.weights import Run

State = Mapping[str, Tensor]


def fresh(layout: Layout, network: nn.Module, settings: OptimizerSettings, *, seed: int) -> Run:
    """A run before its first update: weights drawn from `seed`, nothing remembered."""
    reset: Callable[[torch.Generator], None] = network.reset  # pyright: ignore[reportAssignmentType]
    reset(torch.Generator().manual_seed(seed))
    weights = layout.row(dict(network.named_parameters()))
    return Run(weights, _nothing(layout, settings), 0)


def pack(layout: Layout, run: Run) -> dict[str, Tensor]:
    """Name the numbers of one run."""
    state = {f"model.{name}": view for name, view in layout.views(run.weights).items()}
    for slot, row in run.slots.items():
        state |= {f"optimizer.{slot}.{name}": view for name, view in layout.views(row).items()}
    copies = {n: t[0].detach().cpu().clone().contiguous() for n, t in state.items()}
    return copies | {"optimizer.updates": torch.tensor(run.updates)}


def unpack(layout: Layout, state: State, settings: OptimizerSettings) -> Run:
    """The run that `pack` named.

    What another kind of optimiser remembered is of no use: the slots start at zero, as in a new
    run. Adam and AdamW remember the same.

    Raises:
        NotPossible: the state belongs to a network of other shapes.
    """
    weights = layout.row(_under("model.", layout, state))
    slots = UPDATES[settings.kind].slots
    if not all(f"optimizer.{slot}.{layout.names[0]}" in state for slot in slots):
        return Run(weights, _nothing(layout, settings), 0)
    rows = {slot: layout.row(_under(f"optimizer.{slot}.", layout, state)) for slot in slots}
    return Run(weights, rows, int(state["optimizer.updates"]))


def _nothing(layout: Layout, settings: OptimizerSettings) -> dict[str, Tensor]:
    return {slot: torch.zeros(1, layout.width) for slot in UPDATES[settings.kind].slots}


def _under(prefix: str, layout: Layout, state: State) -> dict[str, Tensor]:
    found = {name: state.get(prefix + name) for name in layout.names}
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        tensor = found[name]
        if tensor is None or tuple(tensor.shape) != shape:
            given = "nothing" if tensor is None else str(tuple(tensor.shape))
            raise NotPossible(
                f"the checkpoint does not fit this network: {prefix + name} must have the shape "
                f"{shape}, but it has {given}. Keep the settings of the model and the task."
            )
    return {name: tensor for name, tensor in found.items() if tensor is not None}
