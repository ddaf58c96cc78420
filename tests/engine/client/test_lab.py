"""One client, one daemon, real runs: the way that the page and the command line take."""

from typing import Any

import pytest

from engine import (
    InvalidConfig,
    Lab,
    LabError,
    NotPossible,
    QueryRefused,
    RunNotFound,
    SettingsError,
    apply,
)
from engine.daemon.memory import gpu_names
from engine.daemon.placing import has_mps
from engine.home import Home
from tests.labs import ENDLESS, TINY, ends, reaches, state, until
from tests.processes import worker_pids

SHORT = apply(TINY, {"training.steps": 300})

pytestmark = pytest.mark.shared_lab


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"training.device": "cuda"},
            "training.device must be auto or cpu on this machine",
            marks=pytest.mark.skipif(
                len(gpu_names()) > 0,
                reason="this machine has a CUDA device: run it where there is none",
            ),
        ),
        pytest.param(
            {"training.device": "mps"},
            "which has no MPS device, got mps",
            marks=pytest.mark.skipif(
                has_mps(), reason="this machine has an MPS device: run it where there is none"
            ),
        ),
        ({"task.kind": "triples", "task.phi": 9}, "phi must be at most 3"),
        ({"task.kind": "table", "task.train_fraction": 0.01}, "train_fraction must leave at"),
        ({"task.kind": "table", "task.sha256": "a" * 64}, "no upload is kept under sha256 aaa"),
        (
            {
                "task.kind": "search",
                "task.n_entities": 100,
                "task.n_attributes": 1,
                "task.n_values": 2,
                "task.shown_share": 0.5,
            },
            "no hard query",
        ),
    ],
)
def test_what_cannot_be_given_is_refused_before_anything_is_queued(
    lab: Lab, changes: dict[str, Any], sentence: str
):
    with pytest.raises(LabError, match=sentence):
        lab.launch(apply(SHORT, changes))
    assert lab.runs() == []


def test_a_launched_run_trains_to_its_end_and_is_recorded(lab: Lab) -> None:
    (run,) = lab.launch(SHORT, name="first")
    row = ends(lab, run)
    assert (row["state"], row["last_step"], row["name"]) == ("finished", 300, "first")
    curves = lab.curves([run]).to_pylist()
    assert {(r["split"], r["metric"]) for r in curves} == {
        (split, metric) for split in ("train", "test") for metric in ("accuracy", "loss")
    }
    assert max(r["step"] for r in curves) == 300
    assert lab.snapshot_steps(run)
    assert row["steps_per_second"] > 0


def test_several_seeds_are_one_launch(lab: Lab) -> None:
    runs = lab.launch(SHORT, seeds=3)
    rows = [ends(lab, run) for run in runs]
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert len({row["sweep_id"] for row in rows}) == 1
    assert len({row["test_loss"] for row in rows}) == 3


def test_a_run_can_be_paused_resumed_and_stopped(lab: Lab) -> None:
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 20)
    lab.pause(run)
    until(lambda: state(lab, run) == "paused")
    paused_at = lab.runs([run])[0]["last_step"]
    lab.resume(run)
    reaches(lab, run, paused_at + 20)
    lab.stop(run)
    assert ends(lab, run)["state"] == "stopped"


def test_kill_ends_the_process(lab: Lab, home: Home) -> None:
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 20)
    assert worker_pids(home)
    lab.kill(run)
    until(lambda: not worker_pids(home), seconds=15)
    assert ends(lab, run)["state"] in ("stopped", "lost")


def test_a_fork_goes_on_with_other_settings(lab: Lab) -> None:
    (run,) = lab.launch(SHORT)
    ends(lab, run)
    step = lab.checkpoints(run)[0]["step"]
    with pytest.raises(NotPossible, match=f"no checkpoint of step {step + 1}: a later one"):
        lab.fork(run, step + 1, exact=True)
    child = lab.fork(run, step, {"optimizer.weight_decay": 3.0}, exact=True)
    row = ends(lab, child)
    assert (row["parent_run"], row["parent_step"]) == (run, step)
    assert row["config"]["optimizer"]["weight_decay"] == 3.0
    assert row["last_step"] == 300


def test_an_extended_run_goes_on_where_it_ended(lab: Lab) -> None:
    (run,) = lab.launch(SHORT)
    ends(lab, run)
    lab.extend(run, 500)
    until(lambda: lab.runs([run])[0]["last_step"] == 500)
    assert ends(lab, run)["state"] == "finished"


def test_a_deleted_run_is_gone_with_its_files(lab: Lab, home: Home) -> None:
    (run,) = lab.launch(SHORT)
    ends(lab, run)
    lab.delete(run)
    with pytest.raises(RunNotFound):
        lab.runs([run])
    assert not home.run(run).path.exists()


def test_a_running_run_cannot_be_deleted(lab: Lab) -> None:
    (run,) = lab.launch(ENDLESS)
    reaches(lab, run, 20)
    with pytest.raises(NotPossible, match="stop it first"):
        lab.delete(run)
    assert state(lab, run) == "running"


def test_an_unusable_configuration_is_refused_with_its_problems(lab: Lab) -> None:
    with pytest.raises(InvalidConfig) as caught:
        lab.launch({"task": {"p": 1}})
    assert caught.value.problems[0].setting == "task.p"
    assert lab.runs() == []


def test_too_many_seeds_are_refused(lab: Lab) -> None:
    with pytest.raises(SettingsError, match="between 1 and 64, got 0"):
        lab.launch(SHORT, seeds=0)


def test_only_a_select_is_answered(lab: Lab) -> None:
    assert lab.select("SELECT 41 + 1 AS answer").to_pylist() == [{"answer": 42}]
    with pytest.raises(QueryRefused):
        lab.select("DELETE FROM runs")


def test_hostile_names_and_notes_are_plain_text(lab: Lab, home: Home) -> None:
    hostile = "<script>alert(1)</script>'; DROP TABLE runs; -- ../../etc/passwd"
    (run,) = lab.launch(SHORT, name=hostile, notes=hostile)
    lab.add_note(run, 5, hostile)
    row = ends(lab, run)
    assert (row["name"], row["notes"]) == (hostile, hostile)
    assert any(e["payload"].get("text") == hostile for e in lab.events([run]))
    assert sorted(path.name for path in home.runs.iterdir()) == [str(run)]


def test_a_note_that_is_too_long_changes_nothing(lab: Lab) -> None:
    (run,) = lab.launch(SHORT, notes="short")
    with pytest.raises(SettingsError):
        lab.update_run(run, notes="x" * 20_000)
    assert lab.runs([run])[0]["notes"] == "short"
