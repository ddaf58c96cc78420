"""How pairs and queries become rows: first all pairs, then one place for each query or blank.

The values are the tokens 0 … n_values−1, the keys follow them, and the blank, where there is one,
is the last. With 3 values, 3 keys, 2 pairs, 2 queries and 1 blank a row reads

    k1 v2 k0 v0 | k0 _ k1  =  [4, 2, 3, 0, 3, 6, 4]  with the targets  [0, IGNORED, 2]

Answers are read at the queries themselves; no answer is shown, so that each is asked alone.

Source: Arora et al. 2024 (Zoology), multi-query associative recall; there the gaps between
queries follow a power law and the blanks are random tokens, here both are uniform and blank.
"""

import numpy as np

from data.drawing import Rows, choices, distinct_rows
from data.guessing import majority_of
from data.recall.settings import RecallSettings
from data.task import IGNORED, Split, TaskData, TaskSizes


def build(settings: RecallSettings, *, seed: int) -> TaskData:
    """Different rows, each of them in one split; `seed` draws them.

    Chance is a uniform guess over all values, also where so few rows are drawn that some value
    is never the answer.
    """
    rng = np.random.default_rng([seed, 0])
    n_slots = settings.n_queries + settings.n_blanks
    width = 2 * settings.n_pairs + n_slots
    rows = distinct_rows(
        lambda n: _with_answers(settings, n, rng), settings.train_size + settings.test_size
    )
    tokens, targets = rows[:, :width], rows[:, width:]
    train = settings.train_size
    splits = {
        "train": Split(tokens[:train], targets[:train]),
        "test": Split(tokens[train:], targets[train:]),
    }
    return TaskData(
        splits=splits,
        token_names=_token_names(settings),
        n_classes=settings.n_values,
        read_at=tuple(range(2 * settings.n_pairs, width)),
        chance=1.0 / settings.n_values,
        majority=majority_of(splits),
    )


def positions(settings: RecallSettings) -> tuple[str, ...]:
    """What stands at each position."""
    pairs = (f"{part}{i + 1}" for i in range(settings.n_pairs) for part in "kv")
    return (*pairs, *(f"q{i + 1}" for i in range(settings.n_queries + settings.n_blanks)))


def sizes(settings: RecallSettings) -> TaskSizes:
    """What `build` will deliver."""
    n_slots = settings.n_queries + settings.n_blanks
    return TaskSizes(
        examples=settings.train_size + settings.test_size,
        train=settings.train_size,
        test=settings.test_size,
        vocabulary=settings.n_values + settings.n_keys + (settings.n_blanks > 0),
        length=2 * settings.n_pairs + n_slots,
        n_classes=settings.n_values,
        n_read=n_slots,
        chance=1.0 / settings.n_values,
    )


def _with_answers(settings: RecallSettings, n: int, rng: np.random.Generator) -> Rows:
    """`n` drawn rows, each followed by its targets."""
    n_pairs, n_slots = settings.n_pairs, settings.n_queries + settings.n_blanks
    values = choices(rng, n, among=settings.n_values, each=n_pairs)
    keys = settings.n_values + choices(rng, n, among=settings.n_keys, each=n_pairs)
    asked = choices(rng, n, among=n_pairs, each=settings.n_queries)
    places = choices(rng, n, among=n_slots, each=settings.n_queries)
    queries = np.full((n, n_slots), settings.n_values + settings.n_keys, dtype=np.int64)
    targets = np.full((n, n_slots), IGNORED, dtype=np.int64)
    np.put_along_axis(queries, places, np.take_along_axis(keys, asked, axis=1), axis=1)
    np.put_along_axis(targets, places, np.take_along_axis(values, asked, axis=1), axis=1)
    pairs = np.stack([keys, values], axis=2).reshape(n, 2 * n_pairs)
    return np.concatenate([pairs, queries, targets], axis=1)


def _token_names(settings: RecallSettings) -> tuple[str, ...]:
    values = (f"v{value}" for value in range(settings.n_values))
    keys = (f"k{key}" for key in range(settings.n_keys))
    return (*values, *keys, *(["_"] if settings.n_blanks else []))
