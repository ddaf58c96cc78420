"""Answers of every operation, one pair at a time, from their definitions (and without numpy)."""

from collections.abc import Callable


def inverse(b: int, p: int) -> int:
    """The residue that b is multiplied with to give 1, found by trying all."""
    return next(c for c in range(1, p) if c * b % p == 1)


def divisor(a: int, b: int) -> int:
    """Greatest common divisor by Euclid's subtraction; 0 of nothing."""
    while a and b:
        a, b = (a - b, b) if a > b else (a, b - a)
    return a or b


INTEGER: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "square_sum": lambda a, b: pow(a, 2) + pow(b, 2),
    "quadratic": lambda a, b: pow(a + b, 2) - a * b,
    "quadratic_plus_a": lambda a, b: pow(a + b, 2) - a * b + a,
    "cubic_plus_ab": lambda a, b: a * (a * a + b),
    "cubic_mixed": lambda a, b: a * (a * a + b * b) + b,
    "cube_sum": lambda a, b: (a + b) * (a * a - a * b + b * b),
    "square_of_sum": lambda a, b: a * a + 2 * a * b + b * b,
    "cube_of_sum": lambda a, b: a**3 + 3 * a * a * b + 3 * a * b * b + b**3,
    "double_product": lambda a, b: a * b + b * a,
    "gcd": lambda a, b: divisor(a, b),
    "add_or_multiply": lambda a, b: a * b if a % 2 else a + b,
    "add_or_subtract": lambda a, b: a - b if a % 2 else a + b,
}
MODULAR: dict[str, Callable[[int, int, int], int]] = {
    "divide": lambda a, b, p: a * inverse(b, p),
    "power": lambda a, b, p: pow(a, b, p),
    "divide_or_subtract": lambda a, b, p: a * inverse(b, p) if b % 2 else a - b,
}


def answer(operation: str, a: int, b: int, *, p: int) -> int:
    """What the operation answers, in 0 … p−1."""
    if operation in MODULAR:
        return MODULAR[operation](a, b, p) % p
    return INTEGER[operation](a, b) % p
