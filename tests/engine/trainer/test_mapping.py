"""Runs that are mapped together, as on an accelerator, compute what each computes alone."""

import torch
from torch import Tensor

from engine.trainer.batch import Batch
from engine.trainer.mapping import groups
from tests.engine.trainer.conftest import Configure


def stacked(batch: Batch) -> dict[str, Tensor]:
    """The parameters of all runs as one group."""
    by_run = [group.leaves for group in batch.weights.groups]
    return {
        name: torch.cat([leaves[name] for leaves in by_run]).detach().requires_grad_()
        for name in by_run[0]
    }


def test_mapped_gradients_equal_those_of_each_run(configure: Configure) -> None:
    model = {"n_layers": 2, "norm": "pre"}
    batch = Batch.start({run: configure(seed=run, model=model) for run in range(3)})
    together, losses, _ = batch.program.gradients(stacked(batch), batch.feed.train)
    batch.gradient()
    rows = torch.empty_like(batch.weights.gradient)
    batch.weights.layout.fill(rows, together)
    width = batch.n_parameters
    torch.testing.assert_close(
        rows[:, :width], batch.weights.gradient[:, :width], rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(losses, batch.gradient().loss)


def test_mapped_scores_and_maps_equal_those_of_each_run(configure: Configure) -> None:
    batch = Batch.start({run: configure(seed=run) for run in range(3)})
    test = batch.held_out["test"]
    loss, accuracy = batch.program.scores(stacked(batch), test)
    maps = batch.program.attention(stacked(batch), test.tokens)
    for group in batch.weights.groups:
        alone = batch.program.scores(group.leaves, test.of(group.rows))
        torch.testing.assert_close(loss[group.rows], alone[0])
        torch.testing.assert_close(accuracy[group.rows], alone[1])
        torch.testing.assert_close(
            maps[group.rows],
            batch.program.attention(group.leaves, test.tokens[group.rows]),
        )


def test_a_processor_takes_runs_one_by_one_and_an_accelerator_all_at_once() -> None:
    assert groups(3, torch.device("cpu")) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert groups(3, torch.device("cuda")) == [slice(0, 3)]
