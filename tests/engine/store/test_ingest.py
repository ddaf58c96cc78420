"""Whether every journal line is stored exactly once."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import journal
from engine.home import RunFolder
from engine.store import Ingested, Store, reading
from tests.engine.store.writing import CONFIG, Recorded, evaluation, kinds, steps

Record = Callable[..., Recorded]


def test_every_line_is_stored_once_however_often_it_is_asked(store: Store, record: Record):
    run = record()
    for step in range(1, 30):
        run.evaluations(step)
        if step % 7 == 0:
            store.ingest(run.run_id, run.folder.path)
    for _ in range(3):
        store.ingest(run.run_id, run.folder.path)
    assert steps(store, run.run_id) == list(range(1, 30))


def test_a_line_without_its_newline_waits_for_the_rest(store: Store, record: Record):
    run = record()
    line = evaluation(5)
    run.write(line[:20])
    assert store.ingest(run.run_id, run.folder.path).lines == 1
    assert steps(store, run.run_id) == []
    run.write(line[20:])
    assert store.ingest(run.run_id, run.folder.path).lines == 1
    assert steps(store, run.run_id) == [5]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[1, 2]",
        b"{}",
        b'{"e":"m"}',
        b'{"e":"m","s":7,"t":1,"v":{"train":{"loss":NaN}}}',
        b'{"e":"m","s":7,"t":1,"v":{"train":{"loss":"high"}}}',
        b'{"e":"m","s":7,"t":1,"v":{"train":3}}',
        b'{"e":"m","s":1e300,"t":1,"v":{"train":{"loss":1}}}',
        b'{"e":"m","s":-1,"t":1,"v":{"train":{"loss":1}}}',
        b'{"e":"m","s":7,"t":1,"v":{"\\ud800":{"loss":1}}}',
        b'{"e":"event","s":7,"t":1e300,"kind":"note","payload":{}}',
        b'{"e":"event","s":7,"t":1,"kind":"note","payload":{"text":"\\ud800"}}',
        b'{"e":"end","s":7,"t":1,"reason":"bored","message":"","train_seconds":1}',
        b'{"e":"teapot","s":7,"t":1}',
        b"\xff\xfe",
        b"",
    ],
)
def test_a_malformed_line_is_counted_told_and_passed_over(
    store: Store, record: Record, line: bytes
):
    run = record()
    run.write(evaluation(1), line + b"\n", evaluation(2))
    told = store.ingest(run.run_id, run.folder.path)
    assert (told.lines, told.malformed) == (4, 1)
    assert steps(store, run.run_id) == [1, 2]
    assert "malformed_journal" in kinds(store, run.run_id)


def test_many_runs_are_ingested_together(store: Store, record: Record, tmp_path: Path):
    runs = [record() for _ in range(4)]
    before = store.version()
    for run in runs[:3]:
        run.evaluations(1, 2)
    ids = [run.run_id for run in runs]
    told = store.ingest_many(ids, tmp_path / "runs")
    assert {run_id: result.lines for run_id, result in told.items()} == dict(
        zip(ids, (3, 3, 3, 1), strict=True)
    )
    assert store.version() == before + 1
    assert [steps(store, run_id) for run_id in ids] == [[1, 2]] * 3 + [[]]


def test_nothing_new_costs_no_commit(store: Store, record: Record, tmp_path: Path):
    run = record()
    store.ingest_many([run.run_id], tmp_path / "runs")
    before = store.version()
    assert store.ingest_many([run.run_id], tmp_path / "runs") == {}
    assert store.version() == before


def test_a_run_that_writes_faster_than_its_lines_are_stored_holds_nobody_up(
    store: Store, record: Record
):
    run = record()
    run.evaluations(1)
    ingest = store._ingest  # pyright: ignore[reportPrivateUsage]
    looked = count(2)

    def folder_of(_: int) -> Path:
        step = next(looked)
        assert step < 100, "it follows the run to its end"
        run.evaluations(step)
        return run.folder.path

    assert ingest.many([run.run_id], folder_of)[run.run_id].lines == 3
    assert store.ingest(run.run_id, run.folder.path).lines == 0


def test_a_journal_of_many_blocks_is_stored_in_one_call(
    store: Store, record: Record, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 256)
    run = record()
    run.evaluations(*range(1, 100))
    assert store.ingest(run.run_id, run.folder.path).lines == 100
    assert steps(store, run.run_id) == list(range(1, 100))


def test_a_run_without_a_journal_has_nothing_to_tell(store: Store, tmp_path: Path):
    run_id = store.create_run(name="waits", config=CONFIG)
    assert store.ingest(run_id, tmp_path / "runs" / str(run_id)) == Ingested()


def test_start_and_end_lines_move_the_state(store: Store, record: Record):
    run = record()
    store.ingest(run.run_id, run.folder.path)
    assert store.runs()[0]["state"] == "running"
    run.end(70, "finished", train_seconds=2.5, steps_per_second=28.0)
    assert store.ingest(run.run_id, run.folder.path).ended == "finished"
    row = store.runs()[0]
    assert (row["state"], row["last_step"]) == ("finished", 70)
    assert (row["train_seconds"], row["steps_per_second"]) == (2.5, 28.0)
    assert row["finished_at"] is not None


def test_a_run_that_is_being_stopped_does_not_look_running_again(store: Store, record: Record):
    run = record()
    store.set_state(run.run_id, "stopping", "stopping… last step 0")
    store.ingest(run.run_id, run.folder.path)
    assert store.runs()[0]["state"] == "stopping"


def test_a_diverged_run_failed_and_says_why(store: Store, record: Record):
    run = record()
    run.end(40, "diverged", message="the loss became NaN. Lower learning_rate (now 0.1).")
    store.ingest(run.run_id, run.folder.path)
    row = store.runs()[0]
    assert (row["state"], row["phase"]) == ("failed", "diverged")
    assert "learning_rate" in row["state_reason"]
    assert kinds(store, run.run_id) == ["diverged"]


def test_a_failed_run_keeps_its_traceback(store: Store, record: Record):
    run = record()
    run.write(
        journal.end_line(
            7,
            "failed",
            message="no memory",
            traceback="Traceback …",
            train_seconds=1.0,
            steps_per_second=7.0,
        )
    )
    store.ingest(run.run_id, run.folder.path)
    (event,) = store.events([run.run_id])
    assert (event["kind"], event["payload"]["traceback"]) == ("failed", "Traceback …")


def test_commands_that_were_obeyed_are_told(store: Store, record: Record):
    run = record()
    run.write(journal.acknowledgement_line(9, command_id="abc", command="pause"))
    assert store.ingest(run.run_id, run.folder.path).acks == ("abc",)


def test_system_figures_are_those_told_last(store: Store, record: Record):
    run = record()
    for rate in (10.0, 20.0):
        run.write(
            journal.system_line(
                5,
                steps_per_second=rate,
                train_seconds=1.0,
                rss_bytes=7,
                device_bytes=8,
                threads=2,
            )
        )
    store.ingest(run.run_id, run.folder.path)
    row = store.runs()[0]
    told = ("steps_per_second", "rss_bytes", "device_bytes", "threads")
    assert [row[name] for name in told] == [20.0, 7, 8, 2]


def test_the_accuracy_of_the_most_frequent_answer_is_known_once_a_worker_tells_it(
    store: Store, record: Record
):
    run = record()
    store.ingest(run.run_id, run.folder.path)
    assert store.runs()[0]["majority"] is None
    run.write(journal.task_line(0, majority=0.475))
    store.ingest(run.run_id, run.folder.path)
    run.write(journal.metrics_line(1, {"train": {"accuracy": 0.5}}))
    store.ingest(run.run_id, run.folder.path)
    assert store.runs()[0]["majority"] == 0.475


def test_figures_of_an_earlier_edition_tell_no_threads(store: Store, record: Record):
    run = record()
    figures = {"steps_per_second": 20.0, "train_seconds": 1.0, "rss_bytes": 7, "device_bytes": 8}
    run.write(journal.encode("sys", s=5, **figures))
    store.ingest(run.run_id, run.folder.path)
    row = store.runs()[0]
    assert (row["steps_per_second"], row["threads"]) == (20.0, None)


def test_only_the_newest_rolling_checkpoint_is_on_disk(store: Store, record: Record):
    run = record()
    for step, kept in ((10, True), (20, False), (30, False), (40, True), (50, False)):
        run.write(
            journal.checkpoint_line(step, file=f"{step}", size=1, sha256="0" * 64, kept=kept)
        )
    store.ingest(run.run_id, run.folder.path)
    assert [c["step"] for c in store.checkpoints(run.run_id)] == [10, 40, 50]


def test_a_snapshot_comes_back_head_by_head(store: Store, record: Record):
    run = record()
    maps = np.random.default_rng(0).random((2, 3, 4, 4), dtype=np.float32)
    for step in (10, 20):
        file = run.folder.snapshots / f"attention-{step:09d}.safetensors"
        layers = {f"layer{number}": heads * step for number, heads in enumerate(maps)}
        safetensors.numpy.save_file(layers, file)
        run.write(journal.snapshot_line(step, "attention", f"snapshots/{file.name}"))
    store.ingest(run.run_id, run.folder.path)
    assert store.snapshot_steps([run.run_id], "attention") == {run.run_id: [10, 20]}
    table = store.snapshot(run.run_id, "attention", 19)
    assert table["shape"].to_pylist() == [[4, 4]] * 6
    rows = [np.frombuffer(data, "<f4") for data in table["data"].to_pylist()]
    np.testing.assert_array_equal(np.stack(rows).reshape(2, 3, 4, 4), maps * 10)


@pytest.mark.parametrize(
    "file", ["snapshots/none.safetensors", "../../../etc/passwd", "worker.log"]
)
def test_a_snapshot_that_cannot_be_read_is_told_and_stops_nothing(
    store: Store, record: Record, file: str
):
    run = record()
    run.folder.log.write_text("no tensors here")
    run.write(journal.snapshot_line(1, "attention", file), evaluation(1))
    store.ingest(run.run_id, run.folder.path)
    assert kinds(store, run.run_id) == ["unreadable_snapshot"]
    assert steps(store, run.run_id) == [1]


def test_a_new_attempt_forgets_what_lies_past_its_first_step(store: Store, record: Record):
    run = record()
    run.evaluations(*range(10, 210, 10))
    run.write(
        *(
            journal.checkpoint_line(step, file=f"{step}", size=1, sha256="0", kept=True)
            for step in (100, 200)
        ),
        journal.event_line(150, "something", {}),
    )
    store.add_event(run.run_id, 160, "note", {"text": "written by a person"})
    store.ingest(run.run_id, run.folder.path)
    assert "memorised" in kinds(store, run.run_id)

    store.begin_attempt(run.run_id, 2, 100)
    row = store.runs()[0]
    assert (row["attempt"], row["last_step"], row["train_accuracy"]) == (2, 100, 1.0)
    assert [c["step"] for c in store.checkpoints(run.run_id)] == [100]
    assert kinds(store, run.run_id) == ["note"]  # one evaluation is no sustained crossing

    run.attempt = 2
    run.write(
        journal.start_line(attempt=2, from_step=100, pid=1, device="cpu", threads=1, versions={})
    )
    run.evaluations(*range(100, 310, 10))
    store.ingest(run.run_id, run.folder.path)
    assert steps(store, run.run_id) == list(range(10, 310, 10))
    assert store.runs()[0]["memorised_step"] == 100


def test_lines_that_were_not_read_before_the_next_attempt_are_not_lost(
    store: Store, record: Record
):
    run = record()
    run.evaluations(10, 20, 30)
    store.begin_attempt(run.run_id, 2, 20)
    assert steps(store, run.run_id) == [10, 20]


def test_training_time_adds_up_over_attempts(store: Store, record: Record):
    run = record()
    run.end(100, "paused", train_seconds=3.0, steps_per_second=9.0)
    store.begin_attempt(run.run_id, 2, 100)
    run.attempt = 2
    run.end(200, "finished", train_seconds=4.0, steps_per_second=9.0)
    store.ingest(run.run_id, run.folder.path)
    assert store.runs()[0]["train_seconds"] == 7.0


def test_a_journal_that_was_cut_keeps_its_rows_and_goes_on(store: Store, record: Record):
    run = record()
    run.evaluations(1, 2)
    store.ingest(run.run_id, run.folder.path)
    file = run.folder.journal(1)
    content = file.read_bytes()
    file.write_bytes(content[: content.index(b"\n") + 1])
    store.ingest(run.run_id, run.folder.path)
    run.evaluations(3)
    store.ingest(run.run_id, run.folder.path)
    assert steps(store, run.run_id) == [1, 2, 3]
    assert "journal_cut" in kinds(store, run.run_id)


journals = st.lists(
    st.tuples(st.sampled_from([0.5, 0.99, 1.0]), st.sampled_from([0.01, 0.3, 0.9, 0.81, 1.0])),
    min_size=1,
    max_size=40,
)


@given(values=journals, cuts=st.lists(st.integers(1, 6000), max_size=8))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_journal_read_in_any_pieces_gives_the_same_rows_and_markers(
    store: Store, tmp_path: Path, values: list[tuple[float, float]], cuts: list[int]
):
    content = b"".join(evaluation(i, *pair) for i, pair in enumerate(values, start=1))
    seen: list[str] = []
    for pieces in ([], sorted(cuts)):
        run_id = store.create_run(name="pieces", config=CONFIG)
        folder = RunFolder(tmp_path / "runs" / str(run_id)).create()
        store.begin_attempt(run_id, 1, 0)
        ends = [*[cut for cut in pieces if cut < len(content)], len(content)]
        for start, end in zip([0, *ends], ends, strict=False):
            with folder.journal(1).open("ab") as file:
                file.write(content[start:end])
            store.ingest(run_id, folder.path)
        rows = store.select(f"SELECT * EXCLUDE run_id FROM metrics WHERE run_id = {run_id}")
        markers = [{**e, "run_id": 0, "at": 0} for e in store.events([run_id])]
        seen.append(json.dumps([rows.to_pylist(), markers]))
        store.delete_run(run_id)
    assert seen[0] == seen[1]


def test_every_held_out_split_groks_by_itself_and_every_probe_of_memory_is_recalled(
    store: Store, record: Record
):
    run = record()
    for step in range(1, 9):
        right = {"accuracy": 1.0 if step > 3 else 0.1, "loss": 1.0}
        splits = ("train_ood", "test_id", "atomic_id")
        values = {"train": {"accuracy": 1.0, "loss": 0.1}} | dict.fromkeys(splits, right)
        run.write(journal.metrics_line(step, values))
    store.ingest(run.run_id, run.folder.path)
    (row,) = store.runs([run.run_id])
    grokked = {marker["split"] for marker in row["markers"] if marker["kind"] == "grokked"}
    assert grokked == {"train_ood", "test_id"}
    recalled = [(m["split"], m["step"]) for m in row["markers"] if m["kind"] == "recalled"]
    assert recalled == [("atomic_id", 4)]
    assert row["memorised_step"] == 1
    assert row["test_split"] == "test_id"
    assert row["accuracies"] == {"train": 1.0} | dict.fromkeys(splits, 1.0)
