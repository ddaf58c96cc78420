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
    n_shares = n_threads(-(-n // of))
    ends = [n * i // n_shares // of * of for i in range(n_shares)]
    shares = [slice(*each) for each in zip(ends, [*ends[1:], n], strict=True)]
    _together(lambda thread: part(shares[thread], thread), n_shares)


def in_turns(part: Callable[[int, int], None]) -> None:
    """Call `part` (first, step) for each thread: it takes every step-th thing from `first` on."""
    step = n_threads()
    _together(lambda thread: part(thread, step), step)


def one_by_one(part: Callable[[int, int], None], n: int) -> None:
    """Call `part` (thing, thread) for each of `n`, a thread that is done taking the next."""
    numbers = count()

    def take(thread: int) -> None:
        while (i := next(numbers)) < n:
            part(i, thread)

    _together(take, n_threads(n))


def in_any_order(*parts: Callable[[], None]) -> None:
    """Call each of some parts, none of which needs what another does."""
    one_by_one(lambda i, _: parts[i](), len(parts))


def n_threads(most: int | None = None) -> int:
    """How many threads share, of which there may be no more than `most`."""
    n = torch.get_num_threads()
    return max(n if most is None else min(n, most), 1)


def _together(part: Callable[[int], None], n: int) -> None:
    """Call `part` for each of `n` threads, the calling one first: it need not be woken up."""
    if n == 1:
        part(0)
        return
    others = [_pool(n).submit(part, thread) for thread in range(1, n)]
    try:
        part(0)
    finally:
        for each in others:
            each.result()


@cache
def _pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n - 1, thread_name_prefix="loops")
