from engine.daemon.demands import (
    SILENCE_SECONDS,
    STOP_PATIENCE_SECONDS,
    TERM_PATIENCE_SECONDS,
    Demand,
)


def test_an_unanswered_command_is_told_of_once():
    demand = Demand("pause", asked=0.0)
    assert demand.measure(SILENCE_SECONDS / 2) == "wait"
    assert demand.measure(SILENCE_SECONDS + 1) == "tell"
    demand.told = True
    assert demand.measure(SILENCE_SECONDS + 2) == "wait"


def test_an_answered_command_is_not_told_of():
    assert Demand("stop", asked=0.0, answered=True).measure(SILENCE_SECONDS + 1) == "wait"


def test_a_stop_that_is_never_obeyed_ends_the_process():
    demand = Demand("stop", asked=0.0, told=True)
    assert demand.measure(STOP_PATIENCE_SECONDS + 1) == "terminate"
    demand.terminated = STOP_PATIENCE_SECONDS + 1
    assert demand.measure(demand.terminated + TERM_PATIENCE_SECONDS - 1) == "wait"
    assert demand.measure(demand.terminated + TERM_PATIENCE_SECONDS + 1) == "kill"


def test_a_pause_that_is_never_obeyed_ends_nothing():
    demand = Demand("pause", asked=0.0, told=True)
    assert demand.measure(STOP_PATIENCE_SECONDS * 10) == "wait"
