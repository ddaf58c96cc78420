"""How many pairs a row holds, how many of them it asks for, and how many rows are drawn."""

from math import comb, perm
from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.settings import Settings


class RecallSettings(Settings):
    """Rows of key–value pairs, then queries: which value stood after this key?

    Source: Arora et al. 2024 (Zoology, arXiv 2312.04927).
    """

    kind: Literal["recall"] = "recall"
    n_pairs: Annotated[int, Field(ge=1, le=64)] = 8
    """Pairs that a row shows; no key and no value occurs in two of them."""
    n_queries: Annotated[int, Field(ge=1, le=64)] = 8
    """Keys that a row asks for, each once; at most `n_pairs`."""
    n_blanks: Annotated[int, Field(ge=0, le=128)] = 0
    """Blank tokens at random places among the queries, which lengthen the way back to a pair."""
    n_keys: Annotated[int, Field(ge=1, le=4096)] = 64
    """Keys of the vocabulary."""
    n_values: Annotated[int, Field(ge=2, le=4096)] = 64
    """Values of the vocabulary: the answers."""
    train_size: Annotated[int, Field(ge=1, le=200_000)] = 10_000
    """Rows that are drawn to train on."""
    test_size: Annotated[int, Field(ge=1, le=200_000)] = 1_000
    """Rows that are drawn to test on, none of them trained on."""

    @model_validator(mode="after")
    def _every_query_has_a_pair(self) -> "RecallSettings":
        if self.n_queries > self.n_pairs:
            raise ValueError(
                f"n_queries must be at most n_pairs, which is {self.n_pairs}, got "
                f"{self.n_queries}; ask for fewer keys or show more pairs"
            )
        for name, given in (("n_keys", self.n_keys), ("n_values", self.n_values)):
            if given < self.n_pairs:
                raise ValueError(
                    f"{name} must be at least n_pairs, which is {self.n_pairs}, got {given}; "
                    f"give a larger {name} or fewer pairs"
                )
        return self

    @model_validator(mode="after")
    def _enough_rows_exist(self) -> "RecallSettings":
        exist, asked = n_rows_that_exist(self), self.train_size + self.test_size
        if 2 * asked > exist:
            raise ValueError(
                f"train_size and test_size must together be at most {exist // 2:,}, half of the "
                f"rows that exist, got {asked:,}; give smaller sizes, or more keys or values"
            )
        return self


def n_rows_that_exist(settings: RecallSettings) -> int:
    """How many different rows the settings allow."""
    pairs = perm(settings.n_keys, settings.n_pairs) * perm(settings.n_values, settings.n_pairs)
    queries = perm(settings.n_pairs, settings.n_queries)
    return pairs * queries * comb(settings.n_queries + settings.n_blanks, settings.n_blanks)
