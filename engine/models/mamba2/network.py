"""How Mamba-2 reads a row: all positions at once, as attention whose weights decay.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``D`` channels of a head, ``G`` groups, ``N`` d_state, ``P`` width of the input projection.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.mamba2.settings import Mamba2Settings
from engine.models.positions import at_positions
from engine.models.recurrent.layers import CausalConv, Linear, RMSNorm
from engine.models.recurrent.starts import time_steps, uniform
from engine.models.recurrent.state_space import Mixer, StateSpace


def decays(log_decay: Float[Tensor, "B H T"], read: tuple[int, ...]) -> Float[Tensor, "B H A T"]:
    """How much of what is written at s is left at each read position t: 0 where s > t.

    The exponents are sums over s + 1 … t alone: differences of two long sums would lose the
    small decays that follow large ones. None is positive, so nothing overflows.
    """
    T = log_decay.shape[-1]
    steps = torch.arange(T, device=log_decay.device)
    passed = log_decay.unsqueeze(-1).masked_fill(steps[:, None] <= steps, 0.0).cumsum(-2)
    kept = passed.masked_fill(steps[:, None] < steps, float("-inf")).exp()
    return at_positions(kept.flatten(0, 1), read).unflatten(0, log_decay.shape[:2])


def decaying_sums(
    x: Float[Tensor, "B T H D"],
    dt: Float[Tensor, "B T H"],
    A: Float[Tensor, " H"],
    written: Float[Tensor, "B T G N"],
    asked: Float[Tensor, "B T G N"],
    read: tuple[int, ...],
    dtype: torch.dtype,
) -> Float[Tensor, "B A H D"]:
    """`asked`ₜ · hₜ at the positions `read`, with hₜ = exp(dtₜ A) hₜ₋₁ + dtₜ `written`ₜ xₜᵀ.

    Products are taken in `dtype`, decays in the weights' type. Source: Dao and Gu 2024,
    equation 16.
    """
    dt = dt.transpose(1, 2)
    questions = at_positions(asked, read).transpose(1, 2).to(dtype)
    scores = (questions @ written.transpose(1, 2).to(dtype).mT).to(x.dtype)
    scores = scores.repeat_interleave(x.shape[2] // written.shape[2], 1)
    weights = scores * decays(dt * A[:, None], read) * dt.unsqueeze(2)
    return (weights.to(dtype) @ x.transpose(1, 2).to(dtype)).to(x.dtype).transpose(1, 2)


class Mamba2Mixer(Mixer):
    """Filter, masked quadratic form of the recurrence, and gated norm."""

    def __init__(self, settings: Mamba2Settings) -> None:
        super().__init__()
        C, D, E, H = settings.d_model, settings.d_inner, settings.d_filtered, settings.n_heads
        self.n_heads, self.n_groups = H, settings.n_groups
        self.split_projected = (D, E, H)
        self.split_filtered = (D, (E - D) // 2, (E - D) // 2)
        self.dt_bias = nn.Parameter(torch.empty(H))
        self.A_log = nn.Parameter(torch.empty(H))
        self.D = nn.Parameter(torch.empty(H))
        self.conv1d = CausalConv(E, settings.d_conv)
        self.in_proj = Linear(C, D + E + H)
        self.norm = RMSNorm(D, n_groups=settings.n_groups)
        self.out_proj = Linear(D, C)

    def mix(
        self, projected: Float[Tensor, "B T P"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """See `Mixer.mix`."""
        gate, filtered, dt = projected.split(self.split_projected, -1)
        x, written, asked = F.silu(self.conv1d(filtered)).split(self.split_filtered, -1)
        x = x.unflatten(-1, (self.n_heads, -1))
        mixed = decaying_sums(
            x,
            F.softplus(dt + self.dt_bias),
            -self.A_log.exp(),
            written.unflatten(-1, (self.n_groups, -1)),
            asked.unflatten(-1, (self.n_groups, -1)),
            read,
            dtype,
        )
        y = (mixed + at_positions(x, read) * self.D[:, None]).flatten(2)
        return self.out_proj(self.norm(y * F.silu(at_positions(gate, read))), dtype)


class Mamba2(StateSpace):
    """Mamba-2 with the parameter names of `transformers`' `Mamba2ForCausalLM`."""

    def __init__(self, settings: Mamba2Settings, *, vocab_size: int, length: int) -> None:
        super().__init__(
            lambda: Mamba2Mixer(settings),
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
    name: str, parameter: Tensor, settings: Mamba2Settings, generator: torch.Generator
) -> Tensor:
    """Initial values of one parameter. Source: Dao and Gu 2024, and their code."""
    scale = settings.init_scale
    if name.endswith(("norm.weight", "norm_f.weight", ".D")):
        return torch.ones(parameter.shape)
    if name.endswith("A_log"):
        return (1 + 15 * torch.rand(parameter.shape, generator=generator)).log()
    if name.endswith("dt_bias"):
        return time_steps(settings.n_heads, generator)
    if "conv1d" in name:
        return uniform(parameter, settings.d_conv**-0.5, generator)
    if name.endswith("embeddings.weight"):
        return 0.02 * scale * torch.randn(parameter.shape, generator=generator)
    if name.endswith("out_proj.weight"):
        scale = scale * settings.n_layers**-0.5
    return uniform(parameter, scale * parameter.shape[-1] ** -0.5, generator)
