"""Where the two live components meet Streamlit: mounting, and what comes back from the browser.

Only a loader is inline, because inline text is sent again with every tick; the modules themselves
are static files.
"""

from collections.abc import Callable
from functools import cache

from streamlit.components import v2
from streamlit.components.v2.types import ComponentRenderer

from app.bundle import ensure_bundle, module_url

_LOADER = """
let module;
export default (component) => {{
  const root = document.baseURI.replace(/[^/]*$/, "");
  module ??= import(root + "{url}");
  let leave;
  module.then((m) => {{ leave = m.default(component); }}).catch((error) => {{
    component.parentElement.firstElementChild.textContent = "Could not load the chart: " + error;
  }});
  return () => leave?.();
}};
"""

_CURVES_CSS = """
.lab-curves { color: var(--st-text-color); position: relative; min-height: 470px; }
.plot { position: relative; }
.cross { position: absolute; width: 1px; display: none;
  background: currentColor; opacity: .45; pointer-events: none; }
.readout { position: absolute; display: none; pointer-events: none; z-index: 2;
  white-space: pre; font: 12px/1.5 var(--st-code-font, monospace); padding: 6px 9px;
  background: var(--st-background-color); border: 1px solid var(--st-border-color, #8886);
  border-radius: 6px; box-shadow: 0 2px 8px #0003; }
.caption { font: 12px/1.5 var(--st-font, sans-serif); opacity: .72; padding: 2px 0 0 52px; }
"""

_HEADS_CSS = """
.lab-heads { color: var(--st-text-color); font: 13px/1.5 var(--st-font, sans-serif); }
.bar { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; margin-bottom: 10px; }
.bar input { flex: 1; min-width: 160px; accent-color: var(--st-primary-color); }
.label { font-variant-numeric: tabular-nums; min-width: 215px; }
button { font: inherit; color: inherit; background: transparent; padding: 3px 10px;
  border: 1px solid var(--st-border-color, #8886); border-radius: 6px; cursor: pointer; }
button:hover, button:focus-visible { border-color: var(--st-primary-color); }
button.on { color: #fff; background: var(--st-primary-color);
  border-color: var(--st-primary-color); }
.maps { display: flex; flex-wrap: wrap; gap: 14px 22px; }
figure { margin: 0; } figcaption { text-align: center; padding-bottom: 2px; }
.legend { display: flex; align-items: center; gap: 8px; margin-top: 10px; min-height: 22px;
  font-variant-numeric: tabular-nums; }
.legend i { display: inline-block; width: 140px; height: 10px; border-radius: 3px; }
.value { margin-left: 12px; }
"""


@cache
def _component(name: str, css: str) -> ComponentRenderer:
    return v2.component(
        f"grokking_lab_{name}",
        html=f'<div class="lab-{name}"></div>',
        css=css,
        js=_LOADER.format(url=module_url(f"{name}.js")),
    )


def curves(
    message: bytes, *, key: str, on_range: Callable[[], None], on_resync: Callable[[], None]
) -> None:
    """Mount or update a live chart; its zoom arrives as `st.session_state[key]["range"]`."""
    ensure_bundle()
    _component("curves", _CURVES_CSS)(
        key=key, data=message, on_range_change=on_range, on_resync_change=on_resync
    )


def heads(
    message: bytes, *, key: str, on_at: Callable[[], None], on_resync: Callable[[], None]
) -> None:
    """Mount or update the attention maps; the chosen step is `st.session_state[key]["at"]`."""
    _component("heads", _HEADS_CSS)(
        key=key, data=message, on_at_change=on_at, on_resync_change=on_resync
    )
