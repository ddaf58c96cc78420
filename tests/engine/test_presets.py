"""Prepared experiments do what their cards say."""

import subprocess
import sys

import pytest

from engine.config.presets import PRESETS, Expectation
from engine.config.run import RunConfig
from engine.measures.onset import detect
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated
from engine.trainer.train import train

SEEDED = [(n, seed) for n, preset in PRESETS.items() for seed in range(preset.expectation.seeds)]


def test_the_presets_that_users_know_are_there() -> None:
    assert list(PRESETS) == ["quick", "nanda", "power", "no-decay", "plenty"]
    assert all(name == preset.name for name, preset in PRESETS.items())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_being_stored(name: str) -> None:
    config = PRESETS[name].config
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_expects_no_more_than_its_budget_allows(name: str) -> None:
    preset = PRESETS[name]
    assert (preset.expectation.groks_within or 0) <= preset.config.training.steps


def test_presets_are_listed_without_torch() -> None:
    code = "import sys, engine.config.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


EXPECTED = Expectation(
    sentence="", memorises_within=100, groks_within=1000, least_delay=3, most_delay=10
)


@pytest.mark.parametrize(
    ("memorised", "grokked"),
    [(None, None), (200, 900), (90, None), (90, 1100), (90, 180), (90, 950)],
)
def test_a_run_that_does_otherwise_is_told(memorised: int | None, grokked: int | None) -> None:
    assert EXPECTED.broken_by(memorised=memorised, grokked=grokked)


def test_a_run_that_does_as_expected_is_not() -> None:
    assert not EXPECTED.broken_by(memorised=90, grokked=500)
    never = EXPECTED.model_copy(update={"groks_within": None})
    assert not never.broken_by(memorised=90, grokked=None)
    assert never.broken_by(memorised=90, grokked=500)


def markers_of(config: RunConfig) -> dict[str, int]:
    """The step of each marker of a whole run."""
    steps: list[int] = []
    train_accuracy: list[float | None] = []
    test_accuracy: list[float | None] = []
    for event in train(Batch.start({0: config})):
        if isinstance(event, Evaluated):
            steps.append(event.step)
            train_accuracy.append(event.values[0]["train"]["accuracy"])
            test_accuracy.append(event.values[0]["test"]["accuracy"])
    return {m.kind: m.step for m in detect(steps, train_accuracy, {"test": test_accuracy})}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), SEEDED)
def test_a_preset_shows_what_its_card_says(name: str, seed: int) -> None:
    config = PRESETS[name].config
    training = config.training.model_copy(update={"seed": seed})
    markers = markers_of(config.model_copy(update={"training": training}))
    memorised, grokked = markers.get("memorised"), markers.get("grokked")
    assert not PRESETS[name].expectation.broken_by(memorised=memorised, grokked=grokked)
    assert "collapsed" not in markers
