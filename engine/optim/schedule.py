"""At which learning rate each step updates (pure Python, no torch)."""

import math

from engine.optim.settings import ScheduleSettings


def rate_at(settings: ScheduleSettings, step: int, *, steps: int) -> float:
    """Return the learning rate of update `step` (counted from 1) in a budget of `steps`.

    Warm-up multiplies whatever the schedule says by min(step / warmup_steps, 1). Cosine starts at
    the end of warm-up and leaves `final_fraction` of the peak at the last step. The step schedule
    cuts after every `decay_every` updates.
    """
    return settings.learning_rate * _warmup(settings, step) * _decay(settings, step, steps)


def _warmup(settings: ScheduleSettings, step: int) -> float:
    return min(step / settings.warmup_steps, 1.0) if settings.warmup_steps else 1.0


def _decay(settings: ScheduleSettings, step: int, steps: int) -> float:
    if settings.schedule == "cosine":
        done = (step - settings.warmup_steps) / max(steps - settings.warmup_steps, 1)
        wave = (1 + math.cos(math.pi * min(max(done, 0.0), 1.0))) / 2
        return settings.final_fraction + (1 - settings.final_fraction) * wave
    if settings.schedule == "step":
        return settings.decay_factor ** ((step - 1) // settings.decay_every)
    return 1.0
