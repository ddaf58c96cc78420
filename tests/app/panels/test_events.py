"""An event's line names its step, its run where several are shown, and the split it is about."""

import pytest

from app.panels.events import line


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            {"kind": "grokked", "value": 620.0, "payload": {"split": "test_ood"}},
            "grokked on test\\_ood, 620 steps after memorising",
        ),
        (
            {"kind": "recalled", "value": 0.995, "payload": {"split": "atomic_id"}},
            "recalled on atomic\\_id at accuracy 99.50 %",
        ),
        (
            {"kind": "memorised", "value": 1.0, "payload": {"split": "train"}},
            "memorised at accuracy 100 %",
        ),
        ({"kind": "note", "payload": {"text": "lr <b>too high"}}, "note: lr \\<b\\>too high"),
    ],
)
def test_a_line_says_what_happened_and_on_which_split(event: dict[str, object], told: str):
    assert line({"run_id": 3, "step": 1700, **event}, several=False).endswith(f"**1,700** {told}")


def test_one_of_several_runs_is_named():
    assert " run 3 " in line({"run_id": 3, "step": 5, "kind": "forked"}, several=True)
