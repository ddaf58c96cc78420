"""What each binary operation on residues mod p answers, and for which pairs it is defined.

The list is the union of Power et al. 2022 (appendix A.1), Nanda et al. 2023, Gromov 2023 and
Tveit et al. 2025. All arithmetic is exact int64: with p ≤ 509 no intermediate leaves 2³¹.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

Residues = Int64[np.ndarray, " N"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One operation: how it is written, what it computes, where it is defined."""

    formula: str
    """Mathematical notation; `(mod p)` is understood."""

    description: str
    """One sentence for a reader who chooses an operation."""

    answer: Callable[[Residues, Residues, int], Residues] | None
    """From (a, b, p) to the answer in 0 … p−1; None where the answers are drawn at random."""

    divides: bool = False
    """Whether it takes inverses, so that p must be prime."""

    divisor_only: bool = False
    """Whether b is always a divisor, so that b = 0 does not occur."""


def power_mod(base: Residues, exponent: Residues, p: int) -> Residues:
    """base^exponent mod p by repeated squaring; 0⁰ is 1."""
    result = np.ones_like(base)
    square, left = base % p, exponent.copy()
    while left.any():
        result = np.where(left & 1, result * square % p, result)
        square, left = square * square % p, left >> 1
    return result


def quotient(a: Residues, b: Residues, p: int) -> Residues:
    """The c with b·c = a (mod p), for prime p and b ≠ 0, by Fermat: c = a·b^(p−2).

    This is not integer division, and not the product read backwards: the question shows a and b.
    """
    return a * power_mod(b, np.full_like(b, p - 2), p) % p


RULES: dict[str, Rule] = {
    "add": Rule("a + b", "The classic of grokking.", lambda a, b, p: (a + b) % p),
    "subtract": Rule("a − b", "Addition of −b; order matters.", lambda a, b, p: (a - b) % p),
    "multiply": Rule(
        "a · b", "Addition of discrete logarithms, except at 0.", lambda a, b, p: a * b % p
    ),
    "divide": Rule(
        "a / b",
        "The c with b · c = a; needs a prime p, and b is never 0.",
        quotient,
        divides=True,
        divisor_only=True,
    ),
    "square_sum": Rule(
        "a² + b²", "Symmetric, even in a and in b.", lambda a, b, p: (a * a + b * b) % p
    ),
    "quadratic": Rule(
        "a² + ab + b²",
        "Symmetric, with a mixed term; groks with more data.",
        lambda a, b, p: (a * a + a * b + b * b) % p,
    ),
    "quadratic_plus_a": Rule(
        "a² + ab + b² + a",
        "The quadratic made asymmetric; harder.",
        lambda a, b, p: (a * a + a * b + b * b + a) % p,
    ),
    "cubic_plus_ab": Rule(
        "a³ + ab", "A cubic that still generalises.", lambda a, b, p: (a**3 + a * b) % p
    ),
    "cubic_mixed": Rule(
        "a³ + ab² + b",
        "A control: not seen to generalise with up to 95 % of the table.",
        lambda a, b, p: (a**3 + a * b * b + b) % p,
    ),
    "cube_sum": Rule("a³ + b³", "Symmetric sum of cubes.", lambda a, b, p: (a**3 + b**3) % p),
    "square_of_sum": Rule(
        "(a + b)²", "Addition, then a square.", lambda a, b, p: (a + b) ** 2 % p
    ),
    "cube_of_sum": Rule("(a + b)³", "Addition, then a cube.", lambda a, b, p: (a + b) ** 3 % p),
    "double_product": Rule("2ab", "Multiplication, doubled.", lambda a, b, p: 2 * a * b % p),
    "power": Rule("a^b", "Exponentiation; 0⁰ is 1.", power_mod),
    "gcd": Rule(
        "gcd(a, b)",
        "Greatest common divisor; 1 is by far the most frequent answer, and gcd(0, 0) is 0.",
        lambda a, b, p: np.gcd(a, b) % p,
    ),
    "divide_or_subtract": Rule(
        "a / b if b is odd, else a − b",
        "The parity of b selects division or subtraction; needs a prime p.",
        lambda a, b, p: np.where(b % 2 == 1, quotient(a, b, p), (a - b) % p),
        divides=True,
    ),
    "add_or_multiply": Rule(
        "a + b if a is even, else a · b",
        "The parity of a selects addition or multiplication.",
        lambda a, b, p: np.where(a % 2 == 0, a + b, a * b) % p,
    ),
    "add_or_subtract": Rule(
        "a + b if a is even, else a − b",
        "The parity of a selects addition or subtraction.",
        lambda a, b, p: np.where(a % 2 == 0, a + b, a - b) % p,
    ),
    "random": Rule(
        "random", "A control: seeded labels that follow no rule and can only be memorised.", None
    ),
}


def operands(operation: str, *, p: int, zero: bool) -> tuple[Residues, Residues]:
    """All pairs (a, b) of the table in row order, without those the operation excludes."""
    rule = RULES[operation]
    first = 0 if zero else 1
    a, b = np.meshgrid(
        np.arange(first, p, dtype=np.int64),
        np.arange(1 if rule.divisor_only else first, p, dtype=np.int64),
        indexing="ij",
    )
    return a.reshape(-1), b.reshape(-1)


def n_pairs(operation: str, *, p: int, zero: bool) -> int:
    """How many pairs `operands` returns."""
    n = p if zero else p - 1
    return n * (p - 1 if RULES[operation].divisor_only else n)


def answers(operation: str, a: Residues, b: Residues, *, p: int, seed: int) -> Residues:
    """The answer of every pair, in 0 … p−1; `seed` draws those of `random` and is else unused."""
    answer = RULES[operation].answer
    if answer is None:
        return np.random.default_rng([seed, 1]).integers(0, p, size=(p, p), dtype=np.int64)[a, b]
    return answer(a, b, p)
