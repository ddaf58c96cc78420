"""Muon against torch.optim.Muon and a plain twin: matrices by Newton-Schulz, the rest by AdamW."""

import pytest
import torch
from torch import Tensor

from engine.optim import MuonSettings
from engine.optim.muon import orthogonalised
from tests.engine.optim.driven import LAYOUT, Parameters, ours, reference

STEPS = 20
MATRICES = ("h.0.fc.weight", "h.0.proj.weight", "h.1.fc.weight")
SETTINGS = [
    MuonSettings(learning_rate=1e-3, weight_decay=1.0, warmup_steps=0),
    MuonSettings(
        learning_rate=3e-2,
        weight_decay=0.1,
        scale="original",
        nesterov=False,
        momentum=0.8,
        rest_rate=1e-2,
        rest_decay=0.0,
        warmup_steps=0,
    ),
    MuonSettings(
        learning_rate=1e-2,
        weight_decay=0.0,
        rest_rate=3e-3,
        rest_decay=2.0,
        betas=(0.8, 0.95),
        warmup_steps=0,
    ),
]


def as_linear(parameters: Parameters) -> list[torch.nn.Parameter]:
    """The matrices as `nn.Linear` stores them, (out, in), in the memory of the parameters."""
    return [
        torch.nn.Parameter(parameters[name].data.T)
        if name in LAYOUT.input_first
        else parameters[name]
        for name in MATRICES
    ]


class Reference:
    """Muon of torch for the matrices, its AdamW for the rest."""

    def __init__(self, settings: MuonSettings) -> None:
        self.settings = settings
        self.linear: list[torch.nn.Parameter] = []

    def hand_over(self, parameters: Parameters) -> None:
        """Give the matrices that are seen turned round their gradients."""
        for name, matrix in zip(MATRICES, self.linear, strict=True):
            gradient = parameters[name].grad
            assert gradient is not None
            matrix.grad = gradient.T if name in LAYOUT.input_first else gradient

    def build(self, parameters: Parameters) -> list[torch.optim.Optimizer]:
        settings, self.linear = self.settings, as_linear(parameters)
        return [
            torch.optim.Muon(
                self.linear,
                lr=settings.learning_rate,
                weight_decay=settings.weight_decay,
                momentum=settings.momentum,
                nesterov=settings.nesterov,
                adjust_lr_fn=settings.scale,
                ns_steps=settings.newton_schulz_steps,
            ),
            torch.optim.AdamW(
                [each for name, each in parameters.items() if name not in MATRICES],
                lr=settings.rest_rate,
                weight_decay=settings.rest_decay,
                betas=settings.betas,
                eps=settings.eps,
            ),
        ]


def twin(matrix: Tensor, n_steps: int) -> Tensor:
    """Newton-Schulz of one matrix through its singular values, in float64."""
    u, s, vt = torch.linalg.svd(matrix.double(), full_matrices=False)
    s = s / s.square().sum().sqrt()
    for _ in range(n_steps):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (u * s) @ vt


def test_everything_but_matrices_follows_torchs_adamw_and_matrices_its_muon() -> None:
    found = torch.stack(ours(SETTINGS, STEPS))
    for run, settings in enumerate(SETTINGS):
        torchs = Reference(settings)
        expected = torch.stack(
            reference(torchs.build, run, len(SETTINGS), STEPS, before=torchs.hand_over)
        )
        views = zip(
            LAYOUT.views(found[:, run]).items(), LAYOUT.views(expected).values(), strict=True
        )
        for (name, got), wanted in views:
            # torch orthogonalises in bfloat16: 8 bits, so 1 % of the longest step after each
            within = 0.02 * settings.learning_rate * STEPS if name in MATRICES else 2e-6
            torch.testing.assert_close(got, wanted, rtol=2e-5, atol=within, msg=name)


@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (5, 5)])
@pytest.mark.parametrize("n_steps", [1, 5])
def test_each_matrix_of_a_stack_is_orthogonalised_on_its_own(
    shape: tuple[int, int], n_steps: int
) -> None:
    stack = torch.randn(3, 2, *shape, generator=torch.Generator().manual_seed(0))
    stack *= torch.tensor([1e-4, 1.0, 1e3])[:, None, None, None]
    found = orthogonalised(stack, n_steps=n_steps)
    for run in range(3):
        for k in range(2):
            expected = twin(stack[run, k], n_steps).float()
            torch.testing.assert_close(found[run, k], expected, rtol=1e-4, atol=1e-5)


def test_no_gradient_moves_nothing() -> None:
    assert not orthogonalised(torch.zeros(1, 1, 4, 3), n_steps=5).any()
