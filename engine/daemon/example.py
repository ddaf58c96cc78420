"""What a task's rows look like, before anything is launched."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from data import IGNORED, Split, TaskData, TaskSettings, build_task
from engine.config import parse_config
from engine.trainer.seeds import seed_of

MOST_TOKENS = 48
"""Tokens of a row that are shown."""


def example(*, config: Mapping[str, Any]) -> dict[str, Any]:
    """One drawn row of each split and the baselines, of the task that the run is given.

    `rows` lists {split, examples, tokens, answers}: token names, and [position, answer] of what
    is asked. `chance` and `majority` are accuracies, `seed` is the split's.
    """
    run = parse_config(config)
    return _of_task(run.task.model_dump_json(), seed_of(run.training, "split"))


@lru_cache(maxsize=32)
def _of_task(settings: str, seed: int) -> dict[str, Any]:
    task = build_task(TypeAdapter[TaskSettings](TaskSettings).validate_json(settings), seed=seed)
    return {
        "rows": [_row(task, name, split) for name, split in task.splits.items() if len(split)],
        "chance": task.chance,
        "majority": task.majority,
        "seed": seed,
    }


def _row(task: TaskData, name: str, split: Split) -> dict[str, Any]:
    place = len(split) - 1
    tokens, targets = split.tokens[place].tolist(), split.targets[place].tolist()
    return {
        "split": name,
        "examples": len(split),
        "tokens": [task.token_names[token] for token in tokens[:MOST_TOKENS]],
        "answers": [
            [position, task.token_names[target]]
            for position, target in zip(task.read_at, targets, strict=True)
            if target != IGNORED and position < MOST_TOKENS
        ],
    }
