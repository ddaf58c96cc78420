"""A sweep and a preset through the whole lab, on a home of their own."""

import tempfile
from pathlib import Path

import psutil
import pytest

from engine.bench.lab import presets as presets_module
from engine.bench.lab import sweep as sweep_module
from engine.bench.lab.home import temporary_lab
from engine.bench.lab.presets import presets
from engine.bench.lab.sweep import TRAIN_FRACTIONS, WEIGHT_DECAYS, grid, sweep
from engine.bench.measure import MEASUREMENTS, ON_DEMAND
from engine.bench.options import Options
from engine.config import RunConfig, apply
from engine.config.presets import PRESETS
from engine.errors import NotPossible
from engine.home import ENVIRONMENT
from engine.trainer.shape import shape_key

TINY = {"task.p": 11, "model.d_model": 16, "model.d_mlp": 32, "training.steps": 40}


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements make their homes where this test alone looks."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    config = apply(PRESETS["quick"].config, TINY)
    preset = PRESETS["quick"].model_copy(update={"config": config})
    for module in (sweep_module, presets_module):
        monkeypatch.setattr(module, "PRESETS", {"quick": preset})
    return config


def test_a_sweep_varies_both_settings_and_its_runs_can_share_a_program():
    configs = grid(16, device="cpu")
    decays = sorted({config.optimizer.weight_decay for config in configs})
    fractions = sorted({config.task.train_fraction for config in configs})  # pyright: ignore
    assert len(configs) == 256
    assert len(decays) == len(fractions) == 16
    assert (decays[0], decays[-1]) == WEIGHT_DECAYS
    assert (fractions[0], fractions[-1]) == TRAIN_FRACTIONS
    assert len({shape_key(config) for config in configs}) == 1


@pytest.mark.usefixtures("tiny")
def test_a_sweep_runs_to_its_end_and_leaves_nothing_behind(tmp_path: Path):
    (row,) = sweep(Options(grid=2, device="cpu"))
    assert (row["grid"], row["runs"], row["ended"]) == ("2 × 2", 4, "4 finished")
    assert row["run_steps"] == 4 * 40
    assert 0 <= row["grokked"] <= row["memorised"] <= 4
    assert row["seconds"] > 0
    assert _of_labs(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_runs_of_a_measurement_that_is_broken_off_end_with_it(tiny: RunConfig, tmp_path: Path):
    long = apply(tiny, {"training.steps": 10_000_000, "training.device": "cpu"})

    def interrupted() -> None:
        with temporary_lab() as lab:
            lab.launch(long)
            lab.launch(long)
            assert _of_labs(tmp_path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert _of_labs(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_lab_on_another_machine_is_not_measured_by_mistake(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROKKING_LAB_ENGINE", "grpc+tls://elsewhere:1")
    with pytest.raises(NotPossible, match="unset GROKKING_LAB_ENGINE"), temporary_lab():
        pass


def test_seconds_to_the_markers_are_those_of_a_run_from_the_command_line():
    cold, warm = presets(Options(settings=("plenty",), device="cpu"))
    assert (cold["daemon"], warm["daemon"]) == ("starts with the run", "there before")
    for row in (cold, warm):
        assert row["state"] == "stopped"
        assert 0 < row["seconds_to_memorised"] <= row["seconds_to_grokked"]
        assert row["memorised_step"] < row["grokked_step"] <= row["steps"] < 1500
    assert cold["grokked_step"] == warm["grokked_step"]


def test_a_sweep_is_only_run_when_it_is_asked_for():
    assert set(ON_DEMAND) == {"sweep", "precision"}
    assert set(ON_DEMAND) < set(MEASUREMENTS)


def _of_labs(folder: Path) -> list[int]:
    """Processes that work in a home in this folder."""
    found: list[int] = []
    for process in psutil.process_iter():
        try:
            home = process.environ().get(ENVIRONMENT, "")
        except psutil.Error:
            continue
        if folder in Path(home).parents:
            found.append(process.pid)
    return found
