from engine.daemon.scheduler import Busy, Machine, Start, Waiting, plan

CPU = Machine(n_cores=2, n_gpus=0)


def seeds(*runs: int, group: str = "a", device: str = "cpu", threads: int = 1) -> list[Waiting]:
    return [Waiting(run, group, device, threads) for run in runs]


def test_seeds_of_one_launch_are_spread_over_the_free_cpu_slots():
    starts = plan(seeds(1, 2, 3, 4, 5), [], CPU)
    assert starts == [Start((1, 2), "cpu", 1), Start((3, 4, 5), "cpu", 1)]


def test_seeds_of_one_launch_form_one_batch_on_a_gpu():
    starts = plan(seeds(1, 2, 3, device="cuda"), [], Machine(n_cores=8, n_gpus=2))
    assert starts == [Start((1, 2, 3), "cuda", 1, gpu=0)]


def test_two_launches_share_two_gpus():
    queue = seeds(1, group="a", device="cuda") + seeds(2, group="b", device="cuda")
    starts = plan(queue, [], Machine(n_cores=8, n_gpus=2))
    assert [(start.runs, start.gpu) for start in starts] == [((1,), 0), ((2,), 1)]


def test_nothing_starts_while_every_core_is_busy():
    assert plan(seeds(1), [Busy("cpu", 1), Busy("cpu", 1)], CPU) == []


def test_the_oldest_launch_takes_the_last_free_slot():
    queue = seeds(1, group="old") + seeds(2, group="new")
    assert plan(queue, [Busy("cpu", 1)], CPU) == [Start((1,), "cpu", 1)]


def test_a_worker_with_more_threads_than_cores_still_starts_on_an_idle_machine():
    assert plan(seeds(1, threads=8), [], CPU) == [Start((1,), "cpu", 8)]


def test_a_worker_with_many_threads_waits_for_a_busy_machine():
    assert plan(seeds(1, threads=2), [Busy("cpu", 1)], CPU) == []


def test_runs_of_different_shape_never_share_a_batch():
    queue = seeds(1, group="a") + seeds(2, group="b")
    assert [start.runs for start in plan(queue, [], CPU)] == [(1,), (2,)]


def test_a_huge_sweep_is_cut_into_batches_of_bounded_size():
    starts = plan(seeds(*range(1000)), [], CPU)
    assert [len(start.runs) for start in starts] == [64, 64]
