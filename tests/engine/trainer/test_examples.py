"""In which order runs see their rows."""

import torch

from engine.trainer.examples import Examples, Feed, joined


def _train() -> Examples:
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randint(5, (2, 40, 3), generator=draw)
    rows = [(tokens[0], tokens[0].sum(1, keepdim=True)), (tokens[1][:30], tokens[1][:30, :1])]
    return joined(rows)


def _feed(batch_size: int) -> Feed:
    return Feed(_train(), batch_size=batch_size, order_seeds=[1, 2])


def test_who_takes_all_rows_has_those_that_begin_alike_side_by_side():
    feed, given = _feed(0), _train()
    for run, n in enumerate(given.n_rows):
        tokens, targets = feed.train.tokens[run, :n], feed.train.targets[run, :n]
        assert tokens.tolist() == sorted(given.tokens[run, :n].tolist())
        pairs = zip(given.tokens[run, :n].tolist(), given.targets[run, :n].tolist(), strict=True)
        assert sorted(pairs) == sorted(zip(tokens.tolist(), targets.tolist(), strict=True))
    kept = feed.keep([1])
    assert torch.equal(kept.train.tokens[0], feed.train.tokens[1, :30])
    assert torch.equal(kept.train.targets[0], feed.train.targets[1, :30])


def test_others_have_them_in_the_order_of_their_split():
    feed, given = _feed(8), _train()
    assert torch.equal(feed.train.tokens, given.tokens)
    # 30 rows are taken whole, 40 are not
    mixed = _feed(32)
    assert torch.equal(mixed.train.tokens[0], given.tokens[0])
    assert mixed.train.tokens[1, :30].tolist() == sorted(given.tokens[1, :30].tolist())


def test_runs_of_a_slice_are_not_those_of_a_list_with_its_ends():
    three = joined([(torch.full((2, 3), n), torch.full((2, 1), n)) for n in range(3)])
    assert three.of(slice(0, 2)).tokens[:, 0, 0].tolist() == [0, 1]
    assert three.of([0, 2]).tokens[:, 0, 0].tolist() == [0, 2]
    assert three.of(slice(0, 2)) is three.of(slice(0, 2))
