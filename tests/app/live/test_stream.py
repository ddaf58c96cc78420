"""A stream sends everything once, then only what is new, and never loses its place."""

from typing import Any

import numpy as np

from app.live.frames import unpack
from app.live.stream import CurveStream, View
from tests.app.recorded import RecordedLab, curve, run

VIEW = View(((1, "one"),), "split")


def frame(stream: CurveStream, lab: RecordedLab, version: int, view: View = VIEW, **more: Any):
    runs = more.pop("runs", [run()])
    message = stream.frame(lab, view, runs=runs, events=[], version=version, **more)
    return (*unpack(message), len(message))


def n_points(header: dict[str, Any]) -> int:
    return sum(n for *_, n in header["series"])


def test_the_first_frame_holds_the_figure_its_tables_and_every_point():
    lab = RecordedLab(curve())
    header, numbers, _ = frame(CurveStream(), lab, 1)
    assert header["base"] is None
    assert header["figure"]["spec"]["vconcat"]
    assert n_points(header) == header["total"] == len(lab.rows)
    assert len(numbers) == 2 * len(lab.rows)
    assert [row["kind"] for row in header["tables"]["markers"]] == [
        "memorised",
        "onset",
        "grokked",
    ]


def test_a_tick_without_news_asks_nothing_and_sends_next_to_nothing():
    lab, stream = RecordedLab(curve()), CurveStream()
    frame(stream, lab, 1)
    asked = len(lab.asked)
    header, _, size = frame(stream, lab, 1)
    assert header["seq"] == header["base"]
    assert size < 150
    assert len(lab.asked) == asked


def test_a_tick_with_news_sends_the_new_rows_alone():
    lab, stream = RecordedLab(curve(last=500)), CurveStream()
    first, _, _ = frame(stream, lab, 1)
    lab.rows = curve(last=520)
    header, numbers, size = frame(stream, lab, 2)
    assert (header["base"], header["seq"]) == (first["seq"], first["seq"] + 1)
    assert n_points(header) == 8
    assert "figure" not in header
    assert set(numbers[:2]) == {510, 520}
    assert size < 500
    assert header["total"] == len(lab.rows)


def test_every_row_is_sent_exactly_once_over_many_ticks():
    lab, stream = RecordedLab(curve(last=100)), CurveStream()
    seen = n_points(frame(stream, lab, 0)[0])
    for version, last in enumerate(range(110, 400, 30), start=1):
        lab.rows = curve(last=last)
        seen += n_points(frame(stream, lab, version)[0])
    assert seen == len(lab.rows)


def test_a_browser_that_missed_a_frame_gets_everything():
    lab, stream = RecordedLab(curve()), CurveStream()
    frame(stream, lab, 1)
    header, _, _ = frame(stream, lab, 1, everything=True)
    assert header["base"] is None
    assert n_points(header) == len(lab.rows)


def test_a_resumed_run_starts_the_chart_again():
    lab, stream = RecordedLab(curve()), CurveStream()
    frame(stream, lab, 1)
    lab.rows = curve(last=600)
    header, _, _ = frame(stream, lab, 2, runs=[run(attempt=2, last_step=600)])
    assert header["base"] is None
    assert header["total"] == len(lab.rows)


def test_a_zoom_asks_for_finer_rows_of_the_visible_steps_and_keeps_the_rest():
    lab, stream = RecordedLab(curve()), CurveStream()
    frame(stream, lab, 1)
    zoomed = View(((1, "one"),), "split", range=(100.5, 300.2))
    header, _, _ = frame(stream, lab, 1, zoomed)
    assert lab.asked[-1] == "curves 100-301"
    assert header["range"] == [100.5, 300.2]
    assert n_points(header) == len(lab.rows)


def test_a_split_that_appears_later_brings_a_new_figure():
    lab, stream = RecordedLab([]), CurveStream()
    frame(stream, lab, 1)
    lab.rows = curve(last=50)
    header, _, _ = frame(stream, lab, 2)
    assert header["figure"]
    assert n_points(header) == len(lab.rows)


def test_a_spike_of_one_step_is_in_the_frame():
    lab, stream = RecordedLab(curve()), CurveStream()
    lab.rows[101]["value"] = 9000.0
    _, numbers, _ = frame(stream, lab, 1)
    assert np.max(numbers) == 9000.0


def test_one_tick_of_eight_runs_stays_far_below_sixty_kilobytes():
    lab, stream = RecordedLab([r for i in range(1, 9) for r in curve(i, last=500)]), CurveStream()
    view = View(tuple((i, f"run {i}") for i in range(1, 9)), "runs")
    runs = [run(i) for i in range(1, 9)]
    frame(stream, lab, 1, view, runs=runs)
    lab.rows = [r for i in range(1, 9) for r in curve(i, last=700)]
    header, _, size = frame(stream, lab, 2, view, runs=runs)
    assert n_points(header) == 8 * 4 * 20
    assert size < 10_000


def test_a_tab_that_slept_gets_a_thinned_figure_instead_of_every_row():
    lab, stream = RecordedLab(curve(last=100)), CurveStream()
    frame(stream, lab, 1)
    lab.rows = curve(last=20_000)
    header, _, _ = frame(stream, lab, 2)
    assert header["base"] is None
    assert lab.asked[-2:] == ["rows_after", "curves 1-None"]
