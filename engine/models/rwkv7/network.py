"""How RWKV-7 turns token rows into logits.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``V`` vocabulary.

Exact savings: nothing after the last read position is computed, and past the last time mixing
only the read positions are carried, and those before them, which the last channel mixing looks
at.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.models.dropout import Dropout
from engine.models.network import Network
from engine.models.positions import at_positions
from engine.models.recurrent.layers import Embedding, Linear
from engine.models.rwkv7.settings import RWKV7Settings
from engine.models.rwkv7.start import start
from engine.models.rwkv7.time_mixing import TimeMixing


class ChannelMixing(nn.Module):
    """An MLP that sees a position and the one before it."""

    def __init__(self, settings: RWKV7Settings) -> None:
        super().__init__()
        C, F = settings.d_model, settings.d_mlp
        self.x_k = nn.Parameter(torch.empty(1, 1, C))
        self.key, self.value = Linear(C, F), Linear(F, C)

    def forward(
        self, x: Float[Tensor, "B A C"], before: Float[Tensor, "B A C"], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream."""
        return self.value(self.key(torch.lerp(x, before, self.x_k), dtype).relu().square(), dtype)


class Block(nn.Module):
    """Time mixing and channel mixing around the residual stream."""

    def __init__(self, settings: RWKV7Settings, *, first: bool) -> None:
        super().__init__()
        if first:
            self.ln0 = nn.LayerNorm(settings.d_model)
        self.ln1 = nn.LayerNorm(settings.d_model)
        self.ln2 = nn.LayerNorm(settings.d_model)
        self.att = TimeMixing(settings, first=first)
        self.ffn = ChannelMixing(settings)
        self.drop_1, self.drop_2 = Dropout(), Dropout()

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        values_first: Float[Tensor, "B T C"] | None,
        read: tuple[int, ...],
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """The residual stream after the block at `read`, and the first layer's values."""
        wanted = tuple(sorted({max(t - back, 0) for t in read for back in (0, 1)}))
        mixed, values = self.att(self.ln1(x), values_first, wanted, dtype)
        x = at_positions(x, wanted) + self.drop_1(mixed)
        normed = self.ln2(x)
        here, nothing = tuple(wanted.index(t) for t in read), torch.zeros_like(normed[:, 0])
        before = [normed[:, wanted.index(t - 1)] if t else nothing for t in read]
        x, normed = at_positions(x, here), at_positions(normed, here)
        return x + self.drop_2(self.ffn(normed, torch.stack(before, 1), dtype)), values


class RWKV7(Network):
    """RWKV-7 with the parameter names of the published checkpoints."""

    captures = False  # not seen to work: its triangular solve
    tables = ("emb.weight", "head.weight")

    def __init__(self, settings: RWKV7Settings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        self.settings = settings
        self.length = length
        self.emb = Embedding(vocab_size, settings.d_model)
        blocks = [Block(settings, first=layer == 0) for layer in range(settings.n_layers)]
        self.blocks = nn.ModuleList(blocks)
        self.ln_out = nn.LayerNorm(settings.d_model)
        self.head = Embedding(vocab_size, settings.d_model)

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        if self.savings:
            tokens = tokens[:, : max(read) + 1]
        everywhere, last = tuple(range(tokens.shape[1])), self.settings.n_layers - 1
        blocks: list[Block] = list(self.blocks)  # pyright: ignore[reportAssignmentType]
        x, values_first = blocks[0].ln0(self.emb(tokens)), None
        for depth, block in enumerate(blocks):
            wanted = read if depth == last and self.savings else everywhere
            x, values_first = block(x, values_first, wanted, self.matmul_dtype)
        x = x if self.savings else at_positions(x, read)
        return self.ln_out(x) @ self.head.weight.T

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`."""
        for name, parameter in self.named_parameters():
            drawn = start(name, parameter, self.settings, generator)
            parameter.copy_(drawn.reshape(parameter.shape))
