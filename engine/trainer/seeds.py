"""Which seed each source of chance in a run takes."""

from typing import Literal

from engine.config.training import TrainingSettings


def seed_of(training: TrainingSettings, purpose: Literal["init", "split", "order"]) -> int:
    """The seed set for that purpose alone, or the run's own."""
    own = {
        "init": training.init_seed,
        "split": training.split_seed,
        "order": training.order_seed,
    }[purpose]
    return training.seed if own is None else own
