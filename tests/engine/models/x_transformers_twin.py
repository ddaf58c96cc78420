"""Decoders of x-transformers, and what their weights are called here."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit, on import
    from x_transformers import Decoder, TransformerWrapper
    from x_transformers.x_transformers import LayerNorm


def twin(*, vocab_size: int, length: int, n_memory_tokens: int = 0, **layers: Any) -> Any:
    """A pre-norm decoder in float64 with every parameter perturbed.

    Its norms are torch's, since those of the package have no shift.
    """
    model: Any = TransformerWrapper(
        num_tokens=vocab_size,
        max_seq_len=length,
        num_memory_tokens=n_memory_tokens,
        attn_layers=Decoder(**layers),
    )
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, LayerNorm):
                setattr(parent, name, nn.LayerNorm(len(norm.gamma)))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight += 1.0
    return model.double()


def logits_from(theirs: Any, model: nn.Module, tokens: Tensor) -> Tensor:
    """What our network says at all positions with their weights, differentiable in theirs."""
    ours = _as_ours(dict(theirs.named_parameters()))
    everywhere = tuple(range(tokens.shape[1]))
    return functional_call(model, ours, (tokens, everywhere), strict=True)


def _as_ours(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their weights by our names."""
    width = state["token_emb.emb.weight"].shape[1]
    ours = {
        "transformer.wte.weight": state["token_emb.emb.weight"],
        "transformer.wpe.weight": state["pos_emb.emb.weight"] * width**-0.5,
        "lm_head.weight": state["to_logits.weight"],
        **_norm("transformer.ln_f", state, "attn_layers.final_norm"),
    }
    if "memory_tokens" in state:
        ours["memory_tokens"] = state["memory_tokens"]
    n_layers = sum(name.endswith("to_q.weight") for name in state)
    for layer in range(n_layers):
        attn, ff = (f"attn_layers.layers.{2 * layer + part}" for part in (0, 1))
        block = f"transformer.h.{layer}"
        packed = torch.cat([state[f"{attn}.1.to_{part}.weight"] for part in "qkv"])
        ours |= {
            f"{block}.attn.c_attn.weight": packed.T,
            f"{block}.attn.c_proj.weight": state[f"{attn}.1.to_out.weight"].T,
            f"{block}.mlp.c_fc.weight": state[f"{ff}.1.ff.0.0.weight"].T,
            f"{block}.mlp.c_fc.bias": state[f"{ff}.1.ff.0.0.bias"],
            f"{block}.mlp.c_proj.weight": state[f"{ff}.1.ff.2.weight"].T,
            f"{block}.mlp.c_proj.bias": state[f"{ff}.1.ff.2.bias"],
            **_norm(f"{block}.ln_1", state, f"{attn}.0.0"),
            **_norm(f"{block}.ln_2", state, f"{ff}.0.0"),
        }
        for part in "kv":
            if f"{attn}.1.mem_{part}" in state:
                ours[f"{block}.memory_{part}"] = state[f"{attn}.1.mem_{part}"]
    return ours


def _norm(name: str, state: dict[str, Tensor], theirs: str) -> dict[str, Tensor]:
    return {f"{name}.{part}": state[f"{theirs}.{part}"] for part in ("weight", "bias")}
