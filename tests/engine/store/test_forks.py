"""The markers of forks: what was reached before the fork was reached by the fork."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.store import Store
from tests.engine.store.writing import CONFIG, Recorded, evaluation

Record = Callable[..., Recorded]


def _grokking(run: Recorded, *, steps: range) -> None:
    """Memorised from step 100 on, grokked from step 400 on."""
    run.write(*(evaluation(step, test=0.99 if step >= 400 else 0.01) for step in steps))


def _steps_by_kind(store: Store, run_id: int) -> dict[str, int]:
    return {event["kind"]: event["step"] for event in store.events([run_id])}


def test_a_fork_goes_on_with_what_its_parents_had_reached(store: Store, record: Record):
    parent = record()
    _grokking(parent, steps=range(10, 510, 10))
    store.ingest(parent.run_id, parent.folder.path)
    child = record(parent_run=parent.run_id, parent_step=300)
    _grokking(child, steps=range(310, 510, 10))
    store.ingest(child.run_id, child.folder.path)
    grandchild = record(parent_run=child.run_id, parent_step=500)
    _grokking(grandchild, steps=range(510, 560, 10))
    store.ingest(grandchild.run_id, grandchild.folder.path)
    whole = _steps_by_kind(store, parent.run_id)
    assert (whole["memorised"], whole["grokked"]) == (100, 400)
    for fork in (child, grandchild):
        assert _steps_by_kind(store, fork.run_id) == whole
        (row,) = store.runs([fork.run_id])
        assert row["grokked_step"] - row["memorised_step"] == 300


def test_what_a_fork_was_at_its_first_step_counts_and_what_its_parent_was_does_not(
    store: Store, record: Record
):
    parent = record()
    _grokking(parent, steps=range(10, 410, 10))
    store.ingest(parent.run_id, parent.folder.path)
    child = record(parent_run=parent.run_id, parent_step=400)
    # grokked is the first of three in a row: its parent's evaluation at 400 is none of them
    child.write(*(evaluation(step, test=0.99) for step in (400, 410)))
    store.ingest(child.run_id, child.folder.path)
    assert "grokked" not in _steps_by_kind(store, child.run_id)
    child.write(evaluation(420, test=0.99))
    store.ingest(child.run_id, child.folder.path)
    assert _steps_by_kind(store, child.run_id)["grokked"] == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"task": {"kind": "modular", "p": 89}},
        {"training": {"seed": 4}},
        {"training": {"seed": 3, "split_seed": 4}},
        {"training": {"seed": 3, "label_noise": 0.1}},
    ],
)
def test_a_fork_with_other_examples_begins_anew(
    store: Store, record: Record, changes: dict[str, Any]
):
    parent = record()
    _grokking(parent, steps=range(10, 510, 10))
    store.ingest(parent.run_id, parent.folder.path)
    child = record(CONFIG | changes, parent_run=parent.run_id, parent_step=300)
    child.write(*(evaluation(step, train=0.5) for step in range(310, 410, 10)))
    store.ingest(child.run_id, child.folder.path)
    assert _steps_by_kind(store, child.run_id) == {}


def test_a_fork_of_another_seed_with_the_same_split_goes_on(store: Store, record: Record):
    pinned = {"split_seed": 7, "label_noise": 0.0}
    parent = record(CONFIG | {"training": {"seed": 3, **pinned}})
    _grokking(parent, steps=range(10, 510, 10))
    store.ingest(parent.run_id, parent.folder.path)
    changed = CONFIG | {"training": {"seed": 4, **pinned}}
    child = record(changed, parent_run=parent.run_id, parent_step=300)
    _grokking(child, steps=range(310, 510, 10))
    store.ingest(child.run_id, child.folder.path)
    assert _steps_by_kind(store, child.run_id) == _steps_by_kind(store, parent.run_id)
