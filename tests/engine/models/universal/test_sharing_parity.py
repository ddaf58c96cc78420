"""Whether sharing is what it says: equal to an unshared decoder with copied weights."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from engine.models import GPTSettings, UniversalSettings
from engine.models.gpt.network import GPT
from engine.models.universal.network import Universal
from tests.engine.models.agreement import gradient_agrees, gradients_agree, logits_agree
from tests.engine.models.universal.variants import SETTINGS
from tests.engine.models.x_transformers_twin import logits_from, twin

V, T = 23, 7
EVERYWHERE = tuple(range(T))


def made(settings: UniversalSettings) -> Universal:
    """A network in float64 with every parameter perturbed."""
    model = Universal(settings, vocab_size=V, length=T)
    generator = torch.Generator().manual_seed(0)
    model.reset(generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    model.matmul_dtype = torch.float64
    return model.double()


def source(name: str, settings: UniversalSettings) -> str:
    """The shared parameter that one of the unshared decoder's parameters is a copy of."""
    parts = name.split(".")
    if parts[1] != "h":
        return name
    if settings.share_mlp and parts[3] in {"ln_2", "mlp"}:
        return ".".join(["transformer.shared", *parts[3:]])
    parts[2] = str(int(parts[2]) % settings.n_layers)
    return ".".join(parts)


def unshared(model: Universal, loops: int) -> GPT:
    """The engine's GPT with a layer for each time a shared layer is run."""
    settings = model.sharing
    fields = settings.model_dump(include=set(GPTSettings.model_fields) - {"kind", "n_layers"})
    copies = GPT(
        GPTSettings(n_layers=loops * settings.n_layers, **fields), vocab_size=V, length=T
    ).double()
    state = model.state_dict()
    copies.load_state_dict({name: state[source(name, settings)] for name in copies.state_dict()})
    copies.matmul_dtype = torch.float64
    return copies


@pytest.fixture(params=[9, 40], ids=["vocabulary over batch", "batch over vocabulary"])
def tokens(request: pytest.FixtureRequest) -> Tensor:
    return torch.randint(V, (request.param, T), generator=torch.Generator().manual_seed(1))


def weighted(logits: Tensor) -> Tensor:
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    return (logits * weights).sum()


@pytest.mark.parametrize("name", ["looped", "one MLP"])
@pytest.mark.parametrize("norm", ["none", "pre", "post"])
def test_sharing_equals_copies_in_values_and_summed_gradients(
    name: str, norm: str, tokens: Tensor
):
    settings = SETTINGS[name].model_copy(update={"norm": norm, "n_layers": 2})
    model = made(settings)
    copies = unshared(model, settings.n_loops)
    logits, expected = model(tokens, EVERYWHERE), copies(tokens, EVERYWHERE)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    logits_agree("universal", logits, expected)
    weighted(logits).backward()
    weighted(expected).backward()
    summed = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for copy, parameter in copies.named_parameters():
        assert parameter.grad is not None
        summed[source(copy, settings)] += parameter.grad
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, summed[name], rtol=1e-8, atol=1e-9)
        gradient_agrees("universal", name, parameter.grad, summed[name])


@pytest.mark.parametrize("loops", [1, 2, 5])
def test_inference_may_run_another_number_of_loops(loops: int, tokens: Tensor):
    model = made(SETTINGS["looped"])
    model.n_loops = loops
    expected = unshared(model, loops)(tokens, EVERYWHERE)
    torch.testing.assert_close(model(tokens, EVERYWHERE), expected, rtol=1e-10, atol=1e-10)
    assert len(model.attention(tokens)) == loops


def test_re_embedding_adds_the_expected_token_between_loops(tokens: Tensor):
    model = made(
        UniversalSettings(d_model=16, d_mlp=8, re_embed=True, re_embed_temperature=3.0, norm="pre")
    )
    E, block = model.embedding, model.blocks[0]
    x = E[tokens] + model.positions(T)
    x = block.think(block.attend(x, EVERYWHERE, torch.float64), torch.float64)
    guess = torch.zeros_like(x)
    for b in range(len(tokens)):
        for t in range(T):
            chances = torch.exp(3.0 * torch.stack([x[b, t] @ E[v] for v in range(V)]))
            guess[b, t] = sum(chances[v] / chances.sum() * E[v] for v in range(V))
    x = block.think(block.attend(x + guess, EVERYWHERE, torch.float64), torch.float64)
    found, expected = model(tokens, EVERYWHERE), model.logits(x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    gradients_agree("universal", model, found, expected)


def test_layers_look_at_the_keys_and_values_of_their_groups_first(tokens: Tensor):
    settings = UniversalSettings(n_layers=3, n_loops=1, d_model=8, n_heads=2, layers_per_kv=2)
    model = made(settings)
    x, k, v = model.embed(tokens), torch.empty(0), torch.empty(0)
    for block in model.blocks:
        products = x @ block.attn.c_attn.weight
        if products.shape[-1] == 24:
            k, v = products[..., 8:16], products[..., 16:]
        mixed = torch.zeros_like(x)
        for t in range(T):
            for head in (slice(0, 4), slice(4, 8)):
                scores = (products[:, t, None, head] * k[:, : t + 1, head]).sum(-1) / 2.0
                mixed[:, t, head] = (scores.softmax(-1)[..., None] * v[:, : t + 1, head]).sum(1)
        x = block.think(x + mixed @ block.attn.c_proj.weight, torch.float64)
    found, expected = model(tokens, EVERYWHERE), model.logits(x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    gradients_agree("universal", model, found, expected)


def test_one_looped_layer_equals_x_transformers_tied_layers(tokens: Tensor):
    settings = UniversalSettings(
        n_loops=3, d_model=16, n_heads=2, d_mlp=64, norm="pre", activation="gelu"
    )
    theirs = twin(
        vocab_size=V, length=T, dim=16, depth=3, heads=2, attn_dim_head=8, weight_tie_layers=True
    )
    model = made(settings)
    found, expected = logits_from(theirs, model, tokens), theirs(tokens)
    logits_agree("universal", found, expected)  # their softmax is taken in float32
    gradients_agree("universal", theirs, found, expected)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_flops_are_those_of_one_more_example(settings: UniversalSettings):
    model, counted = made(settings), list[int]()
    for n_examples in (2000, 2001):
        tokens = torch.randint(V, (n_examples, T), generator=torch.Generator().manual_seed(1))
        with FlopCounterMode(display=False) as counter:
            model(tokens, (2, 4)).sum().backward()
        counted.append(counter.get_total_flops())
    assert settings.flops_per_example(V, T, 2) == counted[1] - counted[0]


def test_re_embedding_without_a_second_loop_is_refused():
    with pytest.raises(ValueError, match="n_loops must be at least 2 where re_embed is on, got 1"):
        UniversalSettings(n_loops=1, re_embed=True)
