"""How loops share their work: among as many threads as torch has, and some more to help."""

from collections.abc import Callable
from itertools import count

import torch

from engine.kernels.team import team_of

_HELPERS = [0]


def helped_by(n: int) -> None:
    """Let loops have `n` threads beside torch's from now on: torch's own operations do not.

    For networks whose loops give the same numbers with any number of threads.
    """
    _HELPERS[0] = n


def by_shares(part: Callable[[slice, int], None], n: int, *, of: int = 1) -> None:
    """Call `part` (share, thread) for one share of `n` things for each thread.

    Shares are multiples of `of`, but for the last.
    """
    own = shares(n, of=of)
    _together(lambda thread: part(own[thread], thread), len(own))


def shares(n: int, *, of: int = 1) -> list[slice]:
    """The shares of `n` things, one for each thread."""
    n_shares = n_threads(-(-n // of))
    ends = [n * i // n_shares // of * of for i in range(n_shares)]
    return [slice(*each) for each in zip(ends, [*ends[1:], n], strict=True)]


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
    n = torch.get_num_threads() + _HELPERS[0]
    return max(n if most is None else min(n, most), 1)


def _together(part: Callable[[int], None], n: int) -> None:
    """Call `part` for each of `n` threads."""
    if n == 1:
        part(0)
    else:
        team_of(n).do(part)
