from engine.worker.pace import BLOCK_SECONDS, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_start_up_and_compilation_are_left_out_of_the_rate():
    clock = Clock()
    pace = Pace(0, lambda: 0.0, clock)
    clock.now += 30
    pace.progress(1)
    clock.now += 2
    pace.progress(201)
    assert pace.overall(201) == 100.0


def test_waiting_for_the_disk_is_left_out_of_the_rate():
    clock = Clock()
    waited = [0.0]
    pace = Pace(0, lambda: waited[0], clock)
    pace.progress(1)
    clock.now += 12
    waited[0] = 10.0
    pace.progress(201)
    assert pace.overall(201) == 100.0
    assert pace.train_seconds == 2.0


def test_blocks_grow_until_they_last_as_long_as_a_command_may_wait():
    clock = Clock()
    pace = Pace(0, lambda: 0.0, clock)
    step = 0
    for _ in range(20):
        block = pace.block_steps()
        clock.now += block / 1000
        step += block
        pace.progress(step)
    assert abs(pace.block_steps() / 1000 - BLOCK_SECONDS) < 0.01
