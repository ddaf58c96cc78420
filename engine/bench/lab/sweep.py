"""How long a whole sweep takes: weight decay × train fraction, every run to its end."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.bench.lab.home import ENDED, temporary_lab
from engine.bench.machine import pick
from engine.bench.options import Options
from engine.bench.progress import say
from engine.client import Lab
from engine.config import RunConfig, apply
from engine.config.presets import PRESETS

PRESET = "quick"
WEIGHT_DECAYS = (0.1, 10.0)
TRAIN_FRACTIONS = (0.3, 0.9)
POLL_SECONDS = 0.5
TOLD_EVERY_SECONDS = 30.0


def grid(n: int, *, device: str) -> list[RunConfig]:
    """Runs of n × n: weight decay in equal ratios, train fraction in equal steps."""
    decays = np.geomspace(*WEIGHT_DECAYS, n) if n > 1 else [3.0]
    fractions = np.linspace(*TRAIN_FRACTIONS, n) if n > 1 else [0.6]
    return [
        apply(
            PRESETS[PRESET].config,
            {
                "optimizer.weight_decay": round(float(decay), 4),
                "task.train_fraction": round(float(fraction), 4),
                "training.device": device,
            },
        )
        for decay in decays
        for fraction in fractions
    ]


def sweep(options: Options) -> list[dict[str, Any]]:
    """One row: seconds from the first launch to the end of the last run, and what came of it."""
    device = pick(options.device).type
    configs = grid(options.grid, device=device)
    say(f"sweep: {len(configs)} runs of {PRESET}")
    with temporary_lab() as lab:
        lab.health()  # the daemon's own start is not part of the sweep
        started = time.perf_counter()
        run_ids = launch(lab, configs)
        launched = time.perf_counter() - started
        rows = _follow(lab, run_ids)
        seconds = time.perf_counter() - started
    steps = sum(row["last_step"] or 0 for row in rows)
    states = Counter(row["state"] for row in rows)
    return [
        {
            "preset": PRESET,
            "grid": f"{options.grid} × {options.grid}",
            "runs": len(rows),
            "seconds": round(seconds, 1),
            "launch_seconds": round(launched, 1),
            "run_steps": steps,
            "run_steps_per_second": round(steps / seconds, 1),
            "memorised": sum(row["memorised_step"] is not None for row in rows),
            "grokked": sum(row["grokked_step"] is not None for row in rows),
            "ended": ", ".join(f"{n} {state}" for state, n in sorted(states.items())),
        }
    ]


def launch(lab: Lab, configs: Sequence[RunConfig]) -> list[int]:
    """Queue all runs of a sweep."""
    return [run for config in configs for run in lab.launch(config, name="sweep")]


def _follow(lab: Lab, run_ids: Sequence[int]) -> list[dict[str, Any]]:
    told = time.monotonic()
    while True:
        rows = lab.runs(run_ids)
        ended = sum(row["state"] in ENDED for row in rows)
        if ended == len(rows):
            return rows
        if time.monotonic() - told > TOLD_EVERY_SECONDS:
            told = time.monotonic()
            say(f"sweep: {ended} of {len(rows)} runs have ended")
        time.sleep(POLL_SECONDS)
