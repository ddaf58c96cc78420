"""The loop of the papers on facts: a GPT on mini-batches from a DataLoader.

After Wang et al. 2024 and their repository GrokkedTransformer, which trains `transformers`' GPT-2
through simpletransformers: a DataLoader with a random sampler, the loss over whole rows with
every position but the answers ignored, clipped gradients, the loss read back in every step.
They evaluate only when they save, tens of thousands of steps apart, so no pass over held-out
rows is in here. The network is a plain pre-LN decoder in the manner of nanoGPT, or
`transformers`' own; both compute in float32 here, where the repository may use half precision.

Shapes: ``B`` examples, ``T`` tokens, ``A`` answers, ``C`` d_model, ``H`` heads, ``D`` d_head,
``V`` vocabulary.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from data import IGNORED, TaskData
from engine.bench.peers.loop import LOSS_ROWS, PeerLoop, PeerNetwork, Weights
from engine.config import RunConfig
from engine.models import GPTSettings


class PlainDecoder(PeerNetwork):
    """A pre-LN decoder with torch's scaled_dot_product_attention."""

    def __init__(self, settings: GPTSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        assert (settings.norm, settings.positions) == ("pre", "learned")
        C = settings.d_model
        self.wte = nn.Embedding(vocab_size, C)
        self.wpe = nn.Embedding(length, C)
        self.blocks = nn.ModuleList(_Block(settings) for _ in range(settings.n_layers))
        self.ln_f = nn.LayerNorm(C)
        self.lm_head = nn.Linear(C, vocab_size, bias=False)
        if settings.tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V)."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.wte(tokens) + self.wpe(positions)
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))

    @torch.no_grad()
    def load(self, weights: Weights) -> None:
        """The engine's weights, whose products are stored (in, out), transposed."""
        self.wte.weight.copy_(weights["model.transformer.wte.weight"])
        self.wpe.weight.copy_(weights["model.transformer.wpe.weight"])
        if self.lm_head.weight is not self.wte.weight:
            self.lm_head.weight.copy_(weights["model.lm_head.weight"])
        _fill(self.ln_f, weights, "model.transformer.ln_f")
        for layer, block in enumerate(self.blocks):
            prefix = f"model.transformer.h.{layer}"
            for part, name in _PARTS.items():
                _fill(block.get_submodule(part), weights, f"{prefix}.{name}")


_PARTS = {
    "ln_1": "ln_1",
    "ln_2": "ln_2",
    "qkv": "attn.c_attn",
    "out": "attn.c_proj",
    "wide": "mlp.c_fc",
    "narrow": "mlp.c_proj",
}
"""A block's layers, and what the engine calls them."""


def _fill(layer: nn.Module, weights: Weights, name: str) -> None:
    given = weights[f"{name}.weight"]
    for own, tensor in layer.named_parameters():
        if own == "weight":
            tensor.copy_(given.T if isinstance(layer, nn.Linear) else given)
        else:
            tensor.copy_(weights[f"{name}.bias"])


class _Block(nn.Module):
    def __init__(self, settings: GPTSettings) -> None:
        super().__init__()
        C, F_, bias = settings.d_model, settings.d_mlp, settings.attention_bias
        self.n_heads, self.activation = settings.n_heads, settings.activation
        self.ln_1, self.ln_2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv = nn.Linear(C, 3 * C, bias=bias)
        self.out = nn.Linear(C, C, bias=bias)
        self.wide = nn.Linear(C, F_, bias=settings.mlp_bias)
        self.narrow = nn.Linear(F_, C, bias=settings.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        heads = (B, T, self.n_heads, C // self.n_heads)
        q, k, v = (
            each.view(heads).transpose(1, 2) for each in self.qkv(self.ln_1(x)).split(C, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, C))
        return x + self.narrow(self._bend(self.wide(self.ln_2(x))))

    def _bend(self, x: Tensor) -> Tensor:
        if self.activation == "relu":
            return F.relu(x)
        return F.gelu(x, approximate="tanh" if self.activation == "gelu_tanh" else "none")


class FactsLoop(PeerLoop):
    """Mini-batches from a DataLoader; all there is of evaluation is the loss, read every step."""

    def __init__(
        self,
        task: TaskData,
        config: RunConfig,
        device: torch.device,
        *,
        network: type[PeerNetwork] = PlainDecoder,
    ) -> None:
        tokens = torch.from_numpy(task.splits["train"].tokens)
        labels = torch.full_like(tokens, IGNORED)
        labels[:, list(task.read_at)] = torch.from_numpy(task.splits["train"].targets)
        self._first = (tokens[:LOSS_ROWS].to(device), labels[:LOSS_ROWS].to(device))
        self._n_classes = task.n_classes
        rows = TensorDataset(tokens, labels)
        self._loader = DataLoader(
            rows, sampler=RandomSampler(rows), batch_size=config.training.batch_size
        )
        self.running: list[float] = []
        make: type = network
        built = make(config.model, vocab_size=task.vocab_size, length=task.length)
        super().__init__(built, config, device)

    def loop(self, *, evaluate: bool) -> Iterator[None]:
        """Epochs of the loader."""
        clip = self.config.optimizer.clip_norm
        while True:
            for batch in self._loader:
                tokens, labels = (each.to(self.device) for each in batch)
                loss = self._loss(tokens, labels)
                if evaluate:
                    self.running.append(loss.item())
                loss.backward()
                if clip:
                    nn.utils.clip_grad_norm_(self.network.parameters(), clip)
                self.optimizer.step()
                self.schedule.step()
                self.network.zero_grad()
                yield

    def _loss(self, tokens: Tensor, labels: Tensor, n_classes: int | None = None) -> Tensor:
        logits = self.network(tokens)[..., :n_classes]
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)

    @torch.no_grad()
    def loss(self) -> float:
        """On the first rows of the training split."""
        return self._loss(*self._first, self._n_classes).item()
