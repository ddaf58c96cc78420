"""The loops' machine code is there before the first launch asks for it."""

import os
import subprocess
import sys
from pathlib import Path

REHEARSE = """
import sys
from engine.kernels.compiled import is_on_disk
from engine.worker import rehearsal
was_there, start, trained = is_on_disk(), rehearsal.Batch.start, []
def noted(configs, **rest):
    trained.append(configs[0].task.kind)
    return start(configs, **rest)
rehearsal.Batch.start = noted
rehearsal.rehearse(lambda: sys.argv[1] == "wanted", all_of_them=sys.argv[1] == "all")
print(was_there, is_on_disk(), *trained)
"""


def _rehearse(folder: Path, wanted: str) -> str:
    own = {"NUMBA_CACHE_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", REHEARSE, wanted]
    done = subprocess.run(command, env=os.environ | own, check=True, capture_output=True)
    return done.stdout.decode().strip()


def test_loops_are_compiled_once_and_found_again(tmp_path: Path):
    assert (
        _rehearse(tmp_path, "not wanted") == "False True modular composition modular composition"
    )
    made = {each.name.split("-")[0] for each in tmp_path.rglob("*.nbi")}
    assert {
        "adam._step",
        "attention_loops.look",
        "looked_up._look",
        "mlp_loops.think_back",
        "rectified_loops.write_logits",
        "softmax._take",
    } <= made
    assert {"answers._count", "softmax._count"} <= made
    # read once more, which takes its time too, but not compiled
    before = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.nb?")}
    assert _rehearse(tmp_path, "not wanted") == "True True modular"
    # a setup asks for all of them: some may be there without the others
    assert _rehearse(tmp_path, "all") == "True True modular composition modular composition"
    assert {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.nb?")} == before


def test_a_launch_does_not_wait_for_it(tmp_path: Path):
    assert _rehearse(tmp_path, "wanted") == "False False"
