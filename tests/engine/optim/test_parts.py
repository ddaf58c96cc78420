"""What optimisers take every network's parameters for: tables, hidden matrices or the rest.

Names are listed without `.weight`, and with `*` for the number of a layer.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from engine.trainer.rows import Layout
from tests.engine.models.samples import SETTINGS, network

CPU = torch.device("cpu")


class Named(NamedTuple):
    """Parameters that are not vectors, by what they are; those that nothing names are vectors."""

    tables: str
    matrices: str
    one_by_one: str = ""
    """Diagonals and the like: neither Muon nor a decay of matrices alone touches them."""
    filters: str = ""
    """Convolutions: decayed as matrices are, and left to AdamW."""


def below(where: str, names: str) -> str:
    return " ".join(f"{where}.{name}" for name in names.split())


GPT = "transformer.wte transformer.wpe lm_head"
ATTENTION, MLP = "attn.c_attn attn.c_proj", "mlp.c_fc mlp.c_proj"
GPT_BLOCK = below("transformer.h.*", f"{ATTENTION} {MLP}")
GPT_ATTENTION = below("transformer.h.*", ATTENTION)
LLAMA = Named(
    "model.embed_tokens lm_head",
    below("model.layers.*.self_attn", "q_proj k_proj v_proj o_proj")
    + " "
    + below("model.layers.*.mlp", "gate_proj up_proj down_proj"),
)
MAMBA = Named(
    "backbone.embeddings lm_head",
    below("backbone.layers.*.mixer", "in_proj x_proj dt_proj out_proj"),
    "backbone.layers.*.mixer.A_log",
    "backbone.layers.*.mixer.conv1d",
)
MAMBA2 = Named(
    "backbone.embeddings lm_head",
    below("backbone.layers.*.mixer", "in_proj out_proj"),
    filters="backbone.layers.*.mixer.conv1d",
)
RWKV4 = Named(
    "rwkv.embeddings head",
    below("rwkv.blocks.*.attention", "key value receptance output")
    + " "
    + below("rwkv.blocks.*.feed_forward", "key value receptance"),
)
LOW_RANK = "w1 w2 a1 a2 g1 g2"
RWKV7 = Named(
    "emb head",
    below("blocks.*.att", f"receptance key value output {LOW_RANK}")
    + " "
    + below("blocks.*.ffn", "key value"),
    "blocks.*.att.r_k",
)
QKVO, GATES = "q_proj k_proj v_proj o_proj", "gk_proj.0 gk_proj.1"
WIDE, GATED = "up_proj down_proj", "gate_proj up_proj down_proj"
TABLES, PLACED = "model.embeddings lm_head", "model.embeddings model.positions lm_head"


def stack(
    tables: str, mixer: str, mlp: str = WIDE, *, one_by_one: str = "", filters: str = ""
) -> Named:
    """A stack of mixers."""
    mixers = "model.layers.*.attn"
    return Named(
        tables,
        below(mixers, mixer) + " " + below("model.layers.*.mlp", mlp),
        below(mixers, one_by_one),
        below(mixers, filters),
    )


EXPECTED: dict[str, Named] = {
    "nanda": Named(GPT, GPT_BLOCK),
    "pre": Named(GPT, GPT_BLOCK),
    "post": Named(GPT, GPT_BLOCK),
    "tied": Named("transformer.wte", GPT_BLOCK),
    "no positions": Named("transformer.wte lm_head", GPT_BLOCK),
    "mamba": MAMBA._replace(matrices=below("backbone.layers.*.mixer", "in_proj x_proj out_proj")),
    "mamba, three layers": MAMBA._replace(tables="backbone.embeddings"),
    "mamba2": MAMBA2,
    "mamba2, three layers": MAMBA2._replace(tables="backbone.embeddings"),
    "rwkv4": RWKV4,
    "rwkv4, three layers": RWKV4,
    "llama": LLAMA,
    "llama grouped": LLAMA,
    "llama tied": LLAMA._replace(tables="model.embed_tokens"),
    "lstm": Named("embedding head", "lstm.weight_ih_l0 lstm.weight_hh_l0"),
    "lstm, three layers": Named(
        "embedding head",
        below("lstm", "weight_ih_l0 weight_ih_l1 weight_ih_l2 weight_hh_l0")
        + " "
        + below("lstm", "weight_hh_l1 weight_hh_l2"),
    ),
    "mlp": Named("layers.0 layers.2", "layers.1"),
    "mlp, three layers": Named("layers.0 layers.3", "layers.1 layers.2"),
    "rwkv7": RWKV7,
    "rwkv7, three layers": RWKV7._replace(
        matrices=f"{RWKV7.matrices} {below('blocks.*.att', 'v1 v2')}"
    ),
    "looped": Named(GPT, GPT_BLOCK),
    "looped, re-embedded": Named("transformer.wte transformer.wpe", GPT_BLOCK),
    "one MLP": Named(GPT, f"{GPT_ATTENTION} {below('transformer.shared', MLP)}"),
    "shared keys": Named(GPT, GPT_BLOCK),
    "everything shared": Named(GPT, f"{GPT_ATTENTION} {below('transformer.shared', MLP)}"),
    "persistent keys": Named(f"{GPT} {below('transformer.h.*', 'memory_k memory_v')}", GPT_BLOCK),
    "memory tokens": Named(f"{GPT} memory_tokens", GPT_BLOCK),
    "memory MLPs": Named(GPT, f"{GPT_BLOCK} {below('transformer.memory.*', MLP)}"),
    "product keys": Named(
        f"{GPT} {below('transformer.h.*.mlp', 'keys values')}",
        f"{GPT_ATTENTION} transformer.h.*.mlp.query",
    ),
    "all memories": Named(
        f"{GPT} memory_tokens "
        + below("transformer.h.*", "memory_k memory_v mlp.keys mlp.values"),
        f"{GPT_BLOCK} transformer.h.*.mlp.query {below('transformer.memory.*', MLP)}",
    ),
    "trm": Named(
        "embed_tokens prefix lm_head",
        below("core.*.mlp_t", GATED) + " " + below("core.*.mlp", GATED),
    ),
    "trm, one block": Named(
        "embed_tokens lm_head", below("core.*.mlp_t", GATED) + " " + below("core.*.mlp", GATED)
    ),
    "linear attention": stack(PLACED, QKVO),
    "linear attention, rms": stack(PLACED, QKVO),
    "linear attention, relu": stack(PLACED, QKVO),
    "retnet": stack(TABLES, f"{QKVO} g_proj"),
    "gla": stack(TABLES, f"{QKVO} g_proj {GATES}"),
    "gla, tied": stack("model.embeddings", f"{QKVO} g_proj {GATES}"),
    "deltanet": stack(TABLES, f"{QKVO} b_proj", GATED, filters="q_conv1d k_conv1d v_conv1d"),
    "deltanet, beta to 2": stack(TABLES, f"{QKVO} b_proj", filters="q_conv1d k_conv1d v_conv1d"),
    "gated deltanet": stack(TABLES, "in_proj_qkvz in_proj_ba out_proj", GATED, filters="conv1d"),
    "gated deltanet, beta to 2": stack(PLACED, "in_proj_qkvz in_proj_ba out_proj"),
    "hybrid": stack(PLACED, f"in_proj_qkvz in_proj_ba out_proj {QKVO}", filters="conv1d"),
    "hybrid of maps": stack(PLACED, QKVO),
    "hybrid of memories": stack(
        PLACED, f"{QKVO} g_proj {GATES} b_proj", filters="q_conv1d k_conv1d v_conv1d"
    ),
    "hybrid with mamba": stack(
        PLACED,
        f"{QKVO} mixer.in_proj mixer.x_proj mixer.out_proj",
        one_by_one="mixer.A_log",
        filters="mixer.conv1d",
    ),
    "hybrid with mamba2": stack(
        "model.embeddings", f"{QKVO} mixer.in_proj mixer.out_proj", GATED, filters="mixer.conv1d"
    ),
    "hybrid with rwkv4": stack(
        PLACED,
        f"{QKVO} g_proj {GATES} " + below("attention", "key value receptance output"),
    ),
    "hybrid with rwkv7": stack(
        PLACED,
        below("att", f"receptance key value output {LOW_RANK}")
        + " mixer.in_proj mixer.x_proj mixer.out_proj",
        one_by_one="att.r_k mixer.A_log",
        filters="mixer.conv1d",
    ),
    "hybrid of mamba2": stack(TABLES, "mixer.in_proj mixer.out_proj", filters="mixer.conv1d"),
}


def listed(names: Iterable[str]) -> set[str]:
    """Names as they are listed here."""
    return {
        re.sub(r"\.\d+\.(?!weight|bias)", ".*.", name).removesuffix(".weight") for name in names
    }


def marked(layout: Layout, row: Tensor) -> set[str]:
    """Listed names of the parameters of which a row of marks has all numbers; it may have none."""
    views = layout.views(row.float()).items()
    assert all(view.all() or not view.any() for _, view in views)
    return listed(name for name, view in views if view.all())


@pytest.mark.parametrize("name", SETTINGS)
def test_every_parameter_is_what_is_listed(name: str) -> None:
    expected, settings = EXPECTED[name], SETTINGS[name]
    tables, matrices, one_by_one, filters = (set(names.split()) for names in expected)
    layout = Layout.of(network(settings))
    everything, parts = listed(layout.names), layout.parts(CPU)
    assert marked(layout, layout.decayed("no_embeddings")) == everything - tables
    assert listed(name for names in parts.matrices for name in names) == matrices
    assert marked(layout, parts.is_matrix) == matrices
    assert marked(layout, layout.decayed("matrices")) == tables | matrices | filters
    assert one_by_one <= everything


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_listed_nowhere_is_a_vector(name: str) -> None:
    known = {name for names in EXPECTED[name] for name in names.split()}
    for parameter, value in network(SETTINGS[name]).named_parameters():
        if not listed([parameter]) & known:
            assert sum(size > 1 for size in value.shape) <= 1, parameter


def test_with_one_hidden_layer_a_perceptron_is_two_tables() -> None:
    settings: Any = SETTINGS["mlp"].model_copy(update={"n_layers": 1})
    parts = Layout.of(network(settings)).parts(CPU)
    assert not parts.matrices
    assert not parts.is_matrix.any()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_weight_is_input_first_where_its_network_multiplies_it_from_the_right(name: str) -> None:
    layout = Layout.of(network(SETTINGS[name]))
    at_the_right = r"c_(attn|fc|proj|q)\.weight|mlp\.query\.weight|\.[wagv][12]$"
    assert layout.input_first == {name for name in layout.names if re.search(at_the_right, name)}
    assert layout.parts(CPU).input_first == layout.input_first
