"""Whether an exported folder is the network that was trained, as `transformers` loads it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from data import TaskData, build_task
from engine.config import RunConfig
from engine.config.presets import PRESETS
from engine.errors import LabError, NotPossible
from engine.interchange import transformers_config
from engine.models.build import build_model
from tests.engine.interchange.made import GPT2, Made, make

SMALL = {"model.n_layers": 2, "model.d_model": 16}
VARIANTS: dict[str, dict[str, Any]] = {
    "gpt": GPT2,
    "gpt gelu tied": GPT2 | {"model.activation": "gelu", "model.tied": True},
    "gpt relu": GPT2
    | {"model.activation": "relu", "task.format": "eos a o b =", "model.d_mlp": 9},
    "gpt without attention's biases": GPT2 | {"model.attention_bias": False},
    "gpt without biases": GPT2
    | {"model.attention_bias": False, "model.mlp_bias": False, "model.tied": True},
    "llama": SMALL | {"model.kind": "llama", "model.d_mlp": 20, "model.rope_base": 50.0},
    "llama grouped tied": SMALL
    | {"model.kind": "llama", "model.n_kv_heads": 2, "model.tied": True},
    "mamba": SMALL | {"model.kind": "mamba", "model.d_state": 5, "model.dt_rank": 3},
    "mamba tied": SMALL
    | {"model.kind": "mamba", "model.tied": True, "model.expand": 3, "model.d_conv": 2},
    "mamba2": SMALL
    | {"model.kind": "mamba2", "model.n_heads": 4, "model.n_groups": 2, "model.d_state": 8},
    "mamba2 tied": SMALL
    | {"model.kind": "mamba2", "model.n_heads": 2, "model.tied": True, "model.d_conv": 3},
    "rwkv4": {"model.kind": "rwkv4", "model.d_model": 8, "model.d_mlp": 20, "model.n_layers": 7},
}


@pytest.fixture(params=VARIANTS.values(), ids=list(VARIANTS))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    return make(tmp_path, request.param)


def task_of(config: RunConfig) -> TaskData:
    return build_task(config.task, seed=config.training.seed)


def logits(config: RunConfig, state: Mapping[str, Tensor], prefix: str = "model.") -> Tensor:
    """What our network says at all positions of the training rows."""
    task = task_of(config)
    network = build_model(config.model, vocab_size=task.vocab_size, length=task.length)
    network.load_state_dict(
        {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    )
    with torch.no_grad():
        return network(train_rows(config), tuple(range(task.length)))


def train_rows(config: RunConfig) -> Tensor:
    return torch.from_numpy(task_of(config).splits["train"].tokens)


def loaded_logits(folder: Path, tokens: Tensor) -> Tensor:
    model, found = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(found.values()), found
    with torch.no_grad():
        return model(tokens).logits


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def test_transformers_gives_the_same_logits_at_all_positions(made: Made, tmp_path: Path):
    made.export(tmp_path / "out")
    expected = logits(made.config, made.states[4])
    assert relative(loaded_logits(tmp_path / "out", train_rows(made.config)), expected) < 1e-5


def test_the_config_names_the_class_and_no_id_outside_the_vocabulary(made: Made, tmp_path: Path):
    answer = made.export(tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == [answer["architecture"]]
    assert config["vocab_size"] == task_of(made.config).vocab_size
    assert config["tie_word_embeddings"] == getattr(made.config.model, "tied", False)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert type(loaded).__name__ == answer["architecture"]
    for settings in (loaded.config, loaded.generation_config):
        ids = [getattr(settings, f"{which}_token_id", None) for which in ("bos", "eos", "pad")]
        assert all(i is None or 0 <= i < config["vocab_size"] for i in ids), ids


def test_the_folder_says_what_it_holds(tmp_path: Path):
    made = make(tmp_path, GPT2, steps=(4, 9))
    answer, task = made.export(tmp_path / "out"), task_of(made.config)
    out = tmp_path / "out"
    files = {"config.json", "model.safetensors", "tokens.json", "README.md"}
    assert {file.name for file in out.iterdir()} == files
    assert answer["bytes"] == sum(file.stat().st_size for file in out.iterdir())
    names = json.loads((out / "tokens.json").read_text())
    assert names == {str(i): name for i, name in enumerate(task.token_names)}
    card = (out / "README.md").read_text()
    for words in ("# made", "run 3, after 9 updates", '"p": 7', "read at position 2,"):
        assert words in card
    assert f"the\nfirst {task.n_classes} logits there" in card
    assert str(task.splits["train"].tokens[0].tolist()) in card


def test_the_latest_checkpoint_is_written_or_the_one_nearest_to_a_step(tmp_path: Path):
    made = make(tmp_path, GPT2, steps=(2, 6, 12))
    tokens = train_rows(made.config)
    for at, step in ((None, 12), (2, 2), (5, 6), (8, 6), (12, 12)):
        out = tmp_path / f"at {at}"
        assert made.export(out, at=at)["step"] == step
        expected = logits(made.config, made.states[step])
        assert relative(loaded_logits(out, tokens), expected) < 1e-5


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path):
    made = make(tmp_path, GPT2, steps=(2, 6))
    (made.folder.path / made.checkpoints[1]["file"]).write_bytes(b"torn")
    assert made.export(tmp_path / "out")["step"] == 2
    (made.folder.path / made.checkpoints[0]["file"]).unlink()
    refused(made, tmp_path / "more", "no checkpoint of run 3 is intact")


def test_the_average_is_written_where_the_run_is_measured_on_it(tmp_path: Path):
    made = make(tmp_path, GPT2 | {"optimizer.ema_decay": 0.9}, steps=(8,))
    assert made.export(tmp_path / "out")["weights"] == "averaged"
    found = loaded_logits(tmp_path / "out", train_rows(made.config))
    expected = logits(made.config, made.states[8], "optimizer.average.")
    assert relative(found, expected) < 1e-5
    assert relative(found, logits(made.config, made.states[8])) > 1e-2
    card = (tmp_path / "out" / "README.md").read_text()
    assert "running average on which the run is measured (`optimizer.ema_decay` 0.9)" in card


def test_biases_that_gpt2_has_and_the_network_lacks_are_zero_and_the_card_says_so(tmp_path: Path):
    for name, settings in (("with", GPT2), ("without", GPT2 | {"model.attention_bias": False})):
        (tmp_path / name).mkdir()
        make(tmp_path / name, settings).export(tmp_path / name / "out")
    found = load_file(tmp_path / "without" / "out" / "model.safetensors")
    biases = [found[f"transformer.h.1.attn.{part}.bias"] for part in ("c_attn", "c_proj")]
    assert [len(bias) for bias in biases] == [48, 16]
    assert not any(bias.any() for bias in biases)
    assert found["transformer.h.1.mlp.c_fc.bias"].any()
    said = "biases that the network was trained without are zero"
    assert said in (tmp_path / "without" / "out" / "README.md").read_text()
    assert said not in (tmp_path / "with" / "out" / "README.md").read_text()


@pytest.mark.parametrize("preset", ["composition-small", "comparison-small"])
def test_the_small_presets_of_facts_can_be_exported(preset: str):
    model = PRESETS[preset].config.model
    assert transformers_config(model, vocab_size=9, length=3)["model_type"] == "gpt2"


def test_an_empty_folder_is_filled(tmp_path: Path):
    (tmp_path / "out").mkdir()
    make(tmp_path, GPT2).export(tmp_path / "out")
    assert (tmp_path / "out" / "config.json").exists()


@pytest.mark.parametrize("at", [-7, 0, 1, 1201, 99_999])
def test_a_step_at_which_there_was_nothing_is_refused(at: int, tmp_path: Path):
    made = make(tmp_path, GPT2, steps=(2, 6))
    (made.folder.path / made.checkpoints[1]["file"]).write_bytes(b"torn")
    made.checkpoints[1]["step"] = 1200
    told = (
        "the step must lie between 2 and 1,200, the first and the last checkpoint of run 3, "
        f"got {at:,}; leave it out for the latest"
    )
    refused(made, tmp_path / "out", told, at=at)


def refused(made: Made, out: Path, sentence: str, *, at: int | None = None) -> None:
    """Refused in one sentence, and nothing is left beside the run."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(LabError) as caught:
        made.export(out, at=at)
    assert isinstance(caught.value, NotPossible)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(out.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model.kind": "mlp"}, "(gpt, llama, mamba, mamba2, rwkv4), got mlp"),
        (
            {"model.norm": "none", "model.positions": "none"},
            "needs model.norm=pre, model.positions=learned, got norm=none, positions=none",
        ),
        ({"model.norm": "post"}, "needs model.norm=pre, got norm=post"),
        ({"model.positions": "sinusoidal"}, "needs model.positions=learned, got positions=sin"),
    ],
)
def test_what_transformers_cannot_compute_is_refused(
    settings: dict[str, Any], sentence: str, tmp_path: Path
):
    kind = settings.get("model.kind", "gpt")
    made = make(tmp_path, (GPT2 if kind == "gpt" else {}) | settings, steps=())
    refused(made, tmp_path / "out", sentence)


def test_a_run_without_a_checkpoint_is_refused(tmp_path: Path):
    refused(make(tmp_path, GPT2, steps=()), tmp_path / "out", "run 3 has no checkpoint yet")


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path):
    made = make(tmp_path, GPT2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    refused(made, tmp_path / "out", "must name a folder that is new or empty")
    refused(made, tmp_path / "out" / "mine", "must name a folder that is new or empty")
    assert (tmp_path / "out" / "mine").read_text() == "kept"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    made = make(tmp_path, GPT2)
    refused(made, tmp_path / "nowhere" / "out", "cannot be written: No such file or directory")
