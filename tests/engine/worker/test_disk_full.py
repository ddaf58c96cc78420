"""A full disk: once as a small filesystem of its own, once as a limit on the size of files."""

import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.home import Home
from engine.journal import read_lines
from engine.worker.patience import WAITING, JournalWriter, Patience
from engine.worker.status import StatusFile, read_status
from tests.disks import fill
from tests.engine.worker.bench import Bench, metrics, wait_until
from tests.processes import end_all

ENDLESS = 10_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"run as root with CAP_SYS_ADMIN to mount a small tmpfs: {mounted.stderr}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_worker_on_a_full_disk_waits_says_so_and_loses_nothing(small_disk: Path):
    bench = Bench(Home(small_disk / "lab"))
    folder = bench.prepare(1, steps=ENDLESS, eval_every=1)
    worker = bench.spawn(1)
    try:
        bench.reaches(1, 30)
        ballast = small_disk / "ballast"
        fill(ballast)
        wait_until(lambda: read_status(folder.status).get("waiting") == WAITING)
        last = bench.lines(1)[-1]["s"]
        ballast.unlink()
        bench.reaches(1, last + 30)
        wait_until(lambda: read_status(folder.status).get("waiting") == "")
        worker.signal(signal.SIGTERM)
        assert bench.finish(worker) == 0
    finally:
        end_all(bench.home)
    steps = [step for step, _ in metrics(bench.lines(1))]
    assert steps == list(range(1, steps[-1] + 1))


def test_a_worker_at_its_file_size_limit_goes_on_when_the_limit_is_lifted(bench: Bench):
    folder = bench.prepare(1, steps=ENDLESS, eval_every=1)
    worker = bench.spawn(1)
    assert worker.process is not None
    bench.reaches(1, 10)
    pid, hard = worker.process.pid, resource.RLIM_INFINITY
    size = folder.journal(1).stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(8192, size + 1000), hard))
    wait_until(lambda: read_status(folder.status).get("waiting") == WAITING)
    assert folder.journal(1).read_bytes().endswith(b"\n")
    last = bench.lines(1)[-1].get("s", 0)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    bench.reaches(1, last + 20)
    worker.signal(signal.SIGTERM)
    assert bench.finish(worker) == 0
    steps = [step for step, _ in metrics(bench.lines(1))]
    assert steps == list(range(1, steps[-1] + 1))


def test_a_line_that_fits_only_in_part_is_taken_back(tmp_path: Path):
    announced: list[str] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def announce(reason: str) -> None:
        announced.append(reason)
        if reason:
            assert (tmp_path / "journal").read_bytes() == b'{"e":"m"}\n'
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    writer = JournalWriter(tmp_path / "journal", Patience(announce))
    writer.append(b'{"e":"m"}\n')
    resource.setrlimit(resource.RLIMIT_FSIZE, (15, hard))
    writer.append(b'{"e":"ack"}\n')
    writer.close()
    assert announced == [WAITING, ""]
    assert [line["e"] for line in read_lines(tmp_path / "journal")[0]] == ["m", "ack"]


def test_the_heartbeat_needs_no_room(small_disk: Path):
    status = StatusFile(small_disk / "status.json")
    status.allocate(Patience(lambda _: None))
    fill(small_disk / "ballast")
    status.write(waiting=WAITING, step=12)
    status.close()
    assert read_status(small_disk / "status.json")["step"] == 12
