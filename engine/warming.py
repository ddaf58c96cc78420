"""`python -m engine.warming DEVICE`: compiles the steps of presets ahead of need.

The daemon starts it while nothing trains, at the lowest priority, and ends it when a run is
queued; it also ends when its stdin does, as the daemon's end closes that.
"""

import os
import sys
import threading

from engine.config.presets import PRESETS
from engine.home import Home
from engine.worker.warmth import Warmth

PATIENCE = 19
"""The lowest priority there is."""


def main(device: str) -> int:
    """Compile what is missing, one preset after the other, and note each."""
    os.nice(PATIENCE)
    threading.Thread(target=_end_with_the_daemon, daemon=True).start()
    warmth = Warmth(Home.from_environment())
    names = warmth.missing(device)
    if not names:
        return 0
    # torch takes a second to import, and there may be nothing to do
    from engine.trainer.batch import Batch

    for name in names:
        batch = Batch.start({0: PRESETS[name].config})
        if batch.decision.compiled:
            batch.advance(1)
            batch.diverged()  # waits for the device
        warmth.add(name)
    return 0


def _end_with_the_daemon() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
