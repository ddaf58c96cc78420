"""Which share would do, for a refusal to name: the end of a range in which a rule holds."""

from bisect import bisect_left
from collections.abc import Callable
from math import ceil, floor
from typing import Any, TypeVar

import annotated_types

from data.settings import Settings

S = TypeVar("S", bound=Settings)
_STEPS = 10_000
"""Shares are named in steps of 0.0001."""


def least(settings: S, name: str, holds: Callable[[S], bool]) -> float | None:
    """The least share for the setting `name` with which a rule holds; None where none does.

    `holds` is asked of the settings with other shares, and must hold above any with which it does.
    """
    allowed = _allowed(settings, name)
    place = bisect_left(allowed, True, key=lambda step: holds(_with(settings, name, step)))
    return allowed[place] / _STEPS if place < len(allowed) else None


def most(settings: S, name: str, holds: Callable[[S], bool]) -> float | None:
    """The greatest such share, of a rule that holds below any with which it does."""
    allowed = _allowed(settings, name)
    place = bisect_left(allowed, True, key=lambda step: not holds(_with(settings, name, step)))
    return allowed[place - 1] / _STEPS if place else None


def way_out(side: str, bound: float | None, otherwise: str) -> str:
    """What ends a refusal: `give at least 0.02, or raise p`; where no share will do, the rest."""
    return otherwise if bound is None else f"give at {side} {bound:g}, or {otherwise}"


def _with(settings: S, name: str, step: int) -> S:
    return settings.model_copy(update={name: step / _STEPS})


def _allowed(settings: Settings, name: str) -> range:
    """The shares in the range of the setting, in steps."""
    low, high = 0.0, 1.0
    for item in type(settings).model_fields[name].metadata:
        match item:
            case annotated_types.Ge(ge=bound):
                low = _number(bound)
            case annotated_types.Le(le=bound):
                high = _number(bound)
            case _:
                pass
    return range(ceil(low * _STEPS - 1e-6), floor(high * _STEPS + 1e-6) + 1)


def _number(bound: Any) -> float:
    return float(bound)
