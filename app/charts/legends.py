"""Where the legends of the curves lie, and the room around the plots that this takes."""

from typing import Any

from app.charts.figure import Figure
from app.charts.markers import label_rows

_COLUMNS = 3
"""Columns of runs in the legend at most; a narrow figure has fewer."""
_ROW = 18
_LABEL_LIMIT = 200
"""Pixels of a run's name beyond which more columns are worth more than the rest of it."""
_LETTER = 6.6
_SYMBOL = 40
"""Pixels that a legend's entry takes beside its name."""
_DASH_LENGTH = 32
"""Pixels of a dash's sample in the legend: the longest pattern, and some of its repetition."""
LABEL_HEIGHT = 13
"""Pixels of one row of marker labels above the plot."""
LEGEND_BELOW: dict[str, Any] = {
    "orient": "bottom",
    "direction": "horizontal",
    "columns": {"expr": "columns_below"},
    "symbolSize": _DASH_LENGTH**2,
}
"""The legend of dashes."""


def margins(figure: Figure) -> dict[str, int]:
    """Pixels around the plots: a live figure is laid out once and must not move as rows arrive.

    They hold for legends of one row; the signals `more_above` and `more_below` are the pixels that
    further rows take at the present width.
    """
    top = 4 + _room(figure)
    return {"left": 64, "right": 108, "top": top, "bottom": 84 if figure.mode == "runs" else 42}


def _room(figure: Figure) -> int:
    # one row of labels more, for notes
    labels = 1 + label_rows(figure.splits)
    return _ROW + (6 if figure.mode == "runs" else 7 + LABEL_HEIGHT * labels)


def legend_params(figure: Figure) -> list[dict[str, str]]:
    """The signals of both legends: columns at the present width, and pixels of further rows."""
    names = [label for _, label in figure.runs] if figure.mode == "runs" else figure.splits
    longest = max(map(len, names), default=0) * _LETTER
    entry = min(longest, _LABEL_LIMIT) + _SYMBOL
    most = min(_COLUMNS if figure.mode == "runs" else len(names), len(names))
    params = _columns("above", entry, most=most, of=len(names), row=_ROW)
    if figure.mode != "runs":
        return [*params, {"name": "more_below", "expr": "0"}]
    n = len(figure.splits)
    entry = max(map(len, figure.splits), default=0) * _LETTER + _DASH_LENGTH + 20
    return params + _columns("below", entry, most=n, of=n, row=_DASH_LENGTH)


def _columns(place: str, entry: float, *, most: int, of: int, row: int) -> list[dict[str, str]]:
    fit = f"clamp(floor(width / {entry:.0f}), 1, {max(most, 1)})"
    more = f"{row} * (ceil({of} / columns_{place}) - 1)"
    return [
        {"name": f"columns_{place}", "expr": fit},
        {"name": f"more_{place}", "expr": more},
    ]


def legend_above(figure: Figure) -> dict[str, Any]:
    """Where the legend of hues lies: above the plot."""
    # a fixed place: Vega would move the legend each time a label appears
    return {
        "orient": "none",
        "direction": "horizontal",
        "columns": {"expr": "columns_above"},
        "legendX": 0,
        "legendY": {"expr": f"-{_room(figure)} - more_above"},
        "labelLimit": {"expr": f"max({_LABEL_LIMIT}, width / columns_above - {_SYMBOL})"},
    }
