"""Which numbers are prime, and what the nearest ones are (for moduli, so below a thousand)."""


def is_prime(n: int) -> bool:
    """Whether n has exactly two divisors, by trial division."""
    return n >= 2 and all(n % divisor for divisor in range(2, int(n**0.5) + 1))


def nearest_primes(n: int) -> tuple[int | None, int]:
    """The largest prime below n (None if there is none) and the smallest above it."""
    below = next((m for m in range(n - 1, 1, -1) if is_prime(m)), None)
    above = n + 1
    while not is_prime(above):
        above += 1
    return below, above
