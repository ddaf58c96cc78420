"""What a fork may change: all that its parent's weights and facts still fit."""

from typing import Any

import pytest

from data import build_task
from engine.config import InvalidConfig, RunConfig, apply
from engine.daemon.branching import forked_config
from engine.errors import NotPossible
from tests.engine.daemon.ward import Ward

GRAPH: dict[str, Any] = {
    "task.n_entities": 60,
    "task.n_relations": 12,
    "task.out_degree": 8,
    "task.ood_share": 0.15,
    "task.holdout_share": 0.05,
    "task.phi": 2,
}
COMPOSITION = apply(
    RunConfig(),
    GRAPH
    | {
        "task.kind": "composition",
        "model.d_model": 16,
        "model.n_heads": 2,
        "model.d_mlp": 32,
        "training.steps": 200,
        "training.eval_every": 20,
        "training.batch_size": 64,
        "training.split_seed": 7,
    },
)
TRANSFER: dict[str, Any] = {"task.kind": "transfer", "task.n_new": 60, "task.n_retained": 300}


def test_a_composition_run_is_forked_to_learn_new_facts(ward: Ward):
    (parent,) = ward.supervisor.launch([COMPOSITION.model_dump(mode="json")], name="old")
    ward.until_state(parent, "finished")
    child = ward.supervisor.fork(parent, 200, TRANSFER | {"training.steps": 300})
    ward.until_state(child, "finished")
    row = ward.row(child)
    assert (row["parent_run"], row["parent_step"], row["last_step"]) == (parent, 200, 300)
    points = ward.metrics(child)
    assert min(point["step"] for point in points) == 200  # before its first update
    assert {point["split"] for point in points} >= {
        *("train", "test_new_old", "test_old_new", "test_new_new", "atomic_new")
    }


def test_a_fork_that_changes_the_tokens_is_refused_and_nothing_is_created(ward: Ward):
    (parent,) = ward.supervisor.launch([COMPOSITION.model_dump(mode="json")], name="old")
    ward.until_state(parent, "finished")
    for overrides in ({"task.n_entities": 61}, TRANSFER | {"task.n_entities": 61}):
        with pytest.raises(NotPossible, match=r"cannot change task\.n_entities"):
            ward.supervisor.fork(parent, 178, overrides)
    assert [row["run_id"] for row in ward.store.runs()] == [parent]
    assert [folder.name for folder in ward.home.runs.iterdir()] == [str(parent)]


def test_the_fork_takes_over_the_graph_that_its_parent_saw():
    child = forked_config(COMPOSITION, TRANSFER, step=100)
    shared = {f"task.{k}": v for k, v in child.task.model_dump().items()}
    assert {name: shared[name] for name in GRAPH} == GRAPH
    old, new = (build_task(config.task, seed=7).splits for config in (COMPOSITION, child))
    known = {tuple(row) for row in old["train"].tokens.tolist()}
    rows = [tuple(row) for row in new["train"].tokens.tolist()]
    assert sum(row in known for row in rows) == 300
    assert child.model == COMPOSITION.model
    assert child.training == COMPOSITION.training


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"task.phi": 3}, r"task\.phi"),
        ({"task.out_degree": 9}, r"task\.out_degree"),
        ({"training.split_seed": 8}, "the split seed"),
        ({"training.split_seed": None}, "the split seed"),
    ],
)
def test_what_would_draw_another_graph_is_refused(overrides: dict[str, Any], named: str):
    with pytest.raises(NotPossible, match=rf"from composition to transfer .* change {named};"):
        forked_config(COMPOSITION, TRANSFER | overrides, step=100)


def test_a_seed_that_does_not_draw_the_graph_may_change():
    child = forked_config(COMPOSITION, TRANSFER | {"training.order_seed": 3}, step=100)
    assert child.training.order_seed == 3


def test_a_graph_without_room_for_the_default_number_of_new_facts_says_so():
    with pytest.raises(InvalidConfig, match="n_new must be at most 240"):
        forked_config(COMPOSITION, {"task.kind": "transfer"}, step=100)


@pytest.mark.parametrize(
    ("task", "overrides", "sentence"),
    [
        ({"task.p": 11}, {"task.p": 13}, r"made for 12 tokens, .* task\.p so that there are 14"),
        ({}, {"task.format": "a o b ="}, r"cannot change task\.format"),
        ({}, {"task.kind": "parity"}, r"cannot change task\.kind"),
        ({"task.kind": "recall"}, {"task.n_pairs": 9}, r"tokens a row, .* change task\.n_pairs"),
        ({"task.kind": "parity"}, {"task.n_bits": 12}, r"tokens a row, .* change task\.n_bits"),
    ],
)
def test_what_changes_the_shapes_is_refused_in_every_task(
    task: dict[str, Any], overrides: dict[str, Any], sentence: str
):
    with pytest.raises(NotPossible, match=sentence):
        forked_config(apply(RunConfig(), task), overrides, step=100)


@pytest.mark.parametrize(
    "overrides",
    [
        {"task.operation": "subtract"},
        {"task.train_fraction": 0.4},
        {"optimizer.kind": "lion"},
        {"training.dropout": 0.1},
    ],
)
def test_what_keeps_the_shapes_may_change(overrides: dict[str, Any]):
    assert forked_config(RunConfig(), overrides, step=100) == apply(RunConfig(), overrides)


@pytest.mark.parametrize(
    ("kind", "overrides"),
    [("universal", {"model.n_loops": 4}), ("trm", {"model.h_cycles": 3, "model.l_cycles": 1})],
)
def test_loops_are_chosen_anew_with_the_weights_as_they_are(
    ward: Ward, kind: str, overrides: dict[str, Any]
):
    tiny = {"task.p": 7, "model.kind": kind, "model.d_model": 16, "training.steps": 20}
    config = apply(RunConfig(), tiny)
    (parent,) = ward.supervisor.launch([config.model_dump(mode="json")], name="few loops")
    ward.until_state(parent, "finished")
    child = ward.supervisor.fork(parent, 20, overrides | {"training.steps": 21})
    ward.until_state(child, "finished")
    assert ward.row(child)["last_step"] == 21


def test_what_weights_are_made_for_stays_whatever_the_loops():
    looped = apply(RunConfig(), {"model.kind": "universal"})
    with pytest.raises(NotPossible, match=r"cannot change model\.share_mlp"):
        forked_config(looped, {"model.n_loops": 3, "model.share_mlp": True}, step=100)
    with pytest.raises(NotPossible, match=r"cannot change model\.n_layers"):
        forked_config(RunConfig(), {"model.n_layers": 3}, step=100)
