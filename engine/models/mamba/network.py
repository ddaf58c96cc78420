"""How Mamba reads a row: one step of its recurrence after the other.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``D`` d_inner,
``N`` d_state, ``P`` width of the input projection.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.mamba.settings import MambaSettings
from engine.models.positions import at_positions
from engine.models.recurrent.layers import CausalConv, Linear
from engine.models.recurrent.starts import time_steps, uniform
from engine.models.recurrent.state_space import Mixer, StateSpace


def selective_scan(
    x: Float[Tensor, "B T D"],
    dt: Float[Tensor, "B T D"],
    A: Float[Tensor, "D N"],
    written: Float[Tensor, "B T N"],
    asked: Float[Tensor, "B T N"],
    read: tuple[int, ...],
) -> Float[Tensor, "B A D"]:
    """`asked`ₜ · hₜ at the positions `read`, with hₜ = exp(dtₜ A) hₜ₋₁ + dtₜ xₜ `written`ₜ.

    Source: Gu and Dao 2023, equation 2 and algorithm 2.
    """
    (B, T, D), N = x.shape, A.shape[1]
    h, pushed = x.new_zeros(B, D, N), dt * x
    found: dict[int, Tensor] = {}
    for t in range(T):
        push = pushed[:, t, :, None] * written[:, t, None]
        h = torch.exp(dt[:, t, :, None] * A) * h + push
        if t in read:
            found[t] = (h @ asked[:, t, :, None]).squeeze(-1)
    return torch.stack([found[t] for t in read], 1)


class MambaMixer(Mixer):
    """Filter, selective recurrence and gate."""

    def __init__(self, settings: MambaSettings) -> None:
        super().__init__()
        C, D, N, R = settings.d_model, settings.d_inner, settings.d_state, settings.d_time_step
        self.widths = (R, N, N)
        self.A_log = nn.Parameter(torch.empty(D, N))
        self.D = nn.Parameter(torch.empty(D))
        self.conv1d = CausalConv(D, settings.d_conv)
        self.in_proj = Linear(C, 2 * D)
        self.x_proj = Linear(D, R + 2 * N)
        self.dt_proj = Linear(R, D, bias=True)
        self.out_proj = Linear(D, C)

    def mix(
        self, projected: Float[Tensor, "B T P"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """See `Mixer.mix`."""
        x, gate = projected.chunk(2, -1)
        x = F.silu(self.conv1d(x))
        dt, written, asked = self.x_proj(x, dtype).split(self.widths, -1)
        dt = F.softplus(self.dt_proj(dt, dtype))
        y = selective_scan(x, dt, -self.A_log.exp(), written, asked, read)
        y = y + at_positions(x, read) * self.D
        return self.out_proj(y * F.silu(at_positions(gate, read)), dtype)


class Mamba(StateSpace):
    """Mamba with the parameter names of `transformers`' `MambaForCausalLM`."""

    def __init__(self, settings: MambaSettings, *, vocab_size: int, length: int) -> None:
        super().__init__(
            lambda: MambaMixer(settings),
            n_layers=settings.n_layers,
            d_model=settings.d_model,
            vocab_size=vocab_size,
            tied=settings.tied,
        )
        self.settings = settings
        self.length = length

    def start(self, name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
        """See `StateSpace.start`."""
        return start(name, parameter, self.settings, generator)


def start(
    name: str, parameter: Tensor, settings: MambaSettings, generator: torch.Generator
) -> Tensor:
    """Initial values of one parameter. Source: Gu and Dao 2023, section 3.6."""
    scale = settings.init_scale
    if name.endswith(("norm.weight", "norm_f.weight", ".D")):
        return torch.ones(parameter.shape)
    if name.endswith("A_log"):
        return torch.arange(1.0, settings.d_state + 1).log().expand(parameter.shape)
    if name.endswith("dt_proj.bias"):
        return time_steps(settings.d_inner, generator)
    if "conv1d" in name:
        return uniform(parameter, settings.d_conv**-0.5, generator)
    if name.endswith("embeddings.weight"):
        return 0.02 * scale * torch.randn(parameter.shape, generator=generator)
    if name.endswith("out_proj.weight"):
        scale = scale * settings.n_layers**-0.5
    return uniform(parameter, scale * parameter.shape[-1] ** -0.5, generator)
