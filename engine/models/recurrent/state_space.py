"""How a stack of state-space mixers turns token rows into logits.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``V`` vocabulary,
``P`` width of a mixer's input projection.

Exact savings: nothing after the last read position is computed, only the read positions are
carried past the last mixer's recurrence, and where the vocabulary is smaller than the batch the
first layer's input projection, which knows the token alone, is taken once for each token.
"""

from abc import abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.models.dropout import Dropout
from engine.models.network import Network
from engine.models.positions import at_positions
from engine.models.recurrent.layers import Embedding, Linear, RMSNorm, gather


class Mixer(nn.Module):
    """What carries information from position to position."""

    in_proj: Linear

    @abstractmethod
    def mix(
        self, projected: Float[Tensor, "B T P"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at `read`, from `in_proj` of the normed stream."""


class Layer(nn.Module):
    """Norm and mixer around the residual stream."""

    def __init__(self, width: int, mixer: Mixer) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.mixer = mixer
        self.drop = Dropout()

    def project(self, x: Float[Tensor, "*rows C"], dtype: torch.dtype) -> Float[Tensor, "*rows P"]:
        """All that the layer computes before it mixes positions."""
        return self.mixer.in_proj(self.norm(x), dtype)


class StateSpace(Network):
    """Token embedding, layers, final norm and unembedding, named as in Mamba's state dict."""

    tables = ("backbone.embeddings.weight", "lm_head.weight")

    def __init__(
        self,
        make_mixer: Callable[[], Mixer],
        *,
        n_layers: int,
        d_model: int,
        vocab_size: int,
        tied: bool,
    ) -> None:
        super().__init__()
        layers = [Layer(d_model, make_mixer()) for _ in range(n_layers)]
        self.backbone = nn.ModuleDict(
            {
                "embeddings": Embedding(vocab_size, d_model),
                "layers": nn.ModuleList(layers),
                "norm_f": RMSNorm(d_model),
            }
        )
        if not tied:
            self.lm_head = Embedding(vocab_size, d_model)
        self.tied = tied

    @property
    def layers(self) -> list[Layer]:
        """First to last."""
        return list(self.backbone["layers"])  # pyright: ignore[reportArgumentType, reportReturnType]

    @property
    def embedding(self) -> Float[Tensor, "V C"]:
        """One row for each token."""
        return self.backbone["embeddings"].weight  # pyright: ignore[reportReturnType]

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        if self.savings:
            tokens = tokens[:, : max(read) + 1]
        everywhere, dtype = tuple(range(tokens.shape[1])), self.matmul_dtype
        x = gather(self.embedding, tokens)
        for depth, layer in enumerate(self.layers):
            last = depth == len(self.layers) - 1
            wanted = read if last and self.savings else everywhere
            if depth == 0 and self.savings and len(self.embedding) < len(tokens):
                projected = gather(layer.project(self.embedding, dtype), tokens)
            else:
                projected = layer.project(x, dtype)
            mixed = layer.mixer.mix(projected, wanted, dtype)
            x = at_positions(x, wanted) + layer.drop(mixed)
        x = x if self.savings else at_positions(x, read)
        unembedding = self.embedding if self.tied else self.lm_head.weight
        return self.backbone["norm_f"](x) @ unembedding.T

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`."""
        for name, parameter in self.named_parameters():
            parameter.copy_(self.start(name, parameter, generator))

    @abstractmethod
    def start(self, name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
        """Initial values of one parameter."""
