"""What is wrong with the lines of an upload, in one message that a user can act on."""

from collections.abc import Iterable
from dataclasses import dataclass

from data.errors import UploadRefused

NAMED = 5
"""How many lines a message names; the others are counted."""


@dataclass(frozen=True, order=True, slots=True)
class LineProblem:
    """One line that cannot be used; lines count from 1."""

    line: int
    what: str


def too_few(rows: str) -> UploadRefused:
    """The error that says how many rows are needed, and what for."""
    return UploadRefused(
        f"the upload has {rows}; give at least 2, one to train on and one for the test split"
    )


def refusal(problems: Iterable[LineProblem], *, n: int) -> UploadRefused:
    """The error that names the first lines of `n`; `problems` must hold at least those."""
    named = sorted(problems)[:NAMED]
    rest = f"; and {n - len(named):,} more" if n > len(named) else ""
    lines = "1 line" if n == 1 else f"{n:,} lines"
    told = "; ".join(f"line {problem.line:,} {problem.what}" for problem in named)
    return UploadRefused(f"the upload has {lines} that cannot be used: {told}{rest}")
