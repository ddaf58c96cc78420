"""What recording costs is told of the stretches that it should be told of."""

import pytest

from engine.bench import recording as module
from engine.bench.options import Options
from engine.bench.recording import Stretch, recording


def test_a_stretch_is_trained_bare_and_measured_and_recorded(monkeypatch: pytest.MonkeyPatch):
    stretches = (Stretch("quick", 0, 12), Stretch("quick", 707, 12))
    monkeypatch.setattr(module, "STRETCHES", stretches)
    begun: list[int] = []
    resume = module.Batch.resume

    def noted(configs: object, states: object, step: int) -> object:
        begun.append(step)
        return resume(configs, states, step)

    monkeypatch.setattr(module.Batch, "resume", noted)
    rows = recording(Options(rounds=1, device="cpu"))
    assert [(row["from_step"], row["steps"]) for row in rows] == [(0, 12), (707, 12)]
    assert begun == 8 * [0] + 8 * [702]  # four runs, in a round that counts and one that does not
    for row in rows:
        ratio = row["recorded_steps_per_second"] / row["bare_steps_per_second"]
        assert row["recorded_to_bare"] == pytest.approx(ratio)
        both = row["measured_to_bare"] * row["recorded_to_measured"]
        assert row["recorded_to_bare"] == pytest.approx(both)
