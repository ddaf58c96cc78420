"""The chart of accuracy by triple shows the last evaluation and nothing else."""

from app.charts.shots import latest, metrics, shots_chart


def row(split: str, metric: str, step: int, value: float) -> dict[str, object]:
    return {"run_id": 1, "split": split, "metric": metric, "step": step, "value": value}


ROWS = [
    row("test_ood", "accuracy_shot_10", 50, 0.9),
    row("test_ood", "accuracy_shot_9", 50, 0.8),
    row("test_ood", "accuracy_shot_9", 40, 0.1),
    row("test_ood", "accuracy", 60, 0.5),
]


def test_the_last_evaluation_is_taken_in_the_order_of_triples():
    rows, step = latest(ROWS)
    assert step == 50
    assert [(each["shot"], each["accuracy"]) for each in rows] == [(9, 0.8), (10, 0.9)]
    assert latest([]) == ([], 0)


def test_every_triple_has_its_metric():
    assert metrics(2) == ("accuracy_shot_1", "accuracy_shot_2")


def test_the_chart_holds_the_rows_and_the_chance_level():
    spec = shots_chart(latest(ROWS)[0], chance=0.2).to_dict()
    lines, rule = spec["layer"]
    assert [each["accuracy"] for each in lines["data"]["values"]] == [0.8, 0.9]
    assert rule["data"]["values"] == [{"chance": 0.2}]
    assert {layer["encoding"]["y"]["title"] for layer in (lines, rule)} == {"accuracy"}
