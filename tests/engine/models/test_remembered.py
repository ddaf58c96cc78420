"""What was made of token rows is made once, and goes with them."""

import gc
import weakref

import torch
from torch import Tensor

from engine.models.remembered import Remembered


class Made:
    def __init__(self, tokens: Tensor, read: tuple[int, ...]) -> None:
        self.told = tokens.tolist(), read


def test_the_same_view_is_looked_at_once():
    remembered, tokens = Remembered(Made), torch.arange(12).view(1, 4, 3)
    once = remembered(tokens.squeeze(0), (2,))
    assert once.told == (tokens[0].tolist(), (2,))
    assert remembered(tokens.squeeze(0), (2,)) is once
    assert remembered(tokens[0, :4], (2,)) is once


def test_other_rows_other_positions_and_other_tensors_are_looked_at_anew():
    remembered, tokens = Remembered(Made), torch.arange(16).view(4, 4)
    views = [tokens, tokens[:2], tokens[2:], tokens[:, :2], tokens[:, 2:], tokens.T]
    copy = tokens.clone()
    found = [remembered(view, (2,)) for view in (*views, copy)]
    assert [made.told[0] for made in found] == [view.tolist() for view in (*views, copy)]
    assert remembered(tokens, (1,)) is not found[0]
    assert remembered(copy, (2,)) is found[-1] is not found[0]


def test_changed_rows_are_looked_at_anew():
    remembered, tokens = Remembered(Made), torch.zeros(2, 2, dtype=torch.int64)
    before = remembered(tokens[:1], ())
    tokens[0, 0] = 7
    assert remembered(tokens[:1], ()).told[0] == [[7, 0]] != before.told[0]


def test_what_was_made_goes_with_the_rows():
    remembered, tokens = Remembered(Made), torch.zeros(2, 2, dtype=torch.int64)
    made = weakref.ref(remembered(tokens[:1], ()))
    gc.collect()
    assert made() is not None
    del tokens
    gc.collect()
    assert made() is None
