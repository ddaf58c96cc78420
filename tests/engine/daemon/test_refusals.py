"""What is refused before anything is queued."""

import pytest

from engine.config import RunConfig, apply
from engine.daemon.refusals import check
from engine.errors import SettingsError

SEEDS = {"training.init_seed": 1, "training.split_seed": 2, "training.order_seed": 3}


def _seeded(changes: dict[str, int], n: int) -> list[RunConfig]:
    return [apply(RunConfig(), {"training.seed": seed, **changes}) for seed in range(n)]


def test_seeds_that_would_change_nothing_are_refused():
    with pytest.raises(SettingsError, match="3 seeds would be as many equal runs: init_seed"):
        check(_seeded(SEEDS, 3))
    check(_seeded(SEEDS, 1))


@pytest.mark.parametrize("left_out", SEEDS)
def test_one_seed_that_follows_the_run_is_enough(left_out: str):
    check(_seeded({name: value for name, value in SEEDS.items() if name != left_out}, 3))
