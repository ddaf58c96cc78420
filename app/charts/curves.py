"""How training looks over steps: accuracy above, loss below, one shared step axis.

The specification holds no rows. The live view feeds its named tables (`curves`, `markers`,
`plateau`, `chance`); an export and the tests fill the same tables in.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from app.charts.figure import Figure
from app.charts.legends import LABEL_HEIGHT, LEGEND_BELOW, legend_above, legend_params
from app.charts.palette import dash_scale, run_scale, split_scale

TABLES = ("curves", "markers", "plateau", "chance")
BUCKETS_A_DECADE = 40
"""Seeds are summarised in log buckets this fine: 6 % of the step."""
_SHORT_NUMBER = (
    "datum.value && (abs(datum.value) < 0.01 || abs(datum.value) >= 1e4)"
    " ? format(datum.value, '~e') : format(datum.value, '~g')"
)
"""A label of an axis that leaves its title room: 20, 0.5, 1e+5, 3e-4."""
_LABELS: dict[str, Any] = {"minExtent": 40, "maxExtent": 40}
"""Pixels for the labels of an upright axis: its title stands still while they change."""
_BESIDE = 56
"""Pixels by which a marker's label may stick out on either side of the plot."""
_BETWEEN = 6
"""Pixels that two labels of one row are apart at least."""


def curves_spec(figure: Figure, *, width: int = 760) -> dict[str, Any]:
    """The Vega-Lite specification of a figure, `width` plot pixels wide."""
    panels = [
        _panel(figure, "accuracy", height=230, width=width),
        _panel(figure, "loss", height=170, width=width),
        *(_panel(figure, name, height=90, width=width) for name in figure.measures),
    ]
    chart = alt.vconcat(*panels, spacing=12, bounds="flush").resolve_scale(
        x="shared", color="shared", strokeDash="shared"
    )
    spec = chart.to_dict(validate=False)
    spec["params"] = [
        {
            "name": "zoom",
            "select": {"type": "interval", "encodings": ["x"]},
            "bind": "scales",
            "views": [
                layer["name"]
                for panel in spec["vconcat"]
                for layer in panel["layer"]
                if "name" in layer
            ],
        },
        *legend_params(figure),
    ]
    spec["datasets"] = {name: [] for name in TABLES}
    return spec


def filled(spec: Mapping[str, Any], tables: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The same figure with its rows inside: what is exported."""
    return {**spec, "datasets": {name: list(tables.get(name, ())) for name in TABLES}}


def _panel(figure: Figure, metric: str, *, height: int, width: int) -> Any:
    layers: list[alt.Chart] = []
    if metric == "accuracy":
        layers.append(_plateau_band())
    if figure.mode == "seeds":
        layers += _seed_layers(figure, metric)
    else:
        layers.append(_lines(figure, metric, thin=False))
    layers.append(_lone_points(figure, metric))
    if metric == "accuracy":
        layers += _chance_layers()
    if metric == "loss":
        layers.append(_zero_label())
    layers += _marker_layers(labelled=metric == "accuracy")
    if metric == "accuracy":
        layers += _plateau_words()
    return alt.layer(*layers).properties(height=height, width=width)


def _x(figure: Figure, metric: str) -> alt.X:
    last = metric == (figure.measures or ("loss",))[-1]
    scale = (
        alt.Scale(type="log", nice=False) if figure.log_x else alt.Scale(nice=False, zero=False)
    )
    axis = alt.Axis(
        title="step" if last else None,
        labels=last,
        format="~s",
        tickCount=8,
        gridOpacity=_faint() if figure.log_x else 1,
    )
    return alt.X("step:Q", scale=scale, axis=axis)


def _faint() -> Any:
    # decades stand out, the lines between them stay faint
    decade = "abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) < 1e-6"
    return alt.condition(decade, alt.value(1), alt.value(0.35))


def _y(metric: str, field: str = "value") -> alt.Y:
    if metric == "accuracy":
        scale = alt.Scale(domain=[-0.015, 1.025], nice=False)
        axis = alt.Axis(title="accuracy", values=[0, 0.25, 0.5, 0.75, 1], format=".2~f", **_LABELS)
    elif metric == "loss":
        scale = alt.Scale(type="log", nice=False, padding=6)
        # Vega leaves labels of a logarithmic axis empty where they would be too many
        number = f"datum.label === '' ? '' : {_SHORT_NUMBER}"
        axis = alt.Axis(
            title="loss (nats)", labelExpr=number, tickCount=6, gridOpacity=_faint(), **_LABELS
        )
    else:
        scale = alt.Scale(zero=False, padding=6)
        title = metric.replace("_", " ")
        axis = alt.Axis(title=title, labelExpr=_SHORT_NUMBER, tickCount=4, **_LABELS)
    return alt.Y(f"{field}:Q", scale=scale, axis=axis)


def _colour(figure: Figure, metric: str) -> Any:
    if metric in figure.measures and figure.mode != "runs":
        return alt.value("#8A9099")
    if figure.mode == "runs":
        domain, hues = run_scale([run for run, _ in figure.runs])
        names = dict(figure.runs)
        legend = alt.Legend(
            title=None,
            **legend_above(figure),
            labelExpr=_label_expression(names),
        )
        return alt.Color("run:N", scale=alt.Scale(domain=domain, range=hues), legend=legend)
    domain, hues = split_scale(figure.splits)
    legend = alt.Legend(
        title=None,
        symbolType="stroke",
        symbolStrokeWidth=3,
        **legend_above(figure),
    )
    return alt.Color("split:N", scale=alt.Scale(domain=domain, range=hues), legend=legend)


def _label_expression(names: Mapping[str, str]) -> str:
    # a JSON object of strings is a valid Vega expression, whatever quotes a run's name has
    return f"({json.dumps(names)})[datum.label] || datum.label"


def _dash(figure: Figure) -> alt.StrokeDash:
    domain, dashes = dash_scale(figure.splits)
    legend = alt.Legend(
        title=None,
        **LEGEND_BELOW,
        symbolType="stroke",
        symbolStrokeWidth=2,
    )
    return alt.StrokeDash("split:N", scale=alt.Scale(domain=domain, range=dashes), legend=legend)


def _named(table: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(table))


def _lines(figure: Figure, metric: str, *, thin: bool) -> alt.Chart:
    faint = {"strokeWidth": 1, "strokeOpacity": {"expr": "thin"}}
    mark: dict[str, Any] = faint if thin else {"strokeWidth": 2}
    chart = (
        _named("curves")
        .mark_line(clip=True, strokeJoin="round", invalid="show", **mark)
        .transform_filter(_shown(metric))
        .transform_calculate(height=_height(metric, "value"))
        .encode(
            x=_x(figure, metric),
            y=_y(metric, "height"),
            color=_colour(figure, metric),
            detail=["run:N", "split:N"],
        )
    )
    if figure.mode == "runs" and metric in ("accuracy", "loss"):
        chart = chart.encode(strokeDash=_dash(figure))
    return chart.properties(name=f"lines_{metric}")


def _shown(metric: str) -> str:
    return f"datum.metric === '{metric}'"


def _height(metric: str, field: str) -> str:
    # zero has no place on a logarithmic axis: a mark whose invalid values are shown has it at the
    # foot of the axis; everything else is drawn as recorded
    value = f"datum.{field}"
    return f"{value} > 0 ? {value} : null" if metric == "loss" else value


def _lone_points(figure: Figure, metric: str) -> alt.Chart:
    """A point for each line that has only one: a line mark would show nothing."""
    by = "run" if figure.mode == "runs" else "split"
    plain = metric in figure.measures and figure.mode != "runs"
    # an expression, not a channel: the legend belongs to the lines
    colour = "'#8A9099'" if plain else f"scale('color', datum.{by})"
    return (
        _named("curves")
        .mark_point(
            # not clipped: it may well stand on the edge
            clip=False,
            filled=True,
            size=45,
            invalid="show",
            color={"expr": colour},
            opacity={"expr": "inrange(datum.step, domain('x')) ? 1 : 0"},
        )
        .transform_filter(_shown(metric))
        .transform_aggregate(
            n="count()", step="max(step)", value="max(value)", groupby=["run", "split"]
        )
        .transform_filter("datum.n === 1")
        .transform_calculate(height=_height(metric, "value"))
        .encode(x=_x(figure, metric), y=_y(metric, "height"))
    )


def _zero_label() -> alt.Chart:
    return (
        _named("curves")
        .transform_filter(f"{_shown('loss')} && datum.value === 0")
        .transform_aggregate(n="count()")
        .transform_filter("datum.n > 0")
        .mark_text(align="left", baseline="bottom", dx=5, clip=False)
        .encode(x=alt.value("width"), y=alt.value("height"), text=alt.value("loss 0"))
    )


def _seed_layers(figure: Figure, metric: str) -> list[alt.Chart]:
    summary = (
        _named("curves")
        .transform_filter(_shown(metric))
        .transform_calculate(bucket=f"round(log(datum.step) / LN10 * {BUCKETS_A_DECADE})")
        .transform_aggregate(
            value="median(value)", step="median(step)", groupby=["bucket", "run", "split"]
        )
        .transform_aggregate(
            low="q1(value)",
            middle="median(value)",
            high="q3(value)",
            step="median(step)",
            groupby=["bucket", "split"],
        )
        .transform_calculate(
            **{end: _height(metric, end) for end in ("low", "middle", "high")},
        )
    )
    x, colour = _x(figure, metric), _colour(figure, metric)
    band = summary.mark_area(clip=True, invalid="show", fillOpacity=0.16).encode(
        x=x, y=_y(metric, "low"), y2="high:Q", color=colour
    )
    line = summary.mark_line(
        clip=True, invalid="show", strokeWidth=2.5, strokeJoin="round"
    ).encode(x=x, y=_y(metric, "middle"), color=colour)
    return [band, _lines(figure, metric, thin=True), line]


def _plateau_band() -> alt.Chart:
    return (
        _named("plateau")
        .mark_rect(color="#8A9099", opacity=0.13, clip=True)
        .encode(x="low:Q", x2="high:Q")
    )


def _plateau_words() -> list[alt.Chart]:
    low, high = (f"clamp(scale('x', datum.{end}), 0, width)" for end in ("low", "high"))
    # on the band where there is room, else to the right of it, where both curves are up
    needed = "6.5 * length(datum.label)"
    inside, beside = f"{high} - {low} > {needed}", f"width - {high} > {needed} + 8"
    shown = f"{inside} || {beside} ? 1 : 0"

    def words(**look: Any) -> alt.Chart:
        return (
            _named("plateau")
            .mark_text(
                baseline="middle",
                clip=True,
                fontStyle="italic",
                x={"expr": f"{inside} ? ({low} + {high}) / 2 : {high} + 8"},
                align={"expr": f"{inside} ? 'center' : 'left'"},
                fillOpacity={"expr": shown},
                **look,
            )
            .encode(y=alt.datum(0.55), text="label:N")
        )

    # on paper of their own: curves and rules cross the band
    paper = {"expr": "paper"}
    around = {
        "strokeWidth": 4,
        "strokeJoin": "round",
        "strokeOpacity": {"expr": f"0.8 * ({shown})"},
    }
    return [words(color=paper, stroke=paper, **around), words()]


def _chance_layers() -> list[alt.Chart]:
    rule = _named("chance").mark_rule(strokeDash=[2, 3], color="#8A9099").encode(y="value:Q")
    words = (
        _named("chance")
        .mark_text(align="left", baseline="middle", dx=5, dy={"expr": "datum.dy"}, clip=False)
        .encode(y="value:Q", x=alt.value("width"), text="label:N")
    )
    return [rule, words]


def _marker_layers(*, labelled: bool) -> list[alt.Chart]:
    # an expression, not a channel: the legend belongs to the curves
    colour = {"expr": "marker_colours[datum.kind]"}
    layers = [
        _named("markers")
        .mark_rule(
            strokeWidth=1.5,
            clip=True,
            color=colour,
            opacity={"expr": "datum.weight"},
            strokeDash={"expr": "datum.dash"},
        )
        .encode(x="step:Q")
    ]
    if labelled:
        # rows above the plot, so that onset and grokked never cover each other
        seen = f"{_in_view('datum')} && !{_touches('before')} && !{_touches('after')} ? 1 : 0"
        height = f"-6 - {LABEL_HEIGHT} * datum.row"
        layers.append(
            _named("markers")
            .transform_filter("datum.label !== ''")
            .mark_text(
                baseline="bottom",
                clip=False,
                x={"expr": _middle("datum")},
                y={"expr": height},
                fillOpacity={"expr": seen},
                color=colour,
            )
            .encode(text="label:N")
        )
    return layers


def _in_view(marker: str) -> str:
    return f"inrange({marker}.step, domain('x'))"


def _half(marker: str) -> str:
    return f"3.2 * length({marker}.label)"


def _middle(marker: str) -> str:
    # at either end of the axis the label stays within the figure
    half = _half(marker)
    return f"clamp(scale('x', {marker}.step), {half} - {_BESIDE}, width + {_BESIDE} - {half})"


def _touches(side: str) -> str:
    """Whether a label would touch the one that it gives way to on a side."""
    other = f"datum.{side}"
    between = f"abs({_middle('datum')} - {_middle(other)})"
    needed = f"{_half('datum')} + {_half(other)} + {_BETWEEN}"
    return f"({other} && {_in_view(other)} && {between} < {needed})"
