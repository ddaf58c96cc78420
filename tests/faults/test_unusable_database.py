"""A database file that cannot be opened: set aside and rebuilt, or said what is in the way."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import EngineUnavailable, Lab, connect
from engine.home import Home
from tests.faults.recorded import stored, told
from tests.labs import ENDLESS, TINY, ends, reaches, row, state
from tests.processes import end_all, end_daemon

pytestmark = pytest.mark.long

KEPT = ("name", "notes", "tags", "state", "last_step", "train_accuracy", "test_loss", "created")


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


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with a finished run, 1, and one that trains, 2."""
    home = Home(tmp_path_factory.mktemp("busy") / "lab")
    lab = connect(home)
    (done,) = lab.launch(TINY, name="<b>named</b>", notes="long thoughts", tags=["kept"])
    (training,) = lab.launch(ENDLESS)
    ends(lab, done)
    reaches(lab, training, 20)
    yield lab
    end_all(home)


@pytest.mark.xdist_group("busy lab")
@pytest.mark.parametrize("ruin", [garbage, cut_in_half, rot, nothing])
def test_runs_and_curves_come_back_from_the_journals(busy: Lab, ruin: Callable[[Path], None]):
    done, training = 1, 2
    before = row(busy, done)
    end_daemon(busy.home, gently=True)
    ruin(busy.home.database)
    after = row(busy, done)
    assert {key: after[key] for key in KEPT} == {key: before[key] for key in KEPT}
    assert busy.curves([done]).num_rows
    assert busy.snapshot_steps(done)
    assert stored(busy, done) == told(busy.home, done)
    reached = row(busy, training)["last_step"]
    reaches(busy, training, reached + 50)
    earlier = [point for point in stored(busy, training) if point[0] <= reached]
    assert earlier == [point for point in told(busy.home, training) if point[0] <= reached]
    assert row(busy, training)["attempt"] == 1


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
