"""How long until the green marker: a preset from the command line to grokked, on a fresh lab."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from engine.bench.lab.home import ENDED, temporary_lab
from engine.bench.machine import pick
from engine.bench.options import Options, chosen
from engine.bench.progress import say
from engine.client import Lab
from engine.config.presets import PRESETS
from engine.home import ENVIRONMENT
from engine.version import ROOT

MEASURED = ("quick", "nanda")
"""The presets that are measured when none is named."""
FASTEST = ("nanda",)
"""Those that are also measured as fast as two cores let them go …"""
FAST = ("training.precision=bfloat16", "training.threads=2")
"""… which is so."""
STARTS, THERE = "starts with the run", "there before"
POLL_SECONDS = 0.05
MARKERS = ("memorised_step", "grokked_step")


def presets(options: Options) -> list[dict[str, Any]]:
    """One row a preset: seconds from `python -m engine run … --wait` to its markers.

    The first row's command starts the daemon too; the first preset is then measured again, with
    the daemon there, as it is for whoever has the page open, and those of `FASTEST` as fast as
    they go. A run is stopped once it has grokked.
    """
    device = pick(options.device).type
    names = chosen(options.settings or MEASURED, list(PRESETS), what="preset")
    rows = [(STARTS, names[0], ()), *((THERE, each, ()) for each in names)]
    if device == "cpu" and (os.cpu_count() or 1) > 1:
        rows += [(THERE, each, FAST) for each in names if each in FASTEST]
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
    started = time.perf_counter()
    command = subprocess.Popen(
        [sys.executable, "-m", "engine", *words],
        cwd=ROOT,
        env={**os.environ, ENVIRONMENT: str(lab.home.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    seen = _markers(lab, started, known=known)
    told, _ = command.communicate()
    (row,) = json.loads(told)
    return {
        "seconds_to_memorised": seen.get("memorised_step"),
        "seconds_to_grokked": seen.get("grokked_step"),
        "memorised_step": row["memorised_step"],
        "grokked_step": row["grokked_step"],
        "steps": row["steps"],
        "training_seconds": round(row["seconds"], 1),
        "steps_per_second": row["steps_per_second"],
        "state": row["state"],
    }


def _markers(lab: Lab, started: float, *, known: set[int]) -> dict[str, float]:
    """Seconds until the new run's markers were seen; the run is stopped at the last of them."""
    seen: dict[str, float] = {}
    while True:
        new = [row for row in lab.runs() if row["run_id"] not in known]
        for row in new:
            for marker in MARKERS:
                if row[marker] is not None and marker not in seen:
                    seen[marker] = round(time.perf_counter() - started, 2)
            if row["state"] in ENDED:
                return seen
            if len(seen) == len(MARKERS):
                lab.stop(row["run_id"])
                return seen
        time.sleep(POLL_SECONDS)
