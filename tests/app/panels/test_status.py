"""What is said of a run in one line."""

import pytest

from app.panels.status import _figures_of, _system_parts, one_line
from tests.app.recorded import run


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state_reason": "waiting: disk full"}, "learning; waiting: disk full"),
        ({"state_reason": "pausing… last step 12"}, "learning; pausing… last step 12"),
        ({"state": "stopping"}, "stopping… last step 1,000"),
        (
            {"state": "stopping", "state_reason": "killing… last step 12; no answer"},
            "killing… last step 12; no answer",
        ),
        ({"state": "paused"}, "learning; last step 1,000"),
        (
            {"state": "stopped", "state_reason": "killed; resume goes on from step 900"},
            "learning; killed; resume goes on from step 900",
        ),
        ({"state": "queued", "state_reason": ""}, "waits for a free worker"),
        ({"state": "lost"}, "last step 1,000; its worker died; resume starts it again"),
        ({"state": "failed", "state_reason": "the loss became NaN"}, "learning"),
        ({"state": "finished"}, "learning"),
    ],
)
def test_a_state_is_told_with_its_reason(changed: dict[str, str], words: str):
    assert one_line(run(**changed)).replace("\\", "").endswith(f"**{words}**")


def test_what_was_just_asked_comes_before_the_state():
    assert "pausing… last step 1,000" in one_line(run(), "pause")


def test_where_several_splits_are_held_out_each_is_told_and_named():
    facts = run(
        test_split="test_id",
        accuracies={"atomic_id": 1.0, "test_id": 0.995, "test_ood": 0.31, "train": 1.0},
    )
    assert one_line(facts).replace("\\", "").endswith("**learning (on test_id)**")
    learning = one_line({**facts, "memorised_step": None})
    assert learning.endswith("**learning**")
    assert "test_id **99.50 %**, test_ood **31.00 %** · loss" in _figures_of(facts)


def test_a_single_test_split_needs_no_name():
    plain = run(test_split="test", accuracies={"test": 0.5, "train": 1.0})
    assert one_line(plain).endswith("**learning**")
    assert ", test **50.00 %** · loss" in _figures_of(plain)


def test_the_last_second_of_a_budget_is_not_about_under_one():
    ending = run(steps_per_second=100.0, last_step=1950)
    assert _system_parts([ending])[-1] == "under 1 s left in the budget"
    assert _system_parts([{**ending, "last_step": 1000}])[-1] == "about 10 s left in the budget"
