"""What the symmetric groups contain, and what their products are.

An element is written by its images: in S3, `213` sends 1 to 2, 2 to 1 and 3 to itself. Elements
are numbered in lexicographic order, so that 0 is the identity. A product acts from the right:
(ab)(i) = a(b(i)).

Source: Power et al. 2022, appendix A.1 (S5 with ab, aba⁻¹ and aba).
"""

from collections.abc import Callable
from itertools import permutations
from math import factorial

import numpy as np
from jaxtyping import Int64

DEGREES = {"S3": 3, "S4": 4, "S5": 5}
"""How many things a group's elements permute."""

Elements = Int64[np.ndarray, "N D"]
"""Images of 0 … D−1 under each of N elements."""

_PRODUCTS: dict[str, Callable[[Elements, Elements], Elements]] = {
    "ab": lambda a, b: _after(a, b),
    "aba^-1": lambda a, b: _after(a, _after(b, np.argsort(a, axis=1))),
    "aba": lambda a, b: _after(a, _after(b, a)),
}


def order(group: str) -> int:
    """How many elements the group has."""
    return factorial(DEGREES[group])


def elements(group: str) -> Elements:
    """All elements of the group in the order of their numbers."""
    return np.array(list(permutations(range(DEGREES[group]))), dtype=np.int64)


def names(group: str) -> tuple[str, ...]:
    """Every element by its images, counted from 1."""
    return tuple("".join(str(image + 1) for image in row) for row in elements(group))


def products(
    operation: str, a: Int64[np.ndarray, " N"], b: Int64[np.ndarray, " N"], *, group: str
) -> Int64[np.ndarray, " N"]:
    """The number of the product of each pair of numbered elements."""
    every = elements(group)
    weights = len(every[0]) ** np.arange(len(every[0]), dtype=np.int64)
    codes = every @ weights
    by_code = np.argsort(codes)
    product = _PRODUCTS[operation](every[a], every[b]) @ weights
    return by_code[np.searchsorted(codes, product, sorter=by_code)]


def _after(a: Elements, b: Elements) -> Elements:
    """The elements that act as b, then as a."""
    return np.take_along_axis(a, b, axis=1)
