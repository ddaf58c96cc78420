"""Links to views say where they lead."""

from app.links import invitation


def test_a_link_to_more_runs_than_a_figure_shows_says_how_many_and_why():
    assert invitation([7]) == "Look at 1 run"
    assert invitation(range(32)) == "Look at 32 runs"
    words = invitation(range(66))
    assert words == "Look at the newest 32 of 66 runs: one figure shows 32 at most"
