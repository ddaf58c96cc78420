"""How RWKV-7 carries information from position to position.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``D`` d_head, ``R`` d_low_rank.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.positions import at_positions
from engine.models.recurrent.layers import Linear, previous
from engine.models.rwkv7.kernel import generalised_delta_rule
from engine.models.rwkv7.settings import RWKV7Settings

FASTEST = 0.606531
"""A state's largest logarithmic decay in one step: exp(−1/2), rounded as in the published code."""


def _unchanged(x: Tensor) -> Tensor:
    return x


class TimeMixing(nn.Module):
    """Decay, removal and learning of a state by head; a gate on what is read from it."""

    input_first = ("w1", "w2", "a1", "a2", "g1", "g2", "v1", "v2")
    """Parameters whose rows and columns are turned round against those of `nn.Linear`."""

    def __init__(self, settings: RWKV7Settings, *, first: bool) -> None:
        super().__init__()
        C, H, R = settings.d_model, settings.n_heads, settings.d_low_rank
        self.heads = (H, C // H)
        for name in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0", "k_k", "k_a"):
            self.register_parameter(name, nn.Parameter(torch.empty(1, 1, C)))
        for name in ("w", "a", "g") if first else ("w", "a", "g", "v"):
            self.register_parameter(f"{name}1", nn.Parameter(torch.empty(C, R)))
            self.register_parameter(f"{name}2", nn.Parameter(torch.empty(R, C)))
        if not first:
            self.v0 = nn.Parameter(torch.empty(1, 1, C))
        self.r_k = nn.Parameter(torch.empty(H, C // H))
        self.receptance, self.key, self.value, self.output = (Linear(C, C) for _ in range(4))
        self.ln_x = nn.GroupNorm(H, C, eps=64e-5)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        values_first: Float[Tensor, "B T C"] | None,
        wanted: tuple[int, ...],
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """What is added to the residual stream at `wanted`, and the first layer's values."""
        before = previous(x)
        decay = self._low_rank("w", self._mix("w", x, before), dtype, torch.tanh)
        log_decay = -FASTEST * torch.sigmoid(self._own("w0") + decay)
        keys = self.key(self._mix("k", x, before), dtype)
        rate = self._low_rank("a", self._mix("a", x, before), dtype)
        rate = torch.sigmoid(self._own("a0") + rate)
        values, values_first = self._values(self._mix("v", x, before), values_first, dtype)
        direction = F.normalize(self._split(keys * self._own("k_k")), dim=-1).flatten(2)
        keys = keys * (1 + (rate - 1) * self._own("k_a"))
        here, before = at_positions(x, wanted), at_positions(before, wanted)
        asked = self.receptance(self._mix("r", here, before), dtype)
        gate = self._low_rank("g", self._mix("g", here, before), dtype, torch.sigmoid)
        mixed = generalised_delta_rule(
            self._by_head(asked),
            self._by_head(log_decay),
            self._by_head(keys),
            self._by_head(values),
            removed=-self._by_head(direction),
            replaced=self._by_head(direction * rate),
            read=wanted,
        )
        mixed = self._norm(mixed.transpose(1, 2).flatten(2))
        bonus = self._bonus(asked, at_positions(keys, wanted), at_positions(values, wanted))
        return self.output((mixed + bonus) * gate, dtype), values_first

    def _own(self, name: str) -> Tensor:
        return getattr(self, name)

    def _mix(
        self, name: str, x: Float[Tensor, "B A C"], before: Float[Tensor, "B A C"]
    ) -> Float[Tensor, "B A C"]:
        """A position and the one before it, by channel."""
        return torch.lerp(x, before, self._own(f"x_{name}"))

    def _low_rank(
        self,
        name: str,
        x: Float[Tensor, "B A C"],
        dtype: torch.dtype,
        within: Callable[[Tensor], Tensor] = _unchanged,
    ) -> Float[Tensor, "B A C"]:
        """X through R channels, with the non-linearity `within` there."""
        down, up = self._own(f"{name}1"), self._own(f"{name}2")
        inner = within((x.to(dtype) @ down.to(dtype)).to(down.dtype))
        return (inner.to(dtype) @ up.to(dtype)).to(up.dtype)

    def _values(
        self,
        x: Float[Tensor, "B T C"],
        values_first: Float[Tensor, "B T C"] | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """This layer's values, drawn to the first layer's, and the latter."""
        values = self.value(x, dtype)
        if values_first is None:
            return values, values
        share = torch.sigmoid(self.v0 + self._low_rank("v", x, dtype))
        return torch.lerp(values, values_first, share), values_first

    def _split(self, x: Float[Tensor, "B A C"]) -> Float[Tensor, "B A H D"]:
        return x.unflatten(-1, self.heads)

    def _by_head(self, x: Float[Tensor, "B A C"]) -> Float[Tensor, "B H A D"]:
        return self._split(x).transpose(1, 2)

    def _norm(self, x: Float[Tensor, "B A C"]) -> Float[Tensor, "B A C"]:
        """Each head normed by itself."""
        rows = F.layer_norm(self._split(x), self.heads[1:], eps=self.ln_x.eps).flatten(2)
        return rows * self.ln_x.weight + self.ln_x.bias

    def _bonus(
        self,
        asked: Float[Tensor, "B A C"],
        keys: Float[Tensor, "B A C"],
        values: Float[Tensor, "B A C"],
    ) -> Float[Tensor, "B A C"]:
        """What a position adds of its own value."""
        weight = (self._split(asked) * self._split(keys) * self.r_k).sum(-1, keepdim=True)
        return (weight * self._split(values)).flatten(2)
