"""Which product of permutations is learned, and which share of its table is shown."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from data.fraction import check_fraction, n_shown
from data.modular.formats import Format
from data.permutation.groups import order
from data.settings import Settings


def _plain(spelling: object) -> object:
    return spelling.replace("⁻¹", "^-1") if isinstance(spelling, str) else spelling


class PermutationSettings(Settings):
    """The full table of a product in a symmetric group, split at random.

    Source: Power et al. 2022 (arXiv 2201.02177), appendix A.1.
    """

    kind: Literal["permutation"] = "permutation"
    group: Literal["S3", "S4", "S5"] = "S5"
    """The group: S3 has 6 elements (36 pairs), S4 24 (576 pairs) and S5 120 (14,400 pairs)."""
    operation: Annotated[Literal["ab", "aba^-1", "aba"], BeforeValidator(_plain)] = "ab"
    """The product that is asked for: of both, b conjugated by a, or b between two a."""
    train_fraction: Annotated[float, Field(ge=0.01, le=0.99)] = 0.5
    """The share of all pairs that is trained on; the rest is the test split."""
    format: Format = "a b ="
    """The token row; the answer is read at `=`."""

    @model_validator(mode="after")
    def _both_splits_have_examples(self) -> "PermutationSettings":
        check_fraction(n_pairs(self), self.train_fraction, rows="pairs")
        return self


def n_pairs(settings: PermutationSettings) -> int:
    """How many questions the table has."""
    return order(settings.group) ** 2


def n_train(settings: PermutationSettings) -> int:
    """How many pairs are trained on."""
    return n_shown(n_pairs(settings), settings.train_fraction)
