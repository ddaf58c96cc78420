"""Which modular-arithmetic table is learned, and which share of it is shown."""

from math import ceil
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from data.modular.formats import Format
from data.modular.operations import RULES, n_pairs
from data.modular.primes import is_prime, nearest_primes
from data.settings import Settings

Operation = Literal[
    "add",
    "subtract",
    "multiply",
    "divide",
    "square_sum",
    "quadratic",
    "quadratic_plus_a",
    "cubic_plus_ab",
    "cubic_mixed",
    "cube_sum",
    "square_of_sum",
    "cube_of_sum",
    "double_product",
    "power",
    "gcd",
    "divide_or_subtract",
    "add_or_multiply",
    "add_or_subtract",
    "random",
]
OPERATIONS: tuple[str, ...] = get_args(Operation)

_SPELLINGS = {"+": "add", "addition": "add", "-": "subtract", "subtraction": "subtract"} | {
    "*": "multiply",
    "multiplication": "multiply",
    "/": "divide",
    "division": "divide",
}


def _canonical(spelling: object) -> object:
    return _SPELLINGS.get(spelling, spelling) if isinstance(spelling, str) else spelling


class ModularSettings(Settings):
    """The full table of a binary operation on residues mod p, split at random.

    Source: Power et al. 2022 (arXiv 2201.02177), appendix A.1; Nanda et al. 2023.
    """

    kind: Literal["modular"] = "modular"
    operation: Annotated[Operation, BeforeValidator(_canonical)] = "add"
    """The operation, computed mod p; `random` is the control whose labels follow no rule."""
    p: Annotated[int, Field(ge=3, le=509)] = 113
    """The modulus; prime where the operation divides."""
    train_fraction: Annotated[float, Field(ge=0.01, le=0.99)] = 0.3
    """The share of all pairs that is trained on; the rest is the test split."""
    operand_zero: bool = True
    """Whether 0 occurs as an operand (a divisor is never 0)."""
    pairs: Literal["apart", "together"] = "apart"
    """Whether (a, b) and (b, a) are split independently, or always land in the same split."""
    format: Format = "a b ="
    """The token row; the answer is read at `=`."""

    @model_validator(mode="after")
    def _division_needs_a_prime(self) -> "ModularSettings":
        if RULES[self.operation].divides and not is_prime(self.p):
            below, above = nearest_primes(self.p)
            raise ValueError(
                f"p must be prime where the operation divides ({self.operation}), got {self.p}; "
                f"the nearest primes are {below} and {above}"
            )
        return self

    @model_validator(mode="after")
    def _both_splits_have_examples(self) -> "ModularSettings":
        n, train = _n_examples(self), n_train(self)
        if train == 0:
            raise ValueError(
                f"train_fraction must leave at least one of {n} pairs to train on, "
                f"got {self.train_fraction:g}; give at least {ceil(1000 / n) / 1000:g} "
                "or a larger p"
            )
        return self


def _n_examples(settings: ModularSettings) -> int:
    return n_pairs(settings.operation, p=settings.p, zero=settings.operand_zero)


def n_train(settings: ModularSettings) -> int:
    """How many pairs are trained on: the fraction of the table, rounded down.

    So does Nanda et al. 2023: 3,830 of 12,769 for p = 113 and 30 %. The tiny addend keeps
    fractions such as 0.29 of 100 from landing one below by rounding of the product.
    """
    return int(_n_examples(settings) * settings.train_fraction + 1e-9)
