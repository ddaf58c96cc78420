"""How the distinct prefixes of some token rows are numbered, by one compiled loop.

Sorting (position, prefix) pairs with torch takes as long as a layer of a small network.

Shapes: ``B`` examples, ``T`` tokens, ``U`` distinct prefixes of all positions.
"""

import numpy as np
from jaxtyping import Int64

from engine.kernels.compiled import compiled

_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)
"""Odd, and far from any ratio of small numbers: keys that follow each other fall far apart."""
_FREE = -1


def numbered(
    tokens: Int64[np.ndarray, "B T"],
) -> tuple[Int64[np.ndarray, "B T"], Int64[np.ndarray, "U T"], Int64[np.ndarray, " T_"]]:
    """Each example's prefixes by number, what each prefix begins with, and where positions start.

    Numbers go position by position, in the order of first occurrence. The second has for each
    prefix the numbers of those that it begins with, its own being the last, and then -1; the
    third has T + 1.
    """
    B, T = tokens.shape
    rows, sees = np.empty((B, T), np.int64), np.empty((B * T, T), np.int64)
    starts = np.zeros(T + 1, np.int64)
    n_slots = 1 << max(2 * B - 1, 1).bit_length()
    _number(tokens, np.empty((2, n_slots), np.int64), rows, sees, starts)
    return rows, sees[: starts[-1]], starts


def by_place(
    tokens: Int64[np.ndarray, " U"], starts: Int64[np.ndarray, " T_"]
) -> tuple[Int64[np.ndarray, " U"], Int64[np.ndarray, " N"], Int64[np.ndarray, " T_"]]:
    """Which of the distinct (position, token) each prefix ends with, their tokens and starts.

    Numbers go position by position, likewise; `starts` are those of `numbered`.
    """
    ends, last = np.empty(len(tokens), np.int64), np.empty(len(tokens), np.int64)
    own = np.zeros_like(starts)
    _number_ends(tokens, starts, np.empty(tokens.max() + 1, np.int64), ends, last, own)
    return ends, last[: own[-1]], own


@compiled
def _number_ends(
    tokens: np.ndarray,
    starts: np.ndarray,
    number: np.ndarray,
    ends: np.ndarray,
    last: np.ndarray,
    own: np.ndarray,
) -> None:
    n = 0
    for t in range(len(starts) - 1):
        own[t] = n
        number[:] = -1
        for u in range(starts[t], starts[t + 1]):
            if number[tokens[u]] < 0:
                number[tokens[u]] = n
                last[n] = tokens[u]
                n += 1
            ends[u] = number[tokens[u]]
    own[len(own) - 1] = n


@compiled
def _number(
    tokens: np.ndarray, slots: np.ndarray, rows: np.ndarray, sees: np.ndarray, starts: np.ndarray
) -> None:
    """`slots` is an open table of keys and their numbers, at most half full."""
    B, T = tokens.shape
    n_slots = slots.shape[1]
    n, base = 0, 0
    for b in range(B):
        for t in range(T):
            base = max(base, tokens[b, t] + 1)
    for t in range(T):
        starts[t] = n
        slots[0] = _FREE
        for b in range(B):
            before = rows[b, t - 1] if t else 0
            key = before * base + tokens[b, t]
            slot = np.int64((np.uint64(key) * _SPREAD) >> np.uint64(20)) % n_slots
            while slots[0, slot] != _FREE and slots[0, slot] != key:
                slot = (slot + 1) % n_slots
            if slots[0, slot] == _FREE:
                slots[0, slot] = key
                slots[1, slot] = n
                for i in range(t):
                    sees[n, i] = rows[b, i]
                sees[n, t] = n
                for i in range(t + 1, T):
                    sees[n, i] = -1
                n += 1
            rows[b, t] = slots[1, slot]
    starts[T] = n
