"""Which modular-arithmetic table is learned, and which share of it is shown."""

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

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
    """The full table of a binary operation on residues mod p, split at random."""

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
    format: Literal["a b =", "a o b =", "eos a o b ="] = "a b ="
    """The token row; the answer is read at `=`."""
