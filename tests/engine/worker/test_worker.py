import json
import os
import signal
import subprocess
import sys

import pytest
import safetensors.torch

from engine.daemon.origins import digest
from engine.worker.control import Command, send
from engine.worker.identity import identify
from engine.worker.lock import is_held
from engine.worker.status import read_status
from tests.engine.worker.bench import Bench, metrics, wait_until

ENDLESS = 10_000_000


def test_a_run_leaves_a_whole_journal_and_exits_with_zero(bench: Bench):
    bench.prepare(1, steps=200)
    assert bench.finish(bench.spawn(1)) == 0
    kinds = bench.kinds(1)
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    assert {"m", "snap", "ckpt"} <= set(kinds)
    # of the sums mod 11, each as often as any other
    assert bench.newest(1, "task")["majority"] == 1 / 11
    assert bench.lines(1)[-1]["reason"] == "finished"
    assert bench.lines(1)[-1]["s"] == 200


def test_a_checkpoint_line_names_a_complete_file(bench: Bench):
    folder = bench.prepare(1, steps=200)
    bench.finish(bench.spawn(1))
    line = bench.newest(1, "ckpt")
    file = folder.path / line["file"]
    assert digest(file) == line["sha256"]
    assert file.stat().st_size == line["bytes"]
    assert line["s"] == 200
    assert line["kept"]


def test_a_snapshot_has_one_tensor_for_each_layer_with_its_heads(bench: Bench):
    folder = bench.prepare(1, steps=20)
    bench.finish(bench.spawn(1))
    tensors = safetensors.torch.load_file(folder.path / bench.newest(1, "snap")["file"])
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {"layer0": (2, 3, 3)}


@pytest.mark.parametrize(("attempt", "first"), [(1, 178), (2, 179)], ids=["forked", "resumed"])
def test_a_run_goes_on_bit_for_bit_like_an_uninterrupted_one(
    bench: Bench, attempt: int, first: int
):
    bench.prepare(1, steps=400, seed=3)
    bench.finish(bench.spawn(1))
    whole = metrics(bench.lines(1))
    folder = bench.home.run(1)
    line = next(line for line in bench.lines(1) if line["e"] == "ckpt" and line["s"] == 178)
    start = {"file": str(folder.path / line["file"]), "step": 178}
    bench.prepare(2, steps=400, seed=3, start=start, attempt=attempt)
    bench.finish(bench.spawn(2))
    # a fork is measured before its first update, too
    assert metrics(bench.lines(2, attempt)) == [(s, v) for s, v in whole if s >= first]


def test_a_paused_run_says_so_saves_itself_and_lets_go(bench: Bench):
    folder = bench.prepare(1, steps=ENDLESS)
    worker = bench.spawn(1)
    bench.reaches(1, 50)
    send(folder.control, Command("abc", "pause"))
    assert bench.finish(worker) == 0
    acknowledgement, end = bench.newest(1, "ack"), bench.newest(1, "end")
    assert acknowledgement["id"] == "abc"
    assert end["reason"] == "paused"
    assert bench.newest(1, "ckpt")["s"] == end["s"] == acknowledgement["s"]
    assert not is_held(folder.lock)


def test_stopping_one_run_of_a_batch_leaves_the_other_alone(bench: Bench):
    bench.prepare(1, steps=1000, seed=1)
    bench.prepare(2, steps=1000, seed=2)
    bench.prepare(3, steps=1000, seed=2)
    worker = bench.spawn(1, 2)
    bench.reaches(2, 100)
    send(bench.home.run(1).control, Command("x", "stop"))
    wait_until(lambda: not is_held(bench.home.run(1).lock))
    assert is_held(bench.home.run(2).lock)
    assert bench.newest(1, "end")["reason"] == "stopped"
    assert bench.finish(worker) == 0
    assert bench.newest(2, "end")["reason"] == "finished"
    bench.finish(bench.spawn(3))
    assert metrics(bench.lines(2)) == metrics(bench.lines(3))


def test_a_checkpoint_on_demand_is_kept_and_training_goes_on(bench: Bench):
    folder = bench.prepare(1, steps=ENDLESS)
    worker = bench.spawn(1)
    bench.reaches(1, 50)
    send(folder.control, Command("now", "checkpoint"))
    wait_until(lambda: "ack" in bench.kinds(1))
    step = bench.newest(1, "ack")["s"]
    bench.reaches(1, step + 50)
    assert any(line["e"] == "ckpt" and line["s"] == step for line in bench.lines(1))
    worker.signal(signal.SIGTERM)
    bench.finish(worker)


def test_sigterm_stops_every_run_of_the_batch_with_a_checkpoint(bench: Bench):
    for run in (1, 2):
        bench.prepare(run, steps=ENDLESS, seed=run)
    worker = bench.spawn(1, 2)
    bench.reaches(2, 50)
    worker.signal(signal.SIGTERM)
    assert bench.finish(worker) == 0
    for run in (1, 2):
        end = bench.newest(run, "end")
        assert end["reason"] == "stopped"
        assert bench.newest(run, "ckpt")["s"] == end["s"]


def test_a_diverging_run_ends_with_advice_and_the_others_go_on(bench: Bench):
    folder = bench.prepare(1, steps=300, seed=1)
    bench.prepare(2, steps=300, seed=2)
    config = json.loads(folder.config.read_text())
    config["optimizer"] = {"kind": "sgd", "learning_rate": 1.0, "weight_decay": 100.0}
    folder.config.write_text(json.dumps(config))
    other = json.loads(bench.home.run(2).config.read_text())
    other["optimizer"] = {"kind": "sgd"}
    bench.home.run(2).config.write_text(json.dumps(other))
    bench.finish(bench.spawn(1, 2))
    end = bench.newest(1, "end")
    assert end["reason"] == "diverged"
    assert "Lower learning_rate (now 1)" in end["message"]
    assert bench.newest(2, "end")["reason"] == "finished"


def test_only_the_newest_rolling_checkpoint_stays_on_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROKKING_LAB_CHECKPOINT_SECONDS", "0.02")
    folder = bench.prepare(1, steps=600)
    bench.finish(bench.spawn(1))
    rolling = [line for line in bench.lines(1) if line["e"] == "ckpt" and not line["kept"]]
    assert len(rolling) > 2
    left = [file.name for file in folder.checkpoints.glob("rolling-*")]
    assert left == [os.path.basename(rolling[-1]["file"])]


def test_a_second_worker_cannot_train_the_same_run(bench: Bench):
    bench.prepare(1, steps=ENDLESS)
    first = bench.spawn(1)
    bench.reaches(1, 20)
    before = bench.home.run(1).journal(1).stat().st_ino
    assert bench.finish(bench.spawn(1)) != 0
    assert "another process trains this run" in bench.home.run(1).log.read_text()
    assert bench.home.run(1).journal(1).stat().st_ino == before
    first.signal(signal.SIGTERM)
    bench.finish(first)


def test_an_error_ends_the_run_as_failed_with_its_traceback(bench: Bench):
    bench.prepare(1, steps=100, start={"file": "/nowhere/at/all.safetensors", "step": 10})
    assert bench.finish(bench.spawn(1)) == 1
    end = bench.newest(1, "end")
    assert end["reason"] == "failed"
    assert "all.safetensors" in end["message"]
    assert "Traceback" in end["traceback"]


def test_the_worker_says_each_second_how_fast_it_is_and_who_it_is(bench: Bench):
    folder = bench.prepare(1, steps=ENDLESS)
    worker = bench.spawn(1)
    wait_until(lambda: bench.kinds(1).count("sys") >= 2)
    line = bench.newest(1, "sys")
    assert line["steps_per_second"] > 1
    assert line["rss_bytes"] > 1e7
    assert read_status(folder.status)["step"] > 0
    assert folder.status.stat().st_size == 4096
    proc = json.loads(folder.proc.read_text())
    who = identify(proc["pid"])
    assert who is not None
    assert who.as_json() == proc
    worker.signal(signal.SIGTERM)
    bench.finish(worker)


def test_the_first_line_is_written_before_torch_is_imported():
    code = "import engine.worker.__main__, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
