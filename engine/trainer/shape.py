"""Which runs can train in one program: those whose shapes and cadence are the same (no torch)."""

import json
from collections.abc import Hashable

from engine.config.run import RunConfig
from engine.trainer.compiling import RATES, pays

_FREE_TRAINING = frozenset(
    {"seed", "init_seed", "split_seed", "order_seed", "label_noise", "dropout"}
)
_FREE_TASK = frozenset({"train_fraction", "phi"})
_FIXED_OPTIMIZER = frozenset({"kind", "newton_schulz_steps", "grokfast", "orthogonal_gradient"})


def shape_key(config: RunConfig) -> Hashable:
    """Return a key that is equal for runs that can share a batch.

    Seeds, the share of the data that is trained on, label noise, the rate of dropout and the
    optimiser's numbers (learning rate, decay, betas, schedule …) may differ freely; everything
    that decides a tensor's shape, the program (compiled or not, replayed or not) or its cadence
    may not.
    """
    tree = config.model_dump(mode="json")
    if config.training.compile == "auto":
        tree["compiled"] = [device for device in RATES if pays(config, device)]
    tree["task"] = {k: v for k, v in tree["task"].items() if k not in _FREE_TASK}
    tree["training"] = {k: v for k, v in tree["training"].items() if k not in _FREE_TRAINING}
    tree["training"]["drops"] = config.training.dropout > 0
    optimizer = tree["optimizer"]
    tree["optimizer"] = {k: v for k, v in optimizer.items() if k in _FIXED_OPTIMIZER}
    tree["optimizer"]["averages"] = optimizer["ema_decay"] > 0
    # noise is drawn on the host's word: such a step is no graph that can be replayed
    tree["optimizer"]["noisy"] = optimizer["gradient_noise"] > 0
    if optimizer["grokfast"] == "ma":
        tree["optimizer"]["window"] = optimizer["grokfast_window"]
    return json.dumps(tree, sort_keys=True)
