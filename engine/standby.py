"""`python -m engine.standby`: a worker that has loaded torch and waits to be told its runs.

Loading torch takes longer than the first hundred steps of a small run. The daemon keeps one such
process while a slot is free, so that a launch shows its first point at once. It has also read the
loops that training calls, and compiles them where that was not done.
"""

import json
import os
import select
import sys

import setproctitle

from engine.worker.__main__ import main as work


def main() -> int:
    """Wait for one line `{"runs", "log", "gpu"}` on stdin, then be the worker of those runs."""
    # Imported for its side effect, ahead of need: it brings torch with it.
    import engine.worker.session  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from engine.worker.rehearsal import rehearse

    rehearse(lambda: bool(select.select([sys.stdin], [], [], 0)[0]))
    line = sys.stdin.readline()
    if not line:
        return 0
    order = json.loads(line)
    runs = [str(run) for run in order["runs"]]
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
    if order["gpu"] is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(order["gpu"])
    setproctitle.setproctitle(f"{sys.executable} -m engine.worker {' '.join(runs)}")
    return work(runs)


if __name__ == "__main__":
    sys.exit(main())
