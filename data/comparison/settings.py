"""How many entities are compared by how many attributes, and how much of it is trained on."""

from math import floor, sqrt
from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.bounds import least, way_out
from data.settings import Settings

MAX_TRAIN = 10_000_000
"""Training rows beyond which a task is refused."""
_MARGIN = 6
"""Standard deviations by which fewer comparisons than expected may be left to train on."""
_FEWEST_HELD_OUT = 20
"""Expected comparisons below which a held-out split could come out empty."""


class ComparisonSettings(Settings):
    """Values (entity, attribute, value) are shown; which of two entities has more is asked.

    Source: Wang et al. 2024 (arXiv 2405.15071), section 4.
    """

    kind: Literal["comparison"] = "comparison"
    n_entities: Annotated[int, Field(ge=20, le=10_000)] = 1000
    """How many entities have a value of every attribute."""
    n_attributes: Annotated[int, Field(ge=1, le=100)] = 20
    """How many attributes exist."""
    n_values: Annotated[int, Field(ge=2, le=1000)] = 20
    """How many values an attribute has, drawn uniformly; fewer values grok sooner."""
    phi: Annotated[float, Field(ge=0.01, le=10_000)] = 12.6
    """Comparisons that are trained on, for each atomic fact in distribution."""
    ood_share: Annotated[float, Field(ge=0.01, le=0.5)] = 0.1
    """The share of entities, for each attribute anew, whose value is shown but never compared."""
    holdout_share: Annotated[float, Field(ge=0.001, le=0.5)] = 0.1
    """The share of in-distribution pairs that is kept for testing, in both orders."""
    probes: Annotated[int, Field(ge=20, le=100_000)] = 3000
    """The most rows of a held-out split."""
    labels: Literal["attribute", "shared"] = "attribute"
    """Whether every attribute has labels <, =, > of its own, or all share three."""

    @model_validator(mode="after")
    def _the_splits_have_examples(self) -> "ComparisonSettings":
        otherwise = "raise n_entities or n_attributes"
        if not _leaves_ood(self):
            share = least(self, "ood_share", _leaves_ood)
            raise ValueError(
                f"ood_share must leave at least {_FEWEST_HELD_OUT} comparisons out of "
                f"distribution, got {self.ood_share:g} ({n_compared_ood(self)} comparisons); "
                f"{way_out('least', share, otherwise)}"
            )
        if not _holds_out(self):
            share = least(self, "holdout_share", _holds_out)
            raise ValueError(
                f"holdout_share must keep at least {_FEWEST_HELD_OUT} comparisons for testing, "
                f"got {self.holdout_share:g} (about {expected_held_out(self):.1f}); "
                f"{way_out('least', share, otherwise)}"
            )
        return self

    @model_validator(mode="after")
    def _there_are_comparisons_to_train_on(self) -> "ComparisonSettings":
        largest = largest_phi(self)
        if n_train(self) > MAX_TRAIN:
            raise ValueError(
                f"phi must leave at most {MAX_TRAIN:,} training rows, got {self.phi:g} "
                f"({n_train(self):,} rows); lower phi to at most {largest:g}, "
                "or n_entities or n_attributes"
            )
        if self.phi > largest:
            raise ValueError(
                f"phi must be at most {largest:g} with {self.n_entities:,} entities, got "
                f"{self.phi:g}; lower phi or raise n_entities"
            )
        return self


def n_ood(settings: ComparisonSettings) -> int:
    """How many entities are out of distribution for an attribute."""
    return round(settings.ood_share * settings.n_entities)


def n_atomic_id(settings: ComparisonSettings) -> int:
    """How many atomic facts are in distribution."""
    return settings.n_attributes * (settings.n_entities - n_ood(settings))


def n_compared(settings: ComparisonSettings) -> int:
    """How many comparisons are in distribution, in both orders."""
    return n_atomic_id(settings) * (settings.n_entities - n_ood(settings) - 1)


def n_compared_ood(settings: ComparisonSettings) -> int:
    """How many comparisons are of two entities out of distribution, in both orders."""
    return settings.n_attributes * n_ood(settings) * (n_ood(settings) - 1)


def expected_held_out(settings: ComparisonSettings) -> float:
    """How many comparisons are expected to be kept for testing."""
    return settings.holdout_share * n_compared(settings)


def _leaves_ood(settings: ComparisonSettings) -> bool:
    return n_compared_ood(settings) >= _FEWEST_HELD_OUT


def _holds_out(settings: ComparisonSettings) -> bool:
    return expected_held_out(settings) >= _FEWEST_HELD_OUT


def n_train_inferred(settings: ComparisonSettings) -> int:
    """How many comparisons are trained on."""
    return round(settings.phi * n_atomic_id(settings))


def n_train(settings: ComparisonSettings) -> int:
    """How many rows are trained on: all atomic facts and phi times those in distribution."""
    return settings.n_entities * settings.n_attributes + n_train_inferred(settings)


def largest_phi(settings: ComparisonSettings) -> float:
    """The most comparisons for each atomic fact that every draw can be expected to give.

    Each pair is held out by chance, both orders together; six standard deviations are left off
    and the result is rounded down to two decimals. No more rows than `MAX_TRAIN` are trained on.
    """
    pairs, share = n_compared(settings) / 2, settings.holdout_share
    left = (1 - share) * pairs - _MARGIN * sqrt(pairs * share * (1 - share))
    left = min(2 * left, MAX_TRAIN - settings.n_entities * settings.n_attributes)
    return max(0.0, floor(100 * left / n_atomic_id(settings)) / 100)
