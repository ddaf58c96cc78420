"""Changing a configuration setting by setting."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import InvalidConfig, RunConfig, apply, differences, parse_assignments
from engine.config import parse_json as parse


def changed(*assignments: str) -> RunConfig:
    return apply(RunConfig(), parse_assignments(assignments))


def test_a_setting_is_changed_and_the_rest_stays() -> None:
    config = changed("optimizer.learning_rate=3e-3")
    assert differences(config, RunConfig()) == [("optimizer.learning_rate", 1e-3, 3e-3)]


def test_the_original_is_left_alone() -> None:
    base = RunConfig()
    apply(base, {"task.p": 97})
    assert base.task.p == 113


def test_json_of_a_few_settings_is_laid_over_a_configuration():
    under = changed("task.p=97", "optimizer.weight_decay=0.5").model_dump(mode="json")
    config = parse('{"task": {"train_fraction": 0.7}, "model": {"kind": "mlp"}}', over=under)
    assert (config.task.p, config.task.train_fraction) == (97, 0.7)
    assert (config.model.kind, config.optimizer.weight_decay) == ("mlp", 0.5)
    assert config.model == apply(RunConfig(), {"model.kind": "mlp"}).model
    assert parse("{}", over=under) == parse(json.dumps(under))


@pytest.mark.parametrize(
    "text",
    ["5", "[]", '{"task": 5}', '{"tusk": {}}', '{"task": {"q": 1}}', '{"model": {"kind": 1}}'],
)
def test_json_that_is_no_configuration_is_refused_over_another_too(text: str):
    with pytest.raises(InvalidConfig) as alone:
        parse(text)
    with pytest.raises(InvalidConfig) as over:
        parse(text, over=RunConfig().model_dump(mode="json"))
    assert str(over.value) == str(alone.value)


def test_a_pair_is_read_with_or_without_brackets() -> None:
    assert changed("optimizer.betas=0.9,0.999") == changed("optimizer.betas=[0.9, 0.999]")


def test_a_symbol_names_its_operation() -> None:
    assert changed("task.operation=/", "task.p=97").task.operation == "divide"


def test_another_kind_starts_from_its_own_defaults() -> None:
    config = changed("optimizer.momentum=0.5", "optimizer.kind=sgd")
    assert config.optimizer.kind == "sgd"
    assert config.optimizer.weight_decay == 0.0


def test_naming_the_same_kind_keeps_the_other_settings() -> None:
    base = changed("optimizer.weight_decay=3")
    assert apply(base, {"optimizer.kind": "adamw"}) == base


def test_an_empty_seed_follows_the_run() -> None:
    assert changed("training.split_seed=none").training.split_seed is None


def test_none_is_a_choice_where_a_setting_has_it() -> None:
    base = changed("model.norm=pre", "optimizer.grokfast=ema")
    back = apply(base, parse_assignments(["model.norm=none", "optimizer.grokfast = none"]))
    assert base != back == RunConfig()
    told = back.model_dump()
    assert (told["model"]["norm"], told["optimizer"]["grokfast"]) == ("none", "none")


def test_a_list_of_any_length_is_not_said_to_have_that_of_its_default() -> None:
    with pytest.raises(InvalidConfig) as refused:
        changed("model.kind=hybrid", "model.mixers=none")
    sentence = "model.mixers takes one or more values, as [gated_deltanet, attention], got none"
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("model.kind", "none", "no model is called 'none'; "),
        ("model.kind", "[]", "no model is called '[]'; known: gpt, "),
        ("optimizer.schedule", "none", "optimizer.schedule cannot be none; known: constant, "),
        ("training.steps", "true", "and be a whole number, got 'true'"),
        ("training.split_seed", "true", "and be a whole number, got 'true'"),
        ("optimizer.weight_decay", "false", "and be a number, got 'false'"),
        pytest.param("training.steps", "9" * 5000, "be a whole number, got '999", id="long"),
        pytest.param("training.steps", "[" * 3000, "be a whole number, got '[[[", id="deep"),
    ],
)
def test_what_is_no_value_at_all_is_named_as_it_was_typed(
    name: str, value: str, sentence: str
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        changed(f"{name}={value}")
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 400


def test_json_and_back_is_the_same_configuration() -> None:
    config = changed("optimizer.kind=adam", "optimizer.eps=1e-7")
    assert parse(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        (
            "optimizer.learning_rate=-1",
            "optimizer.learning_rate must lie between 1e-06 and 1, got -1",
        ),
        ("optimizer.kind=adamx", "no optimizer is called 'adamx'; did you mean 'adam'?"),
        ("task.kind=modlar", "no task is called 'modlar'; did you mean 'modular'?"),
        ("model.nlayers=2", "model (gpt) has no setting 'nlayers'; did you mean 'n_layers'?"),
        ("optimiser.eps=1", "no section is called 'optimiser'; did you mean 'optimizer'?"),
        (
            "training.steps=0",
            "training.steps must lie between 1 and 10,000,000, got 0",
        ),
        (
            "task.p=1.5",
            "task.p must lie between 3 and 509 and be a whole number, got 1.5",
        ),
        ("model.tied=maybe", "model.tied must be true or false, got 'maybe'"),
        ("model.tied=3", "model.tied must be true or false, got 3"),
        ("model.tied=none", "model.tied must be true or false, got none"),
        ("optimizer.betas=0.9,1.2", "optimizer.betas.1 must be at least 0 and below 1, got 1.2"),
        ("optimizer.betas=0.9", "optimizer.betas takes 2 values, as [0.9, 0.98], got 0.9"),
        ("optimizer.betas=[0.9]", "optimizer.betas takes 2 values, as [0.9, 0.98], got [0.9]"),
        (
            "optimizer.betas=1,2,3",
            "optimizer.betas takes 2 values, as [0.9, 0.98], got [1, 2, 3]",
        ),
        ("model={}", "'model={}' is not of the form section.key=value"),
        ("nonsense", "'nonsense' is not of the form section.key=value"),
    ],
)
def test_a_mistake_is_named_with_its_rule_and_the_way_out(assignment: str, sentence: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        changed(assignment)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("given", ["33", "2.5", "1", "1026"])
def test_a_number_that_must_be_a_multiple_is_told_so(given: str):
    with pytest.raises(InvalidConfig) as caught:
        changed("model.kind=memory", f"model.d_memory_query={given}")
    rule = "must lie between 2 and 1,024 and be a multiple of 2"
    assert str(caught.value) == f"model.d_memory_query {rule}, got {given}"


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InvalidConfig) as caught:
        changed("task.p=1", "training.steps=0")
    assert [problem.setting for problem in caught.value.problems] == ["task.p", "training.steps"]


@pytest.mark.parametrize("text", ["{", "[]", "null", '"x"', '{"task": 3}', '{"a": {}}', ""])
def test_malformed_json_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse(text)
    assert str(caught.value)


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_text_gets_past_as_an_unknown_setting(name: str, value: str) -> None:
    known = {"kind", *RunConfig().task.__class__.model_fields}
    if name.strip() in known:
        return
    with pytest.raises(InvalidConfig):
        apply(RunConfig(), parse_assignments([f"task.x{name}={value}"]))
