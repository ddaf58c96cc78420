"""The thread that writes journals: in order, without holes, and with errors told."""

import threading

import pytest

from engine.worker.scribe import Scribe


def test_jobs_are_done_in_order_by_one_other_thread():
    scribe, done = Scribe(most_pending=2000), list[tuple[int, threading.Thread]]()
    for number in range(1000):
        scribe.put(lambda n: done.append((n, threading.current_thread())), number)
    scribe.drain()
    numbers, threads = zip(*done, strict=True)
    assert numbers == tuple(range(1000))
    (only,) = set(threads)
    assert only is not threading.current_thread()


def test_the_caller_goes_on_while_a_job_is_done():
    scribe, gate, done = Scribe(most_pending=2000), threading.Event(), list[int]()
    scribe.put(gate.wait)
    scribe.put(done.append, 1)
    assert done == []
    gate.set()
    scribe.drain()
    assert done == [1]


def test_an_error_is_told_once_and_nothing_is_written_before_that():
    scribe, done = Scribe(most_pending=2000), list[int]()
    gate = threading.Event()
    scribe.put(gate.wait)
    scribe.put(int, "x")
    scribe.put(done.append, 1)
    gate.set()
    with pytest.raises(ValueError, match="invalid literal"):
        scribe.drain()
    assert done == []
    scribe.put(done.append, 2)
    scribe.drain()
    assert done == [2]


def test_an_error_is_told_to_a_later_job_too():
    scribe = Scribe(most_pending=2000)

    def goes_on_telling() -> None:
        while True:
            scribe.put(int)

    scribe.put(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        goes_on_telling()


def test_a_caller_waits_for_a_scribe_that_is_far_behind():
    scribe, gate, done = Scribe(most_pending=3), threading.Event(), list[int]()
    scribe.put(gate.wait)

    def told() -> None:
        for number in range(10):
            scribe.put(done.append, number)

    teller = threading.Thread(target=told)
    teller.start()
    teller.join(0.2)
    assert teller.is_alive()
    gate.set()
    teller.join()
    scribe.drain()
    assert done == list(range(10))


def test_a_mark_is_reached_after_what_was_put_before_it():
    scribe, gate = Scribe(most_pending=10), threading.Event()
    scribe.put(gate.wait)
    mark = scribe.mark()
    assert not mark.wait(0.1)
    gate.set()
    assert mark.wait(10)
