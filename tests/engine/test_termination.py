"""A signal that arrives at any moment is heard, also by a thread that waits just then."""

import os
import signal
import subprocess
import sys

SCRIPT = """
import os
from engine.termination import Termination
termination = Termination()
print(os.getpid(), flush=True)
while not termination.wait(0.001):
    pass
os.write(1, b"asked" if termination.asked() else b"not asked")
os.read(0, 1)
"""


def test_a_signal_ends_the_wait_and_a_second_one_does_no_harm():
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        os.kill(process.pid, number)
    told, _ = process.communicate(b".", timeout=30)
    assert told == b"asked"
    assert process.returncode == 0


def test_a_wait_without_a_signal_ends_with_its_time():
    code = (
        "from engine.termination import Termination\n"
        "t = Termination()\nassert not t.wait(0.01)\nassert not t.asked()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0
