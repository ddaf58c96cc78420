"""`transformers`' GPT-2, where that package is installed."""

from importlib.util import find_spec

import torch
from torch import Tensor

from data import TaskData
from engine.bench.peers.facts import FactsLoop
from engine.bench.peers.loop import PeerNetwork, Weights
from engine.config import RunConfig
from engine.models import GPTSettings


def installed() -> bool:
    """Whether `transformers` can be imported."""
    return find_spec("transformers") is not None


class GPT2(PeerNetwork):
    """GPT2LMHeadModel without dropout; its parameters carry the engine's names."""

    def __init__(self, settings: GPTSettings, *, vocab_size: int, length: int) -> None:
        from transformers import GPT2Config, GPT2LMHeadModel

        super().__init__()
        assert (settings.norm, settings.activation) == ("pre", "gelu_tanh")
        assert all((settings.attention_bias, settings.mlp_bias))
        self.inner = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=vocab_size,
                n_positions=length,
                n_embd=settings.d_model,
                n_layer=settings.n_layers,
                n_head=settings.n_heads,
                n_inner=settings.d_mlp,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                use_cache=False,
                tie_word_embeddings=settings.tied,
                bos_token_id=None,
                eos_token_id=None,
            )
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V)."""
        return self.inner(input_ids=tokens).logits

    @torch.no_grad()
    def load(self, weights: Weights) -> None:
        """The engine's weights, by name."""
        for name, tensor in self.inner.named_parameters():
            tensor.copy_(weights[f"model.{name}"])


def gpt2_loop(task: TaskData, config: RunConfig, device: torch.device) -> FactsLoop:
    """The loop of the papers on facts around `transformers`' network."""
    return FactsLoop(task, config, device, network=GPT2)
