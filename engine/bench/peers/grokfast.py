"""Grokfast's loop: shuffled mini-batches, and a pass over the whole validation split each epoch.

After Lee et al. 2024 and their repository grokfast, which takes the network and the loop of
teddykoker/grokking: torch's MultiheadAttention in pre-LN blocks with GELU, rows in columns
(time first), Adam with decay in the gradient, a warm-up of ten steps; loss and accuracy are read
back after every batch. The last batch of an epoch is what is left over, so it is short; the
engine leaves the rest of an epoch to the next, and all its batches are whole. Their gradient
filter is left out on both sides.

Shapes: ``B`` examples, ``T`` tokens, ``C`` d_model, ``V`` vocabulary.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data import TaskData
from engine.bench.peers.loop import LOSS_ROWS, PeerLoop, PeerNetwork, Weights
from engine.config import RunConfig
from engine.models import GPTSettings


class GrokfastNetwork(PeerNetwork):
    """A pre-LN decoder of torch's own layers, time first inside."""

    def __init__(self, settings: GPTSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        assert (settings.norm, settings.activation) == ("pre", "gelu")
        assert all((settings.attention_bias, settings.mlp_bias, not settings.tied))
        C = settings.d_model
        self.token_embeddings = nn.Embedding(vocab_size, C)
        self.position_embeddings = nn.Embedding(length, C)
        self.layers = nn.ModuleList(_Block(settings) for _ in range(settings.n_layers))
        self.ln_f = nn.LayerNorm(C)
        self.head = nn.Linear(C, vocab_size, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V)."""
        return self.columns(tokens.T).transpose(0, 1)

    def columns(self, tokens: Tensor) -> Tensor:
        """Logits (T, B, V) of tokens (T, B)."""
        positions = torch.arange(tokens.shape[0], device=tokens.device)
        x = self.token_embeddings(tokens) + self.position_embeddings(positions)[:, None]
        for layer in self.layers:
            x = layer(x)
        return self.head(self.ln_f(x))

    @torch.no_grad()
    def load(self, weights: Weights) -> None:
        """The engine's weights, whose products are stored (in, out), transposed."""
        self.token_embeddings.weight.copy_(weights["model.transformer.wte.weight"])
        self.position_embeddings.weight.copy_(weights["model.transformer.wpe.weight"])
        self.head.weight.copy_(weights["model.lm_head.weight"])
        _copy(self.ln_f, weights, "model.transformer.ln_f")
        for layer, block in enumerate(self.layers):
            assert isinstance(block, _Block)
            block.load(weights, f"model.transformer.h.{layer}.")


def _copy(layer: nn.Linear | nn.LayerNorm, weights: Weights, name: str) -> None:
    given = weights[f"{name}.weight"]
    layer.weight.copy_(given.T if isinstance(layer, nn.Linear) else given)
    layer.bias.copy_(weights[f"{name}.bias"])


class _Block(nn.Module):
    def __init__(self, settings: GPTSettings) -> None:
        super().__init__()
        C, wide = settings.d_model, settings.d_mlp
        self.ln_1, self.ln_2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.attn = nn.MultiheadAttention(C, settings.n_heads)
        self.mlp = nn.Sequential(nn.Linear(C, wide), nn.GELU(), nn.Linear(wide, C))

    def forward(self, x: Tensor) -> Tensor:
        T = len(x)
        hidden = torch.full((T, T), -float("inf"), device=x.device, dtype=x.dtype).triu(1)
        seen = self.ln_1(x)
        x = x + self.attn(seen, seen, seen, attn_mask=hidden, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))

    def load(self, weights: Weights, prefix: str) -> None:
        _copy(self.ln_1, weights, f"{prefix}ln_1")
        _copy(self.ln_2, weights, f"{prefix}ln_2")
        self.attn.in_proj_weight.copy_(weights[f"{prefix}attn.c_attn.weight"].T)
        self.attn.in_proj_bias.copy_(weights[f"{prefix}attn.c_attn.bias"])
        _copy(self.attn.out_proj, weights, f"{prefix}attn.c_proj")
        narrow, wide = self.mlp[0], self.mlp[2]
        assert isinstance(narrow, nn.Linear)
        assert isinstance(wide, nn.Linear)
        _copy(narrow, weights, f"{prefix}mlp.c_fc")
        _copy(wide, weights, f"{prefix}mlp.c_proj")


class GrokfastLoop(PeerLoop):
    """Epochs of mini-batches; evaluation is a validation pass an epoch and two numbers a batch."""

    def __init__(self, task: TaskData, config: RunConfig, device: torch.device) -> None:
        assert isinstance(config.model, GPTSettings)
        network = GrokfastNetwork(config.model, vocab_size=task.vocab_size, length=task.length)
        self._batch_size = config.training.batch_size
        # one column an example: its tokens, and the answer under them
        self._train, self._valid = (
            torch.cat(
                [
                    torch.from_numpy(task.splits[name].tokens),
                    torch.from_numpy(task.splits[name].targets[:, -1:]),
                ],
                dim=1,
            ).T.to(device)
            for name in ("train", "test")
        )
        self._first = self._train[:, :LOSS_ROWS]
        self._n_classes = task.n_classes
        self.period = -(-self._train.shape[1] // self._batch_size)
        self.history: list[tuple[float, float]] = []
        super().__init__(network, config, device)

    def loop(self, *, evaluate: bool) -> Iterator[None]:
        """Epochs; the validation pass belongs to an epoch's last update."""
        while True:
            order = torch.randperm(self._train.shape[1], device=self.device)
            batches = torch.split(self._train[:, order], self._batch_size, dim=1)
            self.network.train()
            for number, batch in enumerate(batches, start=1):
                logits = self._logits(batch)
                loss = F.cross_entropy(logits, batch[-1])
                if evaluate:
                    self._note(loss, logits, batch[-1])
                self.network.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.schedule.step()
                if evaluate and number == len(batches):
                    self._validate()
                yield

    def _logits(self, batch: Tensor) -> Tensor:
        network = self.network
        assert isinstance(network, GrokfastNetwork)
        return network.columns(batch[:-1])[-1]

    def _note(self, loss: Tensor, logits: Tensor, answers: Tensor) -> None:
        right = (logits.argmax(-1) == answers).float().mean()
        self.history.append((loss.item(), right.item()))

    @torch.no_grad()
    def _validate(self) -> None:
        self.network.eval()
        for batch in torch.split(self._valid, self._batch_size, dim=1):
            logits = self._logits(batch)
            self._note(F.cross_entropy(logits, batch[-1]), logits, batch[-1])

    @torch.no_grad()
    def loss(self) -> float:
        """On the first rows of the training split."""
        logits = self._logits(self._first)[:, : self._n_classes]
        return F.cross_entropy(logits, self._first[-1]).item()
