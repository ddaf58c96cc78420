"""How many bits there are, how many of them count, and how many examples are drawn."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.fraction import check_fraction, n_shown
from data.settings import Settings

LARGEST_TABLE = 16
"""Most bits of a table that is built in full."""


class ParitySettings(Settings):
    """The parity of k bits that are not told, among n; drawn rows, or the full table of 2ⁿ.

    Source: Barak et al. 2022 (arXiv 2207.08799), section 2.
    """

    kind: Literal["parity"] = "parity"
    n_bits: Annotated[int, Field(ge=2, le=62)] = 40
    """Bits of a row; all are tokens, most are noise."""
    k: Annotated[int, Field(ge=1, le=62)] = 3
    """How many bits count; which ones, the split's seed draws."""
    train_size: Annotated[int, Field(ge=1, le=200_000)] = 1_000
    """Rows that are drawn to train on; unused where `train_fraction` is given."""
    test_size: Annotated[int, Field(ge=1, le=200_000)] = 1_000
    """Rows that are drawn to test on, none of them trained on; unused with `train_fraction`."""
    train_fraction: Annotated[float, Field(ge=0.01, le=0.99)] | None = None
    """The share of all 2ⁿ rows that is trained on, the rest being the test split; needs n ≤ 16."""

    @model_validator(mode="after")
    def _the_bits_exist(self) -> "ParitySettings":
        if self.k > self.n_bits:
            raise ValueError(
                f"k must be at most n_bits, which is {self.n_bits}, got {self.k}; "
                "give a smaller k or more bits"
            )
        return self

    @model_validator(mode="after")
    def _the_rows_exist(self) -> "ParitySettings":
        n = 2**self.n_bits
        if self.train_fraction is not None:
            if self.n_bits > LARGEST_TABLE:
                raise ValueError(
                    f"train_fraction needs a table of at most {LARGEST_TABLE} bits, got n_bits "
                    f"{self.n_bits}; give fewer bits, or train_size and test_size instead"
                )
            check_fraction(n, self.train_fraction, rows="rows")
        elif self.train_size + self.test_size > n:
            raise ValueError(
                f"train_size and test_size must together be at most {n:,}, the rows of "
                f"{self.n_bits} bits, got {self.train_size:,} + {self.test_size:,}; "
                "give smaller sizes, or more bits"
            )
        return self


def n_rows(settings: ParitySettings) -> tuple[int, int]:
    """How many rows are trained on, and how many tested on."""
    if settings.train_fraction is None:
        return settings.train_size, settings.test_size
    n = 2**settings.n_bits
    train = n_shown(n, settings.train_fraction)
    return train, n - train
