"""What is packed comes out again; what cannot be drawn stays out."""

import numpy as np

from app.live.frames import pack, series_of, unpack
from tests.app.recorded import curve, table


def test_a_message_comes_out_as_it_went_in():
    header, numbers = unpack(pack({"run": 1, "name": "ö"}, [np.arange(3, dtype=np.float32)]))
    assert header == {"run": 1, "name": "ö"}
    assert numbers.tolist() == [0, 1, 2]


def test_numbers_begin_on_a_multiple_of_four_whatever_the_header():
    for n in range(5):
        message = pack({"x": "y" * n})
        assert (len(message) - 4) % 4 == 0


def test_lines_come_by_ascending_step():
    lines = series_of(table(curve()[::-1]))
    assert {(line.split, line.metric) for line in lines} == {
        (split, metric) for split in ("train", "test") for metric in ("accuracy", "loss")
    }
    assert all((np.diff(line.steps) > 0).all() for line in lines)


def test_step_zero_and_values_that_are_no_numbers_are_not_drawn():
    rows = [
        {"run_id": 1, "split": "train", "metric": "loss", "step": 0, "value": 1.0},
        {"run_id": 1, "split": "train", "metric": "loss", "step": 1, "value": float("nan")},
        {"run_id": 1, "split": "train", "metric": "loss", "step": 2, "value": 3.0},
    ]
    (line,) = series_of(table(rows))
    assert line.steps.tolist() == [2]
