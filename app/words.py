"""How figures, durations, states and other people's texts are written on a page."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

STATE_COLOURS = {
    "queued": "gray",
    "starting": "blue",
    "running": "blue",
    "paused": "orange",
    "stopping": "orange",
    "finished": "green",
    "stopped": "gray",
    "failed": "red",
    "lost": "red",
}
STATE_ICONS = {
    "queued": "hourglass_empty",
    "starting": "hourglass_top",
    "running": "play_arrow",
    "paused": "pause",
    "stopping": "stop_circle",
    "finished": "check_circle",
    "stopped": "stop",
    "failed": "error",
    "lost": "link_off",
}
ALIVE = frozenset({"queued", "starting", "running", "paused", "stopping"})
"""States that can change by themselves or by a command from elsewhere: worth a timer."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&=^@/])")


def plain(text: object) -> str:
    """`text` so that Markdown shows it as it was typed: no link, no HTML, no formula."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def count(number: float | None) -> str:
    """12431 as `12,431`; None as a dash."""
    return "–" if number is None else f"{round(number):,}"


def figure(number: float | None, digits: int = 3) -> str:
    """A measured number with three significant digits, or as many as it has before the point."""
    if number is None:
        return "–"
    if number != 0 and not 1e-3 <= abs(number) < 1e6:
        return f"{number:.2e}"
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.{digits}g}"


def pace(rate: float) -> str:
    """Steps a second: whole from ten on, below with one digit, so that slow runs are not 0."""
    return count(rate) if rate >= 10 else f"{rate:.2g}"


def percent(share: float | None) -> str:
    """0.99784 as `99.78 %`; only what is all or nothing becomes `100 %` or `0 %`."""
    if share is None:
        return "–"
    if share <= 0 or share >= 1:
        return "100 %" if share >= 1 else "0 %"
    if share < 1e-4:
        return f"{100 * share:.2g} %"
    return f"{min(100 * share, 99.99):.2f} %"


def percentage(share: float | None) -> float | None:
    """The number that `percent` writes, for columns that are sorted by it."""
    return None if share is None else float(percent(share).removesuffix(" %"))


def duration(seconds: float | None) -> str:
    """`8 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def about(seconds: float) -> str:
    """A duration that is a guess: `about 8 s`, but `under 1 s`."""
    return duration(seconds) if seconds < 1 else f"about {duration(seconds)}"


def size(n_bytes: float | None) -> str:
    """Bytes with a decimal prefix."""
    if n_bytes is None:
        return "–"
    value = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB"


def run_title(run: Mapping[str, Any]) -> str:
    """`12 · name · seed 3`, as typed: to be escaped where Markdown is read."""
    name = run.get("name") or "unnamed"
    return f"{run['run_id']} · {name} · seed {run.get('seed')}"


def badge(state: str) -> str:
    """A state as coloured Markdown with an icon."""
    icon = STATE_ICONS.get(state, "help")
    return f":{STATE_COLOURS.get(state, 'gray')}-badge[:material/{icon}: {state}]"


def several(runs: Sequence[Any], noun: str = "run") -> str:
    """`1 run`, `5 runs`."""
    return f"{len(runs)} {noun}{'' if len(runs) == 1 else 's'}"
