"""A database file that cannot be opened: set aside and rebuilt, or said what is in the way."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import EngineUnavailable, Lab
from engine.home import Home
from tests.faults.daemons import end_daemon
from tests.faults.moments import ENDLESS, TINY, ends, reaches, row, state, until
from tests.faults.recorded import stored, told

KEPT = ("name", "notes", "tags", "state", "last_step", "train_accuracy", "test_loss", "created")
HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print(flush=True)
sys.stdin.read()
"""


def garbage(file: Path) -> None:
    file.write_bytes(b"this was a database" * 1000)


def cut_in_half(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def rot(file: Path) -> None:
    """Change a byte in each of the first blocks, where DuckDB keeps what tables there are."""
    content = bytearray(file.read_bytes())
    for place in range(12_288, len(content), 65_536):
        content[place] ^= 255
    file.write_bytes(content)


def nothing(file: Path) -> None:
    file.unlink()
    file.with_name(f"{file.name}.wal").unlink(missing_ok=True)


@pytest.mark.parametrize("ruin", [garbage, cut_in_half, rot, nothing])
def test_runs_and_curves_come_back_from_the_journals(
    lab: Lab, home: Home, ruin: Callable[[Path], None]
):
    (done,) = lab.launch(TINY, name="<b>named</b>", notes="long thoughts", tags=["kept"])
    (training,) = lab.launch(ENDLESS)
    before = ends(lab, done)
    reaches(lab, training, 20)
    end_daemon(home, gently=True)
    ruin(home.database)
    after = row(lab, done)
    assert {key: after[key] for key in KEPT} == {key: before[key] for key in KEPT}
    assert lab.curves([done]).num_rows
    assert lab.snapshot_steps(done)
    reaches(lab, training, row(lab, training)["last_step"] + 50)
    lab.stop(training)
    until(lambda: state(lab, training) == "stopped")
    for run in (done, training):
        assert stored(lab, run) == told(home, run)


def test_a_rebuilt_database_is_told_of_and_the_old_file_is_kept(lab: Lab, home: Home):
    lab.runs()
    end_daemon(home, gently=True)
    garbage(home.database)
    assert lab.runs() == []
    (aside,) = home.path.glob("lab.duckdb.unreadable-*")
    assert aside.read_bytes().startswith(b"this was a database")
    assert (
        f"it is now {aside.name}, and is rebuilt from the journals" in home.daemon_log.read_text()
    )


def test_a_folder_in_the_place_of_the_database_is_named(lab: Lab, home: Home):
    lab.runs()
    end_daemon(home, gently=True)
    nothing(home.database)
    home.database.mkdir()
    with pytest.raises(EngineUnavailable, match=r"did not start.*lab\.duckdb") as refused:
        lab.runs()
    assert "directory" in str(refused.value)
    home.database.rmdir()
    assert lab.runs() == []


def test_a_database_that_another_process_holds_is_left_alone(lab: Lab, home: Home):
    (run,) = lab.launch(TINY)
    ends(lab, run)
    end_daemon(home, gently=True)
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(home.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(EngineUnavailable, match=rf"did not start.*lock.*{holder.pid}"):
        lab.runs()
    holder.communicate()
    assert state(lab, run) == "finished"
    assert stored(lab, run) == told(home, run)
