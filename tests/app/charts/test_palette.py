"""No two splits of a task look alike, and none that a task has is missing."""

import pytest

from app.charts.palette import SPLIT_COLOURS, SPLIT_DASHES, dash_scale, split_scale
from data import build_task
from engine import kinds


@pytest.mark.parametrize("kind", kinds("task"))
def test_splits_of_a_task_are_told_apart_by_hue_and_by_dash(kind: str):
    settings = kinds("task")[kind]()
    splits = list(build_task(settings, seed=0).splits)  # pyright: ignore[reportArgumentType]
    assert set(splits) <= SPLIT_COLOURS.keys() & SPLIT_DASHES.keys()
    hues, dashes = split_scale(splits)[1], dash_scale(splits)[1]
    assert len(set(hues)) == len(splits)
    assert len({tuple(dash) for dash in dashes}) == len(splits)
