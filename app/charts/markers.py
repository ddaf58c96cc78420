"""What is written on the curves: markers, the plateau with its delay, the chance level."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Literal

from app.charts.palette import MARKER_COLOURS

Row = dict[str, Any]
Run = Mapping[str, Any]
Mode = Literal["split", "seeds", "runs"]

_STEPS = {"memorised": "memorised_step", "onset": "onset_step", "grokked": "grokked_step"}
_OTHER_KINDS = ("collapsed", "diverged", "forked", "note")


def annotations(runs: Sequence[Run], events: Sequence[Row], mode: Mode) -> dict[str, list[Row]]:
    """The three small tables that lie over the curves: `markers`, `plateau`, `chance`."""
    return {
        "markers": markers(runs, mode) + other_events(events, mode),
        "plateau": plateau(runs, mode),
        "chance": chance(runs),
    }


def markers(runs: Sequence[Run], mode: Mode) -> list[Row]:
    """A rule for each step that the onset detector reports; named once, however many runs."""
    rows = [
        _marker(kind, run[column], run=str(run["run_id"]), label="", weight=_weight(mode))
        for run in runs
        for kind, column in _STEPS.items()
        if run.get(column) is not None
    ]
    if mode == "runs":
        return rows
    return rows if mode == "split" and _label_in_place(rows) else rows + _medians(runs)


def _weight(mode: Mode) -> float:
    return 0.9 if mode == "split" else 0.35


def _label_in_place(rows: list[Row]) -> bool:
    for row in rows:
        row["label"] = f"{row['kind']} {row['step']:,}"
    return True


def _medians(runs: Sequence[Run]) -> list[Row]:
    rows: list[Row] = []
    for kind, column in _STEPS.items():
        steps = [run[column] for run in runs if run.get(column) is not None]
        if steps:
            step = round(median(steps))
            label = f"{kind} {step:,}"
            if len(steps) < len(runs):
                label += f" ({len(steps)} of {len(runs)})"
            rows.append(_marker(kind, step, run="median", label=label, weight=0.9))
    return rows


def _marker(kind: str, step: int, *, run: str, label: str, weight: float) -> Row:
    return {
        "kind": kind,
        "step": max(int(step), 1),
        "run": run,
        "label": label,
        "weight": weight,
        "colour": MARKER_COLOURS.get(kind, "#8A9099"),
    }


def other_events(events: Sequence[Row], mode: Mode) -> list[Row]:
    """Rules for notes, forks, collapses and divergence."""
    rows: list[Row] = []
    for event in events:
        if event["kind"] in _OTHER_KINDS and event.get("step") is not None:
            label = event["kind"] if mode == "split" else ""
            rows.append(
                _marker(
                    event["kind"],
                    event["step"],
                    run=str(event["run_id"]),
                    label=label,
                    weight=0.6,
                )
            )
    return rows


def plateau(runs: Sequence[Run], mode: Mode) -> list[Row]:
    """The band between memorising and grokking, with the delay written on it."""
    if mode == "runs":
        return []
    starts = [run["memorised_step"] for run in runs if run.get("memorised_step") is not None]
    ends = [run["grokked_step"] for run in runs if run.get("grokked_step") is not None]
    if not starts:
        return []
    low = max(round(median(starts)), 1)
    if ends:
        high = round(median(ends))
        name = "delay" if len(runs) == 1 else f"median delay, n = {len(ends)},"
        label = f"{name} {high - low:,} steps"
    else:
        high = max(int(run.get("last_step") or 0) for run in runs)
        label = f"test has waited {high - low:,} steps"
    if high <= low:
        return []
    return [{"low": low, "high": high, "label": label}]


def chance(runs: Sequence[Run]) -> list[Row]:
    """One dotted line for each chance level among the runs."""
    levels = sorted({run["chance"] for run in runs if run.get("chance")})
    return [{"value": level, "label": f"chance {level:.3g}"} for level in levels]
