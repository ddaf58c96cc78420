"""Which queued runs start together, on what, and why the others wait."""

import pytest

from engine.daemon.footprint import Footprint
from engine.daemon.memory import Memory, Room
from engine.daemon.scheduler import MOST_RUNS, Busy, Machine, Plan, Start, Waiting, plan

GB = 10**9
CPU = Machine(n_cores=2, n_gpus=0)
GPUS = Machine(n_cores=8, n_gpus=2)
LARGE = Room(Memory(64 * GB, 64 * GB), (Memory(80 * GB, 80 * GB), Memory(80 * GB, 80 * GB)))
SMALL = Footprint(kept=10**6, passing=10**6)
HALF = Footprint(kept=GB, passing=30 * GB)


def room(*, host: int = 64, gpus: tuple[int, ...] = ()) -> Room:
    """Free memory in GB, of a machine with 64 and GPUs with 80."""
    of_gpus = tuple(Memory(free * GB, 80 * GB) for free in gpus)
    return Room(Memory(host * GB, 64 * GB), of_gpus)


def seeds(
    *runs: int,
    group: str = "a",
    device: str = "cpu",
    threads: int = 1,
    footprint: Footprint = SMALL,
    most: int | None = None,
) -> list[Waiting]:
    return [Waiting(run, group, device, threads, footprint, most) for run in runs]


def started(planned: Plan) -> list[tuple[tuple[int, ...], int | None]]:
    return [(start.runs, start.gpu) for start in planned.starts]


def test_runs_of_one_shape_are_spread_over_the_free_cpu_slots():
    planned = plan(seeds(1, 2, 3, 4, 5), [], CPU, LARGE)
    assert started(planned) == [((1, 2), None), ((3, 4, 5), None)]
    assert planned.waits == {}


def test_a_busy_slot_gets_its_share_of_the_runs_when_it_becomes_free():
    busy = [Busy("cpu", 1)]
    assert started(plan(seeds(*range(10)), busy, CPU, LARGE)) == [((0, 1, 2, 3, 4), None)]
    # fewer than four are not worth a start of their own
    assert started(plan(seeds(*range(6)), busy, CPU, LARGE)) == [((0, 1, 2, 3), None)]
    assert started(plan(seeds(1, 2, 3), busy, CPU, LARGE)) == [((1, 2, 3), None)]


def test_a_start_says_what_it_is_expected_to_take():
    (start,) = plan(seeds(1, 2, device="cuda"), [], GPUS, LARGE).starts
    assert start == Start((1, 2), "cuda", 1, gpu=0, n_bytes=SMALL.of_device(2))


def test_a_gpu_takes_as_many_runs_as_its_memory_holds():
    footprint = Footprint(kept=GB // 2, passing=GB // 2)
    queue = seeds(*range(200), device="cuda", footprint=footprint)
    starts = plan(queue, [], GPUS, LARGE).starts
    # 80 GB less 5 % and a CUDA context, at 1 GB a run
    assert [(len(start.runs), start.gpu) for start in starts] == [(75, 0), (75, 1)]


def test_what_does_not_fit_waits_and_says_what_is_missing():
    footprint = Footprint(kept=GB // 2, passing=GB // 2)
    planned = plan(seeds(*range(160), device="cuda", footprint=footprint), [], GPUS, LARGE)
    assert set(planned.waits) == set(range(150, 160))
    assert planned.waits[150] == ("waits for memory: it needs about 1.7 GB, a GPU has 0.3 GB free")


def test_batches_of_different_shapes_share_one_gpu_when_both_fit():
    one = Machine(n_cores=8, n_gpus=1)
    queue = seeds(1, group="a", device="cuda") + seeds(2, group="b", device="cuda")
    assert started(plan(queue, [], one, room(gpus=(80,)))) == [((1,), 0), ((2,), 0)]


def test_the_least_busy_gpu_is_taken_first():
    queue = seeds(1, group="a", device="cuda") + seeds(2, group="b", device="cuda")
    assert started(plan(queue, [], GPUS, LARGE)) == [((1,), 0), ((2,), 1)]
    busy = [Busy("cuda", 1, gpu=0)]
    assert started(plan(seeds(3, device="cuda"), busy, GPUS, LARGE)) == [((3,), 1)]


def test_no_more_than_a_few_batches_share_a_gpu():
    busy = [Busy("cuda", 1, gpu=gpu) for gpu in (0, 1) for _ in range(4)]
    planned = plan(seeds(1, device="cuda"), busy, GPUS, LARGE)
    assert (planned.starts, planned.waits) == ([], {})


def test_memory_that_a_worker_has_yet_to_take_is_not_given_away():
    busy = [Busy("cuda", 1, gpu=0, to_come=60 * GB)]
    one = Machine(n_cores=8, n_gpus=1)
    queue = seeds(1, device="cuda", footprint=HALF)
    assert started(plan(queue, busy, one, room(gpus=(80,)))) == []
    assert started(plan(queue, [Busy("cuda", 1, gpu=0)], one, room(gpus=(80,)))) == [((1,), 0)]


def test_younger_runs_do_not_take_the_memory_that_an_older_one_waits_for():
    one = Machine(n_cores=8, n_gpus=1)
    queue = seeds(1, device="cuda", footprint=HALF) + seeds(2, group="b", device="cuda")
    busy = [Busy("cuda", 1, gpu=0)]
    planned = plan(queue, busy, one, room(gpus=(20,)))
    assert planned.starts == []
    assert set(planned.waits) == {1}


def test_a_run_that_no_memory_could_hold_holds_nobody_up():
    huge = Footprint(kept=GB, passing=500 * GB)
    queue = seeds(1, footprint=huge) + seeds(2, group="b")
    planned = plan(queue, [], CPU, LARGE)
    assert started(planned) == [((2,), None)]
    assert "lower training.batch_size or raise training.accumulate" in planned.waits[1]


def test_a_processor_is_not_filled_past_the_machines_memory():
    queue = seeds(1, 2, footprint=HALF)
    planned = plan(queue, [], CPU, room(host=40))
    assert started(planned) == [((1,), None)]
    assert planned.waits == {
        2: "waits for memory: it needs about 31.4 GB, this machine has 5.5 GB free"
    }


def test_a_gpu_worker_needs_some_of_the_machines_memory_too():
    planned = plan(seeds(1, device="cuda"), [], GPUS, room(host=5, gpus=(80, 80)))
    assert planned.starts == []
    assert "this machine has 1.8 GB free" in planned.waits[1]


def test_a_gpu_that_does_not_tell_its_memory_takes_one_batch_at_a_time():
    silent = Room(LARGE.host, (None, None))
    queue = seeds(*range(100), device="cuda")
    starts = plan(queue, [], GPUS, silent).starts
    assert [(len(start.runs), start.gpu) for start in starts] == [(MOST_RUNS, 0), (36, 1)]
    assert (
        plan(seeds(200, device="cuda"), [Busy("cuda", 1, gpu=0)] * 2, GPUS, silent).starts[0].gpu
        == 1
    )


def test_a_shape_that_ran_out_of_memory_starts_in_smaller_batches():
    assert started(plan(seeds(1, 2, 3, device="cuda", most=2), [], GPUS, LARGE)) == [
        ((1, 2), 0),
        ((3,), 1),
    ]
    sizes = [len(start.runs) for start in plan(seeds(*range(9), most=3), [], CPU, LARGE).starts]
    assert sizes == [3, 3]


def test_nothing_starts_while_every_core_is_busy():
    planned = plan(seeds(1), [Busy("cpu", 1), Busy("cpu", 1)], CPU, LARGE)
    assert (planned.starts, planned.waits) == ([], {})


def test_the_oldest_run_takes_the_last_free_slot():
    queue = seeds(1, group="old") + seeds(2, group="new")
    assert started(plan(queue, [Busy("cpu", 1)], CPU, LARGE)) == [((1,), None)]


@pytest.mark.parametrize(("busy", "starts"), [([], 1), ([Busy("cpu", 1)], 0)])
def test_a_worker_with_more_threads_than_cores_waits_for_an_idle_machine(
    busy: list[Busy], starts: int
):
    assert len(plan(seeds(1, threads=8), busy, CPU, LARGE).starts) == starts


def test_runs_of_different_shape_never_share_a_batch():
    queue = seeds(1, group="a") + seeds(2, group="b")
    assert started(plan(queue, [], CPU, LARGE)) == [((1,), None), ((2,), None)]


def test_a_huge_sweep_is_cut_into_batches_of_bounded_size():
    starts = plan(seeds(*range(1000)), [], CPU, LARGE).starts
    assert [len(start.runs) for start in starts] == [64, 64]
