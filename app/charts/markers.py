"""What is written on the curves: markers, the plateau with its delay, the chance level."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Literal

from app.charts.palette import split_scale
from engine import is_held_out, is_memory

Row = dict[str, Any]
Run = Mapping[str, Any]
Mode = Literal["split", "seeds", "runs"]

_STEPS = {"memorised": "memorised_step", "onset": "onset_step", "grokked": "grokked_step"}
_OTHER_KINDS = ("collapsed", "diverged", "forked", "note")
_BY_HAND = ("forked", "note")
"""What a person did is dashed; what a run came to by itself is not."""
_ROWS = {"memorised": 2, "onset": 1, "grokked": 0}
"""The row of labels above the plot, counted from the plot, where a task has one test split."""
_KINDS = (*_STEPS, "recalled")
_LEAST_ABOVE_CHANCE = 0.02
"""By so much is always giving the most frequent answer better than guessing, to be told."""


def annotations(runs: Sequence[Run], events: Sequence[Row], mode: Mode) -> dict[str, list[Row]]:
    """The three small tables that lie over the curves: `markers`, `plateau`, `chance`."""
    return {
        "markers": _packed(markers(runs, mode) + other_events(events, runs, mode)),
        "plateau": plateau(runs, mode),
        "chance": chance(runs),
    }


def _packed(rows: Sequence[Row]) -> list[Row]:
    """The same with labels as near to the plot as they come: empty rows fall out."""
    used = sorted({row["row"] for row in rows if row["label"]})
    return [{**row, "row": used.index(row["row"]) if row["label"] else 0} for row in rows]


def label_rows(splits: Sequence[str]) -> int:
    """How many rows of marker labels a figure of these splits has; notes stand above them."""
    return 1 + 2 * max(len(tested(splits)), 1) + len(_probes(splits))


def tested(splits: Sequence[str]) -> list[str]:
    """The splits that tell whether a run generalises: those with an onset of their own."""
    return [split for split in splits if is_held_out(split)]


def _probes(splits: Sequence[str]) -> list[str]:
    return [split for split in splits if is_memory(split)]


def markers(runs: Sequence[Run], mode: Mode) -> list[Row]:
    """A rule for each step that the onset detector reports; named once, however many runs.

    Where a task has several test splits, each has its own, and its name is in the label; a probe
    of memory has the step from which it is recalled.
    """
    found = [(run, marker) for run in runs for marker in _found(run)]
    splits = _splits(runs)
    rows = [
        _marker(
            marker["kind"],
            marker["step"],
            run=str(run["run_id"]),
            label=_label(marker, splits) if mode == "split" else "",
            weight=0.9 if mode == "split" else 0.35,
            row=_row(marker, splits),
        )
        for run, marker in found
    ]
    if mode == "seeds":
        rows += _medians(found, splits, n_runs=len(runs))
    return rows


def _splits(runs: Sequence[Run]) -> list[str]:
    domain, _ = split_scale({split for run in runs for split in run.get("splits") or []})
    return domain


def _found(run: Run) -> list[Row]:
    """The run's markers; those of its first test split alone where no others are told."""
    told = [m for m in run.get("markers") or [] if m["kind"] in _KINDS]
    return told or [
        {"split": "train" if kind == "memorised" else "test", "kind": kind, "step": run[column]}
        for kind, column in _STEPS.items()
        if run.get(column) is not None
    ]


def _label(marker: Row, splits: Sequence[str]) -> str:
    named = marker["kind"] == "recalled" or (
        marker["kind"] != "memorised" and len(tested(splits)) > 1
    )
    which = f" {short_name(marker['split'])}" if named else ""
    return f"{marker['kind']}{which} {marker['step']:,}"


def short_name(split: str) -> str:
    """A split as labels spell it: `ID`, `OOD`, `new old`, `train ood`, `atomic id`."""
    rest = split.removeprefix("test").strip("_")
    return rest.upper() if rest in ("id", "ood") else rest.replace("_", " ") or "test"


def _row(marker: Row, splits: Sequence[str]) -> int:
    """From the plot upwards: two rows for each test split, memorised, then a row a probe."""
    others, probes = tested(splits)[1:], _probes(splits)
    above = _ROWS["memorised"] + 2 * len(others)
    if marker["kind"] == "memorised":
        return above
    if marker["kind"] == "recalled":
        return above + 1 + probes.index(marker["split"])
    base = _ROWS[marker["kind"]]
    return base + 2 * (others.index(marker["split"]) + 1) if marker["split"] in others else base


def _medians(found: Sequence[tuple[Run, Row]], splits: Sequence[str], *, n_runs: int) -> list[Row]:
    steps: dict[tuple[str, str], list[int]] = {}
    for _, marker in found:
        steps.setdefault((marker["split"], marker["kind"]), []).append(marker["step"])
    rows: list[Row] = []
    for (split, kind), seen in steps.items():
        marker: Row = {"split": split, "kind": kind, "step": round(median(seen))}
        label = _label(marker, splits)
        if len(seen) < n_runs:
            label += f" ({len(seen)} of {n_runs})"
        row = _row(marker, splits)
        rows.append(_marker(kind, marker["step"], run="median", label=label, weight=0.9, row=row))
    return rows


def _marker(kind: str, step: int, *, run: str, label: str, weight: float, row: int) -> Row:
    return {
        "kind": kind,
        "step": max(int(step), 1),
        "run": run,
        "label": label,
        "weight": weight,
        "row": row,
        "dash": [5, 3] if kind in _BY_HAND else [],
        "before": None,
        "after": None,
    }


def other_events(events: Sequence[Row], runs: Sequence[Run], mode: Mode) -> list[Row]:
    """Rules for notes, forks, collapses and divergence; among seeds each kind is named once."""
    told = [e for e in events if e["kind"] in _OTHER_KINDS and e.get("step") is not None]
    row = label_rows(_splits(runs))
    rows: list[Row] = []
    named: set[str] = set()
    for event in sorted(told, key=lambda event: event["step"]):
        kind = event["kind"]
        label = kind if mode == "split" else ""
        if mode == "seeds" and kind not in named:
            label = f"{kind} ({len(_whose(told, kind))} of {len(runs)})"
            named.add(kind)
        whose = str(event["run_id"])
        rows.append(_marker(kind, event["step"], run=whose, label=label, weight=0.6, row=row))
    _give_way([row for row in rows if row["label"]])
    return rows


def _give_way(labelled: Sequence[Row]) -> None:
    """Note in each label of one row the nearest that it gives way to where they would touch.

    What a run came to by itself goes first, then what is earlier.
    """
    ranked = sorted(labelled, key=lambda row: (row["kind"] in _BY_HAND, row["step"]))
    for rank, row in enumerate(ranked):
        first = [{name: other[name] for name in ("step", "label")} for other in ranked[:rank]]
        before = [other for other in first if other["step"] <= row["step"]]
        after = [other for other in first if other["step"] > row["step"]]
        row["before"] = max(before, key=lambda other: other["step"], default=None)
        row["after"] = min(after, key=lambda other: other["step"], default=None)


def _whose(events: Sequence[Row], kind: str) -> set[int]:
    return {event["run_id"] for event in events if event["kind"] == kind}


def plateau(runs: Sequence[Run], mode: Mode) -> list[Row]:
    """The band between memorising and grokking, with the delay written on it."""
    if mode == "runs":
        return []
    begun = [run for run in runs if run.get("memorised_step") is not None]
    ended = [run for run in begun if run.get("grokked_step") is not None]
    if not begun:
        return []
    low = max(round(median(run["memorised_step"] for run in ended or begun)), 1)
    if ended:
        high = round(median(run["grokked_step"] for run in ended))
        name = "delay" if len(runs) == 1 else f"median delay, n = {len(ended)},"
        delay = median(run["grokked_step"] - run["memorised_step"] for run in ended)
        label = f"{name} {round(delay):,} steps"
    else:
        high = max(int(run.get("last_step") or 0) for run in runs)
        label = f"test has waited {high - low:,} steps"
    if high <= low:
        return []
    return [{"low": low, "high": high, "label": label}]


def chance(runs: Sequence[Run]) -> list[Row]:
    """One dotted line for each chance level among the runs, and for each majority well above it.

    Where both stand, each is named on its far side of the two.
    """
    levels = {run["chance"] for run in runs if run.get("chance")}
    higher = {run["majority"] for run in runs if _is_told(run.get("majority"), run.get("chance"))}
    below, above = (4, -4) if higher else (0, 0)
    return [
        *({"value": v, "label": f"chance {v:.3g}", "dy": below} for v in sorted(levels)),
        *({"value": v, "label": f"majority {v:.3g}", "dy": above} for v in sorted(higher)),
    ]


def _is_told(majority: float | None, chance: float | None) -> bool:
    return majority is not None and majority > (chance or 0) + _LEAST_ABOVE_CHANCE
