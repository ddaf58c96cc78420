"""Where memory runs out half of the runs leave, and nobody's numbers change."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine.trainer.batch import Batch
from engine.trainer.events import Crowded, Evaluated, Event
from engine.trainer.memory import is_out_of_memory
from engine.trainer.train import train
from tests.engine.trainer.conftest import Configure

pytestmark = pytest.mark.usefixtures("as_on_an_accelerator")
FORWARD, UPDATE = "aten::_log_softmax", "aten::lerp_"


class SmallMemory(TorchDispatchMode):
    """Fails to allocate in one operation, as long as something holds."""

    def __init__(self, operation: str, fails: Callable[[], bool]) -> None:
        super().__init__()
        self._operation, self._fails = operation, fails

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name == self._operation and self._fails():
            raise torch.OutOfMemoryError("injected")
        return func(*args, **(kwargs or {}))


def curve(events: list[Event], run: int) -> dict[int, Any]:
    return {e.step: e.values[run] for e in events if isinstance(e, Evaluated) and run in e.values}


def trained(batch: Batch) -> list[Event]:
    return list(train(batch))


def until_crowded(batch: Batch) -> tuple[list[Event], dict[int, dict[str, Tensor]]]:
    """All events, and the states of the runs that had to leave."""
    events: list[Event] = []
    states: dict[int, dict[str, Tensor]] = {}
    for event in train(batch):
        events.append(event)
        if isinstance(event, Crowded):
            states |= {run: batch.state(run) for run in event.leaving}
    return events, states


def test_half_of_the_runs_leave_and_all_end_as_if_alone(configure: Configure):
    configs = {run: configure(seed=run) for run in range(5)}
    batch = Batch.start(configs)
    with SmallMemory(FORWARD, lambda: batch.step == 23 and len(batch.runs) > 2):
        events, states = until_crowded(batch)
    crowded = [e for e in events if isinstance(e, Crowded)]
    assert crowded == [Crowded(23, (3, 4), is_told=True), Crowded(23, (2,), is_told=True)]
    for run, config in configs.items():
        alone = Batch.start({run: config})
        expected = curve(trained(alone), run)
        found = curve(events, run)
        end = batch
        if run in states:
            end = Batch.resume({run: config}, {run: states[run]}, 23)
            found |= curve(trained(end), run)
        assert found == expected
        ours, theirs = end.state(run), alone.state(run)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_an_evaluation_that_did_not_fit_is_made_again_and_said_to_be_untold(
    configure: Configure,
):
    configs = {run: configure(seed=run) for run in range(2)}
    batch = Batch.start(configs)
    with SmallMemory("aten::argmax", lambda: batch.step == 8 and len(batch.runs) > 1):
        events, _ = until_crowded(batch)
    assert [e for e in events if isinstance(e, Crowded)] == [Crowded(8, (1,), is_told=False)]
    assert curve(events, 0) == curve(trained(Batch.start({0: configs[0]})), 0)
    assert max(curve(events, 1)) < 8


def test_a_run_that_does_not_fit_alone_fails(configure: Configure):
    batch = Batch.start({0: configure()})
    with SmallMemory(FORWARD, lambda: batch.step == 3), pytest.raises(torch.OutOfMemoryError):
        trained(batch)
    assert batch.is_whole


def test_no_state_is_taken_from_an_update_that_was_broken_off(configure: Configure):
    batch = Batch.start({run: configure(seed=run) for run in range(2)})
    with SmallMemory(UPDATE, lambda: batch.step == 3), pytest.raises(torch.OutOfMemoryError):
        trained(batch)
    assert not batch.is_whole
    assert batch.step == 3


def test_other_errors_are_not_taken_for_a_lack_of_memory(configure: Configure):
    batch = Batch.start({run: configure(seed=run) for run in range(2)})
    batch.feed.train.tokens[:] = 99
    with pytest.raises(IndexError):
        trained(batch)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_what_allocators_say_is_understood():
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(1 << 60)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(1 << 55)
    assert is_out_of_memory(of_torch.value)
    assert is_out_of_memory(of_numpy.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
