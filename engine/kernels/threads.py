"""How loops share their work among as many threads as torch has."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count

import torch


def by_shares(part: Callable[[slice, int], None], n: int, *, of: int = 1) -> None:
    """Call `part` (share, thread) for one share of `n` things for each thread.

    Shares are multiples of `of`, but for the last.
    """
    n_threads = _n_threads(-(-n // of))
    ends = [n * i // n_threads // of * of for i in range(n_threads)]
    shares = [slice(*each) for each in zip(ends, [*ends[1:], n], strict=True)]
    _together(lambda thread: part(shares[thread], thread), n_threads)


def in_turns(part: Callable[[int, int], None]) -> None:
    """Call `part` (first, step) for each thread: it takes every step-th thing from `first` on."""
    n_threads = _n_threads()
    _together(lambda thread: part(thread, n_threads), n_threads)


def one_by_one(part: Callable[[int], None], n: int) -> None:
    """Call `part` for each of `n` things, a thread that is done taking the next."""
    numbers = count()

    def take(_: int) -> None:
        while (i := next(numbers)) < n:
            part(i)

    _together(take, _n_threads(n))


def _n_threads(most: int | None = None) -> int:
    n = torch.get_num_threads()
    return max(n if most is None else min(n, most), 1)


def _together(part: Callable[[int], None], n_threads: int) -> None:
    """Call `part` for each thread, the calling one first: it need not be woken up."""
    others = [_pool(n_threads).submit(part, thread) for thread in range(1, n_threads)]
    try:
        part(0)
    finally:
        for each in others:
            each.result()


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads - 1, thread_name_prefix="loops")
