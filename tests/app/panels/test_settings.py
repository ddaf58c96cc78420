"""What is read off the settings of runs on view."""

import pytest

from app.panels.settings import differing, lines_of, nearest_preset
from engine import PRESETS, apply, parse_assignments
from tests.app.recorded import run

NANDA = PRESETS["nanda"].config


def test_the_nearest_preset_is_the_one_that_differs_least():
    changed = apply(NANDA, {"optimizer.weight_decay": 0.5})
    assert nearest_preset(changed) == ("nanda", {"optimizer.weight_decay": 0.5})
    for name, preset in PRESETS.items():
        assert nearest_preset(preset.config)[1] == {}, name


def test_runs_are_told_apart_by_the_settings_that_differ():
    changes = [{"training.seed": 1}, {"training.seed": 2, "task.p": 97}]
    runs = [run(config=apply(NANDA, change).model_dump(mode="json")) for change in changes]
    assert differing(runs) == {"task.p": [113, 97], "training.seed": [1, 2]}
    assert differing(runs[:1]) == {}
    assert "task.p = 113" in lines_of(runs[0])


@pytest.mark.parametrize("name", PRESETS)
def test_lines_as_shown_mean_the_settings_they_show(name: str):
    config = PRESETS[name].config
    lines = lines_of(run(config=config.model_dump(mode="json")))
    assert apply(config, parse_assignments(lines)) == config
