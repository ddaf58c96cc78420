"""What the journals of a run tell and what the lab answers: the two must be equal, row for row."""

from typing import Any

from engine import Lab
from engine.home import Home
from engine.journal import Line, read_lines

Point = tuple[int, str, str, float]
"""step, split, metric, value"""


def told(home: Home, run: int) -> list[Point]:
    """The points in a run's journals; an attempt replaces what lies past its first step."""
    folder = home.run(run)
    points: list[Point] = []
    for attempt in range(1, folder.last_attempt() + 1):
        lines = _all_lines(home, run, attempt)
        from_step = lines[0]["from_step"] if lines else 0
        points = [point for point in points if point[0] <= from_step or attempt == 1]
        points += [
            (line["s"], split, metric, value)
            for line in lines
            if line["e"] == "m" and (attempt == 1 or line["s"] > from_step)
            for split, metrics in line["v"].items()
            for metric, value in metrics.items()
        ]
    return sorted(points)


def stored(lab: Lab, run: int) -> list[Point]:
    """The points that the lab has of a run."""
    sql = f"SELECT step, split, metric, value FROM metrics WHERE run_id = {run}"
    return sorted(tuple(row.values()) for row in lab.select(sql, limit=1_000_000).to_pylist())


def first_attempt(home: Home, run: int) -> list[Any]:
    """The steps of a run's first journal in the order in which they were written."""
    return [line["s"] for line in _all_lines(home, run, 1) if line["e"] == "m"]


def _all_lines(home: Home, run: int, attempt: int) -> list[Line]:
    lines: list[Line] = []
    offset = 0
    while True:
        more, after = read_lines(home.run(run).journal(attempt), offset)
        if after == offset:
            return lines
        lines += more
        offset = after
