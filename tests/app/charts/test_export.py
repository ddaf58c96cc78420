"""An exported figure is a file that needs nothing else."""

from app.charts.export import rendered
from app.charts.figure import Figure
from app.charts.markers import annotations
from tests.app.recorded import curve, run

FIGURE = Figure("split", ("train", "test"), (("1", "one"),))
ROWS = [{**row, "run": str(row["run_id"])} for row in curve()]
TABLES = {**annotations([run()], [], "split"), "curves": ROWS}


def test_an_svg_has_the_markers_the_delay_and_the_chance_level_on_it():
    text = rendered(FIGURE, TABLES, form="svg").decode()
    for words in ("memorised 80", "onset 500", "grokked 700", "delay 620 steps", "chance 0.0169"):
        assert words in text
    assert "#0072B2" in text
    assert "#D55E00" in text


def test_a_png_is_a_png_in_both_themes():
    for theme in ("light", "dark"):
        assert rendered(FIGURE, TABLES, form="png", theme=theme)[:4] == b"\x89PNG"


def test_a_page_loads_nothing_from_the_network():
    page = rendered(FIGURE, TABLES, form="html").decode()
    assert "<script src=" not in page
    assert "memorised 80" in page
