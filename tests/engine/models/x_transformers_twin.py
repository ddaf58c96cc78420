"""Decoders of x-transformers, and what their weights are called here."""

import warnings
from typing import Any

import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit, on import
    from x_transformers import Decoder, TransformerWrapper


def twin(*, vocab_size: int, length: int, n_memory_tokens: int = 0, **layers: Any) -> Any:
    """A pre-norm decoder in float64 with every parameter perturbed."""
    model: Any = TransformerWrapper(
        num_tokens=vocab_size,
        max_seq_len=length,
        num_memory_tokens=n_memory_tokens,
        attn_layers=Decoder(**layers),
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.double()


def as_ours(theirs: Any, width: int) -> dict[str, Tensor]:
    """Their weights by our names; their norms store gains less 1 and no shift."""
    state: dict[str, Tensor] = theirs.state_dict()
    ours = {
        "transformer.wte.weight": state["token_emb.emb.weight"],
        "transformer.wpe.weight": state["pos_emb.emb.weight"] * width**-0.5,
        "lm_head.weight": state["to_logits.weight"],
        **_norm("transformer.ln_f", state["attn_layers.final_norm.gamma"]),
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
            **_norm(f"{block}.ln_1", state[f"{attn}.0.0.gamma"]),
            **_norm(f"{block}.ln_2", state[f"{ff}.0.0.gamma"]),
        }
        for part in "kv":
            if f"{attn}.1.mem_{part}" in state:
                ours[f"{block}.memory_{part}"] = state[f"{attn}.1.mem_{part}"]
    return {name: value.clone() for name, value in ours.items()}


def _norm(name: str, gain: Tensor) -> dict[str, Tensor]:
    return {f"{name}.weight": gain + 1, f"{name}.bias": torch.zeros_like(gain)}
