"""The learning rate of each step, against torch's own schedulers."""

from collections.abc import Callable

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, StepLR

from engine.optim import AdamWSettings
from engine.optim.schedule import rate_at

STEPS = 60


def rates_of_torch(build: Callable[[torch.optim.Optimizer], LRScheduler]) -> list[float]:
    """The rate after 0, 1, … STEPS steps of torch's scheduler."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    scheduler = build(optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(STEPS):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def rates_of_ours(settings: AdamWSettings) -> list[float]:
    return [rate_at(settings, step, steps=STEPS) for step in range(1, STEPS + 1)]


def test_warm_up_rises_by_equal_steps_to_the_peak_and_stays() -> None:
    settings = AdamWSettings(learning_rate=0.02, warmup_steps=10)
    expected = rates_of_torch(lambda o: LambdaLR(o, lambda t: min((t + 1) / 10, 1)))[:STEPS]
    assert rates_of_ours(settings) == pytest.approx(expected)


def test_without_warm_up_the_first_step_has_the_full_rate() -> None:
    settings = AdamWSettings(learning_rate=0.02, warmup_steps=0)
    assert rates_of_ours(settings) == [0.02] * STEPS


def test_cosine_follows_torch_and_leaves_the_final_fraction_at_the_last_step() -> None:
    settings = AdamWSettings(
        learning_rate=0.02, warmup_steps=0, schedule="cosine", final_fraction=0.25
    )
    expected = rates_of_torch(lambda o: CosineAnnealingLR(o, T_max=STEPS, eta_min=0.005))[1:]
    assert rates_of_ours(settings) == pytest.approx(expected)
    assert rate_at(settings, STEPS, steps=STEPS) == pytest.approx(0.005)


def test_cosine_starts_from_the_peak_when_warm_up_ends() -> None:
    settings = AdamWSettings(learning_rate=0.02, warmup_steps=20, schedule="cosine")
    assert rate_at(settings, 20, steps=STEPS) == pytest.approx(0.02)
    assert rate_at(settings, 19, steps=STEPS) == pytest.approx(0.02 * 19 / 20)
    assert rate_at(settings, 21, steps=STEPS) < 0.02


def test_the_step_schedule_cuts_where_torch_cuts() -> None:
    settings = AdamWSettings(
        learning_rate=0.02, warmup_steps=0, schedule="step", decay_every=7, decay_factor=0.3
    )
    expected = rates_of_torch(lambda o: StepLR(o, step_size=7, gamma=0.3))[:STEPS]
    assert rates_of_ours(settings) == pytest.approx(expected)
