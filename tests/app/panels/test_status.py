"""What is said of a run in one line."""

import pytest

from app.panels.status import one_line
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
