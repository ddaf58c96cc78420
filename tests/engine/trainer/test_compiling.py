"""When a step is compiled: by what the run is, never by what is compiled already."""

import subprocess
import sys

import pytest

from engine.config import RunConfig, apply, parse_config
from engine.config.presets import PRESETS
from engine.models import GPTSettings, MemorySettings, UniversalSettings
from engine.models.build import build_model
from engine.trainer.batch import Batch
from engine.trainer.compiling import RATES, decide, pays
from engine.trainer.shape import shape_key

LONG = apply(PRESETS["power"].config, {"training.steps": 1_000_000})
SHORT = apply(LONG, {"training.steps": 1_000})


def chosen(config: RunConfig, word: str) -> RunConfig:
    return apply(config, {"training.compile": word})


@pytest.mark.parametrize(("old", "new"), [(True, "always"), (False, "never")])
def test_the_switch_of_an_older_lab_is_understood(old: bool, new: str):
    tree = RunConfig().model_dump()
    tree["training"]["compile"] = old
    assert parse_config(tree).training.compile == new


def test_a_long_budget_is_compiled_and_a_short_one_is_not():
    assert decide(LONG, "cpu").compiled
    assert not decide(SHORT, "cpu").compiled
    assert not decide(LONG, "mps").compiled


def test_the_threshold_lies_where_the_budget_takes_as_long_as_is_said():
    rate = RATES["cpu"]
    steps = int(rate.least_seconds / rate.seconds(1, 512 * 5_697_792))
    config = apply(PRESETS["power"].config, {"training.steps": steps})
    assert not pays(config, "cpu")
    assert pays(apply(config, {"training.steps": steps + 1}), "cpu")


def test_always_and_never_mean_what_they_say():
    assert decide(chosen(SHORT, "always"), "cpu", has_compiler=False).compiled
    assert not decide(chosen(LONG, "never"), "cpu").compiled


def test_without_a_compiler_auto_trains_uncompiled_and_says_so():
    decision = decide(LONG, "cpu", has_compiler=False)
    assert not decision.compiled
    assert "no C++ compiler" in decision.reason


def test_a_network_with_kernels_of_its_own_is_not_compiled_by_auto():
    assert not decide(LONG, "cpu", network_compiles=False).compiled
    assert decide(chosen(LONG, "always"), "cpu", network_compiles=False).compiled


@pytest.mark.parametrize("name", ["nanda", "power"])
def test_decoders_are_left_to_their_own_ways_unless_they_drop_out(name: str):
    config = apply(PRESETS[name].config, {"training.device": "cpu", "training.steps": 1_000_000})
    assert pays(config, "cpu")
    assert not Batch.start({0: config}).decision.compiled
    dropping = Batch.start({0: apply(config, {"training.dropout": 0.1})}, has_compiler=False)
    assert dropping.decision.reason == "no C++ compiler was found"


def test_no_demonstration_waits_for_a_compiler():
    for name in ("quick", "no-decay", "plenty", "comparison-small", "composition-small"):
        assert not pays(PRESETS[name].config, "cpu"), name


def test_runs_of_one_batch_are_all_compiled_or_none_is():
    tree = {"training.steps": 3_000, "model.d_model": 512, "model.d_mlp": 2048}
    config = apply(PRESETS["nanda"].config, tree)
    few = apply(config, {"task.train_fraction": 0.01})
    assert (pays(config, "cpu"), pays(few, "cpu")) == (True, False)
    assert shape_key(config) != shape_key(few)


def test_a_batch_says_whether_it_is_compiled_and_why():
    short = {"training.device": "cpu", "training.steps": 100}
    batch = Batch.start({0: apply(PRESETS["comparison-mamba"].config, short)})
    assert not batch.decision.compiled
    assert batch.decision.reason == "the budget is short"


def test_the_decision_needs_no_torch():
    code = "import sys, engine.trainer.compiling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.long
def test_every_shape_is_compiled_however_many_there_are():
    """In a process of its own: the checks of shapes, on in the tests, are no part of a graph."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.trainer.compiled_shapes"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_several_loops_or_memories_take_the_place_of_one_pass():
    assert build_model(GPTSettings(), vocab_size=7, length=9).has_loops
    for settings in (UniversalSettings(n_layers=1), MemorySettings(n_layers=1)):
        assert not build_model(settings, vocab_size=7, length=9).has_loops
