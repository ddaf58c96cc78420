"""Who is lent cores that nobody needs, and that a new run has them back at once."""

import pytest

from engine.daemon.lending import MOST_LENT, shares
from engine.daemon.scheduler import Busy, Machine
from engine.worker.borrowing import read_lent
from tests.engine.daemon.ward import Ward

SPREADING = {"model.d_model": 64, "model.d_mlp": 64, "task.p": 11}


@pytest.mark.parametrize(
    ("n_cores", "threads", "borrowers", "wanted"),
    [
        (2, [1], [7], {7: 1}),
        (2, [1, 1], [7, 8], {}),
        (4, [1, 1], [7, 8], {7: 1, 8: 1}),
        (4, [1, 1], [8], {8: 2}),
        (5, [1, 1], [7, 8], {7: 2, 8: 1}),
        (4, [3], [7], {7: 1}),
        (2, [3], [7], {}),
        (64, [1], [7], {7: MOST_LENT}),
        (2, [], [], {}),
    ],
)
def test_idle_cores_are_shared_by_those_who_can_use_them(
    n_cores: int, threads: list[int], borrowers: list[int], wanted: dict[int, int]
):
    busy = [Busy("cpu", n) for n in threads]
    assert shares(borrowers, busy, Machine(n_cores=n_cores, n_gpus=0)) == wanted


def test_a_worker_beside_a_gpu_takes_a_core():
    busy = [Busy("cuda", 1, gpu=0), Busy("cpu", 1)]
    assert shares([7], busy, Machine(n_cores=2, n_gpus=1)) == {}


def test_a_run_alone_has_both_cores_until_another_starts(ward: Ward):
    (first,) = ward.launch(settings=SPREADING)
    ward.until_step(first, 20)
    (worker,) = ward.workers()
    assert read_lent(ward.home.idle_cores) == {worker: 1}
    # of another shape, so that it does not share the first one's worker
    (second,) = ward.launch(settings=SPREADING | {"model.d_mlp": 96})
    ward.until_state(second, "starting", "running")
    assert read_lent(ward.home.idle_cores) == {}
    ward.supervisor.stop(second)
    ward.until(lambda: read_lent(ward.home.idle_cores) == {worker: 1})


@pytest.mark.parametrize(
    "settings",
    [SPREADING | {"training.idle_cores": False}, SPREADING | {"model.norm": "pre"}],
    ids=["unwanted", "not the same to the bit"],
)
def test_a_run_that_cannot_use_idle_cores_is_lent_none(ward: Ward, settings: dict[str, object]):
    (run,) = ward.launch(settings=settings)
    ward.until_step(run, 20)
    assert read_lent(ward.home.idle_cores) == {}


def test_the_next_supervisor_goes_on_lending(ward: Ward):
    (run,) = ward.launch(settings=SPREADING)
    ward.until_step(run, 20)
    (worker,) = ward.workers()
    ward.home.idle_cores.unlink()
    ward.restart()
    ward.until(lambda: read_lent(ward.home.idle_cores) == {worker: 1})
