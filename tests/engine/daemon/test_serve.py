"""How the daemon rests between two ticks."""

import pytest

from engine.daemon.serve import MOST_REST_SECONDS, TICK_SECONDS, pause_after


@pytest.mark.parametrize("tick", [0.0, 0.001, 0.008, 0.1, 2.0])
@pytest.mark.parametrize(("since_change", "share"), [(0.0, 1 / 20), (60.0, 1 / 80)])
def test_a_daemon_takes_little_of_a_core_and_is_never_late(
    tick: float, since_change: float, share: float
) -> None:
    pause = pause_after(tick, since_change=since_change)
    assert tick + pause >= TICK_SECONDS
    assert pause <= MOST_REST_SECONDS
    assert tick / (tick + pause) <= share or pause == MOST_REST_SECONDS


def test_first_points_are_waited_for_more_often() -> None:
    assert pause_after(0.008, since_change=1.0) < pause_after(0.008, since_change=60.0)
