"""Which tensors of a checkpoint are the network that a run is measured on."""

from collections.abc import Mapping

import numpy as np

_TRAINED, _AVERAGED = "model.", "optimizer.average."


def measured(
    state: Mapping[str, np.ndarray], *, averaged: bool
) -> tuple[dict[str, np.ndarray], bool]:
    """The weights by their names in the network, and whether they are averages.

    `averaged`: the run is measured on an average of its weights (`ema_decay` is on). A checkpoint
    that holds none was written before the average was kept; its average starts at the weights.
    """
    names = [name.removeprefix(_TRAINED) for name in state if name.startswith(_TRAINED)]
    found = averaged and all(_AVERAGED + name in state for name in names)
    prefix = _AVERAGED if found else _TRAINED
    return {name: state[prefix + name] for name in names}, found
