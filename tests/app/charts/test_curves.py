"""Every figure keeps the conventions of the field, whichever runs it shows."""

import json
import re
from typing import Any

import pytest
import vl_convert

from app.charts.curves import TABLES, curves_spec, filled
from app.charts.figure import Figure
from app.charts.legends import margins
from app.charts.markers import Mode, annotations
from app.charts.palette import SPLIT_DASHES, THEMES, Theme, marker_colours, vega_config
from tests.app.recorded import run

SEEDS = (("1", "one"), ("2", "two"))
FIGURES = [
    Figure("split", ("train", "test"), (("1", "one"),)),
    Figure("seeds", ("train", "test"), SEEDS),
    Figure("runs", ("train", "test"), SEEDS),
    Figure("split", ("train", "test"), (("1", "one"),), log_x=False, measures=("weight_norm",)),
]


def drawn(
    figure: Figure, rows: list[dict[str, Any]], *, width: int = 760, **tables: list[dict[str, Any]]
) -> str:
    tables |= {"curves": [{"run": "1", "split": "train", **row} for row in rows]}
    spec = filled(curves_spec(figure, width=width), tables) | {"config": vega_config("light")}
    return vl_convert.vegalite_to_svg(json.dumps(spec))


def losses(*values: float) -> list[dict[str, Any]]:
    return [{"metric": "loss", "step": 10**i, "value": value} for i, value in enumerate(values)]


def lines(svg: str) -> list[str]:
    """The paths of lines that show anything."""
    marks = re.findall(r'aria-roledescription="line mark"[^>]* d="([^"]*)"', svg)
    return [path for path in marks if "L" in path]


def layers(spec: dict[str, Any], panel: int) -> list[dict[str, Any]]:
    return spec["vconcat"][panel]["layer"]


def encodings(spec: dict[str, Any], panel: int, channel: str) -> list[dict[str, Any]]:
    found = [layer["encoding"].get(channel) for layer in layers(spec, panel)]
    return [encoding for encoding in found if encoding and "scale" in encoding]


@pytest.mark.parametrize("figure", FIGURES)
def test_accuracy_stands_above_loss_on_a_shared_step_axis(figure: Figure):
    spec = curves_spec(figure)
    titles = [encodings(spec, panel, "y")[0]["axis"]["title"] for panel in (0, 1)]
    assert titles == ["accuracy", "loss (nats)"]
    assert spec["resolve"]["scale"]["x"] == "shared"


@pytest.mark.parametrize("figure", FIGURES)
def test_accuracy_is_linear_from_zero_to_one_and_loss_logarithmic(figure: Figure):
    spec = curves_spec(figure)
    low, high = encodings(spec, 0, "y")[0]["scale"]["domain"]
    assert -0.05 < low <= 0
    assert 1 <= high < 1.05
    assert encodings(spec, 1, "y")[0]["scale"]["type"] == "log"


def test_steps_are_logarithmic_unless_asked_otherwise():
    kinds = [encodings(curves_spec(f), 0, "x")[0]["scale"].get("type") for f in FIGURES]
    assert kinds == ["log", "log", "log", None]


def test_train_is_blue_and_test_vermillion_whatever_the_order():
    for splits in (("train", "test"), ("test", "train")):
        scale = encodings(curves_spec(Figure("split", splits, (("1", "one"),))), 0, "color")
        assert scale[0]["scale"] == {
            "domain": ["train", "test"],
            "range": ["#0072B2", "#D55E00"],
        }


def test_compared_runs_have_a_hue_each_and_splits_a_dash():
    spec = curves_spec(FIGURES[2])
    assert encodings(spec, 0, "color")[0]["scale"]["domain"] == ["1", "2"]
    assert encodings(spec, 0, "strokeDash")[0]["scale"]["domain"] == ["train", "test"]


def test_seeds_are_thin_lines_with_a_median_and_a_band():
    marks = [layer["mark"] for layer in layers(curves_spec(FIGURES[1]), 0)]
    assert any(mark["type"] == "area" for mark in marks)
    widths = sorted(mark["strokeWidth"] for mark in marks if mark["type"] == "line")
    assert widths[0] < widths[-1]


@pytest.mark.parametrize("figure", FIGURES)
def test_every_table_is_drawn_and_both_panels_zoom_together(figure: Figure):
    spec = curves_spec(figure)
    used = {layer["data"]["name"] for panel in (0, 1) for layer in layers(spec, panel)}
    assert used == set(TABLES)
    names = {layer.get("name") for panel in spec["vconcat"] for layer in panel["layer"]}
    assert set(spec["params"][0]["views"]) <= names
    assert len(spec["params"][0]["views"]) == len(spec["vconcat"])


def test_a_chance_line_is_dotted():
    rules = [
        layer["mark"]
        for layer in layers(curves_spec(FIGURES[0]), 0)
        if layer["data"]["name"] == "chance" and layer["mark"]["type"] == "rule"
    ]
    assert len(rules) == 1
    assert rules[0]["strokeDash"]


def test_a_sample_in_the_legend_shows_each_dash_whole_and_has_room():
    splits = tuple(SPLIT_DASHES)
    figure = Figure("runs", splits, (("1", "a"), ("2", "b")))
    legend = encodings(curves_spec(figure), 0, "strokeDash")[0]["legend"]
    length = legend["symbolSize"] ** 0.5
    assert length >= max(sum(dash) for dash in SPLIT_DASHES.values())
    # Vega gives a row as much height as a sample is long; below the axis and its title
    assert margins(figure)["bottom"] >= 50 + length


def test_a_run_name_cannot_break_out_of_the_legend():
    nasty = """"}); alert('x') //<script>"""
    spec = curves_spec(Figure("runs", ("train",), (("1", nasty), ("2", "b"))))
    expression = encodings(spec, 0, "color")[0]["legend"]["labelExpr"]
    assert json.dumps(nasty) in expression


def test_an_exported_figure_holds_its_rows_and_leaves_the_specification_alone():
    spec = curves_spec(FIGURES[0])
    rows = [{"run": "1", "split": "test", "metric": "loss", "step": 1, "value": 2.0}]
    assert filled(spec, {"curves": rows})["datasets"]["curves"] == rows
    assert spec["datasets"]["curves"] == []


@pytest.mark.parametrize("figure", FIGURES)
def test_a_loss_of_zero_lies_at_the_foot_of_the_axis_and_is_named(figure: Figure):
    svg = drawn(figure, losses(1, 0.1, 0, 0.01))
    assert lines(svg)
    for path in lines(svg):
        heights = [float(y) for y in re.findall(r",([\d.]+)", path)]
        assert len(heights) == 4
        assert heights[2] == max(heights) == 170
    assert ">loss 0<" in svg
    assert ">loss 0<" not in drawn(figure, losses(1, 0.1, 0.01))


@pytest.mark.parametrize("figure", FIGURES)
def test_a_single_evaluation_is_a_point(figure: Figure):
    row = {"metric": "accuracy", "step": 1, "value": 0.5}
    for svg, points in ((drawn(figure, [row]), 1), (drawn(figure, [row, {**row, "step": 2}]), 0)):
        assert svg.count('aria-roledescription="point"') == points


def test_labels_of_the_axes_leave_their_titles_room():
    norms = [
        {"split": "", "metric": "weight_norm", "step": s, "value": 200 + 8 * s} for s in (1, 50)
    ]
    svg = drawn(FIGURES[3], losses(1e-4, 1, 1e5) + norms)
    shown = set(re.findall(r">([^<>]+)</text>", svg))
    assert {"400", "500", "1e+4", "1e-4"} <= shown
    assert max(len(words) for words in shown if words[0].isdigit()) < len("100000")


def labels(svg: str) -> list[tuple[str, float, float]]:
    """The words above the plot that can be seen, with the middle and the height of each."""
    texts = re.findall(r"<text ([^>]*)>([^<]+)</text>", svg)
    found: list[tuple[str, float, float]] = []
    for attributes, words in texts:
        place = re.search(r"translate\(([-\d.]+),([-\d.]+)\)", attributes)
        hidden = 'fill-opacity="0"' in attributes
        if place and not hidden and float(place[2]) < 0 and 'text-anchor="middle"' in attributes:
            found.append((words, float(place[1]), float(place[2])))
    return found


@pytest.mark.parametrize("mode", ["split", "seeds"])
@pytest.mark.parametrize("width", [300, 760])
@pytest.mark.parametrize("apart", [1, 12, 90])
def test_labels_of_markers_never_overlap(mode: Mode, width: int, apart: int):
    steps = {"memorised_step": 480, "onset_step": 481, "grokked_step": 483}
    runs = [
        run(i, splits=["train", "test"], **steps) for i in range(1, 4 if mode == "seeds" else 2)
    ]
    kinds = ("note", "collapsed", "forked", "diverged")
    events = [{"run_id": 1, "step": 480 + apart * i, "kind": kind} for i, kind in enumerate(kinds)]
    figure = Figure(
        mode, ("train", "test"), tuple((str(i), str(i)) for i in range(1, len(runs) + 1))
    )
    svg = drawn(figure, losses(1, 1, 1, 1), width=width, **annotations(runs, events, mode))
    seen = labels(svg)
    assert {"memorised 480", "onset 481", "grokked 483"} <= {words for words, _, _ in seen}
    assert any(words.startswith("collapsed") for words, _, _ in seen)
    for i, (words, x, y) in enumerate(seen):
        for other, beside, above in seen[:i]:
            apart_enough = abs(x - beside) > 2.6 * (len(words) + len(other)) or abs(y - above) > 11
            assert apart_enough, (words, other)


def test_all_labels_are_there_where_there_is_room():
    events = [{"run_id": 1, "step": step, "kind": "note"} for step in (2, 30, 900)]
    svg = drawn(FIGURES[0], losses(1, 1, 1, 1), **annotations([run()], events, "split"))
    assert [words for words, _, _ in labels(svg)].count("note") == 3


@pytest.mark.parametrize("theme", THEMES)
def test_markers_have_the_colours_of_the_theme(theme: Theme):
    tables = annotations([run()], [], "split")
    spec = filled(curves_spec(FIGURES[0]), tables) | {"config": vega_config(theme)}
    svg = vl_convert.vegalite_to_svg(json.dumps(spec))
    for kind, step in (("memorised", 80), ("onset", 500), ("grokked", 700)):
        colour = marker_colours(theme)[kind]
        assert re.search(rf'fill="{colour}"[^>]*>{kind} {step}<', svg, re.IGNORECASE)
        assert re.search(rf'stroke="{colour}"', svg, re.IGNORECASE)


def test_titles_of_upright_axes_stand_in_line_whatever_their_labels_are():
    places: set[str] = set()
    for figure in (FIGURES[0], FIGURES[3]):
        for values in ((1, 2), (1e-4, 1e5)):
            svg = drawn(figure, losses(*values))
            for title in (
                "accuracy",
                "loss (nats)",
                *(m.replace("_", " ") for m in figure.measures),
            ):
                found = re.search(
                    rf"translate\(([-\d.]+),[-\d.]+\) rotate\(-90\)[^>]*>{re.escape(title)}<", svg
                )
                assert found is not None, title
                places.add(found[1])
    assert len(places) == 1


def test_the_delay_is_written_over_what_crosses_its_band():
    svg = drawn(FIGURES[0], losses(1, 1, 1, 1), **annotations([run()], [], "split"))
    accuracy = svg[: svg.index(">loss (nats)<")]
    assert accuracy.rindex("delay 620 steps") > accuracy.rindex("rule mark")


def test_a_narrow_figure_names_every_run_and_split_whole():
    runs = tuple((str(i), f"{i} · composition-small · seed {i}") for i in range(1, 4))
    figure = Figure("runs", tuple(SPLIT_DASHES), runs)
    svg = drawn(figure, losses(1, 2), width=300)
    for words in (*SPLIT_DASHES, *(label for _, label in runs)):
        assert f">{words}<" in svg
    # a legend that is too wide would widen the picture
    room = margins(figure)
    size = re.search(r'width="([\d.]+)"', svg)
    assert size is not None
    assert float(size[1]) < room["left"] + 300 + room["right"]
