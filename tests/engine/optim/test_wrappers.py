"""What is put around an update, against packaged references, on runs with their own settings."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_optimizer
import torch
from pytorch_optimizer.optimizer.grokfast import gradfilter_ema, gradfilter_ma
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from engine.optim import AdamWSettings, SGDSettings
from tests.engine.optim.driven import LAYOUT, Parameters, initial, named, ours, reference

STEPS = 60
RATES = ((1e-3, 1.0), (1e-2, 0.0), (3e-2, 0.5))


def adamws(*wrappers: dict[str, Any]) -> list[AdamWSettings]:
    """Runs with different rates and decays, each with its own wrapper settings."""
    return [
        AdamWSettings(learning_rate=rate, weight_decay=decay, warmup_steps=0, **wrapper)
        for (rate, decay), wrapper in zip(RATES, wrappers, strict=True)
    ]


def torch_adamw(settings: AdamWSettings) -> Callable[[Parameters], list[torch.optim.Optimizer]]:
    return lambda parameters: [
        torch.optim.AdamW(
            list(parameters.values()),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            betas=settings.betas,
        )
    ]


def module_of(parameters: Parameters) -> torch.nn.Module:
    module = torch.nn.Module()
    for name, parameter in parameters.items():
        module.register_parameter(name.replace(".", "_"), parameter)
    return module


def close(found: list[Tensor], run: int, expected: list[Tensor], *, within: float = 5e-6) -> None:
    torch.testing.assert_close(
        torch.stack(found)[:, run], torch.stack(expected), rtol=2e-5, atol=within
    )


@pytest.mark.parametrize("kind", ["ema", "ma"])
def test_grokfast_amplifies_the_gradients_that_the_package_amplifies(kind: str) -> None:
    wrappers = [
        {"grokfast": kind, "grokfast_lamb": lamb, "grokfast_alpha": alpha, "grokfast_window": 20}
        for lamb, alpha in ((2.0, 0.98), (5.0, 0.9), (0.0, 0.5))
    ]
    settings = adamws(*wrappers)
    found = ours(settings, STEPS)
    for run, each in enumerate(settings):
        memory: dict[str, Any] = {"grads": None}

        def amplify(
            parameters: Parameters, each: AdamWSettings = each, memory: dict[str, Any] = memory
        ) -> None:
            module = module_of(parameters)
            memory["grads"] = (
                gradfilter_ema(
                    module, memory["grads"], alpha=each.grokfast_alpha, lamb=each.grokfast_lamb
                )
                if kind == "ema"
                else gradfilter_ma(
                    module,
                    memory["grads"],
                    window_size=each.grokfast_window,
                    lamb=each.grokfast_lamb,
                )
            )

        close(found, run, reference(torch_adamw(each), run, 3, STEPS, before=amplify))


def test_the_orthogonal_gradient_is_that_of_the_package() -> None:
    settings = [
        SGDSettings(
            learning_rate=rate, weight_decay=decay, warmup_steps=0, orthogonal_gradient=True
        )
        for rate, decay in ((1e-3, 0.0), (3e-2, 0.1), (1e-2, 0.0))
    ]
    found = ours(settings, STEPS)
    for run, each in enumerate(settings):

        def build(parameters: Parameters, each: SGDSettings = each) -> list[torch.optim.Optimizer]:
            inner = torch.optim.SGD(
                list(parameters.values()),
                lr=each.learning_rate,
                weight_decay=each.weight_decay,
                momentum=each.momentum,
            )
            return [pytorch_optimizer.OrthoGrad(inner)]

        close(found, run, reference(build, run, 3, STEPS))


def test_the_norm_stays_at_its_factor_of_the_initial_one_and_other_runs_stay_free() -> None:
    settings = adamws({"norm_factor": 0.8}, {}, {"norm_factor": 2.0})
    found = ours(settings, STEPS)
    for run, each in enumerate(settings):
        before = initial(3)[run].norm()

        def rescale(
            parameters: Parameters, each: AdamWSettings = each, before: Tensor = before
        ) -> None:
            if not each.norm_factor:
                return
            now = torch.cat([p.flatten() for p in parameters.values()]).norm()
            for parameter in parameters.values():
                parameter.mul_(each.norm_factor * before / now)

        close(found, run, reference(torch_adamw(each), run, 3, STEPS, after=rescale))
    assert torch.equal(
        torch.stack(found)[:, 1], torch.stack(ours(adamws({}, {}, {}), STEPS))[:, 1]
    )


def test_weight_decay_touches_the_group_that_each_run_names() -> None:
    groups = {
        "all": set(LAYOUT.names),
        "matrices": {"wte.weight", "h.0.fc.weight", "h.0.proj.weight", "h.1.fc.weight"},
        "no_embeddings": set(LAYOUT.names) - {"wte.weight"},
    }
    settings = [
        AdamWSettings(learning_rate=rate, weight_decay=2.0, decay_group=group, warmup_steps=0)
        for rate, group in zip((1e-3, 1e-2, 3e-2), groups, strict=True)
    ]
    found = ours(settings, STEPS)
    for run, each in enumerate(settings):

        def build(
            parameters: Parameters, each: AdamWSettings = each
        ) -> list[torch.optim.Optimizer]:
            decayed = groups[each.decay_group]
            parts: list[dict[str, Any]] = [
                {"params": [p for n, p in parameters.items() if n in decayed]},
                {
                    "params": [p for n, p in parameters.items() if n not in decayed],
                    "weight_decay": 0.0,
                },
            ]
            parts = [part for part in parts if part["params"]]
            return [
                torch.optim.AdamW(parts, lr=each.learning_rate, weight_decay=2.0, betas=each.betas)
            ]

        close(found, run, reference(build, run, 3, STEPS))


def test_a_coupled_decay_spares_the_same_parameters() -> None:
    settings = [
        SGDSettings(learning_rate=0.01, weight_decay=1.0, warmup_steps=0, decay_group=group)
        for group in ("all", "matrices")
    ]
    plain = SGDSettings(learning_rate=0.01, weight_decay=0.0, warmup_steps=0)
    both, alone = ours(settings, 1)[-1], ours([plain, plain], 1)[-1]
    for name, of_spared in named(both[1]).items():
        same = torch.equal(of_spared, named(alone[1])[name])
        assert same is (name in {"h.0.fc.bias", "gain"})


def test_the_average_is_torchs_and_training_does_not_notice_it() -> None:
    settings = adamws({"ema_decay": 0.9}, {"ema_decay": 0.99}, {"ema_decay": 0.5})
    found = ours(settings, STEPS, shown=True)
    for run, each in enumerate(settings):
        averaged: list[Tensor] = []
        start = named(initial(3)[run]).items()
        module = module_of({name: torch.nn.Parameter(view.clone()) for name, view in start})
        model = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(each.ema_decay))
        model.update_parameters(module)

        def follow(
            parameters: Parameters,
            model: AveragedModel = model,
            averaged: list[Tensor] = averaged,
        ) -> None:
            model.update_parameters(module_of(parameters))
            kept = dict(zip(parameters, model.module.parameters(), strict=True))
            averaged.append(LAYOUT.row({n: p.detach() for n, p in kept.items()})[0])

        reference(torch_adamw(each), run, 3, STEPS, after=follow)
        close(found, run, averaged)
    plain = ours(adamws({}, {}, {}), STEPS)[-1]
    assert torch.equal(ours(settings, STEPS)[-1], plain)


def test_noise_has_its_spread_and_spares_the_padding_and_quiet_runs() -> None:
    noisy = SGDSettings(learning_rate=1.0, momentum=0.0, warmup_steps=0, gradient_noise=0.25)
    quiet = noisy.model_copy(update={"gradient_noise": 0.0})
    changed, plain = ours([noisy, quiet, noisy], 1)[-1], ours([quiet] * 3, 1)[-1]
    difference = (changed - plain)[:, : LAYOUT.n_parameters]
    assert torch.equal(changed[1], plain[1])
    assert not torch.allclose(difference[0], difference[2])
    for run in (0, 2):
        assert difference[run].std().item() == pytest.approx(0.25, rel=0.15)
        assert abs(difference[run].mean().item()) < 0.05
    assert not changed[:, LAYOUT.n_parameters :].any()


def test_noise_differs_from_step_to_step() -> None:
    noisy = SGDSettings(learning_rate=1.0, momentum=0.0, warmup_steps=0, gradient_noise=1.0)
    quiet = noisy.model_copy(update={"gradient_noise": 0.0})
    # at rate 1 the weights become the noise of the gradient less that which is added
    with_noise, without = ours([noisy], 2), ours([quiet], 2)
    first, second = (a - b for a, b in zip(with_noise, without, strict=True))
    assert not torch.allclose(first, second, atol=0.1)


@pytest.mark.parametrize(
    "idle",
    [
        {"grokfast_lamb": 7.0, "grokfast_alpha": 0.1, "grokfast_window": 3},
        {"decay_group": "all"},
        {"norm_factor": 0.0, "gradient_noise": 0.0, "ema_decay": 0.0},
    ],
)
def test_settings_of_what_is_off_change_nothing(idle: dict[str, Any]) -> None:
    assert torch.equal(ours(adamws(idle, idle, idle), 5)[-1], ours(adamws({}, {}, {}), 5)[-1])
