"""How long until the green marker: a preset from the command line to grokked, on a fresh lab."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engine.bench.lab.home import ENDED, temporary_lab
from engine.bench.machine import pick
from engine.bench.options import Options, chosen
from engine.bench.progress import say
from engine.client import Lab
from engine.config.presets import PRESETS
from engine.home import ENVIRONMENT
from engine.version import ROOT

ONE_CORE = "training.idle_cores=false"
MEASURED = ("quick", "nanda")
"""The presets that are measured when none is named."""
OTHERWISE = {
    "nanda": (("training.precision=float32",), ("training.precision=float32", ONE_CORE)),
}
"""How some are measured too, on a CPU: with the products of the published run, and on one core."""
STARTS, THERE = "starts with the run", "there before"
POLL_SECONDS = 2.0
"""Answers take time from training; when a marker was set, the lab itself tells."""
MARKERS = ("memorised", "grokked")


def presets(options: Options) -> list[dict[str, Any]]:
    """One row a preset: seconds from `python -m engine run … --wait` to its markers.

    The first row's command starts the daemon too; the first preset is then measured again, with
    the daemon there, as it is for whoever has the page open, and some in other ways. A run is
    stopped once it has grokked.
    """
    device = pick(options.device).type
    names = chosen(options.settings or MEASURED, list(PRESETS), what="preset")
    rows = [(STARTS, names[0], ()), *((THERE, each, ()) for each in names)]
    if device == "cpu":
        rows += [(THERE, name, way) for name in names for way in OTHERWISE.get(name, ())]
    with temporary_lab() as lab:
        return [
            {"preset": name, "set": " ".join(changes), "daemon": daemon}
            | _to_green(lab, name, (f"training.device={device}", *changes))
            for daemon, name, changes in rows
        ]


def _to_green(lab: Lab, preset: str, changes: Sequence[str]) -> dict[str, Any]:
    say(f"presets: {preset} {' '.join(changes)}")
    words = ["run", preset, "--wait", "--json"]
    words += [word for change in changes for word in ("--set", change)]
    known = {row["run_id"] for row in lab.runs()} if lab.home.daemon_info.exists() else set[int]()
    started = time.time()
    command = subprocess.Popen(
        [sys.executable, "-m", "engine", *words],
        cwd=ROOT,
        env={**os.environ, ENVIRONMENT: str(lab.home.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    _train_to_green(lab, known=known)
    told, _ = command.communicate()
    (row,) = json.loads(told)
    return {
        **_seconds(lab, row, started),
        "memorised_step": row["memorised_step"],
        "grokked_step": row["grokked_step"],
        "steps": row["steps"],
        "training_seconds": round(row["seconds"], 1),
        "steps_per_second": row["steps_per_second"],
        "state": row["state"],
    }


def _train_to_green(lab: Lab, *, known: set[int]) -> None:
    """Wait until the new run has all markers, then stop it."""
    while True:
        for row in lab.runs():
            if row["run_id"] in known:
                continue
            if row["state"] in ENDED:
                return
            if all(row[f"{kind}_step"] is not None for kind in MARKERS):
                lab.stop(row["run_id"])
                return
        time.sleep(POLL_SECONDS)


def _seconds(lab: Lab, row: dict[str, Any], started: float) -> dict[str, float | None]:
    """From then until each marker was there to be seen; None where it is missing."""
    seen = {
        event["kind"]: datetime.fromisoformat(event["at"]).timestamp() - started
        for event in lab.events([row["run_id"]])
        if event["detector"] and event["step"] == row.get(f"{event['kind']}_step")
    }
    return {
        f"seconds_to_{kind}": round(seen[kind], 2) if kind in seen else None for kind in MARKERS
    }
