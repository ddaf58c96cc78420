"""A batch that is trained and recorded in this process, by a clock that the test moves."""

from pathlib import Path

import pytest
import torch

from engine.config import RunConfig, apply
from engine.home import Home
from engine.journal import read_lines
from engine.trainer.batch import Batch
from engine.worker.control import Command, send
from engine.worker.lock import RunLock
from engine.worker.recorder import Recorder, new_scribe
from engine.worker.session import LOOK_SECONDS, Session
from tests.engine.worker.bench import TINY

QUARTER = LOOK_SECONDS / 4 + 1e-9
"""Four of them are a little more, whatever rounding does."""


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    folder = Home(tmp_path).create().run(1).create()
    return Recorder(folder, RunLock(folder.lock), attempt=1, scribe=new_scribe())


def _batch() -> Batch:
    config = apply(RunConfig(), TINY | {"training.steps": 60, "training.eval_every": 1})
    return Batch.start({1: config}, device=torch.device("cpu"))


def test_commands_are_looked_for_by_the_clock_not_at_every_block(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    clock, looks, blocks = Clock(), [], []
    monkeypatch.setattr(recorder, "poll", lambda: looks.append(clock.now))

    def between_blocks() -> bool:
        blocks.append(clock.now)
        clock.now += QUARTER
        return False

    ends = {"checkpoint_seconds": 1e9, "terminated": between_blocks, "clock": clock}
    Session(_batch(), {1: recorder}, **ends).run()
    assert len(blocks) == 60
    assert looks == blocks[::4]


def test_a_command_is_obeyed_at_the_next_look(recorder: Recorder):
    clock, blocks = Clock(), []

    def between_blocks() -> bool:
        blocks.append(clock.now)
        if len(blocks) == 10:
            send(recorder.folder.control, Command(id="a", verb="stop"))
        clock.now += QUARTER
        return False

    ends = {"checkpoint_seconds": 1e9, "terminated": between_blocks, "clock": clock}
    Session(_batch(), {1: recorder}, **ends).run()
    (end,) = [line for line in read_lines(recorder.folder.journal(1))[0] if line["e"] == "end"]
    assert (end["reason"], end["s"]) == ("stopped", 13)
