"""How a two-level recursive net turns token rows into logits at the positions that are read.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``V`` vocabulary,
``P`` places: the learned prefix, then the tokens.

The core mixes all places without regard to order. So that logits at a position depend on the
tokens up to it alone, each read position is a pass of its own, in which later tokens are blank.
The one saving: in the last block, the read place alone goes through the MLP.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.models.dropout import Dropout
from engine.models.llama.layers import GatedMLP, Linear
from engine.models.network import Network
from engine.models.trm.settings import TRMSettings


class Block(nn.Module):
    """A gated MLP over the places, then one over the width, each normed after it is added."""

    def __init__(self, settings: TRMSettings, n_places: int) -> None:
        super().__init__()
        self.mlp_t = GatedMLP(n_places, settings.d_mix)
        self.mlp = GatedMLP(settings.d_model, settings.d_mlp)
        self.drop_1, self.drop_2 = Dropout(), Dropout()

    def mix(self, z: Float[Tensor, "N P C"], dtype: torch.dtype) -> Float[Tensor, "N P C"]:
        """The state after its places have been mixed; normed over the places, as published."""
        z = z.mT
        return normed(z + self.drop_1(self.mlp_t(z, dtype))).mT

    def think(self, z: Float[Tensor, "N P C"], dtype: torch.dtype) -> Float[Tensor, "N P C"]:
        """The state after the MLP over the width."""
        return normed(z + self.drop_2(self.mlp(z, dtype)))


class TRM(Network):
    """A core of few blocks, run many times on two states.

    The states start from fixed random vectors that are no weights: the same for every seed. The
    halting head is left out, since one pass is all there is.

    Source: Jolicoeur-Martineau 2025; He et al. 2026.
    """

    tables = ("embed_tokens.weight", "prefix", "lm_head.weight")

    h_start: Tensor
    l_start: Tensor

    def __init__(self, settings: TRMSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        C = settings.d_model
        self.settings = settings
        self.length = length
        self.embed_tokens = Linear(C, vocab_size)
        if settings.n_prefix:
            self.prefix = nn.Parameter(torch.empty(settings.n_prefix, C))
        self.core = nn.ModuleList(
            Block(settings, settings.n_prefix + length) for _ in range(settings.n_layers)
        )
        self.lm_head = Linear(C, vocab_size)
        generator = torch.Generator().manual_seed(0)
        for name in ("h_start", "l_start"):
            start = truncated_normal(torch.empty(C), generator)
            self.register_buffer(name, start, persistent=False)

    @property
    def blocks(self) -> list[Block]:
        """The core's blocks, first to last."""
        return list(self.core)  # pyright: ignore[reportReturnType]

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        z = torch.cat([self._answer(tokens, position) for position in read], dim=1)
        return z @ self.lm_head.weight.T

    def _answer(self, tokens: Int[Tensor, "B T"], position: int) -> Float[Tensor, "B 1 C"]:
        """z_H at a position, from the tokens up to it."""
        x = self.embed(tokens, position + 1)
        h, low = self.h_start.expand_as(x), self.l_start.expand_as(x)
        with torch.no_grad():
            for _ in range(self.settings.h_cycles - 1):
                low = self._low(x, h, low)
                h = self._run(h + low)
        low = self._low(x, h, low)
        return self._last(h + low, self.settings.n_prefix + position)

    def embed(self, tokens: Int[Tensor, "B T"], n_seen: int) -> Float[Tensor, "B P C"]:
        """The prefix and the first tokens' rows, of unit size at the start; the rest is blank."""
        B, C = len(tokens), self.settings.d_model
        seen = tokens[:, :n_seen]
        table = self.embed_tokens.weight
        rows = table.index_select(0, seen.reshape(-1)).view(B, n_seen, C)
        blank = rows.new_zeros(B, self.length - n_seen, C)
        before = [self.prefix.expand(B, -1, -1)] if self.settings.n_prefix else []
        return C**0.5 * torch.cat([*before, rows, blank], dim=1)

    def _low(self, x: Tensor, h: Tensor, low: Tensor) -> Float[Tensor, "B P C"]:
        """z_L after its cycles."""
        for _ in range(self.settings.l_cycles):
            low = self._run(low + h + x)
        return low

    def _run(self, z: Float[Tensor, "B P C"]) -> Float[Tensor, "B P C"]:
        """The core, once."""
        for block in self.blocks:
            z = block.think(block.mix(z, self.matmul_dtype), self.matmul_dtype)
        return z

    def _last(self, z: Float[Tensor, "B P C"], place: int) -> Float[Tensor, "B 1 C"]:
        """The core's last run, of which one place is read."""
        dtype, last = self.matmul_dtype, self.blocks[-1]
        for block in self.blocks[:-1]:
            z = block.think(block.mix(z, dtype), dtype)
        z = last.mix(z, dtype)
        if self.savings:
            return last.think(z[:, place : place + 1], dtype)
        return last.think(z, dtype)[:, place : place + 1]

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`."""
        for name, parameter in self.named_parameters():
            if name == "prefix":
                parameter.zero_()
            else:
                drawn = truncated_normal(torch.empty(parameter.shape), generator)
                parameter.copy_(drawn * (self.settings.init_scale * parameter.shape[1] ** -0.5))


def normed(x: Float[Tensor, "*rows C"]) -> Float[Tensor, "*rows C"]:
    """Rows over their root mean square. Source: Zhang and Sennrich 2019, without gains."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)


def truncated_normal(
    like: Float[Tensor, "*shape"], generator: torch.Generator
) -> Float[Tensor, "*shape"]:
    """Draws of mean 0 and standard deviation 1 from a normal that is cut at two of its own."""
    inside = math.erf(2**0.5)
    density = math.exp(-2.0) / (2 * math.pi) ** 0.5
    spread = (1 - 4 * density / inside) ** 0.5
    even = torch.rand(like.shape, generator=generator) * 2 - 1
    return torch.erfinv(even * inside) * (2**0.5 / spread)
