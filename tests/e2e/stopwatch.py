"""Streamlit with a stopwatch on every fragment: `python -m tests.e2e.stopwatch run app/main.py`.

Nothing of the app is changed. `$LAB_STOPWATCH` names the file that gets a line for each run of a
fragment's body; `$LAB_TICK_SECONDS`, where set, replaces the pause between two ticks.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import streamlit
from streamlit.web.cli import main

FILE = "LAB_STOPWATCH"
PACE = "LAB_TICK_SECONDS"

Body = Callable[..., Any]


def timed(fragment: Callable[..., Body]) -> Callable[..., Body]:
    """`st.fragment`, whose bodies note how many milliseconds they took."""
    pace = float(os.environ[PACE]) if os.environ.get(PACE) else None
    times = Path(os.environ[FILE]).open("a", buffering=1)  # noqa: SIM115, open while it serves

    def declare(body: Body | None = None, *, run_every: float | None = None) -> Body:
        if body is None:
            return partial(declare, run_every=run_every)

        @wraps(body)
        def watched(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return body(*args, **kwargs)
            finally:
                took = {
                    "t": time.time(),
                    "wall_ms": 1e3 * (time.perf_counter() - wall),
                    "cpu_ms": 1e3 * (time.thread_time() - cpu),
                }
                times.write(json.dumps(took) + "\n")

        return fragment(watched, run_every=(pace or run_every) if run_every else None)

    return declare


if __name__ == "__main__":
    streamlit.fragment = timed(streamlit.fragment)
    sys.exit(main(prog_name="streamlit"))
