"""How loops share their work among as many threads as torch has."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


def by_shares(part: Callable[[slice, int], None], n: int, *, of: int = 1) -> None:
    """Call `part` (share, thread) for one share of `n` things for each thread.

    Shares are multiples of `of`, but for the last.
    """
    n_threads = min(torch.get_num_threads(), -(-n // of))
    if n_threads <= 1:
        part(slice(0, n), 0)
        return
    ends = [n * i // n_threads // of * of for i in range(n_threads)]
    shares = [slice(*each) for each in zip(ends, [*ends[1:], n], strict=True)]
    for _ in _pool(n_threads).map(part, shares, range(n_threads)):
        pass


def one_by_one(part: Callable[[int], None], n: int) -> None:
    """Call `part` for each of `n` things, a thread that is done taking the next."""
    n_threads = torch.get_num_threads()
    for _ in map(part, range(n)) if n_threads <= 1 else _pool(n_threads).map(part, range(n)):
        pass


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="loops")
