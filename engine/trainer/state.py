"""What is saved of a run so that it can go on exactly: names and shapes of a checkpoint's tensors.

`model.<parameter>` are the weights that are trained, `optimizer.<slot>.<parameter>` what is
remembered beside them: moments, Grokfast's average `slow` or `window` [W, *shape], and `average`,
the weights that are measured where `ema_decay` keeps them. `optimizer.updates` and
`optimizer.filtered` count the updates that the optimiser's and Grokfast's slots have seen;
`optimizer.initial_norm` is the norm of the weights at the start. The step is not in it: whoever
stores a state knows its step.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from engine.errors import NotPossible
from engine.optim import OptimizerSettings
from engine.optim.updates import UPDATES
from engine.optim.wrappers import filter_slot
from engine.trainer.rows import Layout
from engine.trainer.weights import Run

State = Mapping[str, Tensor]


def fresh(layout: Layout, network: nn.Module, settings: OptimizerSettings, *, seed: int) -> Run:
    """A run before its first update: weights drawn from `seed`, nothing remembered."""
    reset: Callable[[torch.Generator], None] = network.reset  # pyright: ignore[reportAssignmentType]
    reset(torch.Generator().manual_seed(seed))
    return unpack(layout, _model(dict(network.named_parameters())), settings)


def pack(layout: Layout, run: Run) -> dict[str, Tensor]:
    """Name the numbers of one run."""
    state = _model({name: view[0] for name, view in layout.views(run.weights).items()})
    for slot, rows in run.slots.items():
        # several rows a run stay stacked
        views = layout.views(rows if rows.dim() == 2 else rows[0])
        for name, view in views.items():
            state[f"optimizer.{slot}.{name}"] = view[0] if rows.dim() == 2 else view
    copies = {name: t.detach().cpu().clone().contiguous() for name, t in state.items()}
    return copies | {
        "optimizer.updates": torch.tensor(run.updates),
        "optimizer.filtered": torch.tensor(run.filtered),
        "optimizer.initial_norm": torch.tensor(run.initial_norm),
    }


def unpack(layout: Layout, state: State, settings: OptimizerSettings) -> Run:
    """The run that `pack` named.

    What another kind of optimiser, or another way of Grokfast, remembered is of no use: such slots
    start at zero, as in a new run. Adam and AdamW remember the same. An average of the weights
    that was not kept starts at the weights, and an initial norm that was not noted is theirs.

    Raises:
        NotPossible: the state belongs to a network of other shapes.
    """
    weights = layout.row(_under("model.", layout, state))
    slots: dict[str, Tensor] = {}
    own = dict.fromkeys(UPDATES[settings.kind].slots, ())
    updates = _count("optimizer.updates", state) if _has(layout, state, own) else 0
    filters = dict([found]) if (found := filter_slot(settings)) else {}
    filtered = _count("optimizer.filtered", state) if _has(layout, state, filters) else 0
    for known, wanted in ((updates, own), (filtered, filters)):
        for slot, n_rows in wanted.items():
            rows = torch.zeros(1, *n_rows, layout.width)
            if known:
                named = _under(f"optimizer.{slot}.", layout, state, n_rows)
                layout.fill(
                    rows.flatten(0, -2),
                    [named[name] if n_rows else named[name][None] for name in layout.names],
                )
            slots[slot] = rows
    if settings.ema_decay:
        kept = _has(layout, state, {"average": ()})
        slots["average"] = (
            layout.row(_under("optimizer.average.", layout, state)) if kept else weights.clone()
        )
    noted = state.get("optimizer.initial_norm", torch.linalg.vector_norm(weights))
    return Run(weights, slots, updates, filtered, float(noted))


def _model(parameters: State) -> dict[str, Tensor]:
    return {f"model.{name}": tensor.detach() for name, tensor in parameters.items()}


def _has(layout: Layout, state: State, slots: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether all of some slots are in a state, with as many rows as are wanted."""
    first, shape = layout.names[0], layout.shapes[0]
    found = [(state.get(f"optimizer.{slot}.{first}"), rows) for slot, rows in slots.items()]
    return all(
        tensor is not None
        and tensor.shape[: len(rows)] == rows
        and tensor.dim() == len(rows) + len(shape)
        for tensor, rows in found
    )


def _count(name: str, state: State) -> int:
    return int(state.get(name, torch.tensor(0)))


def _under(
    prefix: str, layout: Layout, state: State, n_rows: tuple[int, ...] = ()
) -> dict[str, Tensor]:
    found = {name: state.get(prefix + name) for name in layout.names}
    for name, own in zip(layout.names, layout.shapes, strict=True):
        tensor, shape = found[name], (*n_rows, *own)
        if tensor is None or tuple(tensor.shape) != shape:
            given = "nothing" if tensor is None else str(tuple(tensor.shape))
            raise NotPossible(
                f"the checkpoint does not fit this network: {prefix + name} must have the shape "
                f"{shape}, but it has {given}. Keep the settings of the model and the task."
            )
    return {name: tensor for name, tensor in found.items() if tensor is not None}
