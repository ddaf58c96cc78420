"""Whether memories are what their sources describe, from the same weights."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from engine.models import MemorySettings
from engine.models.memory.network import Memory
from engine.models.memory.product_keys import ProductKeys
from tests.engine.models.agreement import gradients_agree, logits_agree
from tests.engine.models.memory.variants import SETTINGS
from tests.engine.models.x_transformers_twin import logits_from, twin

V, T = 23, 7
EVERYWHERE = tuple(range(T))


def made(settings: MemorySettings) -> Memory:
    """A network in float64 with every parameter perturbed."""
    model = Memory(settings, vocab_size=V, length=T)
    generator = torch.Generator().manual_seed(0)
    model.reset(generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    model.matmul_dtype = torch.float64
    return model.double()


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(V, (40, T), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("n_kv", "n_tokens"), [(3, 0), (0, 2), (4, 3)])
def test_memories_before_the_row_equal_those_of_x_transformers(
    n_kv: int, n_tokens: int, tokens: Tensor
):
    theirs = twin(
        vocab_size=V,
        length=T,
        n_memory_tokens=n_tokens,
        dim=16,
        depth=2,
        heads=2,
        attn_dim_head=8,
        attn_num_mem_kv=n_kv,
    )
    model = made(
        MemorySettings(
            n_layers=2,
            d_model=16,
            n_heads=2,
            d_mlp=64,
            norm="pre",
            activation="gelu",
            n_memory_kv=n_kv,
            n_memory_tokens=n_tokens,
        )
    )
    found, expected = logits_from(theirs, model, tokens), theirs(tokens)
    logits_agree("memory", found, expected)  # their softmax is taken in float32
    gradients_agree("memory", theirs, found, expected)


def test_layers_add_the_memory_mlp_of_their_number_modulo_half_the_depth(tokens: Tensor):
    settings = MemorySettings(
        n_layers=4, d_model=12, n_heads=2, d_mlp=8, norm="pre", n_memory_kv=0, d_memory_mlp=6
    )
    model = made(settings)
    state, dtype = dict(model.named_parameters()), torch.float64
    x = model.embed(tokens)
    for layer, block in enumerate(model.blocks):
        x = block.attend(x, EVERYWHERE, dtype)
        name = f"transformer.memory.{layer % 2}"
        gain, shift = (state[f"{name}.ln_2.{part}"] for part in ("weight", "bias"))
        rows = (x - x.mean(-1, keepdim=True)) / (
            x.var(-1, keepdim=True, correction=0) + 1e-5
        ).sqrt()
        hidden = (rows * gain + shift) @ state[f"{name}.mlp.c_fc.weight"]
        hidden = (hidden + state[f"{name}.mlp.c_fc.bias"]).clamp(min=0)
        recalled = hidden @ state[f"{name}.mlp.c_proj.weight"] + state[f"{name}.mlp.c_proj.bias"]
        x = block.think(x, dtype) + recalled
    found, expected = model(tokens, EVERYWHERE), model.logits(x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    gradients_agree("memory", model, found, expected)


def test_product_keys_find_what_a_search_of_all_values_finds():
    settings = MemorySettings(
        d_model=8, n_heads=2, n_memory_kv=0, product_key_layer=1, n_sub_keys=6, d_memory_query=4
    )
    memory = made(settings).blocks[0].mlp
    assert isinstance(memory, ProductKeys)
    x = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    x.requires_grad_()
    expected = torch.zeros(5, 3, 8, dtype=torch.float64)
    for b in range(5):
        for a in range(3):
            for head in range(4):
                query = (x[b, a] @ memory.query.weight)[4 * head : 4 * head + 4]
                query = memory.ln_query(query)
                scores = torch.stack(
                    [
                        query[:2] @ memory.keys[head, 0, i] + query[2:] @ memory.keys[head, 1, j]
                        for i in range(6)
                        for j in range(6)
                    ]
                )
                best = scores.argsort(descending=True)[: settings.top_k]
                chances = scores[best].exp() / scores[best].exp().sum()
                expected[b, a] = expected[b, a] + chances @ memory.values.weight[best]
    found = memory(x, torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    weights = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(4))
    inputs = [x, *memory.parameters()]
    ours = torch.autograd.grad((found * weights).sum(), inputs)
    slow = torch.autograd.grad((expected * weights).sum(), inputs)
    for mine, other in zip(ours, slow, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_flops_are_those_of_one_more_example(settings: MemorySettings):
    model, counted = made(settings), list[int]()
    for n_examples in (2000, 2001):
        tokens = torch.randint(V, (n_examples, T), generator=torch.Generator().manual_seed(1))
        with FlopCounterMode(display=False) as counter:
            model(tokens, (2, 4)).sum().backward()
        counted.append(counter.get_total_flops())
    assert settings.flops_per_example(V, T, 2) == counted[1] - counted[0]


def test_memories_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="n_layers must be even where d_memory_mlp is not 0, got"):
        MemorySettings(n_layers=3, d_memory_mlp=8)
    with pytest.raises(ValueError, match=r"product_key_layer .* 0 and n_layers \(2\), got 3"):
        MemorySettings(n_layers=2, product_key_layer=3)
    with pytest.raises(ValueError, match=r"top_k must lie between 2 and n_sub_keys \(4\), got 5"):
        MemorySettings(n_sub_keys=4, top_k=5)
