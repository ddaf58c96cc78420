"""Every kind of task can be chosen by its name alone, and comes back from JSON as it was."""

import pytest

from data import ModularSettings, build_task
from engine import RunConfig, kinds, parse_config
from tests.data.contract import assert_well_formed


@pytest.mark.parametrize("kind", kinds("task"))
def test_a_kind_has_defaults_that_keep_the_contract_and_survive_json(kind: str):
    config = parse_config({"task": {"kind": kind}})
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert_well_formed(build_task(config.task, seed=0))


def test_a_task_without_a_kind_is_modular():
    assert parse_config({"task": {"p": 11}}).task == ModularSettings(p=11)
