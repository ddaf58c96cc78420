"""How one layer, attention and MLP, changes the residual stream.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engine.models.dropout import Dropout
from engine.models.gpt.attention import Attention
from engine.models.gpt.layers import MLP, Norm
from engine.models.gpt.settings import DecoderSettings
from engine.models.positions import at_positions


class Block(nn.Module):
    """Attention and MLP, each around the residual stream.

    A block may lack one of the two, where layers share it, or its own keys and values.
    """

    def __init__(
        self,
        settings: DecoderSettings,
        *,
        attends: bool = True,
        thinks: bool = True,
        own_keys: bool = True,
    ) -> None:
        super().__init__()
        self.norm = settings.norm
        if settings.norm != "none" and attends:
            self.ln_1 = Norm(settings.d_model)
        if settings.norm != "none" and thinks:
            self.ln_2 = Norm(settings.d_model)
        if attends:
            self.attn = Attention(settings, own_keys=own_keys)
            self.drop_1 = Dropout()
        if thinks:
            self.mlp = MLP(settings)
            self.drop_2 = Dropout()

    def attention_input(self, x: Float[Tensor, "*rows C"]) -> Float[Tensor, "*rows C"]:
        """What queries, keys and values are made of."""
        return self.ln_1(x) if self.norm == "pre" else x

    def add_attention(
        self, x: Float[Tensor, "B A C"], mixed: Float[Tensor, "B A C"]
    ) -> Float[Tensor, "B A C"]:
        """The residual stream after attention."""
        x = x + self.drop_1(mixed)
        return self.ln_1(x) if self.norm == "post" else x

    def attend(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """The residual stream after attention, at the positions `read`."""
        mixed = self.attn(self.attention_input(x), read, dtype)
        return self.add_attention(at_positions(x, read), mixed)

    def think(self, x: Float[Tensor, "B A C"], dtype: torch.dtype) -> Float[Tensor, "B A C"]:
        """The residual stream after the MLP."""
        if self.norm == "pre":
            return x + self.drop_2(self.mlp(self.ln_2(x), dtype))
        x = x + self.drop_2(self.mlp(x, dtype))
        return self.ln_2(x) if self.norm == "post" else x
