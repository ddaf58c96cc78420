"""Prepared experiments do what their cards say."""

import subprocess
import sys

import pytest

from engine.config.fields import kinds
from engine.config.presets import PRESETS, Expectation
from engine.config.run import RunConfig
from engine.measures.onset import detect
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated
from engine.trainer.train import train

SEEDED = [(n, seed) for n, preset in PRESETS.items() for seed in range(preset.expectation.seeds)]


SIZES = ("small", "paper")


def test_every_architecture_is_tried_on_the_small_comparison() -> None:
    task = PRESETS["comparison-small"].config.task
    tried = [preset.config.model.kind for preset in PRESETS.values() if preset.config.task == task]
    assert sorted(tried) == sorted(kinds("model"))


def test_the_presets_that_users_know_are_there() -> None:
    assert list(PRESETS)[:5] == ["quick", "nanda", "power", "no-decay", "plenty"]
    facts = {f"{task}-{size}" for task in ("composition", "comparison") for size in SIZES}
    assert facts < set(PRESETS)
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
    both = EXPECTED.model_copy(update={"ood_groks_within": 2000})
    assert not both.broken_by(memorised=90, grokked=500, ood_grokked=1900)
    assert both.broken_by(memorised=90, grokked=500, ood_grokked=None)


def markers_of(config: RunConfig) -> dict[tuple[str, str], int]:
    """The step of each marker of a whole run, by kind and split."""
    steps: list[int] = []
    accuracy: dict[str, list[float | None]] = {}
    for event in train(Batch.start({0: config})):
        if isinstance(event, Evaluated):
            steps.append(event.step)
            for split, metrics in event.values[0].items():
                if "accuracy" in metrics:
                    accuracy.setdefault(split, []).append(metrics["accuracy"])
    tests = {split: curve for split, curve in accuracy.items() if split.startswith("test")}
    return {(m.kind, m.split): m.step for m in detect(steps, accuracy["train"], tests)}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(("name", "seed"), SEEDED)
def test_a_preset_shows_what_its_card_says(name: str, seed: int) -> None:
    config = PRESETS[name].config
    training = config.training.model_copy(update={"seed": seed})
    markers = markers_of(config.model_copy(update={"training": training}))
    broken = PRESETS[name].expectation.broken_by(
        memorised=markers.get(("memorised", "train")),
        grokked=markers.get(("grokked", "test"), markers.get(("grokked", "test_id"))),
        ood_grokked=markers.get(("grokked", "test_ood")),
    )
    assert not broken
    assert not any(kind == "collapsed" for kind, _ in markers)
