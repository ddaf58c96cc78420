"""Where do the heads look? Attention maps at a snapshot: their mean, and some examples alone.

A map is row by column: position t (row) looks at position s ≤ t (column); rows sum to 1. The mean
over many examples shows what a head does in general, the examples show how much that varies.

Shapes: ``B`` probe examples, ``T`` tokens, ``L`` layers, ``H`` heads, ``E`` examples kept alone.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int64
from torch import Tensor

from data.task import TaskData
from engine.models.network import Network

N_PROBE = 512
"""Most examples that a mean is taken over."""

N_EXAMPLES = 4
"""Examples whose own maps are kept."""


class AttentionMaps(NamedTuple):
    """The maps of one network."""

    mean: Float[Tensor, "L H T T"]
    examples: Float[Tensor, "L H E T T"]


def probe(task: TaskData, n: int = N_PROBE) -> Int64[np.ndarray, "B T"]:
    """Examples to look at, the same at every snapshot: the first of the first held-out split.

    Splits are in random order, so these are a fair sample.
    """
    held_out = next(split for name, split in task.splits.items() if name != "train")
    return held_out.tokens[:n]


def attention_maps(
    network: Network,
    parameters: Mapping[str, Tensor],
    tokens: Int[Tensor, "B T"],
    *,
    n_examples: int = N_EXAMPLES,
) -> AttentionMaps:
    """The maps of `network` under `parameters`: the mean over `tokens`, and the first few alone.

    Works under `torch.vmap` over runs; takes no gradient.
    """
    with network.under(parameters):
        maps = network.attention(tokens)
    return AttentionMaps(mean=maps.mean(1), examples=maps[:, :n_examples].transpose(1, 2))


def by_head(maps: AttentionMaps) -> dict[tuple[int, int], Float[np.ndarray, "T T"]]:
    """The mean map of each (layer, head), as float32 arrays to be stored."""
    mean = maps.mean.detach().float().cpu().numpy()
    return {(layer, head): mean[layer, head] for layer, head in np.ndindex(mean.shape[:2])}
