"""How RWKV-4 reads a row: each channel averages its past, one position after the other.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``V`` vocabulary.

Exact savings: nothing after the last read position is computed, and past the last average only
the read positions are carried, and those before them, which the last channel mixing looks at.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.models.dropout import Dropout
from engine.models.network import Network
from engine.models.positions import at_positions
from engine.models.recurrent.layers import Embedding, Linear, gather, previous
from engine.models.recurrent.starts import orthogonal
from engine.models.rwkv4.settings import RWKV4Settings


def averages(
    decay: Float[Tensor, " C"],
    bonus: Float[Tensor, " C"],
    keys: Float[Tensor, "B T C"],
    values: Float[Tensor, "B T C"],
) -> Float[Tensor, "B T C"]:
    """Averages of the values so far, weighted by exp(key), the older the less.

    A value that is n positions old has the weight exp(key − (n − 1) · exp(decay)), and the
    present one exp(key + bonus). Sums are kept over their running maximum, so no exponent is
    positive. Source: Peng et al. 2023, equation 16 and appendix D.
    """
    decay, found = -decay.exp(), []
    top = torch.zeros_like(keys[:, 0])
    below = torch.zeros_like(top)
    largest = torch.full_like(top, -1e38)
    for key, value in zip(keys.unbind(1), values.unbind(1), strict=True):
        now = key + bonus
        peak = torch.maximum(largest, now)
        past, present = torch.exp(largest - peak), torch.exp(now - peak)
        found.append((past * top + present * value) / (past * below + present))
        peak = torch.maximum(largest + decay, key)
        past, present = torch.exp(largest + decay - peak), torch.exp(key - peak)
        top, below, largest = past * top + present * value, past * below + present, peak
    return torch.stack(found, 1)


class TimeMixing(nn.Module):
    """What carries information from position to position."""

    def __init__(self, settings: RWKV4Settings) -> None:
        super().__init__()
        C = settings.d_model
        self.time_decay = nn.Parameter(torch.empty(C))
        self.time_first = nn.Parameter(torch.empty(C))
        self.time_mix_key = nn.Parameter(torch.empty(1, 1, C))
        self.time_mix_value = nn.Parameter(torch.empty(1, 1, C))
        self.time_mix_receptance = nn.Parameter(torch.empty(1, 1, C))
        self.key, self.value, self.receptance, self.output = (Linear(C, C) for _ in range(4))

    def forward(
        self, x: Float[Tensor, "B T C"], wanted: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `wanted`."""
        before = previous(x)
        keys = self.key(torch.lerp(before, x, self.time_mix_key), dtype)
        values = self.value(torch.lerp(before, x, self.time_mix_value), dtype)
        mixed = at_positions(averages(self.time_decay, self.time_first, keys, values), wanted)
        x, before = at_positions(x, wanted), at_positions(before, wanted)
        asked = self.receptance(torch.lerp(before, x, self.time_mix_receptance), dtype)
        return self.output(asked.sigmoid() * mixed, dtype)


class ChannelMixing(nn.Module):
    """A gated MLP that sees a position and the one before it."""

    def __init__(self, settings: RWKV4Settings) -> None:
        super().__init__()
        C, F = settings.d_model, settings.d_mlp
        self.time_mix_key = nn.Parameter(torch.empty(1, 1, C))
        self.time_mix_receptance = nn.Parameter(torch.empty(1, 1, C))
        self.key, self.receptance, self.value = Linear(C, F), Linear(C, C), Linear(F, C)

    def forward(
        self, x: Float[Tensor, "B A C"], before: Float[Tensor, "B A C"], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream."""
        keys = self.key(torch.lerp(before, x, self.time_mix_key), dtype)
        asked = self.receptance(torch.lerp(before, x, self.time_mix_receptance), dtype)
        return asked.sigmoid() * self.value(keys.relu().square(), dtype)


class Block(nn.Module):
    """Time mixing and channel mixing around the residual stream."""

    def __init__(self, settings: RWKV4Settings, *, first: bool) -> None:
        super().__init__()
        if first:
            self.pre_ln = nn.LayerNorm(settings.d_model)
        self.ln1 = nn.LayerNorm(settings.d_model)
        self.ln2 = nn.LayerNorm(settings.d_model)
        self.attention = TimeMixing(settings)
        self.feed_forward = ChannelMixing(settings)
        self.drop_1, self.drop_2 = Dropout(), Dropout()

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """The residual stream after the block, at the positions `read`."""
        wanted = tuple(sorted({max(t - back, 0) for t in read for back in (0, 1)}))
        x = at_positions(x, wanted) + self.drop_1(self.attention(self.ln1(x), wanted, dtype))
        normed = self.ln2(x)
        here, nothing = tuple(wanted.index(t) for t in read), torch.zeros_like(normed[:, 0])
        before = [normed[:, wanted.index(t - 1)] if t else nothing for t in read]
        x, normed = at_positions(x, here), at_positions(normed, here)
        return x + self.drop_2(self.feed_forward(normed, torch.stack(before, 1), dtype))


class RWKV4(Network):
    """RWKV-4 with the parameter names of `transformers`' `RwkvForCausalLM`."""

    tables = ("rwkv.embeddings.weight", "head.weight")

    def __init__(self, settings: RWKV4Settings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        C = settings.d_model
        self.settings = settings
        self.length = length
        blocks = [Block(settings, first=layer == 0) for layer in range(settings.n_layers)]
        self.rwkv = nn.ModuleDict(
            {
                "embeddings": Embedding(vocab_size, C),
                "blocks": nn.ModuleList(blocks),
                "ln_out": nn.LayerNorm(C),
            }
        )
        self.head = Embedding(vocab_size, C)

    @property
    def blocks(self) -> list[Block]:
        """First to last."""
        return list(self.rwkv["blocks"])  # pyright: ignore[reportArgumentType, reportReturnType]

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        if self.savings:
            tokens = tokens[:, : max(read) + 1]
        everywhere, blocks = tuple(range(tokens.shape[1])), self.blocks
        embedding: Tensor = self.rwkv["embeddings"].weight  # pyright: ignore[reportAssignmentType]
        x = blocks[0].pre_ln(gather(embedding, tokens))
        for block in blocks:
            last = block is blocks[-1]
            x = block(x, read if last and self.savings else everywhere, self.matmul_dtype)
        x = x if self.savings else at_positions(x, read)
        return self.rwkv["ln_out"](x) @ self.head.weight.T

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`."""
        for name, parameter in self.named_parameters():
            parameter.copy_(start(name, parameter, self.settings, generator))


def start(
    name: str, parameter: Tensor, settings: RWKV4Settings, generator: torch.Generator
) -> Tensor:
    """Initial values of one parameter. Source: Peng et al. 2023, appendix E and code."""
    C, L = settings.d_model, settings.n_layers
    depth = int(name.split(".")[2]) if ".blocks." in name else 0
    kind = name.rsplit(".", 1)[-1]
    if kind.startswith("time_"):
        return _time_start(name, torch.arange(C) / C, depth, L).view(parameter.shape)
    if parameter.dim() == 1:
        return torch.full(parameter.shape, 1.0 if kind == "weight" else 0.0)
    return orthogonal(parameter, _gain(name, parameter) * settings.init_scale, generator)


def _gain(name: str, parameter: Tensor) -> float:
    rows, columns = parameter.shape
    if "embeddings" in name:
        return 1e-4 * max(rows, columns) ** 0.5
    return max(rows / columns, 1.0) ** 0.5 * (0.5 if name.startswith("head") else 1.0)


def _time_start(
    name: str, channels: Float[Tensor, " C"], depth: int, n_layers: int
) -> Float[Tensor, " C"]:
    """Decays from slow to fast, boni that alternate, and mixtures that differ by channel."""
    C = len(channels)
    deep, shallow = depth / max(n_layers - 1, 1), 1.0 - depth / n_layers
    if name.endswith("time_decay"):
        return -5 + 8 * (torch.arange(C) / (C - 1)) ** (0.7 + 1.3 * deep)
    if name.endswith("time_first"):
        return torch.full((C,), 0.3).log() + 0.5 * ((torch.arange(C) + 1) % 3 - 1)
    if name.endswith("attention.time_mix_receptance"):
        return channels ** (0.5 * shallow)
    return channels**shallow + (0.3 * deep if name.endswith("time_mix_value") else 0.0)
