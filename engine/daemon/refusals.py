"""What is refused before a run is queued, beyond what its settings say by themselves."""

import time
from collections.abc import Sequence

from data import task_sizes
from engine.config import RunConfig
from engine.daemon.example import example
from engine.errors import SettingsError

_DRAWN = frozenset({"composition", "comparison", "search", "transfer"})
"""Tasks whose draw can leave too little, which is known once they are built: in about a second."""


PATIENCE = 3.0
"""Seconds for which further seeds of a launch are drawn; later ones show it when they start."""


def check(configs: Sequence[RunConfig]) -> None:
    """Refuse a launch of runs to which the data of their task cannot give what they ask for.

    They differ in their seeds alone; the first is always drawn, the others while there is time.

    Raises:
        SettingsError: naming the setting and what is possible.
        UploadRefused: the task's upload is not kept here, or cannot be used.
    """
    _check_seeds(configs)
    task = configs[0].task
    task_sizes(task)
    if task.kind not in _DRAWN:
        return
    end = time.monotonic() + PATIENCE
    for config in configs:
        example(config=config.model_dump(mode="json"))
        if time.monotonic() > end:
            return


def _check_seeds(configs: Sequence[RunConfig]) -> None:
    training = configs[0].training
    own = {"init_seed": training.init_seed, "split_seed": training.split_seed}
    own["order_seed"] = training.order_seed
    if len(configs) > 1 and None not in own.values():
        raise SettingsError(
            f"{len(configs)} seeds would be as many equal runs: {', '.join(own)} are all set;"
            " leave one of them empty to follow the seed, or launch one run"
        )
