"""What a page says about a run's phase."""

import pytest

from engine.measures.onset import Kind, Marker, phase


def said(
    *told: tuple[Kind, int],
    state: str = "running",
    last_step: int = 900,
    test_accuracy: float | None = None,
) -> str:
    markers = [Marker(kind, step, "test", 0.0) for kind, step in told]
    return phase(markers, state=state, last_step=last_step, test_accuracy=test_accuracy)


MEMORISED: tuple[Kind, int] = ("memorised", 100)
ONSET: tuple[Kind, int] = ("onset", 400)
GROKKED: tuple[Kind, int] = ("grokked", 600)
COLLAPSED: tuple[Kind, int] = ("collapsed", 800)


@pytest.mark.parametrize(
    ("markers", "state", "words"),
    [
        ((), "queued", "not started"),
        ((), "running", "learning"),
        ((), "finished", "did not memorise"),
        ((MEMORISED,), "running", "memorised, plateau for 800 steps"),
        ((MEMORISED,), "finished", "memorised, not grokked 800 steps later"),
        ((MEMORISED, ONSET), "running", "grokking since step 400"),
        ((MEMORISED, ONSET), "stopped", "ended while grokking"),
        ((MEMORISED, ONSET, GROKKED), "running", "grokked 500 steps after memorising"),
        ((MEMORISED, GROKKED), "finished", "generalised at once"),
    ],
)
def test_the_phase_follows_from_markers_and_state(
    markers: tuple[tuple[Kind, int], ...], state: str, words: str
):
    last_step = 0 if state == "queued" else 900
    assert said(*markers, state=state, last_step=last_step) == words


def test_a_run_that_was_stopped_in_the_queue_has_not_started():
    assert said(state="stopped", last_step=0) == "not started"


def test_a_diverged_run_says_so_whatever_came_before():
    markers = [Marker("memorised", 100, "train", 1.0)]
    assert phase(markers, state="failed", last_step=200, diverged=True) == "diverged"


def test_a_collapsed_run_counts_as_grokked_again_when_it_recovers():
    story = (MEMORISED, ONSET, GROKKED, COLLAPSED)
    assert said(*story, test_accuracy=0.4) == "collapsed at step 800"
    assert said(*story, test_accuracy=0.99) == "grokked 500 steps after memorising"
