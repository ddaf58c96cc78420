"""Which parameters of a network an update treats apart, by their names and shapes alone.

A *table* has one row for each token, class, position or memory; a network says which of its
parameters are tables (`Network.tables`). A *matrix* maps vectors to vectors. The rest are biases,
gains and other vectors, and weights that act one by one (a filter, a decay, a state matrix that is
diagonal in disguise).

Shapes: ``R`` runs, ``P`` numbers in a row.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

ONE_BY_ONE = frozenset({"A_log", "r_k"})
"""Parameters that end in one of these multiply their input number by number, though they have two
dimensions: Mamba's decays and RWKV-7's bonus."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parameters of a row as an update needs them."""

    views: Callable[[Tensor], dict[str, Tensor]]
    """Rows [R, P] → each parameter of all rows as a view [R, *shape] that shares their memory."""
    matrices: tuple[tuple[str, ...], ...]
    """Names of the matrices; those of equal shape stand together."""
    is_matrix: Bool[Tensor, "1 P"]
    """Which numbers of a row belong to matrices."""
    input_first: frozenset[str] = frozenset()
    """Names of the matrices that are stored (in, out), and not (out, in)."""


def is_matrix(name: str, shape: tuple[int, ...], *, tables: Collection[str]) -> bool:
    """Whether a parameter maps vectors to vectors: two dimensions, no table."""
    maps = name not in tables and not _one_by_one(name)
    return maps and len(shape) == 2 and min(shape) > 1


def is_decayed(name: str, shape: tuple[int, ...], *, group: str, tables: Collection[str]) -> bool:
    """Whether weight decay touches a parameter; see `decay_group`."""
    if group == "matrices":
        return sum(size > 1 for size in shape) >= 2 and not _one_by_one(name)
    return group == "all" or name not in tables


def _one_by_one(name: str) -> bool:
    return name.rpartition(".")[-1] in ONE_BY_ONE


def by_shape(shapes: Mapping[str, tuple[int, ...]]) -> tuple[tuple[str, ...], ...]:
    """Names, those of equal shape together, in the order in which shapes first occur."""
    found: dict[tuple[int, ...], list[str]] = {}
    for name, shape in shapes.items():
        found.setdefault(shape, []).append(name)
    return tuple(tuple(names) for names in found.values())
