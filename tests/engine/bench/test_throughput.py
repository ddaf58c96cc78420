"""The comparison's rows say what they should; how fast anything is, no test asks."""

import pytest
import torch

from engine.bench.options import Options
from engine.bench.training.arms import EAGER, PEERS, TRANSFORMERS, Contest, evaluating
from engine.bench.training.throughput import FIGURES, matmul, throughput
from engine.errors import SettingsError
from engine.trainer.batch import Batch
from tests.engine.bench.conftest import small


def little(**options: object) -> Options:
    return Options(seconds=0.02, rounds=2, device="cpu", **options)


def test_every_arm_of_a_setting_has_a_row_with_ratios_of_one_run():
    arms = (PEERS, EAGER, "engine-float32", "engine-bfloat16")
    rows = throughput(little(settings=("comparison-small",), arms=arms))
    assert tuple(row["arm"] for row in rows) == arms
    for row in rows:
        assert set(row) == {"setting", "arm", *FIGURES}
        assert row["parameters"] == 25_056
        assert row["steps_per_second"] > 0
        assert 0 < row["utilisation"] < row["naive_utilisation"]
        assert row["loss_after"] == pytest.approx(rows[0]["loss_after"], rel=0.3)
    by_arm = {row["arm"]: row for row in rows}
    assert by_arm[PEERS]["times_peers"] == by_arm[PEERS]["times_peers_by_cpu"] == 1
    assert by_arm[EAGER]["times_eager"] == 1
    assert by_arm[EAGER]["times_peers"] is not None


def test_arms_can_be_chosen_and_ratios_to_the_others_are_not_told():
    (row,) = throughput(little(settings=("comparison-small",), arms=(EAGER,)))
    assert (row["arm"], row["times_peers"], row["times_eager"]) == (EAGER, None, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"settings": ("nandda",)}, "no setting is called 'nandda'; did you mean 'nanda'?"),
        ({"arms": ("pers",)}, "no arm is called 'pers'; did you mean 'peers'?"),
    ],
)
def test_a_bad_name_is_refused_with_the_nearest_before_anything_is_measured(
    options: dict[str, tuple[str, ...]], sentence: str
):
    with pytest.raises(SettingsError) as refused:
        throughput(little(**options))
    assert str(refused.value).startswith(sentence)


def test_all_arms_start_from_the_same_weights_and_learn_the_same():
    contest = Contest(small("composition-paper"), device=torch.device("cpu"), threads=1)
    start = contest.loss_of(contest.initial)
    names = contest.names(())
    assert names == (PEERS, EAGER, "engine-float32", "engine-bfloat16", TRANSFORMERS)
    contenders = [contest.contender(name) for name in names]
    assert len({each.n_parameters for each in contenders}) == 1
    for each in contenders:
        assert each.loss_after is not None
        assert each.loss_after == pytest.approx(start, rel=0.05)
    # an arm that starts elsewhere is seen
    other = {name: 3 * tensor for name, tensor in contest.initial.items()}
    assert contest.loss_of(other) != pytest.approx(start, rel=0.05)


def test_without_transformers_its_row_says_so(monkeypatch: pytest.MonkeyPatch):
    from engine.bench.peers import gpt2

    monkeypatch.setattr(gpt2, "installed", lambda: False)
    contest = Contest(small("composition-paper"), device=torch.device("cpu"), threads=1)
    contender = contest.contender(TRANSFORMERS)
    assert contender.arm is None
    assert contender.note == "transformers is not installed"


def test_the_evaluating_arm_makes_just_the_steps_it_is_asked_for():
    config = small("quick").config
    batch = Batch.start({0: config})
    made: list[int] = []
    advance = Batch.advance

    def counted(self: Batch, n: int) -> None:
        made.append(n)
        advance(self, n)

    drive = evaluating(batch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "advance", counted)
        drive(70)
        drive(5)
    assert sum(made) == 75


def test_the_machines_products_are_told_by_shape_and_arithmetic():
    rows = matmul(little(settings=("quick",)))
    assert [(row["product"], row["precision"]) for row in rows] == [
        *(("square", "float32"), ("square", "bfloat16")),
        *(("quick", "float32"), ("quick", "bfloat16")),
    ]
    assert rows[2]["shape"] == "6264 × 64 × 128"
    assert all(row["gflops"] > 0 for row in rows)
