"""What is written in the colours of a theme can be read."""

import tomllib
from pathlib import Path

import pytest

from app.charts.palette import THEMES as FIGURES
from app.charts.palette import Theme, marker_colours, paper

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"
THEMES = tomllib.loads(CONFIG.read_text())["theme"]


def luminance(colour: str) -> float:
    """Source: WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_primary_button_can_be_read_and_stands_out(theme: str):
    colours = THEMES[theme]
    assert contrast(colours["primaryColor"], "#ffffff") >= 4.5
    for ground in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(colours["primaryColor"], colours[ground]) >= 3


@pytest.mark.parametrize("theme", FIGURES)
def test_the_label_of_every_marker_can_be_read(theme: Theme):
    assert paper(theme) == THEMES[theme]["backgroundColor"]
    for kind, colour in marker_colours(theme).items():
        assert contrast(colour, paper(theme)) >= 4.5, kind
