"""Markers, plateau and chance say what the engine detected, and nothing else."""

from app.charts.markers import annotations, chance, markers, plateau
from app.charts.palette import MARKER_COLOURS
from tests.app.recorded import run


def test_markers_are_grey_purple_and_green_and_named_with_their_step():
    rows = markers([run()], "split")
    assert [(row["kind"], row["step"], row["colour"]) for row in rows] == [
        ("memorised", 80, MARKER_COLOURS["memorised"]),
        ("onset", 500, MARKER_COLOURS["onset"]),
        ("grokked", 700, "#009E73"),
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


def test_runs_that_never_memorised_have_no_plateau():
    assert plateau([run(memorised_step=None, grokked_step=None)], "split") == []


def test_each_chance_level_is_drawn_once():
    rows = chance([run(1), run(2), run(3, chance=0.5), run(4, chance=None)])
    assert [row["value"] for row in rows] == [1 / 59, 0.5]


def test_notes_and_divergence_are_marked():
    told = [
        {"run_id": 1, "step": 30, "kind": "note"},
        {"run_id": 1, "step": 40, "kind": "diverged"},
        {"run_id": 1, "step": 50, "kind": "paused"},
    ]
    kinds = [row["kind"] for row in annotations([run()], told, "split")["markers"]]
    assert kinds[3:] == ["note", "diverged"]
