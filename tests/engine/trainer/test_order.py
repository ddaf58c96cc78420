"""The order of examples: a function of seed and epoch, covering the split."""

import torch

from engine.trainer.order import batch_of_step, batches_per_epoch, permutation


def test_the_order_depends_on_the_seed_and_on_the_epoch() -> None:
    orders = {
        tuple(permutation(50, order_seed=s, epoch=e).tolist())
        for s, e in [(0, 0), (0, 1), (1, 0), (2**31 - 1, 0)]
    }
    assert len(orders) == 4


def test_the_order_of_an_epoch_can_be_drawn_again() -> None:
    first = permutation(50, order_seed=3, epoch=7)
    assert torch.equal(first, permutation(50, order_seed=3, epoch=7))


def test_the_batches_of_an_epoch_do_not_overlap() -> None:
    n, size = 103, 10
    seen = [
        i
        for step in range(1, batches_per_epoch(n, size) + 1)
        for i in range(n)[batch_of_step(step, n=n, batch_size=size)[1]]
    ]
    assert len(seen) == len(set(seen)) == 100


def test_the_next_epoch_starts_when_no_whole_batch_is_left() -> None:
    assert batch_of_step(10, n=103, batch_size=10) == (0, slice(90, 100))
    assert batch_of_step(11, n=103, batch_size=10) == (1, slice(0, 10))
