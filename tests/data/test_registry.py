"""Which kinds there are, and what may be left out when one is named."""

import pytest
from pydantic import TypeAdapter

from data import TaskSettings, build_task, is_held_out, position_names, task_sizes
from engine.config import InvalidConfig, RunConfig, parse_config
from engine.config.fields import kinds
from tests.data.contract import assert_well_formed, rows_by_use


def test_settings_without_a_kind_are_modular():
    assert (
        parse_config({"task": {"p": 13}}).task
        == parse_config({"task": {"kind": "modular", "p": 13}}).task
    )


def test_an_unknown_kind_is_answered_with_the_nearest():
    with pytest.raises(InvalidConfig) as caught:
        parse_config({"task": {"kind": "compositon"}})
    assert str(caught.value) == "no task is called 'compositon'; did you mean 'composition'?"


def test_a_network_without_a_kind_is_a_gpt():
    assert parse_config({"model": {"d_model": 16}}).model.kind == "gpt"


@pytest.mark.parametrize("kind", kinds("task"))
def test_a_kind_has_defaults_that_keep_the_contract_and_survive_json(kind: str):
    config = parse_config({"task": {"kind": kind}})
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert_well_formed(build_task(config.task, seed=0))


@pytest.mark.parametrize("kind", kinds("task"))
def test_every_kind_can_be_launched_with_its_defaults(kind: str):
    settings = TypeAdapter[TaskSettings](TaskSettings).validate_python({"kind": kind})
    task, sizes = build_task(settings, seed=0), task_sizes(settings)
    rows = rows_by_use(task)
    assert (sizes.train, sizes.probes) == (rows["train"], rows["probes"])
    assert sizes.test == pytest.approx(rows["test"], rel=0.05)
    assert sizes.examples == sizes.train + sizes.test
    assert (sizes.vocabulary, sizes.length) == (task.vocab_size, task.length)
    assert (sizes.n_classes, sizes.n_read) == (task.n_classes, len(task.read_at))
    assert sizes.chance == pytest.approx(task.chance, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"kind": "modular", "format": "a o b ="}, "a o b ="),
        ({"kind": "composition", "hops": 3}, "h r1 r2 r3"),
        ({"kind": "composition", "tokens_per_entity": 2}, "h1 h2 r1 r2 t1"),
        ({"kind": "comparison"}, "a q e1 mask e2"),
        ({"kind": "in_context", "n_shots": 2, "n_unasked": 1}, "x1 y1 z1 x2 y2 z2"),
        ({"kind": "recall", "n_pairs": 2, "n_queries": 1, "n_blanks": 1}, "k1 v1 k2 v2 q1 q2"),
    ],
    ids=str,
)
def test_positions_have_the_names_of_what_stands_there(settings: dict[str, object], names: str):
    task = TypeAdapter[TaskSettings](TaskSettings).validate_python(settings)
    assert position_names(task, length=len(names.split())) == tuple(names.split())
    assert task_sizes(task).length == len(names.split())


def test_positions_that_no_task_names_are_numbered():
    table = TypeAdapter[TaskSettings](TaskSettings).validate_python({"kind": "table"})
    assert position_names(table, length=3) == ("0", "1", "=")


@pytest.mark.parametrize("kind", kinds("task"))
def test_the_largest_phi_is_told_wherever_there_is_one(kind: str):
    settings = TypeAdapter[TaskSettings](TaskSettings).validate_python({"kind": kind})
    told = task_sizes(settings).largest_phi
    assert (told is not None) == ("phi" in type(settings).model_fields)


@pytest.mark.parametrize(
    "settings",
    [{"kind": "comparison"}, {"kind": "composition", "hops": 3}, {"kind": "transfer"}],
    ids=str,
)
def test_the_largest_phi_is_allowed_and_more_is_not(settings: dict[str, object]):
    validate = TypeAdapter[TaskSettings](TaskSettings).validate_python
    largest = task_sizes(validate(settings)).largest_phi
    assert largest is not None
    validate(settings | {"phi": largest})
    with pytest.raises(ValueError, match="phi must"):
        validate(settings | {"phi": largest + 0.02})


def test_only_train_and_probes_of_memory_are_trained_on():
    held_out = {"test", "test_ood", "test_new_old", "train_id", "train_ood"}
    trained = {"train", "atomic_id", "atomic_new", ""}
    assert {split for split in held_out | trained if is_held_out(split)} == held_out
