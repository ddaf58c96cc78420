"""Nanda's loop: full batch, and the loss of the whole test split in every step.

After Nanda et al. 2023 and their repository progress-measures-paper: weights by head, products
by einsum, no LayerNorm, learned positions, log-softmax in float64 at the last position without
the logit of `=`, AdamW with a warm-up of ten steps. Train and test pass both build a graph, one
is used. Two differences favour this loop: tokens and answers are tensors on the device from the
start (theirs are lists that are converted in every step), and nothing is saved or printed.

Shapes: ``B`` examples, ``T`` tokens, ``C`` d_model, ``H`` heads, ``D`` d_head, ``F`` d_mlp,
``V`` vocabulary.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from data import TaskData
from engine.bench.peers.loop import LOSS_ROWS, PeerLoop, PeerNetwork, Weights
from engine.config import RunConfig
from engine.models import GPTSettings


class NandaNetwork(PeerNetwork):
    """One or more blocks of attention and MLP with a ReLU, every product an einsum."""

    def __init__(self, settings: GPTSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        assert settings.norm == "none"
        assert (settings.activation, settings.positions) == ("relu", "learned")
        assert (settings.mlp_bias, settings.attention_bias, settings.tied) == (True, False, False)
        C = settings.d_model
        self.W_E = nn.Parameter(torch.randn(C, vocab_size) / C**0.5)
        self.W_pos = nn.Parameter(torch.randn(length, C) / C**0.5)
        self.blocks = nn.ModuleList(_Block(settings, length) for _ in range(settings.n_layers))
        self.W_U = nn.Parameter(torch.randn(C, vocab_size) / vocab_size**0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V)."""
        x = torch.einsum("cbt->btc", self.W_E[:, tokens]) + self.W_pos[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return x @ self.W_U

    @torch.no_grad()
    def load(self, weights: Weights) -> None:
        """The engine's weights, transposed and cut into heads."""
        self.W_E.copy_(weights["model.transformer.wte.weight"].T)
        self.W_pos.copy_(weights["model.transformer.wpe.weight"])
        self.W_U.copy_(weights["model.lm_head.weight"].T)
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, _Block)
            block.load(weights, f"model.transformer.h.{layer}.")


class _Block(nn.Module):
    mask: Tensor

    def __init__(self, settings: GPTSettings, length: int) -> None:
        super().__init__()
        C, H, F = settings.d_model, settings.n_heads, settings.d_mlp
        spread = C**-0.5
        self.W_K, self.W_Q, self.W_V = (
            nn.Parameter(torch.randn(H, C // H, C) * spread) for _ in range(3)
        )
        self.W_O = nn.Parameter(torch.randn(C, C) * spread)
        self.W_in = nn.Parameter(torch.randn(F, C) * spread)
        self.b_in = nn.Parameter(torch.zeros(F))
        self.W_out = nn.Parameter(torch.randn(C, F) * spread)
        self.b_out = nn.Parameter(torch.zeros(C))
        self.d_head = C // H
        self.register_buffer("mask", torch.tril(torch.ones(length, length)))

    def forward(self, x: Tensor) -> Tensor:
        k = torch.einsum("hdc,btc->bhtd", self.W_K, x)
        q = torch.einsum("hdc,btc->bhtd", self.W_Q, x)
        v = torch.einsum("hdc,btc->bhtd", self.W_V, x)
        scores = torch.einsum("bhkd,bhqd->bhqk", k, q)
        T = x.shape[1]
        causal = torch.tril(scores) - 1e10 * (1 - self.mask[:T, :T])
        attention = torch.softmax(causal / self.d_head**0.5, dim=-1)
        mixed = torch.einsum("bhkd,bhqk->bhqd", v, attention).transpose(1, 2).flatten(2)
        x = x + torch.einsum("ce,bte->btc", self.W_O, mixed)
        hidden = torch.relu(torch.einsum("fc,btc->btf", self.W_in, x) + self.b_in)
        return x + torch.einsum("cf,btf->btc", self.W_out, hidden) + self.b_out

    def load(self, weights: Weights, prefix: str) -> None:
        qkv = weights[f"{prefix}attn.c_attn.weight"].T.chunk(3)
        for own, given in zip((self.W_Q, self.W_K, self.W_V), qkv, strict=True):
            own.copy_(given.reshape(own.shape))
        self.W_O.copy_(weights[f"{prefix}attn.c_proj.weight"].T)
        self.W_in.copy_(weights[f"{prefix}mlp.c_fc.weight"].T)
        self.b_in.copy_(weights[f"{prefix}mlp.c_fc.bias"])
        self.W_out.copy_(weights[f"{prefix}mlp.c_proj.weight"].T)
        self.b_out.copy_(weights[f"{prefix}mlp.c_proj.bias"])


class NandaLoop(PeerLoop):
    """Full-batch updates; evaluation is the test loss and both losses read back, every step."""

    def __init__(self, task: TaskData, config: RunConfig, device: torch.device) -> None:
        assert isinstance(config.model, GPTSettings)
        network = NandaNetwork(config.model, vocab_size=task.vocab_size, length=task.length)
        self._n_classes = task.n_classes
        self._splits = {
            name: (
                torch.from_numpy(task.splits[name].tokens).to(device),
                torch.from_numpy(task.splits[name].targets[:, -1]).to(device),
            )
            for name in ("train", "test")
        }
        self.losses: dict[str, list[float]] = {"train": [], "test": []}
        super().__init__(network, config, device)

    def loop(self, *, evaluate: bool) -> Iterator[None]:
        """An epoch is a step."""
        while True:
            train_loss = self._full_loss("train")
            if evaluate:
                test_loss = self._full_loss("test")
                self.losses["train"].append(train_loss.item())
                self.losses["test"].append(test_loss.item())
            train_loss.backward()
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            yield

    @torch.no_grad()
    def loss(self) -> float:
        """On the first rows of the training split."""
        return self._full_loss("train", LOSS_ROWS).item()

    def _full_loss(self, split: str, n_rows: int | None = None) -> Tensor:
        tokens, answers = (tensor[:n_rows] for tensor in self._splits[split])
        logits = self.network(tokens)[:, -1, : self._n_classes]
        shares = torch.log_softmax(logits.to(torch.float64), dim=-1)
        return -shares.gather(1, answers[:, None]).mean()
