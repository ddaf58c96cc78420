"""What the lines of an upload say: names as numbers, every line checked, in seconds for a million.

UTF-8 text, one row a line, fields separated by commas (or by tabs, where the first line has one);
spaces around fields and empty lines do not count; a field with a comma stands in double quotes.
The last field is the answer to the others: no row may stand twice, and none may have two answers.

Shapes: ``N`` rows, ``W`` fields of a row.
"""

import csv
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO

import numpy as np
from jaxtyping import Bool, Int64

from data.uploads.problems import NAMED, LineProblem, refusal, too_few

MOST_ROWS = 1_000_000
MOST_FIELDS = 64
LONGEST_NAME = 100
"""Characters of a field."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of an upload, its names written as numbers."""

    cells: Int64[np.ndarray, "N W"]
    """Places in `names`."""

    names: tuple[str, ...]
    """Every name once, in the order in which they first occur."""


class _Numbered(dict[str, int]):
    """Names by their places: one that is new takes the next."""

    def __missing__(self, name: str) -> int:
        self[name] = place = len(self)
        return place


@dataclass(slots=True)
class _Lines:
    """What was read, line by line; lines of another width are problems and have no row."""

    width: int
    names: _Numbered = field(default_factory=_Numbered)
    cells: "array[int]" = field(default_factory=lambda: array("q"))
    numbers: "array[int]" = field(default_factory=lambda: array("q"))
    first: list[LineProblem] = field(default_factory=list[LineProblem])
    n_wrong: int = 0

    def wrong(self, line: int, what: str) -> None:
        self.n_wrong += 1
        if len(self.first) < NAMED:
            self.first.append(LineProblem(line, what))


def parse(content: bytes, *, width: int | None = None, header: bool = False) -> Table:
    """The rows of an upload; `width` None takes as many fields as the first row has.

    Raises:
        UploadRefused: it has no rows, or lines that are malformed, oversized, repeated or
            contradictory; the message names the first lines by number and counts the rest.
    """
    lines = _read(_text(content), width=width, header=header)
    cells = np.frombuffer(lines.cells, dtype=np.int64).reshape(-1, lines.width)
    numbers = np.frombuffer(lines.numbers, dtype=np.int64)
    names = tuple(lines.names)
    usable = _check_names(lines, cells, numbers, names)
    _check_answers(lines, cells[usable], numbers[usable], names)
    if lines.n_wrong:
        raise refusal(lines.first, n=lines.n_wrong)
    if not len(cells):
        raise too_few("no rows beside the header" if header else "no rows")
    return Table(cells, names)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise refusal([LineProblem(line, "is not UTF-8 text")], n=1) from None


def _read(text: str, *, width: int | None, header: bool) -> _Lines:
    rows = _rows(text)
    if header:
        next(rows, None)
    lines = None if width is None else _Lines(width)
    try:
        for line, fields in rows:
            if lines is None:
                lines = _Lines(_width(line, fields))
            if len(fields) != lines.width:
                lines.wrong(line, f"has {_fields(len(fields))} instead of {lines.width}")
            elif len(lines.numbers) == MOST_ROWS:
                lines.wrong(line, f"is beyond the {MOST_ROWS:,} rows that can be used")
            else:
                lines.cells.extend(map(lines.names.__getitem__, map(str.strip, fields)))
                lines.numbers.append(line)
    except _Unquoted as error:
        lines = lines or _Lines(2)
        lines.wrong(error.line, f"cannot be read ({error})")
    return lines or _Lines(2)


class _Unquoted(Exception):
    """Quotes that do not match; what follows has no lines."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        super().__init__(reason)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of every line that is not empty."""
    first, _, _ = text.lstrip().partition("\n")
    reader = csv.reader(
        StringIO(text, newline=""),
        delimiter="\t" if "\t" in first else ",",
        skipinitialspace=True,
        strict=True,
    )
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or (fields and fields[0].strip()):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise _Unquoted(line, str(error)) from None


def _width(line: int, fields: list[str]) -> int:
    if not 2 <= len(fields) <= MOST_FIELDS:
        found = f"has {_fields(len(fields))} instead of 2 to {MOST_FIELDS}"
        raise refusal([LineProblem(line, f"{found}, with commas or tabs between")], n=1)
    return len(fields)


def _fields(n: int) -> str:
    return f"{n} field" if n == 1 else f"{n} fields"


def _check_names(
    lines: _Lines,
    cells: Int64[np.ndarray, "N W"],
    numbers: Int64[np.ndarray, " N"],
    names: tuple[str, ...],
) -> Bool[np.ndarray, " N"]:
    """Which rows have only names that can be used; the others become problems."""
    reasons = [_reason(name) for name in names]
    bad = np.array([reason is not None for reason in reasons], dtype=bool)[cells]
    usable: Bool[np.ndarray, " N"] = ~np.asarray(bad.any(axis=1))
    for row in np.flatnonzero(~usable)[:NAMED]:
        reason = reasons[cells[row][bad[row]][0]]
        lines.first.append(LineProblem(int(numbers[row]), str(reason)))
    lines.n_wrong += int((~usable).sum())
    return usable


def _reason(name: str) -> str | None:
    if not name:
        return "has an empty field"
    if len(name) > LONGEST_NAME:
        return f"has a field of {len(name):,} characters, more than {LONGEST_NAME}"
    return None if name.isprintable() else "has a field with characters that cannot be shown"


def _check_answers(
    lines: _Lines,
    cells: Int64[np.ndarray, "N W"],
    numbers: Int64[np.ndarray, " N"],
    names: tuple[str, ...],
) -> None:
    """Rows whose question was asked by an earlier row become problems."""
    question = np.zeros(len(cells), dtype=np.int64)
    n_different = 1
    for column in cells[:, :-1].T:
        if n_different * len(names) >= 2**62:
            _, question = np.unique(question, return_inverse=True)
            n_different = len(cells)
        question = question * len(names) + column
        n_different *= len(names)
    _, first, which = np.unique(question, return_index=True, return_inverse=True)
    earlier = first[which]
    again = np.flatnonzero(earlier != np.arange(len(cells)))
    for row in again[:NAMED]:
        line, answers = int(numbers[earlier[row]]), cells[[earlier[row], row], -1]
        there, here = (names[answer] for answer in answers)
        what = f"repeats line {line:,}"
        if there != here:
            what = f"contradicts line {line:,} (answer '{here}', there '{there}')"
        lines.first.append(LineProblem(int(numbers[row]), what))
    lines.n_wrong += len(again)
