"""How an LSTM reads a row: layer by layer, one position after the other.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``V`` vocabulary,
``G`` four gates of C.

A loop of its own, since `torch.nn.LSTM` works neither under `torch.vmap` nor in one graph.

Exact savings: nothing after the last read position is computed, and where the vocabulary is
smaller than the batch the first layer's input product is taken once for each token.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.dropout import Dropout
from engine.models.lstm.settings import LSTMSettings
from engine.models.network import Network
from engine.models.positions import at_positions
from engine.models.recurrent.layers import Embedding, Linear, gather
from engine.models.recurrent.starts import uniform


class Cells(nn.Module):
    """The weights of all layers under `torch.nn.LSTM`'s names; gates in the order i, f, g, o."""

    def __init__(self, settings: LSTMSettings) -> None:
        super().__init__()
        C = settings.d_model
        for layer in range(settings.n_layers):
            for part, shape in (("weight", (4 * C, C)), ("bias", (4 * C,))):
                for source in ("ih", "hh"):
                    empty = nn.Parameter(torch.empty(shape))
                    self.register_parameter(f"{part}_{source}_l{layer}", empty)

    def inputs(
        self, x: Float[Tensor, "*rows C"], layer: int, dtype: torch.dtype
    ) -> Float[Tensor, "*rows G"]:
        """What a layer's input gives to its gates, both biases included."""
        weight: Tensor = getattr(self, f"weight_ih_l{layer}")
        biases = getattr(self, f"bias_ih_l{layer}") + getattr(self, f"bias_hh_l{layer}")
        return F.linear(x.to(dtype), weight.to(dtype)).to(weight.dtype) + biases

    def run(
        self, inputs: Float[Tensor, "B T G"], layer: int, dtype: torch.dtype
    ) -> Float[Tensor, "B T C"]:
        """What a layer shows at each position, from zeros before the first."""
        weight: Tensor = getattr(self, f"weight_hh_l{layer}")
        product = weight.to(dtype)
        shown = cell = torch.zeros_like(inputs[:, 0].chunk(4, -1)[0])
        found: list[Tensor] = []
        for given in inputs.unbind(1):
            gates = given + F.linear(shown.to(dtype), product).to(weight.dtype)
            write, keep, value, show = gates.chunk(4, -1)
            cell = keep.sigmoid() * cell + write.sigmoid() * value.tanh()
            shown = show.sigmoid() * cell.tanh()
            found.append(shown)
        return torch.stack(found, 1)


class LSTM(Network):
    """Embedding, `torch.nn.LSTM`'s layers and a linear unembedding."""

    tables = ("embedding.weight", "head.weight")

    def __init__(self, settings: LSTMSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        self.settings = settings
        self.length = length
        self.embedding = Embedding(vocab_size, settings.d_model)
        self.lstm = Cells(settings)
        self.drops = nn.ModuleList(Dropout() for _ in range(settings.n_layers))
        self.head = Linear(settings.d_model, vocab_size, bias=True)

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        rows, dtype = self.embedding.weight, self.matmul_dtype
        if self.savings:
            tokens = tokens[:, : max(read) + 1]
        if self.savings and len(rows) < len(tokens):
            inputs = gather(self.lstm.inputs(rows, 0, dtype), tokens)
        else:
            inputs = self.lstm.inputs(self.embedding(tokens), 0, dtype)
        x = self.drops[0](self.lstm.run(inputs, 0, dtype))
        for layer in range(1, self.settings.n_layers):
            x = self.drops[layer](self.lstm.run(self.lstm.inputs(x, layer, dtype), layer, dtype))
        return self.head(at_positions(x, read), self.head.weight.dtype)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`. As torch's: even over ±1/√C, embedding N(0, 1)."""
        for name, parameter in self.named_parameters():
            if name.startswith("embedding"):
                drawn = torch.randn(parameter.shape, generator=generator)
            else:
                drawn = uniform(parameter, self.settings.d_model**-0.5, generator)
            parameter.copy_(drawn * self.settings.init_scale)
