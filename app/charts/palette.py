"""Which colour, dash and theme stands for what, in every figure of the lab.

Source: Okabe & Ito 2008, eight colours that stay distinct for colour-blind readers.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

SPLIT_COLOURS = {
    "train": "#0072B2",
    "test": "#D55E00",
    "test_id": "#E69F00",
    "test_ood": "#56B4E9",
    "test_easy": "#009E73",
    "test_value": "#8C8C8C",
    "test_new_old": "#E69F00",
    "test_old_new": "#56B4E9",
    "test_new_new": "#009E73",
    "train_id": "#CC79A7",
    "train_ood": "#009E73",
    "atomic_id": "#B8A500",
    "atomic_ood": "#8C8C8C",
    "atomic_new": "#B8A500",
}
"""One colour a split, never swapped: blue trains, vermillion tests. No two of a task's are alike.

Eight hues do not reach for all: splits of different tasks share some."""

SPLIT_DASHES: dict[str, list[int]] = {
    "train": [3, 3],
    "test": [1, 0],
    "test_id": [8, 3],
    "test_ood": [8, 3, 2, 3],
    "test_easy": [4, 2],
    "test_value": [1, 4],
    "test_new_old": [8, 3],
    "test_old_new": [8, 3, 2, 3],
    "test_new_new": [4, 2],
    "train_id": [6, 2, 1, 2],
    "train_ood": [4, 2],
    "atomic_id": [2, 2],
    "atomic_ood": [1, 4],
    "atomic_new": [2, 2],
}
"""Where hue tells runs apart, the dash tells splits apart."""

RUN_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8C8C8C",
    "#B8A500",
)
"""Hues of runs that are compared, by their order in the selection."""

_MARKER_HUES = {
    "memorised": "grey",
    "recalled": "grey",
    "onset": "purple",
    "grokked": "green",
    "collapsed": "red",
    "diverged": "red",
    "forked": "grey",
    "note": "grey",
}
"""Grey when it memorised or recalls, purple when generalisation begins, green when it is done."""

_INK = {
    "light": {"text": "#1d232a", "soft": "#5b6570", "grid": "#e3e7eb", "paper": "#ffffff"},
    "dark": {"text": "#e6eaee", "soft": "#a3adb8", "grid": "#2a323b", "paper": "#11151a"},
}
_MARKER_INK = {
    "light": {"grey": "#6b7280", "purple": "#9a4bb5", "green": "#00805c", "red": "#c23b22"},
    "dark": {"grey": "#9aa3ad", "purple": "#bd85d2", "green": "#14b58a", "red": "#e8705a"},
}
"""Markers are named in their own colour: one that can be read on the theme's paper."""
_THIN = {"light": 0.3, "dark": 0.5}
"""How opaque the line of a single seed is: on dark paper a faint line is lost sooner."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def split_scale(splits: Iterable[str]) -> tuple[list[str], list[str]]:
    """Domain and range of the splits that occur, in the order of `SPLIT_COLOURS`."""
    present = set(splits)
    domain = [split for split in SPLIT_COLOURS if split in present]
    domain += sorted(present - set(domain))
    return domain, [SPLIT_COLOURS.get(split, "#8C8C8C") for split in domain]


def dash_scale(splits: Iterable[str]) -> tuple[list[str], list[list[int]]]:
    """Domain and range of the dashes, in the same order as the colours."""
    domain, _ = split_scale(splits)
    return domain, [SPLIT_DASHES.get(split, [1, 0]) for split in domain]


def run_scale(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Domain and range of the runs that are compared; hues repeat after eight."""
    hues = [RUN_COLOURS[i % len(RUN_COLOURS)] for i in range(len(labels))]
    return list(labels), hues


def marker_colours(theme: Theme) -> dict[str, str]:
    """The colour of each kind of marker, of its rule and of its label."""
    return {kind: _MARKER_INK[theme][hue] for kind, hue in _MARKER_HUES.items()}


def vega_config(theme: Theme) -> dict[str, Any]:
    """What a theme changes in a figure: inks and grid, nothing else.

    The figures of curves take their `marker_colours`, `thin` and `paper` from its parameters.
    """
    ink = _INK[theme]
    axis = {
        "labelColor": ink["soft"],
        "titleColor": ink["soft"],
        "domainColor": ink["soft"],
        "tickColor": ink["soft"],
        "gridColor": ink["grid"],
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelFont": FONT,
        "titleFont": FONT,
    }
    legend = {
        "labelColor": ink["text"],
        "titleColor": ink["soft"],
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 12,
    }
    return {
        "background": "transparent",
        "font": FONT,
        "axis": axis,
        "legend": legend,
        "title": {"color": ink["text"], "subtitleColor": ink["soft"], "font": FONT},
        "view": {"stroke": None},
        "text": {"color": ink["soft"], "font": FONT, "fontSize": 12},
        "params": [
            {"name": "marker_colours", "value": marker_colours(theme)},
            {"name": "thin", "value": _THIN[theme]},
            {"name": "paper", "value": ink["paper"]},
        ],
    }


def paper(theme: Theme) -> str:
    """The background of an exported figure."""
    return _INK[theme]["paper"]
