"""What one message to a live component holds.

Four bytes of header length (little-endian), a JSON header padded to a multiple of four, then
float32 arrays. Steps below 16,777,216 are exact in float32.

A frame of curves: `stream` names the sender, `seq` this frame, `base` the frame that it continues
(None: it holds everything). `series` lists [run, split, metric, n] for each n steps followed by n
values. `figure`, `tables` and `range` are there only where they changed. A frame whose `seq` the
browser knows is ignored; one whose `base` it does not know makes it ask for everything.

A frame of attention: `run`, `step`, `at` (None follows the run), `steps` where they changed,
`shape` [layers, heads, rows, columns] and `names` where the numbers are there.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one line, by ascending step."""

    run: str
    split: str
    metric: str
    steps: Floats
    values: Floats


def series_of(table: pa.Table) -> list[Series]:
    """The lines of a (run_id, split, metric, step, value) table."""
    if table.num_rows == 0:
        return []
    frame = table.to_pandas()
    lines: list[Series] = []
    for (run, split, metric), part in frame.groupby(
        ["run_id", "split", "metric"], sort=False, observed=True
    ):
        steps = part["step"].to_numpy(np.float32)
        values = part["value"].to_numpy(np.float32)
        drawn = (steps >= 1) & np.isfinite(values)
        steps, values = steps[drawn], values[drawn]
        order = np.argsort(steps, kind="stable")
        lines.append(Series(str(run), str(split), str(metric), steps[order], values[order]))
    return lines


def pack(header: dict[str, Any], arrays: Iterable[Floats] = ()) -> bytes:
    """One message; `header` must be JSON."""
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(np.ascontiguousarray(array, np.float32).tobytes() for array in arrays)
    return len(text).to_bytes(4, "little") + text + body


def unpack(message: bytes) -> tuple[dict[str, Any], Floats]:
    """The header and all numbers of a message, for tests and tools."""
    length = int.from_bytes(message[:4], "little")
    header = json.loads(message[4 : 4 + length])
    return header, np.frombuffer(message[4 + length :], np.float32)


def pack_series(header: dict[str, Any], lines: Sequence[Series]) -> bytes:
    """A frame of curves."""
    listed = [[line.run, line.split, line.metric, len(line.steps)] for line in lines]
    arrays = [array for line in lines for array in (line.steps, line.values)]
    return pack({**header, "series": listed}, arrays)
