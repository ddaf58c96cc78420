"""How many new facts are taught, and how much of the old training is repeated with them."""

from math import ceil
from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.composition.settings import GraphSettings, n_atomic, n_ood, n_train_inferred

_FEWEST_HELD_OUT = 20
"""Expected facts below which a held-out split could come out empty."""


class TransferSettings(GraphSettings):
    """New facts on the graph of a composition run, forked to learn them: are they composed too?

    The graph and the tokens are those of `composition` with the same settings and split seed,
    so that its weights can be trained on.

    Source: He et al. 2026 (arXiv 2601.09049), section 5.
    """

    kind: Literal["transfer"] = "transfer"
    n_new: Annotated[int, Field(ge=20, le=100_000)] = 2000
    """How many new atomic facts there are, in pairs that can be composed."""
    n_retained: Annotated[int, Field(ge=20, le=1_000_000)] = 8000
    """How many old rows are trained on with them: atomic facts and all that use these."""

    @model_validator(mode="after")
    def _there_is_room_for_new_facts(self) -> "TransferSettings":
        if self.hops != 2:
            raise ValueError(f"hops must be 2 in transfer, got {self.hops}; set hops to 2")
        if self.n_new % 2:
            raise ValueError(
                f"n_new must be even, because new facts come in pairs, got {self.n_new:,}; "
                f"give {self.n_new - 1:,} or {self.n_new + 1:,}"
            )
        free = self.n_entities * (self.n_relations - self.out_degree)
        if self.n_new > free:
            raise ValueError(
                f"n_new must be at most {free:,}, the unused pairs of an entity and a relation, "
                f"got {self.n_new:,}; lower n_new or out_degree, or raise n_relations"
            )
        old = n_atomic(self) - n_ood(self) + n_train_inferred(self)
        if self.n_retained > old:
            raise ValueError(
                f"n_retained must be at most {old:,}, the old rows in distribution, got "
                f"{self.n_retained:,}; lower n_retained or raise phi"
            )
        if expected_mixed(self) < _FEWEST_HELD_OUT:
            least = ceil(_FEWEST_HELD_OUT * self.n_retained / expected_mixed(self) - 1e-9)
            raise ValueError(
                f"n_retained must keep facts that compose with new ones at least "
                f"{_FEWEST_HELD_OUT} times, got {self.n_retained:,} (about "
                f"{expected_mixed(self):.1f} times); {_way_out(least, old)}"
            )
        return self


def _way_out(least: int, old: int) -> str:
    """What ends a refusal of few retained rows, of which there are only so many old ones."""
    otherwise = "raise n_new or lower phi"
    return f"give at least {least:,}, or {otherwise}" if least <= old else otherwise


def expected_mixed(settings: TransferSettings) -> float:
    """About how often a new fact and a kept old one compose, in one order of the two.

    With a kept fact come the trained facts that use it, about 2 phi of them.
    """
    kept = settings.n_retained / (1 + 2 * settings.phi)
    return settings.n_new * kept / settings.n_entities
