"""How the lines of a table become token rows: the inputs, then `=`, where the answer is read.

The upload `Monday,2,Wednesday` and further lines gives the row

    Monday 2 =      with the target Wednesday

A name is the same token in whatever column it stands. The answers that occur have the first
token ids, in the order in which they first occur; the other names and `=` follow.
"""

from functools import lru_cache

import numpy as np

from data.errors import SettingsError
from data.fraction import check_fraction, n_shown, split_table
from data.guessing import guessing
from data.table.settings import TableSettings
from data.task import TaskData, TaskSizes
from data.uploads import shelf
from data.uploads.parse import Table, parse
from data.uploads.vocabulary import answers_first


def build(settings: TableSettings, *, seed: int) -> TaskData:
    """All rows, split by a permutation that `seed` alone decides.

    Raises:
        UploadRefused: the upload is not kept here, was changed, or cannot be used.
        SettingsError: `train_fraction` leaves a split without rows.
    """
    table = _table(settings.sha256, settings.header)
    token, names, n_answers = answers_first(table.names, table.cells[:, -1])
    cells = token[table.cells]
    tokens = np.concatenate([cells[:, :-1], np.full((len(cells), 1), len(names))], axis=1)
    chance, majority = guessing(cells[:, -1])
    return TaskData(
        splits=split_table(tokens, cells[:, -1:], train=_n_train(settings, table), seed=seed),
        token_names=(*names, "="),
        n_classes=n_answers,
        read_at=(tokens.shape[1] - 1,),
        chance=chance,
        majority=majority,
    )


def positions(_: TableSettings) -> tuple[str, ...]:
    """What stands last; how many columns stand before it, the upload alone knows."""
    return ("=",)


def sizes(settings: TableSettings) -> TaskSizes:
    """What `build` will deliver; the upload is read once, which takes seconds for a large one.

    Raises:
        UploadRefused: the upload is not kept here, was changed, or cannot be used.
        SettingsError: `train_fraction` leaves a split without rows.
    """
    table = _table(settings.sha256, settings.header)
    train, n_answers = _n_train(settings, table), len(np.unique(table.cells[:, -1]))
    return TaskSizes(
        examples=len(table.cells),
        train=train,
        test=len(table.cells) - train,
        vocabulary=len(table.names) + 1,
        length=table.cells.shape[1],
        n_classes=n_answers,
        n_read=1,
        chance=1.0 / n_answers,
    )


@lru_cache(maxsize=2)
def _table(sha256: str, header: bool) -> Table:
    return parse(shelf.read(sha256), header=header)


def _n_train(settings: TableSettings, table: Table) -> int:
    try:
        check_fraction(len(table.cells), settings.train_fraction, rows="rows")
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return n_shown(len(table.cells), settings.train_fraction)
