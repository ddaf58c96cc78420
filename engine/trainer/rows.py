"""How the parameters of several runs lie in memory: one flat row a run, seen through named views.

Shapes: ``R`` runs, ``P`` numbers in a row, ``*shape`` of one parameter.
"""

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.models.network import Network
from engine.optim.parts import Parts, by_shape, is_decayed, is_matrix

PAD = 64
"""Rows are padded to a multiple of this: whole vector registers, so that an element is computed
the same way whatever stands beside it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each parameter lies in a row."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    tables: frozenset[str] = frozenset()
    """Which parameters have one row for each token, class, position or memory."""
    input_first: frozenset[str] = frozenset()
    """Which matrices are stored (in, out), and not (out, in) as `nn.Linear` stores them."""

    @classmethod
    def of(cls, network: Network) -> "Layout":
        """The layout of a network's parameters, in their own order."""
        named = dict(network.named_parameters())
        tables = (name for table in network.tables for name in fnmatch.filter(named, table))
        input_first = {
            f"{at}.{name}"
            for at, module in network.named_modules()
            for name in getattr(module, "input_first", ())
        }
        shapes = tuple(tuple(parameter.shape) for parameter in named.values())
        return cls(tuple(named), shapes, frozenset(tables), frozenset(input_first & named.keys()))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def n_parameters(self) -> int:
        """Numbers of all parameters, padding left out."""
        return sum(self.sizes)

    @property
    def width(self) -> int:
        """Numbers of a row, padding included."""
        return -(-self.n_parameters // PAD) * PAD

    def views(self, rows: Float[Tensor, "R P"]) -> dict[str, Tensor]:
        """Each parameter of all rows as a view [R, *shape]: writing to it writes to the rows."""
        parts = rows[:, : self.n_parameters].split(self.sizes, dim=1)
        return {
            name: part.unflatten(1, shape) if shape else part[:, 0]
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def fill(self, rows: Float[Tensor, "R P"], parameters: Sequence[Tensor]) -> None:
        """Write parameters [R, *shape], in the layout's order, into the rows."""
        n_rows = rows.shape[0]
        torch.cat(
            [p.reshape(n_rows, -1) for p in parameters], dim=1, out=rows[:, : self.n_parameters]
        )

    def row(self, named: Mapping[str, Tensor]) -> Float[Tensor, "1 P"]:
        """A row from the parameters of one run, by name; the padding is zero."""
        row = torch.zeros(1, self.width)
        with torch.no_grad():
            self.fill(row, [named[name][None] for name in self.names])
        return row

    def mask(self, chosen: Callable[[str, tuple[int, ...]], bool]) -> Bool[Tensor, "1 P"]:
        """Which numbers of a row belong to the parameters that are chosen by name and shape."""
        named = zip(self.names, self.shapes, strict=True)
        return self.row({n: torch.full(s, float(chosen(n, s))) for n, s in named}) > 0

    def decayed(self, group: str) -> Bool[Tensor, "1 P"]:
        """Which numbers of a row weight decay touches; see `decay_group`."""
        return self.mask(partial(is_decayed, group=group, tables=self.tables))

    def parts(self, device: torch.device) -> Parts:
        """What an optimiser's update needs to know of the parameters."""
        chosen = partial(is_matrix, tables=self.tables)
        shapes = zip(self.names, self.shapes, strict=True)
        matrices = {name: shape for name, shape in shapes if chosen(name, shape)}
        mask = self.mask(chosen).to(device)
        return Parts(self.views, by_shape(matrices), mask, self.input_first)
