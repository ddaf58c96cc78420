"""Whether runs are listed as they are, and what people write stays what it is."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.errors import RunNotFound, SettingsError
from engine.store import Store
from tests.engine.store.writing import CONFIG, Recorded, evaluation, kinds

NASTY = [
    "<script>alert(1)</script>",
    "'; DROP TABLE runs; --",
    "../../etc/passwd",
    "nul\x00inside",
    "ünïcödé 🧠",
    '"quoted" {json: [1]}',
    "",
]

CONTRACT = [
    "run_id",
    "name",
    "created",
    "task",
    "model",
    "optimizer",
    "seed",
    "config",
    "state",
    "state_reason",
    "device",
    "last_step",
    "parent_run",
    "parent_step",
    "sweep_id",
    "tags",
    "notes",
    "code_version",
]
LISTED = [
    "budget",
    "attempt",
    "memorised_step",
    "onset_step",
    "grokked_step",
    "delay",
    "train_accuracy",
    "test_accuracy",
    "train_loss",
    "test_loss",
    "steps_per_second",
    "train_seconds",
    "chance",
    "majority",
    "finished_at",
    "phase",
]


def test_a_run_is_listed_with_every_column_that_was_promised(store: Store):
    before = datetime.now(UTC)
    run_id = store.create_run(
        name="a", config=CONFIG, sweep_id="s", tags=["x"], notes="n", code_version="v"
    )
    (row,) = store.runs()
    assert {*CONTRACT, *LISTED} <= row.keys()
    assert (row["run_id"], row["state"], row["phase"]) == (run_id, "queued", "not started")
    assert (row["task"], row["model"], row["optimizer"]) == ("modular", "gpt", "adamw")
    assert (row["seed"], row["budget"], row["config"]) == (3, 1000, CONFIG)
    assert row["chance"] == pytest.approx(1 / 97)
    assert before <= row["created"] <= datetime.now(UTC)


def test_tables_have_the_columns_that_scripts_rely_on(store: Store):
    promised = {
        "runs": CONTRACT,
        "metrics": ["run_id", "step", "split", "metric", "value"],
        "events": ["run_id", "step", "kind", "detector", "value", "payload", "at"],
        "snapshots": ["run_id", "step", "kind", "layer", "head", "shape", "data"],
        "checkpoints": ["run_id", "step", "file", "bytes", "sha256"],
    }
    for table, columns in promised.items():
        found = store.select(f"DESCRIBE {table}")["column_name"].to_pylist()
        assert found[: len(columns)] == columns


@pytest.mark.parametrize("text", NASTY)
def test_what_people_write_is_kept_as_it_is(store: Store, text: str):
    run_id = store.create_run(name=text, config=CONFIG, notes=text, tags=[text])
    store.add_event(run_id, 0, "note", {"text": text})
    (row,) = store.runs([run_id])
    assert (row["name"], row["notes"], row["tags"]) == (text, text, [text])
    assert store.events([run_id])[0]["payload"] == {"text": text}


@pytest.mark.parametrize(
    "written",
    [
        {"name": "x" * 201},
        {"notes": "x" * 10_001},
        {"tags": ["x" * 51]},
        {"tags": [str(i) for i in range(21)]},
        {"name": "half a pair \ud800"},
    ],
)
def test_texts_that_are_too_long_are_refused_and_change_nothing(
    store: Store, written: dict[str, Any]
):
    run_id = store.create_run(name="before", config=CONFIG)
    before = store.runs()
    with pytest.raises(SettingsError, match="got"):
        store.update_run(run_id, **written)
    with pytest.raises(SettingsError, match="got"):
        store.create_run(**{"name": "new", "config": CONFIG, **written})
    assert store.runs() == before


def test_a_note_as_long_as_a_book_is_refused(store: Store):
    run_id = store.create_run(name="a", config=CONFIG)
    with pytest.raises(SettingsError, match="shorten the note"):
        store.add_event(run_id, 0, "note", {"text": "x" * 30_000})
    assert store.events([run_id]) == []


def test_changing_one_field_leaves_the_others_alone(store: Store):
    run_id = store.create_run(name="a", config=CONFIG, tags=["t"], notes="n")
    store.update_run(run_id, name="b")
    longer = {**CONFIG, "training": {"seed": 3, "steps": 5000}}
    store.update_run(run_id, config=longer)
    (row,) = store.runs()
    assert (row["name"], row["tags"], row["notes"]) == ("b", ["t"], "n")
    assert (row["budget"], row["config"]) == (5000, longer)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.update_run(99, name="x"),
        lambda store: store.set_state(99, "lost"),
        lambda store: store.delete_run(99),
        lambda store: store.begin_attempt(99, 1, 0),
        lambda store: store.redetect([99], {}),
    ],
)
def test_a_run_that_is_not_there_is_named(store: Store, ask: Callable[[Store], object]):
    with pytest.raises(RunNotFound, match="there is no run 99"):
        ask(store)


def test_numbers_of_deleted_runs_are_not_given_out_again(store: Store):
    first, second = (store.create_run(name="x", config=CONFIG) for _ in range(2))
    store.delete_run(second)
    assert [row["run_id"] for row in store.runs()] == [first]
    assert store.create_run(name="y", config=CONFIG) == second + 1


def test_deleting_a_run_leaves_nothing_of_it(store: Store, record: Callable[..., Recorded]):
    gone, kept = record(), record()
    for run in (gone, kept):
        run.evaluations(*range(0, 300, 10))
        store.ingest(run.run_id, run.folder.path)
    store.delete_run(gone.run_id)
    for table in ("metrics", "latest", "events", "snapshots", "checkpoints", "journals", "runs"):
        left = store.select(f"SELECT DISTINCT run_id FROM {table}")["run_id"].to_pylist()
        assert gone.run_id not in left
    assert kept.run_id in [row["run_id"] for row in store.runs()]


def test_queued_runs_come_oldest_first(store: Store):
    ids = [store.create_run(name=str(i), config=CONFIG) for i in range(3)]
    store.set_state(ids[1], "running")
    assert [row["run_id"] for row in store.queued()] == [ids[0], ids[2]]
    assert store.queued()[0]["config"] == CONFIG


def test_latest_values_and_markers_of_a_grokking_run(
    store: Store, record: Callable[..., Recorded]
):
    run = record()
    for step in range(0, 1000, 10):
        run.write(evaluation(step, test=0.01 if step < 600 else 1.0))
    store.ingest(run.run_id, run.folder.path)
    (row,) = store.runs()
    assert (row["memorised_step"], row["onset_step"], row["grokked_step"]) == (100, 600, 600)
    assert (row["delay"], row["train_accuracy"], row["test_accuracy"]) == (500, 1.0, 1.0)
    assert (row["test_loss"], row["train_loss"]) == (3.0, 1 / 991)
    assert row["phase"] == "grokked 500 steps after memorising"


def test_a_marker_that_no_longer_holds_is_removed(store: Store, record: Callable[..., Recorded]):
    run = record()
    accuracy = {0: 0.01, 600: 0.5, 700: 0.2}
    for step in range(0, 1000, 10):
        level = max(start for start in accuracy if start <= step)
        run.write(evaluation(step, test=accuracy[level]))
        if step in (650, 990):
            store.ingest(run.run_id, run.folder.path)
            assert ("onset" in kinds(store, run.run_id)) == (step == 650)


def test_markers_after_a_restart_are_those_of_one_life(
    path: Path, record: Callable[..., Recorded], store: Store
):
    run = record()
    for step in range(0, 300, 10):
        run.write(evaluation(step))
    store.ingest(run.run_id, run.folder.path)
    store.close()
    again = Store(path)
    for step in range(300, 600, 10):
        run.write(evaluation(step, test=1.0))
    again.ingest(run.run_id, run.folder.path)
    (row,) = again.runs()
    assert (row["memorised_step"], row["grokked_step"]) == (100, 300)
    assert kinds(again, run.run_id).count("memorised") == 1
    again.close()


def test_other_thresholds_move_the_markers_and_stay(store: Store, record: Callable[..., Recorded]):
    run = record()
    for step in range(0, 500, 10):
        run.write(evaluation(step, test=0.01 if step < 300 else 0.9))
    store.ingest(run.run_id, run.folder.path)
    assert store.runs()[0]["grokked_step"] is None
    store.redetect([run.run_id], {"test": 0.85})
    assert store.runs()[0]["grokked_step"] == 300
    run.write(evaluation(500, test=0.9))
    store.ingest(run.run_id, run.folder.path)
    assert store.runs()[0]["grokked_step"] == 300
    store.redetect([run.run_id], {})
    assert store.runs()[0]["grokked_step"] is None


def test_thresholds_out_of_range_are_refused(store: Store, record: Callable[..., Recorded]):
    run = record()
    with pytest.raises(SettingsError, match="test"):
        store.redetect([run.run_id], {"test": 1.5})


def test_events_carry_the_detectors_name_and_version(
    store: Store, record: Callable[..., Recorded]
):
    run = record()
    run.evaluations(*range(0, 200, 10))
    store.ingest(run.run_id, run.folder.path)
    (event,) = store.events([run.run_id])
    assert (event["kind"], event["detector"], event["value"]) == ("memorised", "onset/2", 1.0)
    assert json.dumps(event["payload"]) == '{"split": "train"}'


def test_the_version_grows_with_every_change_and_over_restarts(store: Store, path: Path):
    seen = [store.version()]
    run_id = store.create_run(name="a", config=CONFIG)
    seen.append(store.version())
    store.set_state(run_id, "stopped")
    seen.append(store.version())
    store.close()
    again = Store(path)
    seen.append(again.version())
    again.close()
    assert seen == sorted(set(seen))


def test_a_database_of_an_earlier_edition_gets_the_columns_it_lacks(path: Path):
    store = Store(path)
    store.create_run(name="old", config=CONFIG, sweep_id=None, code_version="")
    store.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN threads")
        connection.execute("ALTER TABLE runs DROP COLUMN majority")
    for _ in range(2):
        store = Store(path)
        (row,) = store.runs()
        assert (row["name"], row["threads"], row["majority"]) == ("old", None, None)
        store.close()
