"""Which parameters of a network an update treats apart, by their names and shapes alone.

A *table* has one row for each token, position or memory: embeddings, positions, the unembedding.
A *matrix* maps vectors to vectors. The rest are biases, gains and other vectors, and weights that
act one by one (a filter, a decay, a state matrix that is diagonal in disguise).

Shapes: ``R`` runs, ``P`` numbers in a row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

TABLES = frozenset(
    {"wte", "wpe", "lm_head", "head", "emb", "embed", "embedding", "embeddings", "embed_tokens"}
    | {"embed_positions", "positions", "unembed", "unembedding", "memory", "memory_tokens"}
)
"""A parameter is a table when a word of its dotted name is one of these …"""
MEMORIES = frozenset({"mem_k", "mem_v"})
"""… or when its name ends in one of these: stored keys and values."""
ONE_BY_ONE = frozenset({"A_log", "D", "dt_bias", "r_k", "u", "time_faaaa", "time_decay"})
"""Parameters that end in one of these multiply their input number by number, whatever their
shape."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parameters of a row as an update needs them."""

    views: Callable[[Tensor], dict[str, Tensor]]
    """Rows [R, P] → each parameter of all rows as a view [R, *shape] that shares their memory."""
    matrices: tuple[tuple[str, ...], ...]
    """Names of the matrices; those of equal shape stand together."""
    is_matrix: Bool[Tensor, "1 P"]
    """Which numbers of a row belong to matrices."""


def is_table(name: str) -> bool:
    """Whether a parameter has one row for each token, position or memory."""
    words = name.split(".")
    return not TABLES.isdisjoint(words) or words[-1] in MEMORIES


def is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter maps vectors to vectors: two dimensions, no table."""
    return len(shape) == 2 and min(shape) > 1 and not is_table(name) and not _one_by_one(name)


def _one_by_one(name: str) -> bool:
    return name.rpartition(".")[-1] in ONE_BY_ONE


def is_decayed(group: str, name: str, shape: tuple[int, ...]) -> bool:
    """Whether weight decay touches a parameter; see `decay_group`."""
    if group == "matrices":
        return sum(size > 1 for size in shape) >= 2 and not _one_by_one(name)
    return group == "all" or not is_table(name)


def by_shape(shapes: Mapping[str, tuple[int, ...]]) -> tuple[tuple[str, ...], ...]:
    """Names, those of equal shape together, in the order in which shapes first occur."""
    found: dict[tuple[int, ...], list[str]] = {}
    for name, shape in shapes.items():
        found.setdefault(shape, []).append(name)
    return tuple(tuple(names) for names in found.values())
