"""Memory that a worker frees stays with it. In processes of their own: there is no way back."""

import subprocess
import sys

import pytest

MEGABYTES_HELD_AFTER_64_ARE_FREED = """
import sys, psutil, torch
from engine.worker.allocator import keep_memory

if sys.argv[1] == "kept" and not keep_memory():
    sys.exit(3)
held = lambda: psutil.Process().memory_info().rss / 1e6
before = held()
tensors = [torch.ones(2_000_000) for _ in range(8)]
del tensors
print(held() - before)
"""


def _held(how: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", MEGABYTES_HELD_AFTER_64_ARE_FREED, how],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode == 3:
        pytest.skip("this C library is not glibc, whose allocator is what is told")
    return float(done.stdout)


def test_what_large_tensors_took_stays_with_the_process_that_asked_for_it():
    assert _held("not kept") < 32 < _held("kept")
