import resource

import psutil
import pytest

from engine.config import RunConfig
from engine.daemon.demands import Asked, promise
from engine.daemon.memory import Memory, Room
from engine.daemon.rows import config_of
from engine.errors import NotPossible, RunNotFound, SettingsError
from engine.home import Home
from engine.trainer import settling
from tests.engine.daemon.ward import ENDLESS, Ward


def test_a_launched_run_starts_runs_and_finishes(ward: Ward):
    (run,) = ward.launch(steps=100)
    ward.until_state(run, "finished")
    assert ward.row(run)["last_step"] == 100
    assert ward.supervisor.active() == []


def test_seeds_of_one_launch_share_the_free_slots(ward: Ward):
    runs = ward.launch(1, 2, 3)
    ward.until(lambda: all(ward.state(run) == "running" for run in runs))
    assert len(ward.workers()) == 2
    assert ward.supervisor.slots()["busy"] == 2


def test_a_run_waits_in_the_queue_until_a_slot_is_free(ward: Ward):
    first, second = ward.launch(1, 2)
    (third,) = ward.launch(3, steps=50)
    ward.until(lambda: ward.state(first) == ward.state(second) == "running")
    assert ward.supervisor.slots()["queued"] == [third]
    ward.supervisor.stop(first)
    ward.until_state(third, "finished")
    assert ward.state(second) == "running"


def test_a_paused_run_holds_no_process_and_resumes_exactly(ward: Ward):
    (whole,) = ward.launch(1, steps=800)
    ward.until_state(whole, "finished")
    (run,) = ward.launch(1, steps=800)
    ward.until_step(run, 60)
    ward.supervisor.pause(run)
    ward.until_state(run, "paused")
    ward.until(lambda: ward.workers() == [])
    assert ward.row(run)["last_step"] < 800
    ward.supervisor.resume(run)
    ward.until_state(run, "finished")
    assert ward.metrics(run) == ward.metrics(whole)
    assert {"paused", "resumed"} <= set(ward.kinds(run))


def test_a_stopped_run_tells_the_truth_until_its_process_has_gone(ward: Ward):
    (run,) = ward.launch()
    ward.until_step(run, 20)
    ward.supervisor.stop(run)
    assert ward.state(run) == "stopping"
    assert ward.row(run)["state_reason"].startswith("stopping… last step ")
    ward.until_state(run, "stopped")
    ward.until(lambda: ward.workers() == [])
    assert ward.store.checkpoints(run)[-1]["step"] == ward.row(run)["last_step"]


def test_a_worker_that_does_not_answer_a_stop_is_reported_and_obeys_when_it_wakes(ward: Ward):
    (run,) = ward.launch()
    ward.until_step(run, 20)
    (pid,) = ward.workers()
    psutil.Process(pid).suspend()
    ward.supervisor.stop(run)
    ward.until(lambda: "has not answered" in ward.row(run)["state_reason"])
    assert ward.row(run)["state_reason"].startswith("stopping… last step ")
    assert ward.state(run) == "stopping"
    psutil.Process(pid).resume()
    ward.until_state(run, "stopped")


def test_what_a_worker_waits_for_is_told_with_its_state(ward: Ward):
    (run,) = ward.launch(settings={"training.eval_every": 1})
    ward.until_step(run, 5)
    (pid,) = ward.workers()
    infinite = resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (8192, infinite))
    ward.until(lambda: ward.row(run)["state_reason"] == "waiting: disk full")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (infinite, infinite))
    ward.until(lambda: ward.row(run)["state_reason"] == "")
    assert ward.state(run) == "running"


def test_a_killed_run_leaves_no_process_and_no_zombie(ward: Ward):
    (run,) = ward.launch()
    ward.until_step(run, 20)
    (pid,) = ward.workers()
    ward.supervisor.kill(run)
    ward.until_state(run, "stopped")
    ward.until(lambda: not psutil.pid_exists(pid))


def test_a_worker_that_ignores_everything_is_killed_within_seconds(ward: Ward):
    (run,) = ward.launch()
    ward.until_step(run, 20)
    (pid,) = ward.workers()
    psutil.Process(pid).suspend()
    ward.supervisor.kill(run)
    assert 4 < ward.until_state(run, "stopped") < 9
    assert "killed" in ward.row(run)["state_reason"]
    ward.until(lambda: not psutil.pid_exists(pid))


def test_killing_one_run_of_a_batch_lets_the_others_go_on(home: Home):
    ward = Ward(home, n_cores=1)
    victim, other = ward.launch(1, 2)
    ward.until(lambda: ward.row(victim)["last_step"] > 20 and ward.row(other)["last_step"] > 20)
    assert len(ward.workers()) == 1
    ward.supervisor.kill(victim)
    ward.until_state(victim, "stopped")
    ward.until(lambda: ward.row(other)["attempt"] == 2 and ward.state(other) == "running")
    assert ward.row(victim)["attempt"] == 1
    ward.close()


def test_a_worker_that_dies_makes_its_run_lost_within_five_seconds(ward: Ward):
    (run,) = ward.launch()
    ward.until_step(run, 120)
    ward.kill_workers()
    assert ward.until_state(run, "lost") < 5
    saved = ward.store.checkpoints(run)[-1]["step"]
    assert f"resume goes on from step {saved:,}" in ward.row(run)["state_reason"]
    ward.supervisor.resume(run)
    ward.until_step(run, 200)
    ward.supervisor.stop(run)
    ward.until_state(run, "stopped")


def test_a_damaged_checkpoint_is_passed_over_and_the_reason_is_told(ward: Ward):
    (run,) = ward.launch(steps=400)
    ward.until_state(run, "finished")
    ward.supervisor.extend(run, 420)
    ward.until_state(run, "finished")
    for checkpoint in ward.store.checkpoints(run):
        if checkpoint["step"] > 178:
            (ward.home.run(run).path / checkpoint["file"]).write_bytes(b"rubbish")
    ward.supervisor.extend(run, 440)
    assert "damaged" in ward.row(run)["state_reason"]
    assert "going on from step 178" in ward.row(run)["state_reason"]
    ward.until_state(run, "finished")
    assert ward.row(run)["last_step"] == 440


def test_a_worker_that_cannot_start_is_failed_with_its_last_words(ward: Ward):
    (run,) = ward.launch(steps=50)
    ward.home.run(run).create()
    ward.home.run(run).journal(1).mkdir()
    ward.home.run(run).status.mkdir()
    ward.until_state(run, "failed")
    assert "IsADirectoryError" in ward.row(run)["state_reason"]


def test_a_run_for_a_gpu_that_is_not_there_is_refused_and_never_waits(ward: Ward):
    with pytest.raises(SettingsError, match="which has no CUDA device"):
        ward.launch(settings={"training.device": "cuda"})
    assert ward.store.runs() == []
    config = RunConfig().model_dump(mode="json")
    config["training"]["device"] = "cuda"
    run = ward.store.create_run(name="from another machine", config=config)
    ward.restart()
    ward.until_state(run, "failed")
    assert "must be auto or cpu" in ward.row(run)["state_reason"]


def test_a_run_from_a_machine_with_more_cores_goes_on(ward: Ward):
    with pytest.raises(SettingsError, match=r"training\.threads must lie between 1 and 2"):
        ward.launch(settings={"training.threads": 99})
    (run,) = ward.launch(steps=50)
    ward.until_state(run, "finished")
    config = ward.row(run)["config"]
    config["training"] |= {"threads": 99, "steps": 100}
    ward.store.update_run(run, config=config)
    assert ward.state(ward.supervisor.fork(run, 50, {})) == "queued"
    with pytest.raises(SettingsError, match=r"training\.threads must lie between 1 and 2"):
        ward.supervisor.fork(run, 50, {"training.threads": 98})
    ward.supervisor.extend(run, 150)
    assert ward.state(run) == "queued"


def test_a_new_supervisor_adopts_running_workers_and_finds_the_dead(ward: Ward):
    alive, dead = ward.launch(1, 2)
    ward.until(lambda: ward.row(alive)["last_step"] > 20 and ward.row(dead)["last_step"] > 20)
    victim = next(pid for pid in ward.workers() if psutil.Process(pid).cmdline()[-1] == str(dead))
    psutil.Process(victim).kill()
    ward.restart()
    assert ward.until_state(dead, "lost") < 5
    assert ward.state(alive) == "running"
    assert ward.supervisor.slots()["busy"] == 1
    ward.supervisor.kill(alive)
    ward.until_state(alive, "stopped")
    ward.until(lambda: ward.workers() == [])


@pytest.mark.parametrize(
    ("verb", "state", "ends"),
    [
        ("stop", "stopping", "stopped"),
        ("pause", "running", "paused"),
        ("kill", "stopping", "stopped"),
    ],
)
def test_a_command_that_never_reached_the_worker_is_sent_by_the_next_supervisor(
    ward: Ward, verb: Asked, state: str, ends: str
):
    (run,) = ward.launch()
    ward.until_step(run, 20)
    ward.store.set_state(run, state, promise(verb, 20))
    ward.restart()
    ward.until_state(run, ends)
    ward.until(lambda: ward.workers() == [])


def test_a_kill_stays_a_kill_when_the_daemon_is_replaced(ward: Ward):
    (run,) = ward.launch()
    ward.until_step(run, 20)
    (pid,) = ward.workers()
    psutil.Process(pid).suspend()
    ward.store.set_state(run, "stopping", promise("kill", 20))
    ward.restart()
    assert 4 < ward.until_state(run, "stopped") < 9
    ward.until(lambda: ward.workers() == [])


def test_a_fork_goes_on_from_its_parents_checkpoint_with_other_settings(ward: Ward):
    (parent,) = ward.launch(steps=400)
    ward.until_state(parent, "finished")
    child = ward.supervisor.fork(parent, 200, {"optimizer.weight_decay": 0.0})
    row = ward.row(child)
    assert (row["parent_run"], row["parent_step"]) == (parent, 178)
    assert row["config"]["optimizer"]["weight_decay"] == 0.0
    assert "step 178, the nearest checkpoint before 200" in row["state_reason"]
    gone = r"no checkpoint of step 200: .* are some at 100, 178, 316"
    with pytest.raises(NotPossible, match=gone):
        ward.supervisor.fork(parent, 200, {}, exact=True)
    exact = ward.row(ward.supervisor.fork(parent, 178, {}, exact=True))
    assert exact["parent_step"] == 178
    ward.supervisor.stop(exact["run_id"])
    ward.supervisor.delete(parent)
    ward.until_state(child, "finished")
    assert min(point["step"] for point in ward.metrics(child)) == 178  # before its first update
    assert "forked" in ward.kinds(child)


def test_a_fork_without_changes_repeats_its_parent_bit_for_bit(ward: Ward):
    (parent,) = ward.launch(steps=300)
    ward.until_state(parent, "finished")
    child = ward.supervisor.fork(parent, 178, {})
    ward.until_state(child, "finished")
    expected = [point for point in ward.metrics(parent) if point["step"] >= 178]
    assert ward.metrics(child) == expected


def test_a_fork_that_cannot_be_made_says_why_and_leaves_nothing(ward: Ward):
    (parent,) = ward.launch(steps=200)
    ward.until_state(parent, "finished")
    with pytest.raises(NotPossible, match="at or before step 50; there are some at 100, 178, 200"):
        ward.supervisor.fork(parent, 50, {})
    with pytest.raises(NotPossible, match="between step 100 and its last step 200, got 201"):
        ward.supervisor.fork(parent, 201, {"training.steps": 300})
    with pytest.raises(NotPossible, match=r"cannot change model\.d_model"):
        ward.supervisor.fork(parent, 178, {"model.d_model": 32})
    with pytest.raises(NotPossible, match=r"set training\.steps above 200"):
        ward.supervisor.fork(parent, 200, {})
    assert len(ward.store.runs()) == 1


def test_a_finished_run_goes_on_with_a_larger_budget(ward: Ward):
    (whole,) = ward.launch(5, steps=300)
    (run,) = ward.launch(5, steps=200)
    ward.until(lambda: ward.state(whole) == ward.state(run) == "finished")
    with pytest.raises(NotPossible, match="a budget can only grow"):
        ward.supervisor.extend(run, 200)
    ward.supervisor.extend(run, 300)
    ward.until_state(run, "finished")
    shared = {point["step"] for point in ward.metrics(whole)}
    ours = [point for point in ward.metrics(run) if point["step"] in shared]
    assert ours == ward.metrics(whole)


def test_what_is_advised_for_a_run_that_cannot_be_extended_works(ward: Ward):
    (run,) = ward.launch(steps=50)
    with pytest.raises(NotPossible, match=f"run {run} is queued: pause it first, then extend it"):
        ward.supervisor.extend(run, 100)
    ward.supervisor.pause(run)
    ward.supervisor.extend(run, 100)
    ward.until_state(run, "finished")
    ward.store.set_state(run, "failed")
    with pytest.raises(NotPossible, match=f"run {run} is failed: resume it, or fork it at a"):
        ward.supervisor.extend(run, 150)
    child = ward.supervisor.fork(run, 100, {"training.steps": 120})
    ward.supervisor.resume(run)
    assert ward.state(run) == ward.state(child) == "queued"


def test_commands_in_the_wrong_state_say_so_and_change_nothing(ward: Ward):
    (run,) = ward.launch(steps=50)
    ward.until_state(run, "finished")
    for command in ("pause", "stop", "kill", "checkpoint"):
        with pytest.raises(NotPossible, match=f"run {run} is finished"):
            getattr(ward.supervisor, command)(run)
    with pytest.raises(NotPossible, match="larger budget"):
        ward.supervisor.resume(run)
    with pytest.raises(RunNotFound, match="99"):
        ward.supervisor.pause(99)
    assert ward.state(run) == "finished"


def test_only_a_run_that_does_not_train_can_be_deleted(ward: Ward):
    (run,) = ward.launch()
    ward.until_step(run, 20)
    with pytest.raises(NotPossible, match="stop it first"):
        ward.supervisor.delete(run)
    ward.supervisor.stop(run)
    ward.until_state(run, "stopped")
    ward.supervisor.delete(run)
    assert ward.store.runs() == []
    assert not ward.home.run(run).path.exists()


def test_a_queued_run_can_be_held_back_and_put_back(home: Home):
    ward = Ward(home, n_cores=1)
    (first,) = ward.launch(1)
    (second,) = ward.launch(2, steps=50)
    ward.until_state(first, "running")
    ward.supervisor.pause(second)
    ward.supervisor.stop(first)
    ward.until_state(first, "stopped")
    assert ward.state(second) == "paused"
    ward.supervisor.resume(second)
    ward.until_state(second, "finished")
    ward.close()


def test_a_command_that_arrives_while_the_worker_starts_is_obeyed(ward: Ward):
    (run,) = ward.launch(steps=ENDLESS)
    ward.until_state(run, "starting")
    ward.supervisor.pause(run)
    ward.until_state(run, "paused")
    assert ward.row(run)["last_step"] < 1000


def test_runs_of_two_launches_share_a_worker_and_runs_of_another_shape_do_not(home: Home):
    ward = Ward(home, n_cores=1)
    (first,) = ward.launch(1)
    (second,) = ward.launch(2)
    (other,) = ward.launch(3, settings={"model.d_mlp": 64})
    ward.until(lambda: ward.state(first) == ward.state(second) == "running")
    assert len(ward.workers()) == 1
    assert ward.state(other) == "queued"
    ward.close()


def test_a_launch_that_memory_cannot_hold_waits_and_says_so(home: Home):
    full = Room(Memory(3 * 10**8, 10**9))
    ward = Ward(home, room=lambda: full)
    (run,) = ward.launch(1)
    ward.until(lambda: "waits for memory" in ward.row(run)["state_reason"])
    assert ward.state(run) == "queued"
    assert "this machine has 0.2 GB free" in ward.row(run)["state_reason"]
    full = Room(Memory(10**10, 10**10))
    ward.until_state(run, "running")
    assert ward.row(run)["state_reason"] == ""
    ward.close()


def test_a_run_keeps_the_arithmetic_that_was_settled_at_its_launch(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(settling, "multiplies_bfloat16", lambda: True)
    (run,) = ward.launch(steps=100, settings={"training.precision": "auto"})
    ward.until_state(run, "finished")
    monkeypatch.setattr(settling, "multiplies_bfloat16", lambda: False)
    child = ward.supervisor.fork(run, 100, {"training.steps": 120})
    auto = {"training.precision": "auto", "training.steps": 120}
    other = ward.supervisor.fork(run, 100, auto)
    found = [config_of(ward.row(each)).training.precision for each in (run, child, other)]
    assert found == ["bfloat16", "bfloat16", "float32"]
    ward.until_state(child, "finished")
