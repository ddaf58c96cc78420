"""Memory that a worker frees stays with it. In processes of their own: there is no way back."""

import subprocess
import sys

import pytest

FAULTS_OF_LARGE_TENSORS = """
import resource, sys, torch
from engine.worker.allocator import keep_memory

if sys.argv[1] == "kept" and not keep_memory():
    sys.exit(3)
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step = lambda: [torch.ones(2_000_000) for _ in range(8)]
for _ in range(10):
    step()
before = faults()
for _ in range(40):
    step()
print(faults() - before)
"""


def _faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS_OF_LARGE_TENSORS, how],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode == 3:
        pytest.skip("this C library is not glibc, whose allocator is what is told")
    return int(done.stdout)


def test_large_tensors_are_not_cleared_by_the_system_again_and_again():
    assert _faults("kept") < _faults("not kept") / 4
