"""How Muon updates: matrices along an orthogonalised momentum, everything else by AdamW.

Shapes: ``R`` runs, ``P`` numbers in a row, ``K`` matrices of one shape (m, n).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from engine.optim import MuonSettings
from engine.optim.rows import Rows

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic; they send singular values to about 0.5 … 1.5 rather than to 1."""
SMALLEST_NORM = 1e-7


def orthogonalised(directions: Float[Tensor, "*stack m n"], *, n_steps: int) -> Tensor:
    """U Vᵀ of each matrix U S Vᵀ, roughly, by Newton-Schulz in float32; each on its own.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", which
    computes in bfloat16.
    """
    a, b, c = COEFFICIENTS
    tall = directions.shape[-2] > directions.shape[-1]
    x = directions.mT if tall else directions
    norms = torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True)
    x = x / norms.clamp(min=SMALLEST_NORM)
    for _ in range(n_steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.mT if tall else x


def muon_update(rows: Rows) -> None:
    """Decay the weights, then step: matrices by Muon, the rest by AdamW.

    A matrix is what `engine.optim.parts.is_matrix` says; a projection that packs queries, keys
    and values is one matrix, as it is stored. `mean` is the momentum of a matrix and the first
    moment of everything else. Source: Jordan et al. 2024, as torch.optim.Muon defines it for
    weights that are stored (out, in).
    """
    columns, gradient, step = rows.columns, rows.gradient, rows.scratch
    mean, square = rows.slots["muon_mean"], rows.slots["muon_square"]
    of_matrices = rows.parts.is_matrix
    mean.lerp_(gradient, torch.where(of_matrices, columns["momentum_gain"], columns["mean_gain"]))
    torch.mul(gradient, gradient, out=step)
    square.lerp_(step, columns["square_gain"])
    torch.sqrt(square, out=step)
    step.div_(columns["root_correction"]).add_(columns["eps"])
    torch.div(mean, step, out=step)
    step.mul_(columns["mean_rate"])
    gradient.lerp_(mean, columns["ahead"])
    _step_matrices(rows)
    keep, rest_keep = (rows.of_decay(name, neutral=1.0) for name in ("keep", "rest_keep"))
    rows.weights.mul_(torch.where(of_matrices, keep, rest_keep)).sub_(step)


def _step_matrices(rows: Rows) -> None:
    """Write the matrices' steps into `scratch`; `gradient` holds their directions."""
    settings, columns = rows.settings, rows.columns
    assert isinstance(settings, MuonSettings)
    directions, steps = rows.parts.views(rows.gradient), rows.parts.views(rows.scratch)
    rate, as_adamw = columns["rate"][..., None], columns["match_rms"][..., None] > 0
    for names in rows.parts.matrices:
        stack = torch.stack([directions[name] for name in names], 1)
        m, n = stack.shape[-2:]
        moved = orthogonalised(stack, n_steps=settings.newton_schulz_steps)
        matched = 0.2 * max(m, n) ** 0.5
        for name, step in zip(names, moved.unbind(1), strict=True):
            n_out, n_in = (n, m) if name in rows.parts.input_first else (m, n)
            scale = torch.where(as_adamw, rate * matched, rate * max(1.0, n_out / n_in) ** 0.5)
            torch.mul(step, scale, out=steps[name])
