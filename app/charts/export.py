"""A figure as a file: SVG and PNG for papers, one self-contained page for sharing."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from app.charts.curves import curves_spec, filled
from app.charts.figure import Figure
from app.charts.palette import Theme, paper, vega_config

Format = Literal["svg", "png", "html"]
MIME: dict[Format, str] = {"svg": "image/svg+xml", "png": "image/png", "html": "text/html"}


def rendered(
    figure: Figure,
    tables: Mapping[str, Sequence[Any]],
    *,
    form: Format,
    theme: Theme = "light",
    title: str = "",
) -> bytes:
    """The figure with its rows, drawn without a browser and without a network."""
    import vl_convert  # 60 MB, and only an export needs it

    text = json.dumps(exported_spec(figure, tables, theme=theme, title=title))
    if form == "svg":
        return vl_convert.vegalite_to_svg(text).encode()
    if form == "png":
        return vl_convert.vegalite_to_png(text, scale=2)
    return vl_convert.vegalite_to_html(text, bundle=True).encode()


def exported_spec(
    figure: Figure, tables: Mapping[str, Sequence[Any]], *, theme: Theme, title: str
) -> dict[str, Any]:
    """The specification of an exported figure: rows, theme and paper included."""
    spec = filled(curves_spec(figure), tables)
    spec["config"] = {**vega_config(theme), "background": paper(theme)}
    spec["padding"] = {"left": 8, "top": 8, "bottom": 8, "right": 110}
    if title:
        spec["title"] = {"text": title, "anchor": "start"}
    return spec
