"""What a parameter of the stack holds before training, told by its name."""

import torch
from torch import Tensor


def first_values(
    name: str, parameter: Tensor, generator: torch.Generator, *, scale: float
) -> Tensor:
    """Fresh values in the parameter's shape.

    Matrices and convolutions are N(0, scale²/inputs), embeddings N(0, scale²/d_model), gains 1,
    biases 0. Decays start so that a memory lasts between one step and some thousands: exp(A_log)
    uniform in 1 to 16, softplus(dt_bias) log-uniform in 0.001 to 0.1.

    Source: Dao and Gu 2024 (Mamba-2), for the decays.
    """
    shape = parameter.shape
    if name.endswith("A_log"):
        return (1 + 15 * torch.rand(shape, generator=generator)).log()
    if name.endswith("dt_bias"):
        step = 10.0 ** (-3 + 2 * torch.rand(shape, generator=generator))
        return step + torch.log(-torch.expm1(-step))
    if name.endswith("bias"):
        return torch.zeros(shape)
    if len(shape) == 1:
        return torch.ones(shape)
    return torch.randn(shape, generator=generator) * (scale * shape[-1] ** -0.5)
