"""How a stack of mixers turns token rows into logits at the positions that are read.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``V`` vocabulary, ``L`` layers.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.models.mixers.block import Block
from engine.models.mixers.layers import norm
from engine.models.mixers.settings.stack import StackSettings
from engine.models.mixers.start import first_values
from engine.models.network import Network
from engine.models.positions import at_positions


class Table(nn.Module):
    """One row for each token or position."""

    def __init__(self, n_rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_rows, width))


class Decoder(nn.Module):
    """Everything before the unembedding, under the names of flash-linear-attention."""

    def __init__(self, settings: StackSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        self.embeddings = Table(vocab_size, settings.d_model)
        if settings.positions == "learned":
            self.positions = Table(length, settings.d_model)
        self.layers = nn.ModuleList(Block(layer, length=length) for layer in settings.layers())
        self.norm = norm(settings)


class MixerStack(Network):
    """Pre-norm blocks of mixer and MLP; only the read positions pass the last mixer."""

    tables = ("model.embeddings.weight", "model.positions.weight", "lm_head.weight")

    def __init__(self, settings: StackSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        self.settings = settings
        self.model = Decoder(settings, vocab_size=vocab_size, length=length)
        if not settings.tied:
            self.lm_head = Table(vocab_size, settings.d_model)
        self.has_maps = all(block.attn.has_maps for block in self.blocks)
        self.captures = all(block.attn.captures for block in self.blocks)

    @property
    def blocks(self) -> list[Block]:
        """The layers, first to last."""
        return list(self.model.layers)  # pyright: ignore[reportReturnType]

    @property
    def unembedding(self) -> Float[Tensor, "V C"]:
        """One row for each class; the embedding's own where the two are tied."""
        return self.model.embeddings.weight if self.settings.tied else self.lm_head.weight

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        everywhere, x = tuple(range(tokens.shape[1])), self.embed(tokens)
        wanted = read if self.savings else everywhere
        for block in self.blocks[:-1]:
            x = block(x, everywhere, self.matmul_dtype)
        x = self.model.norm(self.blocks[-1](x, wanted, self.matmul_dtype))
        return (x if self.savings else at_positions(x, read)) @ self.unembedding.T

    def embed(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T C"]:
        """Token, plus position where positions are learned."""
        B, T = tokens.shape
        table = self.model.embeddings.weight
        found = table.index_select(0, tokens.reshape(-1)).view(B, T, -1)
        learned = self.settings.positions == "learned"
        return found + self.model.positions.weight[:T] if learned else found

    def attention(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "L B H T T"]:
        """The attention maps of all layers: row t is where position t looks."""
        everywhere, x, maps = tuple(range(tokens.shape[1])), self.embed(tokens), list[Tensor]()
        for block in self.blocks:
            maps.append(block.attn.maps(block.attn_norm(x), self.matmul_dtype))
            x = block(x, everywhere, self.matmul_dtype)
        return torch.stack(maps)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`."""
        for name, parameter in self.named_parameters():
            parameter.copy_(self._start(name, parameter, generator))

    def _start(self, name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
        """Fresh values of one parameter: a mixer knows its own."""
        scale, path = self.settings.init_scale, name.split(".")
        if "attn" not in path:
            return first_values(name, parameter, generator, scale=scale)
        depth, within = int(path[2]), ".".join(path[4:])
        mixer = self.blocks[depth].attn
        return mixer.start(within, parameter, generator, scale=scale, depth=depth)
