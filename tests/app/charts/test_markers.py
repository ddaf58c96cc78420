"""Markers, plateau and chance say what the engine detected, and nothing else."""

import pytest

from app.charts.markers import Mode, annotations, chance, label_rows, markers, plateau
from tests.app.recorded import run


def test_markers_are_named_with_their_step():
    rows = markers([run()], "split")
    assert [(row["kind"], row["step"]) for row in rows] == [
        ("memorised", 80),
        ("onset", 500),
        ("grokked", 700),
    ]
    assert rows[2]["label"] == "grokked 700"


def test_the_delay_is_written_on_the_plateau():
    (band,) = plateau([run()], "split")
    assert (band["low"], band["high"], band["label"]) == (80, 700, "delay 620 steps")


def test_a_plateau_that_lasts_says_how_long_it_has_been():
    (band,) = plateau([run(grokked_step=None, onset_step=None, last_step=1080)], "split")
    assert band["label"] == "test has waited 1,000 steps"


def test_seeds_share_one_labelled_median_marker():
    rows = markers([run(1), run(2, grokked_step=900), run(3, grokked_step=None)], "seeds")
    labelled = [row["label"] for row in rows if row["label"].startswith("grokked")]
    assert labelled == ["grokked 800 (2 of 3)"]
    assert sum(row["kind"] == "grokked" for row in rows) == 3


TWO_TESTS = run(
    splits=["train", "test_ood", "test_id", "atomic_id"],
    markers=[
        {"split": "train", "kind": "memorised", "step": 80},
        {"split": "test_id", "kind": "grokked", "step": 700},
        {"split": "test_ood", "kind": "onset", "step": 690},
        {"split": "test_ood", "kind": "grokked", "step": 1800},
    ],
)


def test_each_test_split_has_markers_of_its_own_in_rows_that_do_not_meet():
    rows = markers([TWO_TESTS], "split")
    assert {row["label"] for row in rows} == {
        "memorised 80",
        "grokked ID 700",
        "onset OOD 690",
        "grokked OOD 1,800",
    }
    assert len({row["row"] for row in rows}) == 4
    assert max(row["row"] for row in rows) < label_rows(TWO_TESTS["splits"])


def test_rows_of_unseen_tasks_and_probes_of_memory_have_markers_too():
    splits = ["train", "test_id", "train_ood", "atomic_id", "atomic_new"]
    found = [
        {"split": "train_ood", "kind": "grokked", "step": 90},
        {"split": "train", "kind": "memorised", "step": 40},
        {"split": "atomic_new", "kind": "recalled", "step": 30},
    ]
    rows = markers([run(splits=splits, markers=found)], "split")
    assert [row["label"] for row in rows] == [
        "grokked train ood 90",
        "memorised 40",
        "recalled atomic new 30",
    ]
    assert len({row["row"] for row in rows}) == len(rows)
    assert label_rows(splits) == 1 + 2 * len(["test_id", "train_ood"]) + len(["id", "new"])
    assert max(row["row"] for row in rows) < label_rows(splits)


def test_seeds_of_two_test_splits_have_a_median_of_each():
    rows = markers([TWO_TESTS, TWO_TESTS], "seeds")
    labels = [row["label"] for row in rows if row["run"] == "median"]
    assert "grokked ID 700" in labels
    assert "grokked OOD 1,800" in labels


def test_the_median_delay_is_that_of_the_delays_of_those_that_grokked():
    reached = [(100, 1_000), (900, 1_000), (1_000, 2_000)]
    runs = [run(i, memorised_step=low, grokked_step=high) for i, (low, high) in enumerate(reached)]
    (band,) = plateau(runs, "seeds")
    assert band["label"] == "median delay, n = 3, 900 steps"
    runs.append(run(3, memorised_step=50_000, grokked_step=None))
    assert plateau(runs, "seeds") == [band]
    assert plateau(runs[::3], "seeds")[0]["label"] == "median delay, n = 1, 900 steps"


def test_runs_that_never_memorised_have_no_plateau():
    assert plateau([run(memorised_step=None, grokked_step=None)], "split") == []


def test_each_chance_level_is_drawn_once():
    rows = chance([run(1), run(2), run(3, chance=0.5), run(4, chance=None)])
    assert [row["value"] for row in rows] == [1 / 59, 0.5]


def test_the_most_frequent_answer_is_drawn_where_it_beats_guessing():
    compared = run(1, chance=1 / 3, majority=0.475)
    even = run(2, chance=1 / 59, majority=0.0172)
    old = run(3, chance=0.5)
    found = [row["label"] for row in chance([compared, even, old])]
    assert found == ["chance 0.0169", "chance 0.333", "chance 0.5", "majority 0.475"]
    assert [row["label"] for row in chance([even])] == ["chance 0.0169"]


def test_notes_and_divergence_are_marked():
    told = [
        {"run_id": 1, "step": 30, "kind": "note"},
        {"run_id": 1, "step": 40, "kind": "diverged"},
        {"run_id": 1, "step": 50, "kind": "paused"},
    ]
    kinds = [row["kind"] for row in annotations([run()], told, "split")["markers"]]
    assert kinds[3:] == ["note", "diverged"]


def test_what_a_person_did_is_dashed_and_what_a_run_came_to_is_not():
    told = [{"run_id": 1, "step": 30, "kind": kind} for kind in ("note", "forked", "diverged")]
    rows = annotations([run()], told, "runs")["markers"]
    assert {row["kind"] for row in rows if row["dash"]} == {"note", "forked"}


def test_among_seeds_the_first_divergence_is_named_and_says_how_many():
    told = [{"run_id": i, "step": 10 * i, "kind": "diverged"} for i in (2, 1)]
    rows = annotations([run(1), run(2), run(3)], told, "seeds")["markers"]
    labels = [row["label"] for row in rows if row["kind"] == "diverged"]
    assert labels == ["diverged (2 of 3)", ""]


def told(*events: tuple[str, int]) -> list[dict[str, object]]:
    return [{"run_id": i, "step": step, "kind": kind} for i, (kind, step) in enumerate(events, 1)]


@pytest.mark.parametrize("mode", ["split", "seeds"])
def test_of_two_events_a_persons_gives_way_to_the_runs_and_the_later_to_the_earlier(mode: Mode):
    events = told(("note", 30), ("diverged", 40), ("forked", 50))
    rows = annotations([run(i) for i in (1, 2, 3)], events, mode)["markers"]
    named = {row["kind"]: row for row in rows if row["label"]}
    sides = {
        kind: [side and side["label"].split()[0] for side in (row["before"], row["after"])]
        for kind, row in named.items()
    }
    assert sides["diverged"] == [None, None]
    assert sides["note"] == [None, "diverged"]
    assert sides["forked"] == ["diverged", None]
    assert sides["memorised"] == [None, None]


def test_labels_stand_on_the_plot_where_no_others_are_below_them():
    (memorised,) = annotations([run(onset_step=None, grokked_step=None)], [], "split")["markers"]
    assert memorised["row"] == 0
    rows = annotations([run(onset_step=None)], told(("note", 30)), "split")["markers"]
    places = {row["kind"]: row["row"] for row in rows}
    assert places == {"grokked": 0, "memorised": 1, "note": 2}
