"""A recorded step is the step: the same numbers, and nothing asked of the host."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.config.run import RunConfig
from engine.models.build import NETWORKS
from engine.models.mixers.deltanet import DeltaNet
from engine.models.mixers.gated_deltanet import GatedDeltaNet
from engine.trainer.batch import Batch
from engine.trainer.capture import Body, EagerRecorder, recorder_for
from engine.trainer.events import Crowded, Evaluated, Event, Progress
from engine.trainer.shape import shape_key
from engine.trainer.train import train
from tests.engine.trainer.conftest import Configure
from tests.engine.trainer.test_every_architecture import config as of_architecture
from tests.engine.trainer.test_every_architecture import every_kind
from tests.engine.trainer.test_memory import FORWARD, SmallMemory

pytestmark = pytest.mark.usefixtures("as_on_an_accelerator", "unchecked_shapes")
on_a_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: run this test on such a machine"
)
HOSTS = frozenset(
    {
        "aten::_local_scalar_dense",  # .item(), a Python condition on a tensor
        "aten::nonzero",  # as many numbers as the data says
        "aten::masked_select",
        "aten::_unique2",
        "aten::lift_fresh",  # torch.tensor(…): sent from the host
        "aten::equal",
        "aten::is_nonzero",
    }
)
"""Operations that make the device wait for the host or the host for the device."""


class NoHost(TorchDispatchMode):
    """Refuses what a graph cannot hold."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func._schema.name not in HOSTS, func
        return func(*args, **(kwargs or {}))


class StrictRecorder(EagerRecorder):
    """The twin, which runs each body once as strictly as a graph would record it."""

    n_recorded = 0

    def record(self, body: Body, *, rewind: Body) -> Body:
        self.n_recorded += 1
        again = super().record(body, rewind=rewind)
        rewind()
        with NoHost():
            body()
        return again


def curves(events: list[Event]) -> dict[tuple[int, int], Any]:
    return {
        (run, e.step): values
        for e in events
        if isinstance(e, Evaluated)
        for run, values in e.values.items()
    }


def ends(batch: Batch) -> dict[tuple[int, str], torch.Tensor]:
    return {(run, name): t for run in batch.runs for name, t in batch.state(run).items()}


def assert_replays_exactly(configs: Mapping[int, RunConfig], *, block: int = 20) -> None:
    plain, replayed = Batch.start(configs), Batch.start(configs, recorder=StrictRecorder())
    assert (plain.is_replayed, replayed.is_replayed) == (False, True)
    expected, found = (list(train(batch, lambda: block)) for batch in (plain, replayed))
    assert curves(found) == curves(expected)
    assert len(curves(found)) > 5
    ours, theirs = ends(replayed), ends(plain)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("batch_size", [0, 20, 8])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lion", "muon"])
def test_replayed_runs_equal_launched_ones_bit_for_bit(
    configure: Configure, optimizer: str, batch_size: int
):
    configs = {
        run: configure(
            seed=run,
            optimizer={
                "kind": optimizer,
                "learning_rate": 0.003 * (run + 1),
                "schedule": "cosine",
                "clip_norm": float(run),
            },
            task={"train_fraction": 0.3 + 0.2 * run},
            training={"batch_size": batch_size, "accumulate": 2, "steps": 60, "eval_every": 25},
        )
        for run in range(3)
    }
    assert_replays_exactly(configs)


@pytest.mark.parametrize(
    "wrapped",
    [
        {"grokfast": "ema"},
        {"grokfast": "ma", "grokfast_window": 5},
        {"orthogonal_gradient": True},
        {"kind": "adam"},
        {"norm_factor": 1.0, "ema_decay": 0.9, "decay_group": "matrices", "warmup_steps": 10},
    ],
)
def test_wrapped_optimisers_are_replayed_exactly(configure: Configure, wrapped: dict[str, Any]):
    assert_replays_exactly({0: configure(optimizer=wrapped, training={"steps": 40})})


@every_kind
def test_a_step_of_every_architecture_asks_nothing_of_the_host(
    kind: str, monkeypatch: pytest.MonkeyPatch
):
    config = of_architecture(kind, seed=0, steps=12)
    # what is not replayed for caution's sake has to keep to it all the same
    monkeypatch.setattr(NETWORKS[config.model.kind], "captures", True)
    for mixer in (DeltaNet, GatedDeltaNet):
        monkeypatch.setattr(mixer, "captures", True)
    assert_replays_exactly({0: config})


def test_triangular_solves_are_not_replayed():
    config = of_architecture("rwkv7", seed=0, steps=12)
    assert not Batch.start({0: config}, recorder=StrictRecorder()).is_replayed
    config = of_architecture("deltanet", seed=0, steps=12)
    assert not Batch.start({0: config}, recorder=StrictRecorder()).is_replayed


@pytest.mark.parametrize("batch_size", [0, 8])
def test_what_is_left_out_of_layers_is_told_by_a_table_too(configure: Configure, batch_size: int):
    training = {"dropout": 0.2, "batch_size": batch_size, "accumulate": 2, "steps": 40}
    configs = {run: configure(seed=run, training=training) for run in range(2)}
    assert_replays_exactly(configs)


@pytest.mark.parametrize("block", [1, 17, 300])
def test_blocks_of_any_length_give_the_same_run(configure: Configure, block: int):
    config = configure(training={"steps": 330, "eval_every": 310, "batch_size": 8})
    assert_replays_exactly({0: config}, block=block)


def test_accuracy_told_answer_by_answer_is_replayed_too(configure: Configure):
    task = {
        "kind": "in_context",
        "p": 7,
        "n_shots": 4,
        "n_rectangles": 4,
        "train_size": 64,
        "test_size": 32,
    }
    config = RunConfig.model_validate(
        {**configure(training={"steps": 12, "batch_size": 16}).model_dump(), "task": task}
    )
    batch = Batch.start({0: config})
    assert batch.by_answer
    assert_replays_exactly({0: config})


def test_two_programs_and_an_evaluation_are_recorded_and_serve_for_good(configure: Configure):
    recorder = StrictRecorder()
    config = configure(training={"steps": 400, "eval_every": 50})
    list(train(Batch.start({0: config}, recorder=recorder)))
    assert recorder.n_recorded == 3


def test_a_run_that_leaves_does_not_change_the_others(configure: Configure):
    configs = {run: configure(seed=run, training={"batch_size": 8}) for run in range(3)}
    ended: list[Batch] = []
    for recorder in (None, StrictRecorder()):
        batch = Batch.start(configs, recorder=recorder)
        for event in train(batch):
            if isinstance(event, Progress) and event.step == 12:
                batch.remove(1)
        ended.append(batch)
    plain, replayed = (ends(batch) for batch in ended)
    assert plain.keys() == replayed.keys()
    assert all(torch.equal(plain[key], replayed[key]) for key in plain)


def test_memory_that_runs_out_while_recording_halves_the_batch_and_harms_nothing(
    configure: Configure,
):
    configs = {run: configure(seed=run) for run in range(2)}
    batch = Batch.start(configs, recorder=StrictRecorder())
    with SmallMemory(FORWARD, lambda: len(batch.runs) > 1):
        events = list(train(batch))
    assert [e for e in events if isinstance(e, Crowded)] == [Crowded(0, (1,), is_told=True)]
    alone = Batch.start({0: configs[0]})
    assert curves(events) == curves(list(train(alone)))


def test_a_diverging_run_is_told_at_the_step_at_which_it_diverged(configure: Configure):
    mad = {"kind": "sgd", "learning_rate": 1.0, "weight_decay": 100.0}
    config = configure(optimizer=mad, training={"steps": 60})
    told = [
        [(type(e), e.step) for e in train(Batch.start({1: config}, recorder=recorder))]
        for recorder in (None, StrictRecorder())
    ]
    assert told[0] == told[1]


def test_noise_is_drawn_step_by_step_and_so_never_replayed(configure: Configure):
    noisy = configure(optimizer={"gradient_noise": 0.1})
    assert not Batch.start({0: noisy}, recorder=StrictRecorder()).is_replayed
    assert shape_key(noisy) != shape_key(configure())


def test_a_processor_launches_its_steps_one_by_one():
    assert recorder_for(torch.device("cpu")) is None


@on_a_gpu
@pytest.mark.parametrize("batch_size", [0, 8])
def test_a_cuda_graph_gives_what_launching_gives(configure: Configure, batch_size: int):
    training = {"steps": 60, "device": "cuda", "batch_size": batch_size}
    configs = {run: configure(seed=run, training=training) for run in range(3)}
    graphed, launched = Batch.start(configs), Batch.start(configs, recorder=EagerRecorder())
    assert graphed.is_replayed
    found, expected = (curves(list(train(batch))) for batch in (graphed, launched))
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        for split, metrics in values.items():
            assert found[key][split] == pytest.approx(metrics, rel=1e-3, abs=1e-3)
