"""Every setting of every kind has a field, and a field's text means what the engine expects."""

import pytest

from app.forms import fields, groups
from engine import SECTIONS, RunConfig, Setting, apply, describe_kind, kinds, settings_of

SETTINGS = [
    setting
    for section in SECTIONS
    for kind in (list(kinds(section)) or [None])
    for setting in settings_of(section, kind)
]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.dotted)
def test_every_setting_explains_itself(setting: Setting):
    assert setting.description
    assert setting.dotted in fields.hint(setting)
    assert fields.label(setting)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_basic_settings_exist(section: str):
    assert {s.name for s in SETTINGS if s.section == section} >= fields.BASIC[section]


@pytest.mark.parametrize("section", ["task", "model", "optimizer"])
def test_every_kind_is_in_one_group_and_says_what_it_is(section: str):
    grouped = [kind for group in groups.GROUPS[section].values() for kind in group]
    assert sorted(grouped) == sorted(kinds(section))
    for kind in kinds(section):
        assert len(describe_kind(section, kind).description) > 20
        assert describe_kind(section, kind).source


ACCELERATORS = {
    *("optimizer.grokfast", "optimizer.orthogonal_gradient", "optimizer.norm_factor"),
    *("optimizer.gradient_noise", "model.init_scale"),
    *("training.loss", "training.dropout"),
}


def test_what_speeds_grokking_up_says_what_a_tuned_adamw_does():
    told = {setting.dotted: setting.published for setting in SETTINGS}
    assert all("AdamW" in told[name] for name in ACCELERATORS)
    for kind in ("lion", "muon"):
        rate = next(s for s in settings_of("optimizer", kind) if s.name == "learning_rate")
        assert rate.published


def test_every_network_says_the_same_of_the_scale_of_its_start():
    told = {
        setting.published
        for kind in kinds("model")
        for setting in settings_of("model", kind)
        if setting.name == "init_scale"
    }
    assert len(told) == 1
    assert "AdamW" in told.pop()


@pytest.mark.parametrize(
    ("typed", "meaning"),
    [("1e-3", 0.001), ("97", 97), ("add", "add"), (" 3 ", 3)],
)
def test_typed_text_means_numbers_where_it_can(typed: str, meaning: object):
    assert fields.meant(typed) == meaning


def test_a_comma_parts_values_only_where_a_setting_has_several():
    assert fields.meant("0.9, 0.98", several=True) == [0.9, 0.98]
    assert fields.meant("0,001") == "0,001"


def test_an_empty_optional_field_means_none():
    assert fields.meant("", optional=True) is None


@pytest.mark.parametrize(
    "dotted", ["optimizer.betas", "optimizer.learning_rate", "training.init_seed", "optimizer.eps"]
)
def test_what_a_field_shows_means_the_value_it_shows(dotted: str):
    section, name = dotted.split(".")
    value = RunConfig().model_dump()[section][name]
    back = fields.meant(fields.shown(value), optional=True, several=True)
    assert apply(RunConfig(), {dotted: back}) == RunConfig()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001, "0.001"), (1.0, "1"), (1e-08, "1e-08"), (0.00123456789, "0.00123456789")],
)
def test_a_field_shows_all_digits_and_none_in_vain(value: float, text: str):
    assert fields.shown(value) == text
    assert fields.meant(text) == value
