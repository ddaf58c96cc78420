"""Which phase of grokking a run is in, in plain words for a page."""

from collections.abc import Sequence

from engine.measures.onset.detector import Kind, Marker
from engine.measures.onset.thresholds import Thresholds

_ENDED = frozenset({"finished", "stopped", "failed", "lost"})
_NOT_BEGUN = frozenset({"queued", "starting"})


def phase(
    markers: Sequence[Marker],
    *,
    state: str,
    last_step: int,
    test_accuracy: float | None = None,
    diverged: bool = False,
    thresholds: Thresholds | None = None,
) -> str:
    """The phase of one run on one test split; `markers` hold that split's and the train split's.

    `test_accuracy` is the latest one: a run that collapsed and recovered counts as grokked again.
    """
    step: dict[Kind, int] = {marker.kind: marker.step for marker in markers}
    ended = state in _ENDED
    if diverged:
        return "diverged"
    if "memorised" not in step:
        if last_step == 0 and (ended or state in _NOT_BEGUN):
            return "not started"
        return "did not memorise" if ended else "learning"
    if "grokked" in step:
        line = (thresholds or Thresholds()).test
        if "collapsed" in step and test_accuracy is not None and test_accuracy < line:
            return f"collapsed at step {step['collapsed']:,}"
        if "onset" not in step:
            return "generalised at once"
        delay = step["grokked"] - step["memorised"]
        return f"grokked {delay:,} steps after memorising"
    if "onset" in step:
        return "ended while grokking" if ended else f"grokking since step {step['onset']:,}"
    plateau = last_step - step["memorised"]
    if ended:
        return f"memorised, not grokked {plateau:,} steps later"
    return f"memorised, plateau for {plateau:,} steps"
