import os
import signal
import threading
from pathlib import Path

from engine.worker.lock import RunLock, is_held
from tests.engine.worker.bench import wait_until


def test_a_forked_helper_does_not_keep_a_dead_run_alive(tmp_path: Path):
    lock = RunLock(tmp_path / "lock")
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(tell)
        os.read(told, 1)
        os._exit(0)
    lock.release()
    wait_until(lambda: not is_held(tmp_path / "lock"), seconds=5)
    os.close(tell)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_looking_at_a_lock_does_not_keep_a_worker_from_taking_it(tmp_path: Path):
    (tmp_path / "lock").touch()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_held(tmp_path / "lock")

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(50):
            RunLock(tmp_path / "lock").release()
    finally:
        stop.set()
        looker.join()
