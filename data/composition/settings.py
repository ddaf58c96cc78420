"""Which knowledge graph is drawn, and how many of its composed facts are trained on."""

from math import floor, sqrt
from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.bounds import least, way_out
from data.settings import Settings

MAX_TRAIN = 10_000_000
"""Training rows beyond which a task is refused."""
_MARGIN = 6
"""Standard deviations by which a drawn graph may have fewer composed facts than expected."""
_FEWEST_HELD_OUT = 20
"""Expected facts below which a held-out split could come out empty."""


class GraphSettings(Settings):
    """A random knowledge graph, and which of its composed facts are trained on."""

    n_entities: Annotated[int, Field(ge=20, le=10_000)] = 2000
    """How many entities the graph has; every one is the head of `out_degree` facts."""
    n_relations: Annotated[int, Field(ge=2, le=1000)] = 200
    """How many relations exist."""
    out_degree: Annotated[int, Field(ge=2, le=100)] = 20
    """How many different relations lead from an entity, each to one entity drawn at random."""
    hops: Annotated[int, Field(ge=2, le=4)] = 2
    """How many relations an inferred fact composes."""
    phi: Annotated[float, Field(ge=0.01, le=1000)] = 9.0
    """Inferred facts that are trained on, for each atomic fact in distribution."""
    ood_share: Annotated[float, Field(ge=0.01, le=0.5)] = 0.05
    """The share of atomic facts that are trained on but never composed in training."""
    holdout_share: Annotated[float, Field(ge=0.0001, le=0.5)] = 0.005
    """The share of in-distribution inferred facts that is kept for testing."""
    probes: Annotated[int, Field(ge=20, le=100_000)] = 3000
    """The most rows of a held-out split."""
    tokens_per_entity: Literal[1, 2] = 1
    """Whether an entity is one token, or a first and a last name."""
    n_names: Annotated[int, Field(ge=5, le=10_000)] = 50
    """How many first and how many last names there are, where an entity has two tokens."""
    hop1_augmentation: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The share of first hops of `test_ood` that training continues by other facts."""
    hop1_k: Annotated[int, Field(ge=1, le=100)] = 18
    """How many facts continue such a first hop."""
    hop2_augmentation: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The share of second hops of `test_ood` that training reaches by other facts."""
    hop2_k: Annotated[int, Field(ge=1, le=100)] = 18
    """How many facts reach such a second hop."""

    @model_validator(mode="after")
    def _the_graph_can_be_drawn(self) -> "GraphSettings":
        if self.out_degree > self.n_relations:
            raise ValueError(
                f"out_degree must be at most n_relations ({self.n_relations:,}), because an "
                f"entity has each relation at most once, got {self.out_degree}; "
                "lower it or raise n_relations"
            )
        if self.tokens_per_entity == 2 and self.n_names**2 < self.n_entities:
            raise ValueError(
                f"n_names must give every entity a pair of names of its own, got {self.n_names} "
                f"({self.n_names**2:,} pairs) for {self.n_entities:,} entities; "
                f"give at least {_root_above(self.n_entities)}"
            )
        if self.hops > 2 and (self.hop1_augmentation or self.hop2_augmentation):
            raise ValueError(
                "hop1_augmentation and hop2_augmentation must be 0 unless hops is 2, got "
                f"{self.hop1_augmentation:g} and {self.hop2_augmentation:g} with hops "
                f"{self.hops}; set hops to 2"
            )
        return self

    @model_validator(mode="after")
    def _the_splits_have_examples(self) -> "GraphSettings":
        largest = largest_phi(self)
        if n_train(self) > MAX_TRAIN:
            raise ValueError(
                f"phi must leave at most {MAX_TRAIN:,} training rows, got {self.phi:g} "
                f"({n_train(self):,} rows); lower phi to at most {largest:g}, "
                "or n_entities or out_degree"
            )
        if self.phi > largest:
            raise ValueError(
                f"phi must be at most {largest:g} with out_degree {self.out_degree} and hops "
                f"{self.hops}, got {self.phi:g}; lower phi or raise out_degree"
            )
        return self

    @model_validator(mode="after")
    def _facts_are_held_out(self) -> "GraphSettings":
        otherwise = "raise n_entities or out_degree"
        if not _leaves_ood(self):
            share = least(self, "ood_share", _leaves_ood)
            raise ValueError(
                f"ood_share must leave at least {_FEWEST_HELD_OUT} inferred facts out of "
                f"distribution, got {self.ood_share:g} (about "
                f"{expected_inferred(self, ood=True):.1f} facts); "
                f"{way_out('least', share, otherwise)}"
            )
        if not _holds_out(self):
            share = least(self, "holdout_share", _holds_out)
            raise ValueError(
                f"holdout_share must keep at least {_FEWEST_HELD_OUT} inferred facts for testing, "
                f"got {self.holdout_share:g} (about {expected_held_out(self):.1f} facts); "
                f"{way_out('least', share, otherwise)}"
            )
        return self


class CompositionSettings(GraphSettings):
    """Follow k relations from an entity: facts (h, r, t) are shown, their compositions asked.

    Source: Wang et al. 2024 (arXiv 2405.15071), section 3.1; He et al. 2026
    (arXiv 2601.09049) for the augmented regimes.
    """

    kind: Literal["composition"] = "composition"


def _root_above(n: int) -> int:
    root = floor(sqrt(n))
    return root if root * root >= n else root + 1


def n_atomic(settings: GraphSettings) -> int:
    """How many atomic facts there are."""
    return settings.n_entities * settings.out_degree


def n_ood(settings: GraphSettings) -> int:
    """How many atomic facts are never composed in training."""
    return round(settings.ood_share * n_atomic(settings))


def n_train_inferred(settings: GraphSettings) -> int:
    """How many inferred facts are trained on."""
    return round(settings.phi * (n_atomic(settings) - n_ood(settings)))


def n_train(settings: GraphSettings) -> int:
    """How many rows are trained on, before augmentation: all atomic facts and the inferred."""
    return n_atomic(settings) + n_train_inferred(settings)


def expected_inferred(settings: GraphSettings, *, ood: bool) -> float:
    """How many inferred facts are expected whose atomic facts are all of one kind."""
    first = n_ood(settings) if ood else n_atomic(settings) - n_ood(settings)
    share = settings.ood_share if ood else 1 - settings.ood_share
    return first * (settings.out_degree * share) ** (settings.hops - 1)


def expected_held_out(settings: GraphSettings) -> float:
    """How many in-distribution inferred facts are expected to be kept for testing."""
    return settings.holdout_share * expected_inferred(settings, ood=False)


def _leaves_ood(settings: GraphSettings) -> bool:
    return expected_inferred(settings, ood=True) >= _FEWEST_HELD_OUT


def _holds_out(settings: GraphSettings) -> bool:
    return expected_held_out(settings) >= _FEWEST_HELD_OUT


def largest_phi(settings: GraphSettings) -> float:
    """The most inferred facts for each atomic one that every drawn graph can be expected to give.

    Expected are (1 − holdout_share) · m^(hops − 1), m = out_degree · (1 − ood_share) being the
    in-distribution facts of an entity. The number of drawn facts that stay in distribution
    deviates at each bridge, weighted by how often the bridge is reached; six standard deviations
    to first order are left off, and the result is rounded down to two decimals. No more rows than
    `MAX_TRAIN` are trained on.
    """
    hops, share = settings.hops, 1 - settings.ood_share
    m = settings.out_degree * share
    reach = sum(m**-power for power in range(hops))
    deviation = (hops - 1) * sqrt(m * (1 - share) * reach / settings.n_entities) / m
    expected = (1 - settings.holdout_share) * m ** (hops - 1)
    atomic = n_atomic(settings)
    kept = (MAX_TRAIN - atomic) / (atomic - n_ood(settings))
    return max(0.0, floor(100 * min(expected * (1 - _MARGIN * deviation), kept)) / 100)
