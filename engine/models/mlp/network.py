"""How a multi-layer perceptron reads a row: all its one-hot tokens at once.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` width of a hidden layer,
``V`` vocabulary, ``I`` inputs: one for each position and token.

The input at a read position t is the row's first t + 1 one-hot tokens, and zeros where the rest
would be; at the last position it is the whole row. With one hidden layer no product is left to
`matmul_dtype`: the first layer's is a sum of columns, and logits stay float32.

Exact savings: the first layer is computed for the read positions alone.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.dropout import Dropout
from engine.models.mlp.settings import MLPSettings
from engine.models.network import Network
from engine.models.positions import at_positions
from engine.models.recurrent.layers import Linear, gather
from engine.models.recurrent.starts import uniform

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "square": torch.square,
}


class MLP(Network):
    """Linear layers with a non-linearity between them; `layers.i` are as `torch.nn.Linear`.

    Since tokens are one-hot, the first holds a row for each position and token, as an embedding.
    """

    def __init__(self, settings: MLPSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        self.settings = settings
        self.length = length
        self.tables = ("layers.0.weight", f"layers.{settings.n_layers}.weight")
        self.activation = ACTIVATIONS[settings.activation]
        widths = [length * vocab_size, *[settings.d_model] * settings.n_layers, vocab_size]
        self.layers = nn.ModuleList(
            Linear(n_in, n_out, bias=settings.bias) for n_in, n_out in pairwise(widths)
        )
        self.drops = nn.ModuleList(Dropout() for _ in range(settings.n_layers))

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        first, *between, last = self._linears()
        x = self._first(first, tokens, read)
        *earlier, final = self.drops
        for layer, drop in zip(between, earlier, strict=True):
            x = layer(drop(self.activation(x)), self.matmul_dtype)
        logits = last(final(self.activation(x)), last.weight.dtype)
        return logits if self.savings else at_positions(logits, read)

    def _linears(self) -> list[Linear]:
        return list(self.layers)  # pyright: ignore[reportArgumentType, reportReturnType]

    def _first(
        self, layer: Linear, tokens: Int[Tensor, "B T"], read: tuple[int, ...]
    ) -> Float[Tensor, "B A C"]:
        """The first layer's sums over the tokens up to each read position."""
        V = layer.weight.shape[1] // self.length
        if self.savings:
            tokens = tokens[:, : max(read) + 1]
        starts = torch.arange(0, tokens.shape[1] * V, V, device=tokens.device)
        columns = gather(layer.weight.T, tokens + starts)
        if self.savings and len(read) == 1:
            sums = columns.sum(1, keepdim=True)
        else:
            sums = columns.cumsum(1)
            sums = at_positions(sums, read) if self.savings else sums
        return sums if layer.bias is None else sums + layer.bias

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`. As torch does: even over ±1/√inputs.

        A row has one input of 1 for each position, so the first layer counts these alone.
        """
        for index, layer in enumerate(self._linears()):
            inputs = self.length if index == 0 else self.settings.d_model
            for parameter in layer.parameters():
                drawn = uniform(parameter, inputs**-0.5, generator)
                parameter.copy_(drawn * self.settings.init_scale)
