"""Rows with the same prefix computed once, against the plain forward pass."""

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.models.gpt.settings import GPTSettings
from engine.models.llama.settings import LlamaSettings
from engine.models.memory.settings import MemorySettings
from engine.models.prefixes import MOST_TOKENS, Prefixes
from engine.models.universal.settings import UniversalSettings
from tests.engine.models.samples import READS, T, V, gradients, network

SMALL: dict[str, Any] = {"n_layers": 2, "d_model": 16, "n_heads": 4, "d_mlp": 24}
FORMS: dict[str, Any] = {
    "pre-norm": GPTSettings(**SMALL, norm="pre"),
    "post-norm, gelu, biases": GPTSettings(
        **SMALL, norm="post", activation="gelu", attention_bias=True
    ),
    "without norms, tied": GPTSettings(**SMALL, norm="none", tied=True),
    "without positions": GPTSettings(**SMALL, norm="pre", positions="none"),
    "three layers": GPTSettings(**(SMALL | {"n_layers": 3}), norm="pre"),
    "looped": UniversalSettings(**SMALL, norm="pre", n_loops=2),
    "looped, re-embedded, one MLP": UniversalSettings(
        **SMALL, norm="pre", n_loops=3, re_embed=True, share_mlp=True
    ),
    "looped, borrowed keys": UniversalSettings(
        **(SMALL | {"n_layers": 4}), norm="post", n_loops=2, layers_per_kv=2
    ),
    "persistent keys": MemorySettings(**SMALL, norm="pre", n_memory_kv=3),
    "memory tokens": MemorySettings(**SMALL, norm="post", n_memory_kv=0, n_memory_tokens=2),
    "persistent keys and memory tokens, three layers": MemorySettings(
        **(SMALL | {"n_layers": 3}), norm="none", n_memory_kv=2, n_memory_tokens=3
    ),
    "memory MLPs": MemorySettings(**SMALL, norm="pre", n_memory_kv=0, d_memory_mlp=20),
    "product keys behind persistent ones": MemorySettings(
        **SMALL, norm="pre", n_memory_kv=2, product_key_layer=1, n_sub_keys=4, top_k=2
    ),
    "llama": LlamaSettings(**SMALL),
    "llama, grouped keys, three layers": LlamaSettings(**(SMALL | {"n_layers": 3}), n_kv_heads=2),
}


def _examples(n: int = 60) -> Tensor:
    """Rows over few tokens, so that most of their prefixes occur several times."""
    tokens = torch.randint(V, (n, T), generator=torch.Generator().manual_seed(1))
    tokens[:, :3] %= 3
    return tokens


def _network(form: str) -> Any:
    return network(FORMS[form])


@pytest.mark.parametrize("read", READS, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_prefixes_change_neither_values_nor_gradients(form: str, read: tuple[int, ...]):
    model, tokens = _network(form), _examples()
    model.savings = False
    plain, plain_gradients = model(tokens, read), gradients(model, tokens, read)
    model.savings = model.loops = True
    assert Prefixes(tokens).pays
    assert model.has_loops
    torch.testing.assert_close(model(tokens, read), plain, rtol=1e-10, atol=1e-10)
    for name, gradient in gradients(model, tokens, read).items():
        torch.testing.assert_close(plain_gradients[name], gradient, rtol=1e-9, atol=1e-9)


def test_fewer_rows_are_computed():
    model, tokens = _network("pre-norm"), _examples()
    model.loops = True
    computed: list[int] = []
    model.blocks[0].mlp.register_forward_pre_hook(
        lambda _, inputs: computed.append(inputs[0].shape[:-1].numel())
    )
    model(tokens, (T - 1,))
    distinct = {tuple(row[:t]) for row in tokens.tolist() for t in range(1, T + 1)}
    assert computed == [len(distinct)]
    assert len(distinct) < 0.8 * tokens.numel()


def test_prefixes_are_told_apart_by_position_and_by_every_token():
    prefixes = Prefixes(torch.tensor([[0, 1], [1, 1], [0, 1], [0, 0]]))
    assert len(prefixes) == 2 + 3
    assert prefixes.rows[0].equal(prefixes.rows[2])
    assert len({tuple(row) for row in prefixes.rows.tolist()}) == 3
    for row, place in zip(prefixes.rows.tolist(), range(4), strict=True):
        assert prefixes.seen[row[1]].tolist() == row, place


def test_long_rows_are_left_alone():
    """Each row gathers the keys of all its positions, which would fill the memory."""
    model = network(GPTSettings(n_layers=2, d_model=8, n_heads=2, d_mlp=8), length=MOST_TOKENS + 1)
    model.loops = True
    computed: list[int] = []
    model.blocks[0].mlp.register_forward_pre_hook(
        lambda _, inputs: computed.append(inputs[0].shape[:-1].numel())
    )
    model(torch.zeros(20, MOST_TOKENS + 1, dtype=torch.long), (MOST_TOKENS,))
    assert computed == [20 * (MOST_TOKENS + 1)]


def test_rows_that_share_nothing_are_computed_as_they_stand():
    assert not Prefixes(torch.arange(12).view(4, 3)).pays
