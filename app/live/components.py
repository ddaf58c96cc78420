"""Where the two live components meet Streamlit: mounting, and what comes back from the browser.

Only a loader is inline, because inline text is sent again with every tick; modules and styles are
static files.
"""

from collections.abc import Callable
from functools import cache

from streamlit.components import v2
from streamlit.components.v2.types import ComponentRenderer

from app.bundle import bundle_url, ensure_bundle, module_url

_AHEAD = """
const at = (path) => document.baseURI.replace(/[^/]*$/, "") + path;
export default () => {{
  import(at("{curves}")).then(({{ warm }}) => warm(at("{bundle}"))).catch(console.warn);
  import(at("{heads}")).catch(console.warn);
}};
"""

_LOADER = """
let m;
export default (c) => {{
  m ??= import(document.baseURI.replace(/[^/]*$/, "") + "{url}");
  let leave;
  m.then((x) => (leave = x.default(c)), (e) => (c.parentElement.textContent = e));
  return () => leave?.();
}};
"""


@cache
def _component(name: str) -> ComponentRenderer:
    ensure_bundle()
    return v2.component(
        f"grokking_lab_{name}",
        html=f'<div class="lab-{name}"></div>',
        js=_LOADER.format(url=module_url(f"{name}.js")),
    )


@cache
def _ahead() -> ComponentRenderer:
    script = _AHEAD.format(
        curves=module_url("curves.js"),
        heads=module_url("heads.js"),
        bundle=bundle_url(),
    )
    return v2.component("grokking_lab_ahead", html="<span></span>", js=script)


def ahead() -> None:
    """Have the browser load and warm up what the live page draws with, before it is needed."""
    _ahead()(key="ahead", height=1)


def curves(
    message: bytes, *, key: str, on_range: Callable[[], None], on_resync: Callable[[], None]
) -> None:
    """Mount or update a live chart; its zoom arrives as `st.session_state[key]["range"]`."""
    _component("curves")(
        key=key, data=message, on_range_change=on_range, on_resync_change=on_resync
    )


def heads(
    message: bytes, *, key: str, on_at: Callable[[], None], on_resync: Callable[[], None]
) -> None:
    """Mount or update the attention maps; the chosen step is `st.session_state[key]["at"]`."""
    _component("heads")(key=key, data=message, on_at_change=on_at, on_resync_change=on_resync)
